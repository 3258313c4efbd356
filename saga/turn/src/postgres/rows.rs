//! From rows to what the saga knows.

use boxoffice_saga::booking::{Booking, BookingState, Contact};
use boxoffice_saga::identity::{BookingId, GatewayAccount, UserId};
use boxoffice_saga::ledger::{Account, Entry};
use boxoffice_saga::money::{Currency, Money};
use boxoffice_saga::payment::{CaptureMode, Payment, PaymentStanding, Verdict};
use boxoffice_saga::refund::{Refund, RefundCause, RefundStanding};
use boxoffice_saga::seat::{Seat, SeatKey, SeatState};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::TurnError;

fn unreadable(what: &str, value: &str) -> TurnError {
    TurnError::Corrupt(format!("{what} {value:?}"))
}

pub fn booking_id(id: Uuid) -> Result<BookingId, TurnError> {
    BookingId::try_from(id).map_err(|_| unreadable("booking id", &id.to_string()))
}

pub fn currency(code: &str) -> Result<Currency, TurnError> {
    code.parse().map_err(|_| unreadable("currency", code))
}

fn number<T: TryFrom<i64>>(what: &str, value: i64) -> Result<T, TurnError> {
    T::try_from(value).map_err(|_| unreadable(what, &value.to_string()))
}

#[derive(Debug)]
pub struct BookingRow {
    pub booking_id: Uuid,
    pub user_id: String,
    pub seats: Vec<String>,
    pub amount_minor: i64,
    pub currency: String,
    pub state: String,
    pub email: String,
    pub phone: Option<String>,
    pub language: Option<String>,
    pub held_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub reclaim_at: OffsetDateTime,
    pub waiting_since: Option<OffsetDateTime>,
    pub cancel_until_ms: i64,
    pub cancel_fee_bp: i32,
    pub confirmed_at: Option<OffsetDateTime>,
    pub sequence: i32,
    pub version: i64,
    pub updated_at: OffsetDateTime,
}

impl TryFrom<BookingRow> for Booking {
    type Error = TurnError;

    fn try_from(row: BookingRow) -> Result<Self, TurnError> {
        Ok(Self {
            id: booking_id(row.booking_id)?,
            user: UserId(row.user_id),
            seats: row.seats,
            amount: Money::new(row.amount_minor, currency(&row.currency)?),
            state: BookingState::from_name(&row.state)
                .ok_or_else(|| unreadable("booking state", &row.state))?,
            contact: Contact {
                email: row.email,
                phone: row.phone,
                language: row.language,
            },
            held_at: row.held_at,
            expires_at: row.expires_at,
            reclaim_at: row.reclaim_at,
            waiting_since: row.waiting_since,
            cancel_until_ms: row.cancel_until_ms,
            cancel_fee_bp: number("cancel_fee_bp", row.cancel_fee_bp.into())?,
            confirmed_at: row.confirmed_at,
            sequence: number("sequence", row.sequence.into())?,
            version: number("version", row.version)?,
            updated_at: row.updated_at,
        })
    }
}

#[derive(Debug)]
pub struct PaymentRow {
    pub payment_id: Uuid,
    pub booking_id: Uuid,
    pub gateway: String,
    pub account: String,
    pub gateway_payment_id: Option<String>,
    pub standing: String,
    pub expected_minor: i64,
    pub expected_currency: String,
    pub captured_minor: Option<i64>,
    pub captured_currency: Option<String>,
    pub verdict: Option<String>,
    pub capture: String,
    pub retained_minor: i64,
    pub disputes: Option<String>,
    pub opened_at: OffsetDateTime,
    pub decided_at: Option<OffsetDateTime>,
}

impl TryFrom<PaymentRow> for Payment {
    type Error = TurnError;

    fn try_from(row: PaymentRow) -> Result<Self, TurnError> {
        let captured = match (row.captured_minor, row.captured_currency.as_deref()) {
            (Some(minor), Some(code)) => Some(Money::new(minor, currency(code)?)),
            _ => None,
        };
        let verdict = row
            .verdict
            .map(|name| Verdict::from_name(&name).ok_or_else(|| unreadable("verdict", &name)))
            .transpose()?;
        Ok(Self {
            id: row.payment_id.into(),
            booking: booking_id(row.booking_id)?,
            account: GatewayAccount {
                gateway: row.gateway,
                account: row.account,
            },
            gateway_payment_id: row.gateway_payment_id,
            standing: PaymentStanding::from_name(&row.standing)
                .ok_or_else(|| unreadable("payment standing", &row.standing))?,
            expected: Money::new(row.expected_minor, currency(&row.expected_currency)?),
            captured,
            verdict,
            capture: CaptureMode::from_name(&row.capture)
                .ok_or_else(|| unreadable("capture mode", &row.capture))?,
            retained: row.retained_minor,
            disputes: row
                .disputes
                .map(|json| serde_json::from_str(&json).map_err(|_| unreadable("disputes", &json)))
                .transpose()?
                .unwrap_or_default(),
            opened_at: row.opened_at,
            decided_at: row.decided_at,
        })
    }
}

#[derive(Debug)]
pub struct RefundRow {
    pub refund_id: Uuid,
    pub payment_id: Uuid,
    pub booking_id: Uuid,
    pub amount_minor: i64,
    pub currency: String,
    pub cause: String,
    pub standing: String,
    pub generation: i32,
    pub gateway_refund_id: Option<String>,
    pub other_way: Option<String>,
    pub proof: Option<String>,
    pub requested_at: OffsetDateTime,
    pub done_at: Option<OffsetDateTime>,
}

impl TryFrom<RefundRow> for Refund {
    type Error = TurnError;

    fn try_from(row: RefundRow) -> Result<Self, TurnError> {
        Ok(Self {
            id: row.refund_id.into(),
            payment: row.payment_id.into(),
            booking: booking_id(row.booking_id)?,
            amount: Money::new(row.amount_minor, currency(&row.currency)?),
            cause: RefundCause::from_name(&row.cause)
                .ok_or_else(|| unreadable("refund cause", &row.cause))?,
            standing: RefundStanding::from_name(&row.standing)
                .ok_or_else(|| unreadable("refund standing", &row.standing))?,
            generation: number("generation", row.generation.into())?,
            gateway_refund_id: row.gateway_refund_id,
            other_way: row.other_way,
            proof: row.proof,
            requested_at: row.requested_at,
            done_at: row.done_at,
        })
    }
}

#[derive(Debug)]
pub struct SeatRow {
    pub show_id: i64,
    pub seat: String,
    pub state: String,
    pub booking_id: Option<Uuid>,
    pub reclaim_at: Option<OffsetDateTime>,
    pub price_minor: i64,
}

impl TryFrom<SeatRow> for Seat {
    type Error = TurnError;

    fn try_from(row: SeatRow) -> Result<Self, TurnError> {
        Ok(Self {
            key: SeatKey {
                show: row
                    .show_id
                    .try_into()
                    .map_err(|_| unreadable("show", &row.show_id.to_string()))?,
                seat: row.seat,
            },
            state: SeatState::from_name(&row.state)
                .ok_or_else(|| unreadable("seat state", &row.state))?,
            booking: row.booking_id.map(booking_id).transpose()?,
            reclaim_at: row.reclaim_at,
            price_minor: row.price_minor,
        })
    }
}

#[derive(Debug)]
pub struct EntryRow {
    pub booking_id: Uuid,
    pub payment_id: Uuid,
    pub from_account: String,
    pub to_account: String,
    pub amount_minor: i64,
    pub currency: String,
    pub at: OffsetDateTime,
}

impl TryFrom<EntryRow> for Entry {
    type Error = TurnError;

    fn try_from(row: EntryRow) -> Result<Self, TurnError> {
        let account =
            |name: &str| Account::from_name(name).ok_or_else(|| unreadable("ledger account", name));
        Ok(Self {
            payment: row.payment_id.into(),
            booking: booking_id(row.booking_id)?,
            from: account(&row.from_account)?,
            to: account(&row.to_account)?,
            amount: Money::new(row.amount_minor, currency(&row.currency)?),
            at: row.at,
        })
    }
}

/// A booking; one of its payments beside it, if there is any; and one of that payment's refunds, if there is any.
#[derive(Debug)]
pub struct CaseRow {
    pub now: OffsetDateTime,
    pub booking_id: Uuid,
    pub user_id: String,
    pub seats: Vec<String>,
    pub amount_minor: i64,
    pub currency: String,
    pub state: String,
    pub email: String,
    pub phone: Option<String>,
    pub language: Option<String>,
    pub held_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub reclaim_at: OffsetDateTime,
    pub waiting_since: Option<OffsetDateTime>,
    pub cancel_until_ms: i64,
    pub cancel_fee_bp: i32,
    pub confirmed_at: Option<OffsetDateTime>,
    pub sequence: i32,
    pub version: i64,
    pub updated_at: OffsetDateTime,
    pub payment_id: Option<Uuid>,
    pub gateway: Option<String>,
    pub account: Option<String>,
    pub gateway_payment_id: Option<String>,
    pub standing: Option<String>,
    pub expected_minor: Option<i64>,
    pub expected_currency: Option<String>,
    pub captured_minor: Option<i64>,
    pub captured_currency: Option<String>,
    pub verdict: Option<String>,
    pub capture: Option<String>,
    pub retained_minor: Option<i64>,
    pub disputes: Option<String>,
    pub opened_at: Option<OffsetDateTime>,
    pub decided_at: Option<OffsetDateTime>,
    pub refund_id: Option<Uuid>,
    pub refund_minor: Option<i64>,
    pub refund_currency: Option<String>,
    pub cause: Option<String>,
    pub refund_standing: Option<String>,
    pub generation: Option<i32>,
    pub gateway_refund_id: Option<String>,
    pub other_way: Option<String>,
    pub proof: Option<String>,
    pub requested_at: Option<OffsetDateTime>,
    pub done_at: Option<OffsetDateTime>,
}

impl CaseRow {
    /// The three.
    ///
    /// # Errors
    /// [`TurnError::Corrupt`], as for each of them.
    pub fn split(self) -> Result<(Booking, Option<Payment>, Option<Refund>), TurnError> {
        let refund = match (self.refund_id, self.payment_id) {
            (Some(refund_id), Some(payment_id)) => Some(RefundRow {
                refund_id,
                payment_id,
                booking_id: self.booking_id,
                amount_minor: self.refund_minor.unwrap_or_default(),
                currency: self.refund_currency.unwrap_or_default(),
                cause: self.cause.unwrap_or_default(),
                standing: self.refund_standing.unwrap_or_default(),
                generation: self.generation.unwrap_or_default(),
                gateway_refund_id: self.gateway_refund_id,
                other_way: self.other_way,
                proof: self.proof,
                requested_at: self.requested_at.unwrap_or(self.now),
                done_at: self.done_at,
            }),
            _ => None,
        };
        let payment = BesidePayment {
            payment_id: self.payment_id,
            booking_id: Some(self.booking_id),
            gateway: self.gateway,
            account: self.account,
            gateway_payment_id: self.gateway_payment_id,
            standing: self.standing,
            expected_minor: self.expected_minor,
            expected_currency: self.expected_currency,
            captured_minor: self.captured_minor,
            captured_currency: self.captured_currency,
            verdict: self.verdict,
            capture: self.capture,
            retained_minor: self.retained_minor,
            disputes: self.disputes,
            opened_at: self.opened_at,
            decided_at: self.decided_at,
            now: self.now,
            refunds: refund.is_some(),
        };
        let booking = BookingRow {
            booking_id: self.booking_id,
            user_id: self.user_id,
            seats: self.seats,
            amount_minor: self.amount_minor,
            currency: self.currency,
            state: self.state,
            email: self.email,
            phone: self.phone,
            language: self.language,
            held_at: self.held_at,
            expires_at: self.expires_at,
            reclaim_at: self.reclaim_at,
            waiting_since: self.waiting_since,
            cancel_until_ms: self.cancel_until_ms,
            cancel_fee_bp: self.cancel_fee_bp,
            confirmed_at: self.confirmed_at,
            sequence: self.sequence,
            version: self.version,
            updated_at: self.updated_at,
        };
        let refund = refund.map(Refund::try_from).transpose()?;
        Ok((booking.try_into()?, payment.read()?, refund))
    }
}

/// A payment beside something that is there without one.
#[derive(Debug)]
pub struct BesidePayment {
    pub now: OffsetDateTime,
    /// Whether its booking has refunds.
    pub refunds: bool,
    pub payment_id: Option<Uuid>,
    pub booking_id: Option<Uuid>,
    pub gateway: Option<String>,
    pub account: Option<String>,
    pub gateway_payment_id: Option<String>,
    pub standing: Option<String>,
    pub expected_minor: Option<i64>,
    pub expected_currency: Option<String>,
    pub captured_minor: Option<i64>,
    pub captured_currency: Option<String>,
    pub verdict: Option<String>,
    pub capture: Option<String>,
    pub retained_minor: Option<i64>,
    pub disputes: Option<String>,
    pub opened_at: Option<OffsetDateTime>,
    pub decided_at: Option<OffsetDateTime>,
}

impl BesidePayment {
    /// The payment, if there is one.
    ///
    /// # Errors
    /// [`TurnError::Corrupt`].
    pub fn read(self) -> Result<Option<Payment>, TurnError> {
        let Some(payment_id) = self.payment_id else {
            return Ok(None);
        };
        // None of these is null where there is a payment.
        let missing = || TurnError::Corrupt(format!("payment {payment_id} lacks a column"));
        let row = PaymentRow {
            payment_id,
            booking_id: self.booking_id.ok_or_else(missing)?,
            gateway: self.gateway.ok_or_else(missing)?,
            account: self.account.ok_or_else(missing)?,
            gateway_payment_id: self.gateway_payment_id,
            standing: self.standing.ok_or_else(missing)?,
            expected_minor: self.expected_minor.ok_or_else(missing)?,
            expected_currency: self.expected_currency.ok_or_else(missing)?,
            captured_minor: self.captured_minor,
            captured_currency: self.captured_currency,
            verdict: self.verdict,
            capture: self.capture.ok_or_else(missing)?,
            retained_minor: self.retained_minor.ok_or_else(missing)?,
            disputes: self.disputes,
            opened_at: self.opened_at.ok_or_else(missing)?,
            decided_at: self.decided_at,
        };
        row.try_into().map(Some)
    }
}
