//! What each choice does to the system.

use boxoffice_coordinator::WEBHOOKS;
use boxoffice_gateways::{CallError, WebhookRecord, kafka_key};
use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reference, RefundState};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId};
use boxoffice_saga::money::Money;
use bytes::Bytes;
use http::HeaderMap;
use time::{Duration, OffsetDateTime};

use crate::act::{Act, Delivery, End, Fate, Role, Strange, Sum};
use crate::door;
use crate::gateway::{Mood, Notice, attempt_of};
use crate::hall;
use crate::kafka::PARTITIONS;
use crate::store::Link;
use crate::system::System;
use crate::worker::Consumed;

/// The `nth` of so many, round and round.
fn among(nth: u8, count: usize) -> Option<usize> {
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
            Act::DisputeEnds { dispute, won } => self.gateway.dispute_ends(dispute.into(), won),
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
            Act::Dashboard { payment, part } => self.dashboard(payment, part),
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

    fn stranger(&mut self, how: Strange) -> bool {
        let Some(currency) = hall::currency("INR") else {
            return false;
        };
        let amount = Money::new(700, currency);
        let reference = match how {
            Strange::Forged => return self.forges(amount),
            Strange::Unreadable => {
                let (headers, body) = door::gibberish(self.now);
                self.ingress(hall::asked(), &headers, body);
                return true;
            }
            Strange::SomebodyElses => Reference::Absent,
            Strange::Malformed => Reference::Malformed {
                found: "42".to_owned(),
            },
            Strange::UnknownBooking | Strange::TestMode => {
                let random = self.draw();
                let Some(show) = hall::show(0) else {
                    return false;
                };
                let unknown = BookingId::pack(1, show, random);
                let booking = match how {
                    Strange::TestMode => self.bookings.last().copied().unwrap_or(unknown),
                    _ => unknown,
                };
                Reference::Booking {
                    booking,
                    payment: None,
                }
            }
        };
        let id = self.gateway.opens(&hall::asked(), reference, amount);
        if how == Strange::TestMode
            && let Some(paid) = self.gateway.payments.get_mut(&id)
        {
            paid.live = false;
        }
        self.gateway.captures(&id, amount)
    }

    /// Somebody writes the topic who does not hold the gateway's seal: money that nobody has paid.
    fn forges(&mut self, amount: Money) -> bool {
        let Some(booking) = self.bookings.last().copied() else {
            return false;
        };
        let fact = Fact::Payment(PaymentFact {
            account: hall::asked(),
            gateway_payment_id: format!("pi_forged_{}", self.draw()),
            reference: Reference::Booking {
                booking,
                payment: None,
            },
            state: PaymentState::Captured,
            amount,
            live: true,
            reason: None,
        });
        let (mut headers, body) = door::post("evt_forged", &fact, self.now);
        headers.clear();
        let record = WebhookRecord {
            account: hall::asked(),
            source: boxoffice_gateways::Source::Webhook,
            event_id: "evt_forged".to_owned(),
            kind: "simulated".to_owned(),
            received_at: self.now,
            headers,
            traceparent: None,
            body,
        };
        let key = booking.show().kafka_key();
        self.kafka
            .append(WEBHOOKS, &key, record.to_headers(), record.body.to_vec());
        true
    }

    fn dashboard(&mut self, payment: u8, part: bool) -> bool {
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
        self.gateway
            .returns(&id, None, amount, RefundState::Succeeded);
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
            Fact::Nothing => hall::asked(),
        };
        self.ingress(account, &headers, body);
    }

    /// The ingress: verify, read, write to Kafka, 200.
    fn ingress(&mut self, account: GatewayAccount, headers: &HeaderMap, body: Bytes) {
        let now: OffsetDateTime = self.now;
        let Some(door) = self.gateways.door(&account) else {
            return;
        };
        if door.verify(headers, &body, now).is_err() {
            return;
        }
        let (record, key) = match door.read(headers, &body) {
            Ok(reading) => {
                let key = kafka_key(&reading);
                let record = WebhookRecord::received(account, door, headers, body, &reading, now);
                (record, key)
            }
            Err(_) => {
                let record = WebhookRecord::unreadable(account, door, headers, body, now);
                let key = record.event_id.clone();
                (record, key)
            }
        };
        self.kafka
            .append(WEBHOOKS, &key, record.to_headers(), record.body.to_vec());
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

    fn leases(&mut self, role: Role, member: u8, limit: u8) -> bool {
        let (token, member, limit) = (self.uuid(), usize::from(member % 2), usize::from(limit));
        let leased = match role {
            Role::Api => 0,
            Role::Coordinator => {
                self.coordinators[member].leases(&self.database, limit.max(1), token, self.mistake)
            }
            Role::Refunds => {
                self.refunds[member].leases(&self.database, limit.max(1), token, self.mistake)
            }
        };
        leased > 0
    }

    fn polls(&mut self, role: Role, member: u8, nth: u8) -> bool {
        let member = usize::from(member % 2);
        let count = match role {
            Role::Api => self.paying.len(),
            Role::Coordinator => self.coordinators[member].calls.len(),
            Role::Refunds => self.refunds[member].calls.len(),
        };
        let Some(nth) = among(nth, count) else {
            return false;
        };
        match role {
            Role::Api => self.pays_on(nth),
            Role::Coordinator => self.coordinators[member].polls(nth),
            Role::Refunds => self.refunds[member].polls(nth),
        };
        if let Some(mistake) = self.mistake {
            if let Some((_, answer)) = self.coordinators[member].answers.last_mut() {
                mistake.in_asking(answer);
            }
            if let Some((_, answer)) = self.refunds[member].answers.last_mut() {
                mistake.in_refunding(answer);
            }
        }
        true
    }

    /// Makes a turn over a link that may break. Whether the process lives on.
    fn over(&mut self, end: End, turn: impl FnOnce(&mut Self)) -> bool {
        self.database.link(match end {
            End::Well | End::DiesAfter => Link::Whole,
            End::DatabaseAway | End::DiesBefore => Link::Down,
            End::AnswerLost => Link::AnswerLost,
        });
        turn(self);
        self.database.link(Link::Whole);
        matches!(end, End::Well | End::DatabaseAway | End::AnswerLost)
    }

    fn brings(&mut self, role: Role, member: u8, end: End) -> bool {
        let nth = usize::from(member % 2);
        let count = match role {
            Role::Api => 0,
            Role::Coordinator => self.coordinators[nth].answers.len(),
            Role::Refunds => self.refunds[nth].answers.len(),
        };
        if count == 0 {
            return false;
        }
        let lives = self.over(end, |system| {
            // What fails is tried again.
            let _ = match role {
                Role::Api => Ok(()),
                Role::Coordinator => system.coordinators[nth].brings(&system.database),
                Role::Refunds => system.refunds[nth].brings(&system.database),
            };
        });
        if !lives {
            self.dies(role, member);
        }
        true
    }

    fn consumes(&mut self, role: Role, member: u8, limit: u8, end: End) -> bool {
        let (nth, limit) = (usize::from(member % 2), usize::from(limit.max(1)));
        let mut consumed = Consumed::Nothing;
        let lives = self.over(end, |system| {
            consumed = match role {
                Role::Api => Consumed::Nothing,
                Role::Coordinator => {
                    system.coordinators[nth].consume(&system.database, &system.kafka, limit)
                }
                Role::Refunds => {
                    system.refunds[nth].consume(&system.database, &system.kafka, limit)
                }
            };
        });
        if consumed == Consumed::Nothing {
            return false;
        }
        if !lives {
            self.dies(role, member);
        }
        true
    }

    fn rebalances(&mut self, role: Role, partition: u8, hears: bool) -> bool {
        let number = i32::from(partition) % PARTITIONS;
        let slot = usize::try_from(number).unwrap_or(0);
        let generation = self.generation + 1;
        match role {
            Role::Api => return false,
            Role::Coordinator => {
                let from = self.owners[0][slot];
                self.coordinators[from].revoked(number, hears);
                self.coordinators[1 - from].assigned(number, generation);
                self.owners[0][slot] = 1 - from;
            }
            Role::Refunds => {
                let from = self.owners[1][slot];
                self.refunds[from].revoked(number, hears);
                self.refunds[1 - from].assigned(number, generation);
                self.owners[1][slot] = 1 - from;
            }
        }
        self.generation = generation;
        true
    }

    /// A process dies and starts again; its partitions go to the other one.
    fn dies(&mut self, role: Role, member: u8) -> bool {
        let nth = usize::from(member % 2);
        match role {
            Role::Api => {
                self.paying.clear();
                return true;
            }
            Role::Coordinator => self.coordinators[nth].dies(),
            Role::Refunds => self.refunds[nth].dies(),
        }
        let group = usize::from(role == Role::Refunds);
        for number in 0..PARTITIONS {
            let slot = usize::try_from(number).unwrap_or(0);
            if self.owners[group][slot] != nth {
                continue;
            }
            self.generation += 1;
            self.owners[group][slot] = 1 - nth;
            match role {
                Role::Api => {}
                Role::Coordinator => {
                    self.coordinators[1 - nth].assigned(number, self.generation);
                }
                Role::Refunds => self.refunds[1 - nth].assigned(number, self.generation),
            }
        }
        true
    }
}
