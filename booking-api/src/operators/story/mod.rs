//! One booking's story in time order: everything that reached it, what was decided and why, where its money went,
//! what the world and the customer were told, and what is still open.
//!
//! No address, no number and no name of the customer is in it: only the caller's id from their token.

mod line;
mod lines;
pub(super) mod words;

use boxoffice_saga::identity::{BookingId, PaymentId, RefundId, SeatName, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::{Dispute, Payment};
use boxoffice_saga::refund::Refund;
use boxoffice_saga::status::{self, Status};
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use serde::Serialize;
use time::OffsetDateTime;

use super::attention::{self, Item};
use super::tasks::{self, OpenTask};

pub use line::{Line, Source, What};
pub use words::amount as amount_in_words;

/// The most lines of each kind that are told; of more, the latest.
pub const MOST_LINES: usize = 1_000;

/// One booking's story.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Story {
    /// The booking.
    pub booking_id: BookingId,
    /// Its show.
    pub show_id: ShowId,
    /// The caller who made it: the `sub` of their token.
    pub user_id: String,
    /// Its seats.
    #[schema(value_type = Vec<String>)]
    pub seats: Vec<SeatName>,
    /// What they cost.
    pub amount: Money,
    /// Where it stands with its seats.
    pub state: String,
    /// What its customer sees.
    pub status: Status,
    /// Whether nothing is under way.
    pub settled: bool,
    /// What its customer is told that we wait for.
    #[schema(required)]
    pub waiting_for: Option<&'static str>,
    /// When the hold was placed.
    #[serde(with = "time::serde::rfc3339")]
    pub held_at: OffsetDateTime,
    /// The promised end of the hold.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// From when on others could take the seats.
    #[serde(with = "time::serde::rfc3339")]
    pub reclaim_at: OffsetDateTime,
    /// Its payments, oldest first.
    pub payments: Vec<PaymentNow>,
    /// Its refunds, oldest first.
    pub refunds: Vec<RefundNow>,
    /// Where its money is: the balance of every account that has one.
    pub money: Vec<Balance>,
    /// What happened, in time order.
    pub lines: Vec<Line>,
    /// There are more than a thousand lines of a kind, and the oldest of them are left out.
    pub shortened: bool,
    /// What is to be done, in the order in which it is due.
    pub tasks: Vec<OpenTask>,
    /// What waits for a person.
    pub attention: Vec<Item>,
    /// When all this was read, by the database's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub read_at: OffsetDateTime,
}

/// How a payment stands.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StoryPayment)]
pub struct PaymentNow {
    /// Our id of the attempt.
    pub payment_id: PaymentId,
    /// Gateway and account.
    pub account: String,
    /// The gateway's id.
    #[schema(required)]
    pub gateway_payment_id: Option<String>,
    /// Where it stands.
    pub standing: String,
    /// What was asked for.
    pub expected: Money,
    /// What was taken.
    #[schema(required)]
    pub captured: Option<Money>,
    /// What was decided about it.
    #[schema(required)]
    pub verdict: Option<String>,
    /// When its money is taken: `AUTOMATIC` or `AFTER_SEATS`.
    pub capture: &'static str,
    /// How much of it was kept as the fee of a cancellation.
    pub retained_minor: i64,
    /// The disputes about it, oldest first.
    pub disputes: Vec<DisputeNow>,
    /// When it was opened, or first heard of.
    #[serde(with = "time::serde::rfc3339")]
    pub opened_at: OffsetDateTime,
    /// When the verdict fell.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub decided_at: Option<OffsetDateTime>,
}

/// How a dispute stands.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StoryDispute)]
pub struct DisputeNow {
    /// The gateway's id.
    pub gateway_dispute_id: String,
    /// Where it stands.
    pub standing: &'static str,
    /// How much of the payment it is about, in minor units of its currency.
    pub amount_minor: i64,
}

/// How a refund stands.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StoryRefund)]
pub struct RefundNow {
    /// Its id.
    pub refund_id: RefundId,
    /// The payment whose money goes back.
    pub payment_id: PaymentId,
    /// How much.
    pub amount: Money,
    /// Why.
    pub cause: String,
    /// Where it stands.
    pub standing: String,
    /// Its idempotency key at the gateway now.
    pub gateway_key: String,
    /// The gateway's id.
    #[schema(required)]
    pub gateway_refund_id: Option<String>,
    /// How a person sends the money instead, if one does.
    #[schema(required)]
    pub other_way: Option<String>,
    /// What proves that a person has returned it elsewhere.
    #[schema(required)]
    pub proof: Option<String>,
    /// When it was decided.
    #[serde(with = "time::serde::rfc3339")]
    pub requested_at: OffsetDateTime,
    /// When the gateway said that it was done.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    pub done_at: Option<OffsetDateTime>,
}

/// What an account holds of a booking's money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = AccountBalance)]
pub struct Balance {
    /// The account.
    pub account: String,
    /// How much; `GATEWAY` is minus all that was captured.
    pub amount: Money,
}

impl From<&Payment> for PaymentNow {
    fn from(payment: &Payment) -> Self {
        Self {
            payment_id: payment.id,
            account: payment.account.to_string(),
            gateway_payment_id: payment.gateway_payment_id.clone(),
            standing: payment.standing.name().to_owned(),
            expected: payment.expected,
            captured: payment.captured,
            verdict: payment.verdict.map(|verdict| verdict.name().to_owned()),
            capture: payment.capture.name(),
            retained_minor: payment.retained,
            disputes: payment.disputes.iter().map(DisputeNow::from).collect(),
            opened_at: payment.opened_at,
            decided_at: payment.decided_at,
        }
    }
}

impl From<&Dispute> for DisputeNow {
    fn from(dispute: &Dispute) -> Self {
        Self {
            gateway_dispute_id: dispute.gateway_dispute_id.clone(),
            standing: words::dispute(dispute.standing),
            amount_minor: dispute.amount_minor,
        }
    }
}

impl From<&Refund> for RefundNow {
    fn from(refund: &Refund) -> Self {
        Self {
            refund_id: refund.id,
            payment_id: refund.payment,
            amount: refund.amount,
            cause: refund.cause.name().to_owned(),
            standing: refund.standing.name().to_owned(),
            gateway_key: refund.id.gateway_key(refund.generation),
            gateway_refund_id: refund.gateway_refund_id.clone(),
            other_way: refund.other_way.clone(),
            proof: refund.proof.clone(),
            requested_at: refund.requested_at,
            done_at: refund.done_at,
        }
    }
}

/// Tells a booking's story. `None`: there is no such booking.
///
/// The head is read before the lines, so a line may be newer than it; nothing is missing.
///
/// # Errors
/// [`TurnError`]; reading again is safe.
pub async fn story(store: &PgStore, booking: BookingId) -> Result<Option<Story>, TurnError> {
    let (read_at, mut cases) = store.cases(&[booking]).await?;
    let Some(case) = cases.remove(&booking) else {
        return Ok(None);
    };
    let mut db = store.pool().acquire().await?;
    let told = lines::read(&mut db, &case).await?;
    let payments: Vec<_> = case.payments.iter().collect();
    let refunds: Vec<_> = case.refunds.iter().collect();
    let document = status::document(&case.booking, &payments, &refunds, read_at);
    Ok(Some(Story {
        booking_id: booking,
        show_id: booking.show(),
        user_id: case.booking.user.0.clone(),
        seats: case.booking.seats.clone(),
        amount: case.booking.amount,
        state: case.booking.state.name().to_owned(),
        status: document.status,
        settled: document.settled,
        waiting_for: document.waiting_for,
        held_at: case.booking.held_at,
        expires_at: case.booking.expires_at,
        reclaim_at: case.booking.reclaim_at,
        payments: case.payments.iter().map(PaymentNow::from).collect(),
        refunds: case.refunds.iter().map(RefundNow::from).collect(),
        money: told.money,
        lines: told.lines,
        shortened: told.shortened,
        tasks: tasks::of_bookings(&mut db, &[booking]).await?,
        attention: attention::open_of(&mut db, booking).await?,
        read_at,
    }))
}
