//! Money and records that are not what they seem.

use boxoffice_coordinator::WEBHOOKS;
use boxoffice_gateways::WebhookRecord;
use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reference, RefundFact, RefundState};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::money::Money;
use boxoffice_saga::refund::RefundStanding;

use crate::act::Strange;
use crate::door;
use crate::hall;
use crate::system::System;

impl System {
    /// Somebody else's money, or a record that says something odd.
    pub fn stranger(&mut self, how: Strange) -> bool {
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
            Strange::OtherAmount | Strange::Contradiction => return self.contradicts(how),
            Strange::OtherRefund => return self.other_refund(),
            Strange::OthersPayment => return self.others_payment(),
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

    /// The gateway tells of money that our books have, and not what they have.
    fn contradicts(&mut self, how: Strange) -> bool {
        let tables = self.database.tables();
        let known = tables
            .payments
            .values()
            .filter(|row| row.captured.is_some())
            .find_map(|row| row.gateway_payment_id.clone());
        drop(tables);
        let Some(mut fact) = known.and_then(|id| self.gateway.payment_fact(&id)) else {
            return false;
        };
        match how {
            Strange::OtherAmount if self.drawn.is_multiple_of(3) => return self.other_money(fact),
            Strange::OtherAmount => fact.amount.minor += 1,
            _ if self.drawn.is_multiple_of(2) => fact.state = PaymentState::Failed,
            _ => fact.state = PaymentState::Cancelled,
        }
        self.gateway.tell(Fact::Payment(fact));
        true
    }

    /// The gateway tells of a refund in money that the payment does not have.
    fn other_money(&mut self, paid: PaymentFact) -> bool {
        let Some(currency) = hall::currency("USD") else {
            return false;
        };
        self.gateway.tell(Fact::Refund(RefundFact {
            account: paid.account,
            gateway_refund_id: format!("re_of_other_money_{}", self.drawn),
            gateway_payment_id: paid.gateway_payment_id,
            reference: paid.reference,
            refund: None,
            generation: None,
            state: RefundState::Succeeded,
            amount: Money::new(7, currency),
            live: paid.live,
            reason: None,
        }));
        true
    }

    /// Somebody has changed a payment's reference at the gateway: it names another booking now.
    fn others_payment(&mut self) -> bool {
        let tables = self.database.tables();
        let known = tables
            .payments
            .values()
            .filter(|row| row.captured.is_some())
            .find_map(|row| Some((row.booking, row.gateway_payment_id.clone()?)));
        let Some((owner, id)) = known else {
            return false;
        };
        let other = tables.bookings.keys().find(|id| **id != owner).copied();
        drop(tables);
        let (Some(other), Some(fact)) = (other, self.gateway.payment_fact(&id)) else {
            return false;
        };
        let mut changed = fact.clone();
        changed.reference = Reference::Booking {
            booking: other,
            payment: None,
        };
        self.gateway.tell(Fact::Payment(fact));
        self.gateway.tell(Fact::Payment(changed));
        true
    }

    /// Part of what an operator is to return is returned at the gateway, under our refund's name.
    fn other_refund(&mut self) -> bool {
        let tables = self.database.tables();
        let waiting = tables.refunds.values().find_map(|row| {
            let payment = tables.payments.get(&row.payment)?;
            let id = payment.gateway_payment_id.clone()?;
            (row.standing == RefundStanding::WithOperator && row.amount.minor > 1)
                .then_some((row.id, id, row.amount))
        });
        drop(tables);
        let Some((refund, payment, amount)) = waiting else {
            return false;
        };
        let half = Money::new(amount.minor / 2, amount.currency);
        let state = RefundState::Succeeded;
        self.gateway
            .returns(&payment, Some((refund, 1)), half, state);
        true
    }

    /// Somebody writes the topic who does not hold the gateway's seal: money that nobody has paid.
    fn forges(&mut self, amount: Money) -> bool {
        let Some(booking) = self.bookings.last().copied() else {
            return false;
        };
        let fact = Fact::Payment(PaymentFact {
            account: hall::asked(),
            gateway_payment_id: format!("pi_forged_{}", self.draw()),
            opened_as: None,
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
            item: 0,
            event_id: "evt_forged".to_owned(),
            kind: "simulated".to_owned(),
            received_at: self.now,
            headers,
            traceparent: None,
            body,
        };
        let key = booking.show().kafka_key();
        self.kafka
            .append(WEBHOOKS, &key, &record.to_headers(), &record.body);
        true
    }
}
