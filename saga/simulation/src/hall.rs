//! The shows, their seats, and who would like to have them.

use boxoffice_saga::booking::Terms;
use boxoffice_saga::identity::{GatewayAccount, SeatName, ShowId, UserId};
use boxoffice_saga::money::{Currency, Money};
use boxoffice_saga::seat::{Seat, SeatKey, SeatState};
use boxoffice_turn::memory::Tables;
use time::OffsetDateTime;

/// How many shows there are. They lie in different partitions.
pub(crate) const SHOWS: u8 = 2;
/// Seats of each.
pub(crate) const SEATS: u8 = 3;
/// Customers.
pub(crate) const USERS: u8 = 3;
/// What a seat costs, in minor units.
const PRICE: i64 = 1_000;

/// When everything begins: 1 January 2026.
pub(crate) const BEGINNING: i64 = 1_767_225_600;

pub(crate) fn show(nth: u8) -> Option<ShowId> {
    ShowId::try_from(u64::from(nth % SHOWS) + 7).ok()
}

pub(crate) fn user(nth: u8) -> UserId {
    UserId(format!("user-{}", nth % USERS))
}

/// The seats that the bits name; at least one.
pub(crate) fn seats(bits: u8) -> Vec<SeatName> {
    let mut names: Vec<_> = (0..SEATS)
        .filter(|nth| bits & (1 << nth) != 0)
        .map(seat)
        .collect();
    if names.is_empty() {
        names.push(seat(bits % SEATS));
    }
    names
}

fn seat(nth: u8) -> SeatName {
    format!("A-{nth}")
}

/// The gateway that can be asked.
pub(crate) fn asked() -> GatewayAccount {
    GatewayAccount::new("simulated", GatewayAccount::DEFAULT)
}

/// The gateway that only tells.
pub(crate) fn telling() -> GatewayAccount {
    GatewayAccount::new("telling", GatewayAccount::DEFAULT)
}

pub(crate) fn currency(code: &str) -> Option<Currency> {
    code.parse().ok()
}

/// The rules of the shows, with this fee for cancelling.
pub(crate) fn terms(fee_bp: u16) -> Option<Terms> {
    let usual = Terms::usual(currency("INR")?);
    Some(Terms {
        cancel_fee_bp: fee_bp,
        ..usual
    })
}

pub(crate) fn paid(how: crate::act::Sum, asked: Money) -> Money {
    use crate::act::Sum;
    match how {
        Sum::Right => asked,
        Sum::TooLittle => Money::new(asked.minor / 2, asked.currency),
        Sum::TooMuch => Money::new(asked.minor + 500, asked.currency),
        Sum::OtherCurrency => Money::new(asked.minor, currency("EUR").unwrap_or(asked.currency)),
    }
}

/// Puts the shows on sale.
pub(crate) fn opens(tables: &mut Tables) {
    tables.now = OffsetDateTime::from_unix_timestamp(BEGINNING).ok();
    for show in (0..SHOWS).filter_map(show) {
        for seat in (0..SEATS).map(seat) {
            let key = SeatKey { show, seat };
            let row = Seat {
                key: key.clone(),
                state: SeatState::Available,
                booking: None,
                reclaim_at: None,
                price_minor: PRICE,
            };
            tables.seats.insert(key, row);
        }
    }
}
