//! The end of a history: all faults are over and time passes. Then everything must be settled, and our books
//! must agree with the gateway's.

use boxoffice_saga::booking::BookingState;
use boxoffice_saga::fact::{Fact, PaymentState, Reference, RefundState};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::RefundStanding;
use boxoffice_saga::status;
use boxoffice_saga::task::{TaskKey, TaskKind};
use boxoffice_turn::memory::Tables;
use time::Duration;

use crate::act::{Act, Delivery, End, Fate, Role};
use crate::gateway::{Gateway, Notice, Paid, attempt_of};
use crate::hall;
use crate::system::System;

/// After so many rounds nothing may be left to do.
const ROUNDS: usize = 400;
/// So often the clock moves on at most.
const MOVES: usize = 240;
/// After so many moves a whole day passes.
const A_DAY_AFTER: usize = 60;

const MEMBERS: [u8; 2] = [0, 1];
const ROLES: [Role; 3] = [Role::Api, Role::Coordinator, Role::Refunds];

impl System {
    /// Lets everything come to its end.
    pub fn settles(&mut self) {
        self.outbox.rolls_back();
        for (role, member) in both(Role::Coordinator)
            .into_iter()
            .chain(both(Role::Refunds))
        {
            self.happens(&Act::Hears { role, member });
        }
        self.gateway_ends();
        for nth in 1..=MOVES {
            if nth % A_DAY_AFTER == 0 {
                // What the gateway remembers for a day, an error above all, is forgotten.
                self.pass(Duration::hours(25));
            }
            if !self.works_off() {
                self.broken
                    .push("LIVENESS: something goes on for ever without time passing".to_owned());
                return;
            }
            self.check(false);
            if !self.broken.is_empty() {
                return;
            }
            let Some(wait) = self.next_due() else {
                self.check(true);
                return;
            };
            self.pass(wait);
        }
        self.broken.push(format!(
            "LIVENESS: there is still something to do after {MOVES} moves of the clock: {:?}",
            self.database.tables().tasks.keys().collect::<Vec<_>>()
        ));
    }

    /// What was pending at the gateway is done, and what it has to tell is told; but not what we have to ask for
    /// ourselves.
    fn gateway_ends(&mut self) {
        let pending: Vec<String> = self
            .gateway
            .refunds
            .iter()
            .filter(|(_, row)| row.state == RefundState::Pending)
            .map(|(id, _)| id.clone())
            .collect();
        for id in pending {
            self.gateway.refund_becomes(&id, RefundState::Succeeded);
        }
        let lost = std::mem::take(&mut self.gateway.lost);
        let tables = self.database.tables();
        let told = lost
            .into_iter()
            .filter(|notice| !asked_for(&tables, &self.gateway, notice))
            .collect::<Vec<_>>();
        drop(tables);
        self.gateway.notices.extend(told);
    }

    fn works_off(&mut self) -> bool {
        for _ in 0..ROUNDS {
            if !self.round() {
                return true;
            }
        }
        false
    }

    fn round(&mut self) -> bool {
        let mut did = false;
        let fate = Delivery::Delivered;
        while self.happens(&Act::Webhook { nth: 0, fate }) {
            did = true;
        }
        for member in MEMBERS {
            did |= self.happens(&Act::Relay {
                member,
                dies: false,
            });
        }
        for role in ROLES {
            for member in MEMBERS {
                let end = End::Well;
                did |= self.happens(&Act::Consume {
                    role,
                    member,
                    limit: 50,
                    end,
                });
                did |= self.happens(&Act::Lease {
                    role,
                    member,
                    limit: 50,
                });
                self.polls_all(role, member);
                let fate = Fate::Answered;
                while self.happens(&Act::Exchange { nth: 0, fate }) {
                    did = true;
                    self.polls_all(role, member);
                }
                self.polls_all(role, member);
                did |= self.happens(&Act::Bring { role, member, end });
            }
        }
        did
    }

    fn polls_all(&mut self, role: Role, member: u8) {
        for nth in (0..16).rev() {
            self.happens(&Act::Poll { role, member, nth });
        }
    }

    /// How long until something becomes due. `None`: nothing ever will.
    fn next_due(&self) -> Option<Duration> {
        let tables = self.database.tables();
        let task = tables
            .tasks
            .values()
            .filter(|row| !keeps_looking(&tables, &row.task.key))
            .map(|row| {
                let free = row.lease.map_or(row.task.due_at, |(_, until)| {
                    until + Duration::milliseconds(1)
                });
                free.max(row.task.due_at) - self.now
            })
            .min();
        let relay = (!self.outbox.is_drained()).then(|| Duration::seconds(11));
        let next = [task, relay].into_iter().flatten().min()?;
        Some(next.max(Duration::milliseconds(1)))
    }

    /// Holds what we have against the gateway's books, and nothing may be open.
    pub fn compares(&mut self) {
        let mut found = Vec::new();
        let tables = self.database.tables();
        for (id, paid) in &self.gateway.payments {
            if let Err(why) = agrees(id, paid, &self.gateway, &tables) {
                found.push(why);
            }
        }
        for row in tables
            .payments
            .values()
            .filter(|row| row.captured.is_some())
        {
            let there = row
                .gateway_payment_id
                .as_ref()
                .and_then(|id| self.gateway.payments.get(id));
            if there.is_none_or(|there| there.captured.is_none()) {
                found.push(format!(
                    "MONEY-1: payment {} was captured in our books only",
                    row.id
                ));
            }
        }
        for booking in tables.bookings.keys() {
            found.extend(unsettled(*booking, &tables, self));
        }
        for key in tables
            .tasks
            .keys()
            .filter(|key| !keeps_looking(&tables, key))
        {
            found.push(format!("LIVENESS: a task is left: {key:?}"));
        }
        for (id, parked) in &tables.parked {
            if !with_person(&tables, *id) {
                found.push(format!(
                    "INGRESS-1: {} is parked and nobody knows",
                    parked.event_id
                ));
            }
        }
        for (booking, before, came) in &self.kafka.out_of_order {
            found.push(format!(
                "EVENT-1: event {came} of booking {booking} was first delivered after {before}"
            ));
        }
        for row in tables.bookings.values() {
            let delivered = self.kafka.latest.get(&row.id).copied().unwrap_or(0);
            if delivered != row.sequence {
                found.push(format!(
                    "EVENT-1: booking {} stands at {} and {delivered} of its events were published",
                    row.id, row.sequence
                ));
            }
        }
        drop(tables);
        self.broken.extend(found);
    }
}

fn both(role: Role) -> [(Role, u8); 2] {
    MEMBERS.map(|member| (role, member))
}

/// Whether what a lost webhook would have told is asked for by ourselves: how attempts stand that we opened and
/// that are not over.
fn asked_for(tables: &Tables, gateway: &Gateway, notice: &Notice) -> bool {
    let Fact::Payment(fact) = &notice.fact else {
        return false;
    };
    let ours = attempt_of(&fact.reference)
        .and_then(|(_, attempt)| attempt)
        .and_then(|attempt| tables.payments.get(&attempt));
    ours.is_some_and(|row| {
        row.account == hall::asked()
            && row
                .gateway_payment_id
                .as_ref()
                .is_none_or(|id| *id == fact.gateway_payment_id)
            && !gateway
                .payments
                .get(&fact.gateway_payment_id)
                .is_some_and(|paid| paid.void_refused)
    })
}

/// A record that belongs to nobody is looked after for ever, but a person knows.
fn keeps_looking(tables: &Tables, key: &TaskKey) -> bool {
    key.kind == TaskKind::Trace && with_person(tables, key.subject)
}

fn with_person(tables: &Tables, subject: uuid::Uuid) -> bool {
    tables.attention.keys().any(|(_, about)| *about == subject)
}

/// One payment of the gateway's against ours.
fn agrees(id: &str, paid: &Paid, gateway: &Gateway, tables: &Tables) -> Result<(), String> {
    let ours = tables
        .payments
        .values()
        .find(|row| row.account == paid.account && row.gateway_payment_id.as_deref() == Some(id));
    let Reference::Booking { booking, .. } = &paid.reference else {
        // Somebody else's money is left alone.
        return match ours {
            Some(_) => Err(format!(
                "MONEY-1: payment {id} is not ours, and stands in our books"
            )),
            None => Ok(()),
        };
    };
    let Some(captured) = paid.captured else {
        return match ours {
            Some(row)
                if paid.state == PaymentState::Authorised
                    && row.account == hall::asked()
                    // What would not be cancelled lapses by itself, some days later.
                    && !paid.void_refused
                    && !with_person(tables, row.id.uuid()) =>
            {
                Err(format!("LIVENESS: payment {id} is reserved at the end"))
            }
            Some(row) if row.captured.is_some() => Err(format!(
                "MONEY-1: payment {id} was never captured at the gateway"
            )),
            _ => Ok(()),
        };
    };
    if !paid.live || !tables.bookings.contains_key(booking) {
        // It is with a person, by the record that told of it.
        return match ours {
            Some(_) => Err(format!(
                "MONEY-1: payment {id} should not stand in our books"
            )),
            None => Ok(()),
        };
    }
    let row =
        ours.ok_or_else(|| format!("MONEY-1: {captured} of payment {id} are not in our books"))?;
    if row.captured != Some(captured) {
        return Err(format!(
            "MONEY-1: payment {id} captured {captured} at the gateway and {:?} in our books",
            row.captured
        ));
    }
    refunds_agree(id, row, gateway, tables)?;
    disputes_agree(id, row, gateway)
}

/// Every refund that the gateway has is in our books as it stands there, and the reverse.
fn refunds_agree(
    id: &str,
    row: &Payment,
    gateway: &Gateway,
    tables: &Tables,
) -> Result<(), String> {
    for (there, returned) in gateway.refunds.iter().filter(|(_, it)| it.payment == id) {
        let ours = tables
            .refunds
            .values()
            .find(|refund| refund.gateway_refund_id.as_ref() == Some(there));
        let done = ours.is_some_and(|refund| refund.standing == RefundStanding::Done);
        let at_hand = || {
            // Money that went out in another form than we asked for: somebody looks into it.
            let item = uuid::Uuid::new_v5(&row.booking.uuid(), there.as_bytes());
            with_person(tables, item)
        };
        match returned.state {
            RefundState::Succeeded if !done && !at_hand() => {
                return Err(format!(
                    "MONEY-1: {} of payment {id} went back by {there}, and our books do not have that",
                    returned.amount
                ));
            }
            RefundState::Failed if done => {
                return Err(format!(
                    "MONEY-1: refund {there} of payment {id} failed, and our books say that it is done"
                ));
            }
            _ => {}
        }
    }
    for refund in tables.refunds.values().filter(|it| it.payment == row.id) {
        let there = refund
            .gateway_refund_id
            .as_ref()
            .and_then(|id| gateway.refunds.get(id));
        match refund.standing {
            RefundStanding::Done if refund.proof.is_none() => {
                let state = there.map(|there| there.state);
                if state != Some(RefundState::Succeeded) {
                    return Err(format!(
                        "MONEY-1: refund {} is done in our books and {state:?} at the gateway",
                        refund.id
                    ));
                }
            }
            RefundStanding::Done | RefundStanding::Withdrawn => {}
            _ if with_person(tables, refund.id.uuid()) => {}
            _ => {
                return Err(format!(
                    "LIVENESS: refund {} is {} at the end, and nobody knows",
                    refund.id,
                    refund.standing.name()
                ));
            }
        }
    }
    Ok(())
}

fn disputes_agree(id: &str, row: &Payment, gateway: &Gateway) -> Result<(), String> {
    for (there, dispute) in gateway.disputes.iter().filter(|(_, it)| it.payment == id) {
        let ours = row
            .disputes
            .iter()
            .find(|ours| ours.gateway_dispute_id == *there)
            .map(|ours| ours.standing);
        if ours != Some(dispute.standing) {
            return Err(format!(
                "MONEY-1: dispute {there} about payment {id} is {:?}, and in our books {ours:?}",
                dispute.standing
            ));
        }
    }
    Ok(())
}

/// What of a booking is still open.
fn unsettled(id: BookingId, tables: &Tables, system: &System) -> Vec<String> {
    let Some(booking) = tables.bookings.get(&id) else {
        return Vec::new();
    };
    let payments: Vec<_> = tables
        .payments
        .values()
        .filter(|row| row.booking == id)
        .collect();
    let refunds: Vec<_> = tables
        .refunds
        .values()
        .filter(|row| row.booking == id)
        .collect();
    let mut found = Vec::new();
    for payment in payments.iter().filter(|row| row.undecided()) {
        let there = payment
            .gateway_payment_id
            .as_ref()
            .and_then(|id| system.gateway.payments.get(id));
        let over = there.is_none_or(|there| there.state != PaymentState::Open);
        if !with_person(tables, payment.id.uuid()) {
            found.push(format!(
                "LIVENESS: payment {} is undecided at the end (over at the gateway: {over})",
                payment.id
            ));
        }
    }
    let document = status::document(booking, &payments, &refunds, system.now);
    let with_person = refunds
        .iter()
        .any(|refund| refund.standing == RefundStanding::WithOperator);
    if !document.settled && !with_person && found.is_empty() {
        found.push(format!(
            "LIVENESS: booking {id} is not settled at the end: {:?}",
            document.status
        ));
    }
    if booking.state == BookingState::Confirmed && tables.closed.contains_key(&booking.show()) {
        found.push(format!(
            "LIVENESS: booking {id} stands at the end, and its show is cancelled"
        ));
    }
    if booking.state == BookingState::Held {
        found.push(format!("LIVENESS: booking {id} is held at the end"));
    }
    found
}
