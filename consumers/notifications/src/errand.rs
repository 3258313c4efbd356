//! What is to be told, as a task keeps it.

use boxoffice_saga::booking::{self, BookingState};
use boxoffice_saga::event::{Event, EventBody};
use boxoffice_saga::payment::Payment;
use boxoffice_turn::postgres::read::Case;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::letters::CancelledBy;
use crate::template::Template;

/// What to tell, and what made us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "template")]
pub(crate) enum Errand {
    /// The ticket.
    BookingConfirmed {
        /// The payment that paid.
        cause: Uuid,
    },
    /// Money is on its way back.
    BookingFailedRefunding {
        /// The refund.
        cause: Uuid,
    },
    /// Money is back.
    Refunded {
        /// The refund.
        cause: Uuid,
    },
    /// The hold's promised end is near.
    HoldExpiring {
        /// The event.
        cause: Uuid,
    },
    /// The hold ran out.
    HoldExpired {
        /// The event.
        cause: Uuid,
    },
    /// There is no booking any more.
    BookingCancelled {
        /// The event.
        cause: Uuid,
        /// Who cancelled it.
        by: CancelledBy,
    },
}

/// An errand with the time of the news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// What to tell.
    #[serde(flatten)]
    pub errand: Errand,
    /// When it happened.
    #[serde(with = "time::serde::rfc3339")]
    pub news_of: OffsetDateTime,
}

impl Errand {
    /// What an event makes us tell, if anything.
    pub fn of(event: &Event) -> Option<Self> {
        match &event.body {
            EventBody::BookingConfirmed { payment_id, .. } => Some(Self::BookingConfirmed {
                cause: payment_id.uuid(),
            }),
            EventBody::BookingFailedInitiateRefund { money, .. }
            | EventBody::PaymentRejectedInitiateRefund { money } => {
                Some(Self::BookingFailedRefunding {
                    cause: money.refund_id.uuid(),
                })
            }
            EventBody::RefundCompleted { refund_id, .. }
            | EventBody::RefundSettledElsewhere { refund_id, .. } => Some(Self::Refunded {
                cause: refund_id.uuid(),
            }),
            EventBody::HoldExpiring { .. } => Some(Self::HoldExpiring { cause: event.id() }),
            EventBody::HoldExpired { .. } => Some(Self::HoldExpired { cause: event.id() }),
            EventBody::BookingCancelled { by, .. } => Some(Self::BookingCancelled {
                cause: event.id(),
                by: match by {
                    booking::CancelledBy::Customer => CancelledBy::Customer,
                    booking::CancelledBy::Operator => CancelledBy::BoxOffice,
                    booking::CancelledBy::Show => CancelledBy::Show,
                },
            }),
            _ => None,
        }
    }

    /// On which occasion.
    pub const fn template(self) -> Template {
        match self {
            Self::BookingConfirmed { .. } => Template::BookingConfirmed,
            Self::BookingFailedRefunding { .. } => Template::BookingFailedRefunding,
            Self::Refunded { .. } => Template::Refunded,
            Self::HoldExpiring { .. } => Template::HoldExpiring,
            Self::HoldExpired { .. } => Template::HoldExpired,
            Self::BookingCancelled { .. } => Template::BookingCancelled,
        }
    }

    /// What made us write.
    pub const fn cause(self) -> Uuid {
        match self {
            Self::BookingConfirmed { cause }
            | Self::BookingFailedRefunding { cause }
            | Self::Refunded { cause }
            | Self::HoldExpiring { cause }
            | Self::HoldExpired { cause }
            | Self::BookingCancelled { cause, .. } => cause,
        }
    }

    /// Why it is no longer true, or of no use, now that it could be sent; `None`: send it. For the hold's
    /// messages see [`HoldExpiring`](crate::letters::HoldExpiring) and
    /// [`HoldExpired`](crate::letters::HoldExpired).
    pub fn outdated(self, case: &Case, now: OffsetDateTime) -> Option<&'static str> {
        let booking = &case.booking;
        match self {
            Self::BookingConfirmed { .. } => {
                (booking.state != BookingState::Confirmed).then_some("no longer confirmed")
            }
            Self::HoldExpiring { .. } => {
                if booking.state != BookingState::Held {
                    Some("no longer held")
                } else if now >= booking.expires_at {
                    Some("the hold is over")
                } else if case.payments.iter().any(Payment::undecided) {
                    Some("a payment is under way")
                } else {
                    None
                }
            }
            Self::HoldExpired { .. } => {
                if booking.state != BookingState::Expired {
                    Some("not expired any more")
                } else if case.payments.is_empty() {
                    None
                } else {
                    Some("a payment was tried")
                }
            }
            Self::BookingFailedRefunding { .. }
            | Self::Refunded { .. }
            | Self::BookingCancelled { .. } => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use boxoffice_saga::booking::{Booking, Contact};
    use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, ShowId, UserId};
    use boxoffice_saga::money::Money;
    use boxoffice_saga::payment::{CaptureMode, PaymentStanding};
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-02 12:00 UTC);

    /// A booking with a payment of each of these standings.
    pub(crate) fn case(state: BookingState, payments: &[PaymentStanding]) -> Case {
        let id = BookingId::pack(1, ShowId::try_from(7_u64).unwrap(), 1);
        let amount = Money::new(45_000, "INR".parse().unwrap());
        let payment = |(nth, standing): (usize, &PaymentStanding)| Payment {
            id: PaymentId::from(Uuid::from_u128(nth as u128)),
            booking: id,
            account: GatewayAccount::new("stripe", "default"),
            gateway_payment_id: None,
            standing: *standing,
            expected: amount,
            captured: None,
            verdict: None,
            capture: CaptureMode::Automatic,
            retained: 0,
            disputes: Vec::new(),
            opened_at: NOW,
            decided_at: None,
        };
        Case {
            booking: Booking {
                id,
                user: UserId("asha".into()),
                seats: vec!["A-1".into()],
                amount,
                state,
                contact: Contact::default(),
                held_at: NOW,
                expires_at: NOW + Duration::minutes(2),
                reclaim_at: NOW + Duration::minutes(3),
                waiting_since: None,
                cancel_until_ms: 0,
                cancel_fee_bp: 0,
                confirmed_at: None,
                sequence: 1,
                version: 1,
                updated_at: NOW,
            },
            payments: payments.iter().enumerate().map(payment).collect(),
            refunds: Vec::new(),
        }
    }

    #[test]
    fn nobody_is_told_what_is_no_longer_true() {
        use BookingState::{Confirmed, Expired, Held, Released, Replaced, SeatsLost};
        use PaymentStanding::{Captured, Closed, Declined, Open};
        let cause = Uuid::nil();
        let at = |errand: Errand, state, payments: &[PaymentStanding], after: Duration| {
            errand
                .outdated(&case(state, payments), NOW + after)
                .is_none()
        };

        let soon = |state, payments: &[_]| {
            let errand = Errand::HoldExpiring { cause };
            at(errand, state, payments, Duration::ZERO)
        };
        assert!(soon(Held, &[]) && soon(Held, &[Declined]) && soon(Held, &[Closed]));
        assert!(!soon(Held, &[Open]) && !soon(Held, &[Declined, Open]));
        for over in [Confirmed, Expired, Released, Replaced, SeatsLost] {
            assert!(!soon(over, &[]), "{over:?}");
        }
        let errand = Errand::HoldExpiring { cause };
        assert!(at(errand, Held, &[], Duration::seconds(119)));
        assert!(!at(errand, Held, &[], Duration::minutes(2)));

        let over = |state, payments: &[_]| {
            let errand = Errand::HoldExpired { cause };
            at(errand, state, payments, Duration::hours(1))
        };
        assert!(over(Expired, &[]));
        for tried in [Open, Declined, Closed, Captured] {
            assert!(!over(Expired, &[tried]), "{tried:?}");
        }
        assert!(!over(Confirmed, &[Captured]) && !over(Held, &[]) && !over(SeatsLost, &[]));

        let ticket = Errand::BookingConfirmed { cause };
        assert!(at(ticket, Confirmed, &[Captured], Duration::days(30)));
        assert!(!at(ticket, Expired, &[], Duration::ZERO));
        // Money is told of whatever the booking has come to.
        for errand in [
            Errand::BookingFailedRefunding { cause },
            Errand::Refunded { cause },
        ] {
            for state in [Held, Confirmed, Expired, Released, Replaced, SeatsLost] {
                assert!(at(errand, state, &[Captured], Duration::days(30)));
            }
        }
    }

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let cause = Uuid::from_u128(5);
        for errand in [
            Errand::HoldExpired { cause },
            Errand::BookingCancelled {
                cause,
                by: CancelledBy::BoxOffice,
            },
        ] {
            let order = Order {
                errand,
                news_of: NOW,
            };
            let text = serde_json::to_string(&order).unwrap();
            let name = format!("\"template\":\"{}\"", errand.template().name());
            assert!(text.contains(&name), "{text}");
            assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order);
        }
    }
}
