//! Who is who in the hall.

use boxoffice_saga::booking::{Contact, Terms};
use boxoffice_saga::fact::{
    DisputeFact, PaymentFact, PaymentState, Reference, RefundFact, RefundState,
};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, ShowId, UserId};
use boxoffice_saga::input::Input;
use boxoffice_saga::money::{Currency, Money};
use boxoffice_saga::payment::DisputeStanding;
use boxoffice_saga::seat::SeatKey;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::gateway::{Back, Paid};

/// When the doors of the shop open.
pub fn opening() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
}

/// The only show.
pub fn show() -> ShowId {
    match ShowId::try_from(7_u64) {
        Ok(show) => show,
        Err(_) => unreachable!("7 is a show's number"),
    }
}

/// The only currency.
pub fn rupees() -> Currency {
    match "INR".parse() {
        Ok(currency) => currency,
        Err(_) => unreachable!("INR is a currency"),
    }
}

/// The nth seat.
pub fn seat_key(nth: usize) -> SeatKey {
    SeatKey {
        show: show(),
        seat: format!("A-{nth}"),
    }
}

/// The nth booking.
pub fn booking(nth: usize) -> BookingId {
    let nth = nth as u64 + 1;
    BookingId::pack(nth, show(), nth)
}

/// The nth attempt.
pub fn payment(nth: usize) -> PaymentId {
    PaymentId::from(Uuid::from_u128(nth as u128 + 1))
}

/// Which attempt this is.
pub fn attempt(id: Uuid) -> usize {
    usize::try_from(id.as_u128())
        .unwrap_or(usize::MAX)
        .wrapping_sub(1)
}

/// The only gateway account.
pub fn account() -> GatewayAccount {
    GatewayAccount::new("stripe", GatewayAccount::DEFAULT)
}

/// The rules of the show; a fee is kept when a customer cancels.
pub fn terms() -> Terms {
    Terms {
        warning_ms: 0,
        cancel_fee_bp: 1_000,
        ..Terms::usual(rupees())
    }
}

/// The nth booking's hold on these seats.
pub fn hold(nth: usize, seats: &[usize]) -> Input {
    Input::Hold {
        user: UserId(format!("customer {nth}")),
        seats: seats.iter().map(|seat| seat_key(*seat).seat).collect(),
        contact: Contact::default(),
        terms: terms(),
    }
}

/// The gateway's id of the nth attempt.
pub fn gateway_payment(nth: usize) -> String {
    format!("pi_{nth}")
}

/// What the gateway tells of a payment.
pub fn payment_fact(
    nth: usize,
    of: BookingId,
    paid: &Paid,
    state: PaymentState,
    price: i64,
) -> PaymentFact {
    let amount = if state == PaymentState::Captured {
        paid.captured
    } else {
        price
    };
    PaymentFact {
        account: account(),
        gateway_payment_id: gateway_payment(nth),
        opened_as: None,
        reference: Reference::Booking {
            booking: of,
            payment: Some(payment(nth)),
        },
        state,
        amount: Money::new(amount, rupees()),
        live: false,
        reason: None,
    }
}

/// What the gateway tells of the `back`th refund of the nth attempt.
pub fn refund_fact(nth: usize, back: usize, row: &Back, state: RefundState) -> RefundFact {
    RefundFact {
        account: account(),
        gateway_refund_id: format!("re_{nth}_{back}"),
        gateway_payment_id: gateway_payment(nth),
        reference: Reference::Absent,
        refund: row.ours,
        generation: row.ours.map(|_| row.generation),
        state,
        amount: Money::new(row.amount, rupees()),
        live: false,
        reason: None,
    }
}

/// Which refund of its payment this gateway's id means.
pub fn back(gateway_refund_id: &str) -> Option<usize> {
    gateway_refund_id.rsplit('_').next()?.parse().ok()
}

/// What the gateway tells of a dispute.
pub fn dispute_fact(nth: usize, paid: &Paid, standing: DisputeStanding) -> DisputeFact {
    DisputeFact {
        account: account(),
        gateway_dispute_id: format!("dp_{nth}"),
        gateway_payment_id: gateway_payment(nth),
        reference: Reference::Absent,
        standing,
        amount: Money::new(paid.captured, rupees()),
        live: false,
        reason: None,
    }
}
