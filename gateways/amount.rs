//! Amounts as most gateways write them: whole numbers of the currency's smallest unit (paise, yen, fils).

use boxoffice_saga::money::Money;

use crate::port::Unreadable;

/// `minor` of the smallest units of `currency` (three letters, either case).
///
/// # Errors
/// [`Unreadable::Value`] for a negative amount and for what is no currency.
pub(crate) fn of_minor_units(minor: i64, currency: &str) -> Result<Money, Unreadable> {
    if minor < 0 {
        return Err(Unreadable::Value { what: "an amount" });
    }
    let currency = currency.parse().map_err(|_| Unreadable::Value {
        what: "the currency",
    })?;
    Ok(Money::new(minor, currency))
}
