//! Amounts as some gateways write them: decimals of the currency's main unit (`450.00`). Read and written as text, for
//! in floating point they would be other amounts.

use boxoffice_saga::money::{Currency, Money};
use serde_json::value::RawValue;

use crate::port::Unreadable;

/// The amount that a JSON number or string says, in `currency` (three letters, either case).
///
/// Digits with at most one point; more places than the currency has must be zeros.
///
/// # Errors
/// [`Unreadable::Value`] for anything else: a sign, an exponent, a fraction of the smallest unit, more than an `i64`
/// holds, and what is no currency.
pub(crate) fn money(raw: &RawValue, currency: &str) -> Result<Money, Unreadable> {
    let currency: Currency = currency.parse().map_err(|_| Unreadable::Value {
        what: "the currency",
    })?;
    let text = raw.get();
    let text = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    let minor = minor(text, places(currency)).ok_or(Unreadable::Value { what: "an amount" })?;
    Ok(Money::new(minor, currency))
}

/// The amount as a JSON number with all its places.
pub(crate) fn number(money: Money) -> Option<Box<RawValue>> {
    let places = places(money.currency);
    let one = 10_i64.pow(places);
    let (whole, rest) = (money.minor.checked_div(one)?, money.minor.checked_rem(one)?);
    let text = match usize::try_from(places) {
        Ok(places @ 1..) if rest >= 0 => format!("{whole}.{rest:0places$}"),
        _ => whole.to_string(),
    };
    RawValue::from_string(text).ok()
}

fn minor(text: &str, places: u32) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || fraction.is_empty() {
        return None;
    }
    let places = usize::try_from(places).ok()?;
    let mut minor = 0_i64;
    let fraction = fraction.bytes().map(Some).chain(std::iter::repeat(None));
    let digits = whole.bytes().map(Some).chain(fraction.clone().take(places));
    for digit in digits {
        let digit = match digit {
            None => 0,
            Some(digit) if digit.is_ascii_digit() => digit - b'0',
            Some(_) => return None,
        };
        minor = minor.checked_mul(10)?.checked_add(digit.into())?;
    }
    fraction
        .skip(places)
        .map_while(|digit| digit)
        .all(|digit| digit == b'0')
        .then_some(minor)
}

/// Places after the point, by ISO 4217.
fn places(currency: Currency) -> u32 {
    match currency.code() {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, currency: &str) -> Option<i64> {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        money(&raw, currency).ok().map(|money| money.minor)
    }

    #[test]
    fn decimals_are_read_to_the_last_unit_or_not_at_all() {
        for (json, currency, minor) in [
            ("450", "INR", Some(45_000)),
            ("450.5", "INR", Some(45_050)),
            ("\"450.05\"", "inr", Some(45_005)),
            ("0.29", "INR", Some(29)),
            ("4.35", "INR", Some(435)),
            ("1.000", "INR", Some(100)),
            ("1.001", "INR", None),
            ("500", "JPY", Some(500)),
            ("500.00", "JPY", Some(500)),
            ("500.5", "JPY", None),
            ("1.2345", "KWD", None),
            ("1.234", "KWD", Some(1_234)),
            ("1.2", "KWD", Some(1_200)),
            ("92233720368547758.07", "INR", Some(i64::MAX)),
            ("92233720368547758.08", "INR", None),
            ("9223372036854775808", "JPY", None),
            ("-1", "INR", None),
            ("1e2", "INR", None),
            ("\"\"", "INR", None),
            ("\".5\"", "INR", None),
            ("\"5.\"", "INR", None),
            ("\" 5\"", "INR", None),
            ("\"٥\"", "INR", None),
            ("null", "INR", None),
            ("[1]", "INR", None),
            ("1", "rupees", None),
        ] {
            assert_eq!(read(json, currency), minor, "{json} {currency}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (minor, currency, text) in [
            (45_000, "INR", "450.00"),
            (5, "INR", "0.05"),
            (500, "JPY", "500"),
            (1_234, "KWD", "1.234"),
            (i64::MAX, "INR", "92233720368547758.07"),
        ] {
            let money = Money::new(minor, currency.parse().unwrap());
            let written = number(money).unwrap();
            assert_eq!(written.get(), text);
            assert_eq!(read(written.get(), currency), Some(minor));
        }
    }
}
