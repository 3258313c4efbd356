//! Amounts as gateways write them: whole minor units, or decimal major units. Never through floating point.

use boxoffice_saga::money::{Currency, Money};
use serde_json::value::RawValue;

use crate::port::Unreadable;

const WRONG: Unreadable = Unreadable::Value { what: "the amount" };

/// `minor` units of the currency of that code.
pub(crate) fn whole(minor: i64, currency: &str) -> Result<Money, Unreadable> {
    if minor < 0 {
        return Err(WRONG);
    }
    Ok(Money::new(minor, code(currency)?))
}

/// Decimal major units, `450.00`: digits, perhaps a point and more digits. Digits beyond the currency's own must be
/// zeros.
pub(crate) fn decimal(text: &str, currency: &str) -> Result<Money, Unreadable> {
    let currency = code(currency)?;
    let (major, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if !all_digits(major) || !all_digits(fraction) {
        return Err(WRONG);
    }
    let places = places(currency.code());
    let (counted, rest) = fraction.split_at(places.min(fraction.len()));
    if rest.bytes().any(|c| c != b'0') {
        return Err(WRONG);
    }
    format!("{major}{counted:0<places$}")
        .parse()
        .map(|minor| Money::new(minor, currency))
        .map_err(|_| WRONG)
}

/// The decimal that a JSON number or string says, taken as the text that it is.
pub(crate) fn stated(raw: &RawValue, currency: &str) -> Result<Money, Unreadable> {
    let text = raw.get();
    let inside = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    decimal(inside.unwrap_or(text), currency)
}

/// The amount in decimal major units, with all its places, as a JSON number. None for a negative one.
pub(crate) fn number(money: Money) -> Option<Box<RawValue>> {
    let places = places(money.currency.code());
    let digits = u64::try_from(money.minor).ok()?.to_string();
    let digits = format!("{digits:0>least$}", least = places + 1);
    let (major, fraction) = digits.split_at_checked(digits.len().checked_sub(places)?)?;
    let text = if fraction.is_empty() {
        major.to_owned()
    } else {
        format!("{major}.{fraction}")
    };
    RawValue::from_string(text).ok()
}

fn code(currency: &str) -> Result<Currency, Unreadable> {
    currency.parse().map_err(|_| Unreadable::Value {
        what: "the currency",
    })
}

/// How many digits of the minor unit stand after the point (ISO 4217, list one).
fn places(code: &str) -> usize {
    match code {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_minor_units_exactly() {
        for (text, currency, minor) in [
            ("450.00", "INR", 45_000),
            ("450", "INR", 45_000),
            ("450.5", "inr", 45_050),
            ("0.07", "EUR", 7),
            ("0.1", "EUR", 10),
            ("450.0000", "INR", 45_000),
            ("0", "EUR", 0),
            ("500", "JPY", 500),
            ("500.00", "JPY", 500),
            ("1.25", "KWD", 1_250),
            ("1.234", "KWD", 1_234),
            ("92233720368547758.07", "EUR", i64::MAX),
            ("000000000000000000000000001.00", "EUR", 100),
        ] {
            assert_eq!(decimal(text, currency).unwrap().minor, minor, "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_none() {
        for (text, currency) in [
            ("", "INR"),
            (".", "INR"),
            (".5", "INR"),
            ("5.", "INR"),
            ("-1", "INR"),
            ("+1", "INR"),
            ("1e2", "INR"),
            ("1,00", "INR"),
            ("1 00", "INR"),
            ("1.2.3", "INR"),
            ("0.001", "INR"),
            ("0.1", "JPY"),
            ("1.2345", "KWD"),
            ("92233720368547758.08", "EUR"),
            ("９", "EUR"),
            ("1", "EURO"),
        ] {
            assert!(decimal(text, currency).is_err(), "{text}");
        }
        assert!(whole(-1, "INR").is_err());
        assert!(whole(1, "").is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (minor, currency, text) in [
            (45_000, "INR", "450.00"),
            (5, "INR", "0.05"),
            (0, "INR", "0.00"),
            (500, "JPY", "500"),
            (1_234, "KWD", "1.234"),
            (i64::MAX, "INR", "92233720368547758.07"),
        ] {
            let money = Money::new(minor, currency.parse().unwrap());
            let written = number(money).unwrap();
            assert_eq!(written.get(), text);
            assert_eq!(stated(&written, currency), Ok(money));
            let quoted = RawValue::from_string(format!("\"{text}\"")).unwrap();
            assert_eq!(stated(&quoted, currency), Ok(money));
        }
        assert!(number(Money::new(-1, "INR".parse().unwrap())).is_none());
        for json in ["null", "[1]", "\" 5\"", "1e2", "-1", "\"\""] {
            let raw = RawValue::from_string(json.to_owned()).unwrap();
            assert!(stated(&raw, "INR").is_err(), "{json}");
        }
    }
}
