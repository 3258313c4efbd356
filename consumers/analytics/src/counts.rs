//! What one event adds to a day of its show.

use std::ops::AddAssign;

use boxoffice_saga::money::{Currency, Money};
use serde::Serialize;

use crate::event::What;

/// How often things happened. An event counts on its own day: a hold of one day that is paid on the next is a
/// hold of the one and a booking of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Holds that were placed.
    pub holds_placed: i64,
    /// Holds that ran out without being paid.
    pub holds_expired: i64,
    /// Holds that the customer gave up.
    pub holds_released: i64,
    /// Holds whose place a newer hold of the same customer took.
    pub holds_replaced: i64,
    /// Bookings that were paid and have their seats.
    pub bookings_confirmed: i64,
    /// The seats of those bookings.
    pub seats_sold: i64,
    /// Bookings that were cancelled. They stay among the confirmed ones of their own day.
    pub bookings_cancelled: i64,
    /// Bookings that were paid, had lost their seats, and are refunded.
    pub bookings_failed: i64,
    /// Payments whose money was captured, whatever became of it.
    pub payments_completed: i64,
    /// Payments that the gateway declined.
    pub payments_failed: i64,
    /// Captured payments that the booking did not need or take (a second one, a wrong amount), and that are
    /// refunded.
    pub payments_rejected: i64,
    /// Refunds that were made.
    pub refunds_completed: i64,
    /// Refunds that need a person.
    pub refunds_failed: i64,
}

/// What was taken and given back on a day, in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Takings {
    /// What confirmed bookings paid, in minor units. Refunds are not taken off it.
    pub revenue_minor: i64,
    /// What completed refunds returned, in minor units.
    pub refunded_minor: i64,
}

impl What {
    /// What it adds to the counts of its day.
    pub(crate) fn counts(&self) -> Counts {
        let none = Counts::default();
        match self {
            Self::HoldPlaced => Counts {
                holds_placed: 1,
                ..none
            },
            Self::HoldExpired => Counts {
                holds_expired: 1,
                ..none
            },
            Self::HoldReleased { replaced: false } => Counts {
                holds_released: 1,
                ..none
            },
            Self::HoldReleased { replaced: true } => Counts {
                holds_replaced: 1,
                ..none
            },
            Self::BookingConfirmed { seats, .. } => Counts {
                bookings_confirmed: 1,
                seats_sold: i64::try_from(seats.len()).unwrap_or(i64::MAX),
                ..none
            },
            Self::BookingCancelled => Counts {
                bookings_cancelled: 1,
                ..none
            },
            Self::BookingFailedInitiateRefund => Counts {
                bookings_failed: 1,
                ..none
            },
            Self::PaymentCompleted => Counts {
                payments_completed: 1,
                ..none
            },
            Self::PaymentFailed => Counts {
                payments_failed: 1,
                ..none
            },
            Self::PaymentRejectedInitiateRefund => Counts {
                payments_rejected: 1,
                ..none
            },
            Self::RefundCompleted { .. } | Self::RefundSettledElsewhere { .. } => Counts {
                refunds_completed: 1,
                ..none
            },
            Self::RefundFailed => Counts {
                refunds_failed: 1,
                ..none
            },
            Self::HoldExpiring
            | Self::RefundInitiated
            | Self::RefundReopened
            | Self::RefundSentAnotherWay
            | Self::RefundWithdrawn
            | Self::PaymentAuthorised
            | Self::PaymentVoided
            | Self::DisputeOpened
            | Self::DisputeWon
            | Self::DisputeLost
            | Self::Unknown => none,
        }
    }

    /// What it adds to the takings of its day, if it moves money that is counted.
    pub(crate) fn takings(&self) -> Option<(Currency, Takings)> {
        let none = Takings::default();
        match self {
            Self::BookingConfirmed {
                amount: Money { minor, currency },
                ..
            } => Some((
                *currency,
                Takings {
                    revenue_minor: *minor,
                    ..none
                },
            )),
            Self::RefundCompleted {
                amount: Money { minor, currency },
            }
            | Self::RefundSettledElsewhere {
                amount: Money { minor, currency },
            } => Some((
                *currency,
                Takings {
                    refunded_minor: *minor,
                    ..none
                },
            )),
            _ => None,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.holds_placed += more.holds_placed;
        self.holds_expired += more.holds_expired;
        self.holds_released += more.holds_released;
        self.holds_replaced += more.holds_replaced;
        self.bookings_confirmed += more.bookings_confirmed;
        self.seats_sold += more.seats_sold;
        self.bookings_cancelled += more.bookings_cancelled;
        self.bookings_failed += more.bookings_failed;
        self.payments_completed += more.payments_completed;
        self.payments_failed += more.payments_failed;
        self.payments_rejected += more.payments_rejected;
        self.refunds_completed += more.refunds_completed;
        self.refunds_failed += more.refunds_failed;
    }
}

impl Counts {
    /// Confirmed bookings per hold placed on the same day; `None` without a hold. Above 1 where more holds of an
    /// earlier day were paid than new ones placed.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a ratio for people; counts are far below 2^52"
    )]
    pub fn conversion(&self) -> Option<f64> {
        (self.holds_placed > 0).then(|| self.bookings_confirmed as f64 / self.holds_placed as f64)
    }
}

impl Takings {
    /// The sum; `None` beyond `i64`, which no real money reaches.
    pub fn plus(self, more: Self) -> Option<Self> {
        Some(Self {
            revenue_minor: self.revenue_minor.checked_add(more.revenue_minor)?,
            refunded_minor: self.refunded_minor.checked_add(more.refunded_minor)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmed() -> What {
        What::BookingConfirmed {
            seats: vec!["A-1".into(), "A-2".into()],
            amount: Money::new(90_000, "INR".parse().unwrap()),
        }
    }

    #[test]
    fn each_type_raises_what_it_is_called_after() {
        let none = Counts::default();
        let cases = [
            (
                What::HoldPlaced,
                Counts {
                    holds_placed: 1,
                    ..none
                },
            ),
            (What::HoldExpiring, none),
            (
                What::HoldExpired,
                Counts {
                    holds_expired: 1,
                    ..none
                },
            ),
            (
                What::HoldReleased { replaced: false },
                Counts {
                    holds_released: 1,
                    ..none
                },
            ),
            (
                What::HoldReleased { replaced: true },
                Counts {
                    holds_replaced: 1,
                    ..none
                },
            ),
            (
                What::PaymentCompleted,
                Counts {
                    payments_completed: 1,
                    ..none
                },
            ),
            (
                What::PaymentFailed,
                Counts {
                    payments_failed: 1,
                    ..none
                },
            ),
            (
                confirmed(),
                Counts {
                    bookings_confirmed: 1,
                    seats_sold: 2,
                    ..none
                },
            ),
            (
                What::BookingCancelled,
                Counts {
                    bookings_cancelled: 1,
                    ..none
                },
            ),
            (
                What::BookingFailedInitiateRefund,
                Counts {
                    bookings_failed: 1,
                    ..none
                },
            ),
            (
                What::PaymentRejectedInitiateRefund,
                Counts {
                    payments_rejected: 1,
                    ..none
                },
            ),
            (What::RefundInitiated, none),
            (
                What::RefundCompleted {
                    amount: Money::new(5, "INR".parse().unwrap()),
                },
                Counts {
                    refunds_completed: 1,
                    ..none
                },
            ),
            (
                What::RefundFailed,
                Counts {
                    refunds_failed: 1,
                    ..none
                },
            ),
            (What::Unknown, none),
        ];
        for (what, counts) in cases {
            assert_eq!(what.counts(), counts, "{what:?}");
        }
    }

    #[test]
    fn money_counts_where_it_is_applied_and_where_it_is_back() {
        let none = Takings::default();
        let (inr, usd) = ("INR".parse().unwrap(), "USD".parse().unwrap());
        let revenue = Takings {
            revenue_minor: 90_000,
            ..none
        };
        assert_eq!(confirmed().takings(), Some((inr, revenue)));
        let refund = What::RefundCompleted {
            amount: Money::new(700, usd),
        };
        let refunded = Takings {
            refunded_minor: 700,
            ..none
        };
        assert_eq!(refund.takings(), Some((usd, refunded)));
        assert_eq!(What::PaymentCompleted.takings(), None);
    }

    #[test]
    fn conversion_needs_a_hold() {
        let counts = |holds_placed, bookings_confirmed| Counts {
            holds_placed,
            bookings_confirmed,
            ..Counts::default()
        };
        assert_eq!(counts(0, 3).conversion(), None);
        assert_eq!(counts(4, 3).conversion(), Some(0.75));
    }
}
