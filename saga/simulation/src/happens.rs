//! What each choice does to the system.

use boxoffice_coordinator::WEBHOOKS;
use boxoffice_gateways::{CallError, WebhookRecord};
use boxoffice_saga::fact::{Fact, Reference, RefundState};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::DisputeStanding;
use bytes::Bytes;
use http::HeaderMap;
use time::{Duration, OffsetDateTime};

use crate::act::{Act, Delivery, Fate, Role, Sum};
use crate::door;
use crate::gateway::{Mood, Notice, attempt_of};
use crate::hall;
use crate::system::System;

/// The `nth` of so many, round and round.
pub(crate) fn among(nth: u8, count: usize) -> Option<usize> {
    usize::from(nth).checked_rem(count)
}

impl System {
    /// Does it. Whether it found anything to do.
    pub fn happens(&mut self, act: &Act) -> bool {
        let did = self.does(act);
        if did {
            self.happened(act.fault());
        }
        self.after();
        did
    }

    fn does(&mut self, act: &Act) -> bool {
        match *act {
            Act::Pass { seconds } => {
                self.pass(Duration::seconds(seconds.into()));
                true
            }
            Act::Hold { user, show, seats } => hall::show(show)
                .is_some_and(|show| self.holds(hall::user(user), show, hall::seats(seats))),
            Act::Release { booking } => self
                .booking(booking)
                .is_some_and(|booking| self.releases(booking)),
            Act::Cancel { booking, operator } => self
                .booking(booking)
                .is_some_and(|booking| self.cancels(booking, operator)),
            Act::CancelShow { show } => {
                hall::show(show).is_some_and(|show| self.cancels_show(show))
            }
            Act::Open {
                booking,
                after_seats,
            } => self
                .booking(booking)
                .is_some_and(|booking| self.opens(booking, after_seats)),
            Act::OpenAgain { payment } => self
                .payment(payment)
                .is_some_and(|payment| self.opens_again(payment)),
            Act::Hint { payment } => self
                .payment(payment)
                .is_some_and(|payment| self.hints(payment)),
            Act::Pays { payment, how } => self.pays(payment, how),
            Act::Declined { payment } => self
                .reachable(payment)
                .is_some_and(|id| self.gateway.fails(&id)),
            Act::Reserves { payment } => self
                .reachable(payment)
                .is_some_and(|id| self.gateway.reserves(&id)),
            Act::Lapses { payment } => self
                .payment_there(payment)
                .is_some_and(|id| self.gateway.lapses(&id)),
            Act::Disputes { payment, part } => self.disputes(payment, part),
            Act::DisputeEnds { dispute, won } => self.dispute_ends(dispute, won),
            Act::ByHand { refund, how } => self.by_hand(refund, how),
            Act::Sweeps { booking } => self
                .booking(booking)
                .is_some_and(|booking| self.sweeps(booking)),
            Act::Processing { payment } => self
                .reachable(payment)
                .is_some_and(|id| self.gateway.processes(&id)),
            Act::PaysElsewhere {
                booking,
                no_api,
                how,
            } => self.pays_elsewhere(booking, no_api, how),
            Act::Stranger { how } => self.stranger(how),
            Act::Dashboard {
                payment,
                part,
                slow,
            } => self.dashboard(payment, part, slow),
            Act::RefundEnds { refund, well } => self.refund_ends(refund, well),
            Act::Webhook { nth, fate } => self.webhook(nth, fate),
            Act::Exchange { nth, fate } => self.exchange(nth, fate),
            Act::Lease {
                role,
                member,
                limit,
            } => self.leases(role, member, limit),
            Act::Poll { role, member, nth } => self.polls(role, member, nth),
            Act::Bring { role, member, end } => self.brings(role, member, end),
            Act::Consume {
                role,
                member,
                limit,
                end,
            } => self.consumes(role, member, limit, end),
            Act::Relay { member, dies } => {
                let (now, member) = (self.now, usize::from(member % 2));
                self.relays[member].steps(&mut self.outbox, &mut self.kafka, now, dies)
            }
            Act::Rebalance {
                role,
                partition,
                hears,
            } => self.rebalances(role, partition, hears),
            Act::Hears { role, member } => {
                let member = usize::from(member % 2);
                match role {
                    Role::Api => return false,
                    Role::Coordinator => self.coordinators[member].hears(),
                    Role::Refunds => self.refunds[member].hears(),
                }
                true
            }
            Act::Dies { role, member } => self.dies(role, member),
            Act::Begins => {
                let after = self.draw() % 3;
                self.outbox.begins(after);
                true
            }
        }
    }

    fn booking(&self, nth: u8) -> Option<BookingId> {
        if nth == u8::MAX {
            return hall::show(0).map(|show| BookingId::pack(1, show, 0));
        }
        among(nth, self.bookings.len()).and_then(|nth| self.bookings.get(nth).copied())
    }

    fn payment(&self, nth: u8) -> Option<PaymentId> {
        let tables = self.database.tables();
        among(nth, tables.payments.len()).and_then(|nth| tables.payments.keys().nth(nth).copied())
    }

    fn payment_there(&self, nth: u8) -> Option<String> {
        among(nth, self.gateway.payments.len())
            .and_then(|nth| self.gateway.payments.keys().nth(nth).cloned())
    }

    /// A payment that a customer can reach: one that we opened is shown to them when its answer is written down.
    fn reachable(&self, nth: u8) -> Option<String> {
        let id = self.payment_there(nth)?;
        let paid = self.gateway.payments.get(&id)?;
        let attempt = attempt_of(&paid.reference).and_then(|(_, attempt)| attempt);
        let shown = attempt.is_none_or(|attempt| {
            let tables = self.database.tables();
            let row = tables.payments.get(&attempt);
            row.is_some_and(|row| row.gateway_payment_id.as_ref() == Some(&id))
        });
        shown.then_some(id)
    }

    fn pays(&mut self, payment: u8, how: Sum) -> bool {
        let Some(id) = self.reachable(payment) else {
            return false;
        };
        let Some(asked) = self.gateway.payments.get(&id).map(|paid| paid.asked) else {
            return false;
        };
        self.gateway.captures(&id, hall::paid(how, asked))
    }

    fn pays_elsewhere(&mut self, booking: u8, no_api: bool, how: Sum) -> bool {
        let Some(booking) = self.booking(booking) else {
            return false;
        };
        let Some(asked) = self
            .database
            .tables()
            .bookings
            .get(&booking)
            .map(|row| row.amount)
        else {
            return false;
        };
        let account = if no_api {
            hall::telling()
        } else {
            hall::asked()
        };
        let reference = Reference::Booking {
            booking,
            payment: None,
        };
        let id = self.gateway.opens(&account, reference, asked);
        self.gateway.captures(&id, hall::paid(how, asked))
    }

    fn dashboard(&mut self, payment: u8, part: bool, slow: bool) -> bool {
        let Some(id) = self.payment_there(payment) else {
            return false;
        };
        let Some(captured) = self
            .gateway
            .payments
            .get(&id)
            .and_then(|paid| paid.captured)
        else {
            return false;
        };
        let left = captured.minor - self.gateway.returned(&id);
        let minor = if part { left / 2 } else { left };
        if minor <= 0 {
            return false;
        }
        let amount = Money::new(minor, captured.currency);
        let state = if slow {
            RefundState::Pending
        } else {
            RefundState::Succeeded
        };
        self.gateway.returns(&id, None, amount, state);
        true
    }

    fn disputes(&mut self, payment: u8, part: bool) -> bool {
        let Some(id) = self.payment_there(payment) else {
            return false;
        };
        let captured = self
            .gateway
            .payments
            .get(&id)
            .and_then(|paid| paid.captured);
        let Some(captured) = captured else {
            return false;
        };
        let minor = if part {
            captured.minor / 2
        } else {
            captured.minor
        };
        self.gateway
            .disputed(&id, Money::new(minor, captured.currency))
    }

    /// A dispute ends; one that our books have as lost may still be won.
    fn dispute_ends(&mut self, dispute: u8, won: bool) -> bool {
        let tables = self.database.tables();
        let lost: Vec<String> = tables
            .payments
            .values()
            .flat_map(|row| &row.disputes)
            .filter(|dispute| dispute.standing == DisputeStanding::Lost)
            .map(|dispute| dispute.gateway_dispute_id.clone())
            .collect();
        drop(tables);
        self.gateway.dispute_ends(dispute.into(), won, &lost)
    }

    fn refund_ends(&mut self, refund: u8, well: bool) -> bool {
        let ends: Vec<String> = self
            .gateway
            .refunds
            .iter()
            .filter(|(_, row)| match row.state {
                RefundState::Pending => true,
                RefundState::Succeeded => !well,
                RefundState::Failed => false,
            })
            .map(|(id, _)| id.clone())
            .collect();
        let Some(id) = among(refund, ends.len()).and_then(|nth| ends.get(nth)) else {
            return false;
        };
        let state = if well {
            RefundState::Succeeded
        } else {
            RefundState::Failed
        };
        self.gateway.refund_becomes(id, state);
        true
    }

    fn webhook(&mut self, nth: u8, fate: Delivery) -> bool {
        let Some(nth) = among(nth, self.gateway.notices.len()) else {
            return false;
        };
        let notice = match fate {
            Delivery::Twice | Delivery::OtherId => self.gateway.notices[nth].clone(),
            Delivery::Delivered | Delivery::Lost => self.gateway.notices.remove(nth),
        };
        match fate {
            Delivery::Lost => self.gateway.lost.push(notice),
            Delivery::Delivered | Delivery::Twice => self.posts(&notice),
            Delivery::OtherId => self.gateway.tells_again(notice.fact),
        }
        true
    }

    /// The gateway posts a webhook, signed with its own clock.
    pub fn posts(&mut self, notice: &Notice) {
        let theirs = self.now + Duration::seconds(self.setting.ahead_s.into());
        let (headers, body) = door::post(&notice.event_id, &notice.fact, theirs);
        let account = match &notice.fact {
            Fact::Payment(fact) => fact.account.clone(),
            Fact::Refund(fact) => fact.account.clone(),
            Fact::Dispute(fact) => fact.account.clone(),
            Fact::Hint(fact) => fact.account.clone(),
            Fact::Nothing => hall::asked(),
        };
        self.ingress(account, &headers, body);
    }

    /// The ingress: verify, read, write to Kafka, 200.
    pub fn ingress(&mut self, account: GatewayAccount, headers: &HeaderMap, body: Bytes) {
        let now: OffsetDateTime = self.now;
        let Some(door) = self.gateways.door(&account) else {
            return;
        };
        if door.verify(headers, &body, now).is_err() {
            return;
        }
        for (item, read) in (0..).zip(door.read(headers, &body)) {
            let (account, body) = (account.clone(), body.clone());
            let (record, key) =
                WebhookRecord::received(account, door, headers, body, (item, &read), now);
            self.kafka
                .append(WEBHOOKS, &key, &record.to_headers(), &record.body);
        }
    }

    fn exchange(&mut self, nth: u8, fate: Fate) -> bool {
        let mut wire = self.network.wire();
        let open: Vec<u64> = wire
            .exchanges
            .iter()
            .filter(|(_, exchange)| exchange.on_the_way)
            .map(|(id, _)| *id)
            .collect();
        let Some(id) = among(nth, open.len()).and_then(|nth| open.get(nth)) else {
            return false;
        };
        let Some(exchange) = wire.exchanges.get_mut(id) else {
            return false;
        };
        let unknown = || Err(CallError::unknown("no answer"));
        let arrives = !matches!(fate, Fate::Refused | Fate::Lost | Fate::Late);
        exchange.on_the_way = fate == Fate::Late;
        let mood = Mood {
            declines: fate == Fate::Declined,
            slow: fate == Fate::Begun,
            breaks: match fate {
                Fate::BreaksBefore => Some(false),
                Fate::BreaksAfter => Some(true),
                _ => None,
            },
        };
        let answer = if arrives {
            let (account, request) = (exchange.account.clone(), exchange.request.clone());
            self.gateway.asked(&account, &request, mood, self.now)
        } else {
            unknown()
        };
        let answer = match fate {
            Fate::Refused => Err(CallError::RetryLater {
                after: None,
                why: "too many requests".to_owned(),
                said_by: boxoffice_gateways::client::SaidBy::Gateway,
            }),
            Fate::AnswerLost => unknown(),
            _ => answer,
        };
        if exchange.awaited && exchange.answer.is_none() {
            exchange.answer = Some(answer);
        }
        wire.sweep();
        true
    }
}
