//! The status document: what the anxious person behind the front end is told.
//!
//! Never "failed" about a payment that may still arrive, and `pay_again` only when no money can be on its
//! way.

use serde::Serialize;
use time::{Duration, OffsetDateTime};

use crate::booking::{Booking, BookingState};
use crate::identity::{BookingId, RefundId, SeatName, ShowId};
use crate::money::Money;
use crate::payment::{Payment, PaymentStanding};
use crate::refund::{Refund, RefundStanding};

/// Seconds after the customer's last step during which quick polls are asked for.
const QUICK_S: i64 = 10;
/// Seconds after the customer's last step until which polls with growing pauses are asked for.
const BACKOFF_S: i64 = 30;
/// Milliseconds between quick polls.
const QUICK_MS: u32 = 1_000;
/// Days in which a customer's bank usually shows a refund; what we promise at most.
pub const REFUND_DAYS: i64 = 10;

/// Where a booking stands, for the public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// The seats are held; nothing is being paid.
    Held,
    /// A payment may be on its way.
    PaymentPending,
    /// Paid, and the seats are the customer's.
    Confirmed,
    /// The hold ran out.
    Expired,
    /// The hold was given up or replaced.
    Released,
    /// Money is on its way back.
    RefundPending,
    /// Money is back.
    Refunded,
    /// Cancelled, and no money is on its way back.
    Cancelled,
}

/// How a client should go on asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Often.
    Quick,
    /// With growing pauses.
    Backoff,
    /// Not at all.
    Stop,
}

/// When to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Poll {
    /// Milliseconds until the next question; 0 in phase `stop`.
    pub after_ms: u32,
    /// How to go on.
    pub phase: Phase,
}

/// The refund part of the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefundStatus {
    /// What our support finds it by.
    pub reference: RefundId,
    /// How much goes back.
    pub amount: Money,
    /// Where it stands.
    pub state: &'static str,
    /// By when the customer's bank should show it.
    #[serde(with = "time::serde::rfc3339")]
    pub expected_by: OffsetDateTime,
}

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusDocument {
    /// The booking.
    pub booking_id: BookingId,
    /// Its show.
    pub show_id: ShowId,
    /// Its seats.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub seats: Vec<SeatName>,
    /// What they cost.
    pub amount: Money,
    /// Where it stands.
    pub status: Status,
    /// Nothing is under way: no money undecided, no refund open.
    pub settled: bool,
    /// May the customer pay (again)? False whenever money may already be on its way.
    pub pay_again: bool,
    /// One calm sentence for the person who waits.
    pub message: &'static str,
    /// What we are waiting for, if anything.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub waiting_for: Option<&'static str>,
    /// When to ask again.
    pub poll: Poll,
    /// The refund, if there is one.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub refund: Option<RefundStatus>,
    /// Where the ticket is, once confirmed; filled in at the door.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub ticket_url: Option<String>,
    /// The promised end of the hold.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// Counts changes of the booking; never goes back.
    pub version: u64,
    /// When the booking last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// Draws the document of `booking` at `now`.
pub fn document(
    booking: &Booking,
    payments: &[&Payment],
    refunds: &[&Refund],
    now: OffsetDateTime,
) -> StatusDocument {
    let view = View {
        booking,
        payments,
        refunds,
        now,
    };
    let refund = view.refund();
    let (status, message, waiting_for) = view.headline();
    StatusDocument {
        booking_id: booking.id,
        show_id: booking.show(),
        seats: booking.seats.clone(),
        amount: booking.amount,
        status,
        settled: !view.undecided() && !view.refund_open(),
        pay_again: status == Status::Held && booking.hold_alive(now),
        message,
        waiting_for,
        poll: view.poll(status),
        refund: refund.map(|refund| RefundStatus {
            reference: refund.id,
            amount: refund.amount,
            state: refund.standing.name(),
            expected_by: refund.requested_at + Duration::days(REFUND_DAYS),
        }),
        ticket_url: None,
        expires_at: booking.expires_at,
        version: booking.version,
        updated_at: booking.updated_at,
    }
}

struct View<'a> {
    booking: &'a Booking,
    payments: &'a [&'a Payment],
    refunds: &'a [&'a Refund],
    now: OffsetDateTime,
}

impl View<'_> {
    fn undecided(&self) -> bool {
        self.payments.iter().any(|payment| payment.undecided())
    }

    fn refund_open(&self) -> bool {
        self.refunds.iter().any(|refund| refund.standing.open())
    }

    /// The refund to show: an open one first, then one that was not given up, then the latest.
    fn refund(&self) -> Option<&Refund> {
        self.refunds
            .iter()
            .max_by_key(|refund| {
                let given_up = refund.standing == RefundStanding::Withdrawn;
                (refund.standing.open(), !given_up, refund.requested_at)
            })
            .copied()
    }

    fn waited(&self) -> Duration {
        self.now - self.booking.waiting_since.unwrap_or(self.booking.held_at)
    }

    fn headline(&self) -> (Status, &'static str, Option<&'static str>) {
        const BANK: Option<&str> = Some("the bank's confirmation");
        const REFUND: Option<&str> = Some("the refund at the gateway");
        let alive = self.booking.hold_alive(self.now);
        match self.booking.state {
            BookingState::Confirmed if self.refund_open() => (
                Status::Confirmed,
                "Your booking is confirmed. A further payment is on its way back to you.",
                REFUND,
            ),
            BookingState::Confirmed => (
                Status::Confirmed,
                "Your booking is confirmed. Enjoy the show!",
                None,
            ),
            _ if self.undecided() => {
                let message = if self.waited() < Duration::seconds(QUICK_S) {
                    "We are confirming your payment with the bank."
                } else if self.waited() < Duration::seconds(BACKOFF_S) {
                    "Waiting for bank confirmation, please do not refresh."
                } else {
                    "Payment pending, your money is safe. We will write to you as soon as we know more."
                };
                (Status::PaymentPending, message, BANK)
            }
            // The promised end counts for the customer; that the seats stay theirs for a grace is for payers.
            BookingState::Held if alive && self.refund_open() => (
                Status::Held,
                "Your seats are held. A payment that did not match is on its way back to you.",
                REFUND,
            ),
            BookingState::Held if alive && self.declined() => (
                Status::Held,
                "The payment was declined and nothing was taken. You can try another card.",
                None,
            ),
            BookingState::Held if alive => (Status::Held, "Your seats are held for you.", None),
            _ if self.with_operator() => (
                Status::RefundPending,
                "Your refund needs a person to look at it. We are on it, and your money is safe.",
                Some("our support team"),
            ),
            BookingState::Cancelled if self.refund_open() => (
                Status::RefundPending,
                "Your booking is cancelled. Your money is on its way back.",
                REFUND,
            ),
            BookingState::Cancelled if !self.refunds.is_empty() => (
                Status::Cancelled,
                "Your booking is cancelled, and your money has been returned.",
                None,
            ),
            BookingState::Cancelled => (
                Status::Cancelled,
                "Your booking is cancelled. Nothing was paid.",
                None,
            ),
            BookingState::SeatsLost if self.refund_open() => (
                Status::RefundPending,
                "Your seats were no longer free when the payment came. Your money is on its way back.",
                REFUND,
            ),
            _ if self.refund_open() => (
                Status::RefundPending,
                "You have no seats from this booking, and your money is on its way back.",
                REFUND,
            ),
            _ if !self.refunds.is_empty() => {
                (Status::Refunded, "Your money has been returned.", None)
            }
            BookingState::Held | BookingState::Expired | BookingState::SeatsLost => (
                Status::Expired,
                "The hold has ended and nothing was paid. Please book again.",
                None,
            ),
            BookingState::Released | BookingState::Replaced => (
                Status::Released,
                "The hold was given up and nothing was paid.",
                None,
            ),
        }
    }

    fn with_operator(&self) -> bool {
        self.refunds
            .iter()
            .any(|refund| refund.standing == RefundStanding::WithOperator)
    }

    fn declined(&self) -> bool {
        self.payments
            .iter()
            .any(|payment| payment.standing == PaymentStanding::Declined)
    }

    fn poll(&self, status: Status) -> Poll {
        if status != Status::PaymentPending || self.waited() >= Duration::seconds(BACKOFF_S) {
            return Poll {
                after_ms: 0,
                phase: Phase::Stop,
            };
        }
        if self.waited() < Duration::seconds(QUICK_S) {
            return Poll {
                after_ms: QUICK_MS,
                phase: Phase::Quick,
            };
        }
        // Pauses grow from two to eight seconds over the twenty seconds of this phase.
        let past = u32::try_from((self.waited() - Duration::seconds(QUICK_S)).whole_milliseconds())
            .unwrap_or(0);
        Poll {
            after_ms: 2 * QUICK_MS + past * 3 / 10,
            phase: Phase::Backoff,
        }
    }
}
