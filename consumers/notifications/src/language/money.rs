//! Money as a customer reads it.

use boxoffice_saga::money::Money;

/// An amount for reading, the same in every language that we write: grouped digits, and as many decimals as the
/// currency has: `₹1,23,456.00`, `USD 1,234.50`, `JPY 500`, `KWD 1.250`. The code, not a sign, but for rupees:
/// `$` is the sign of twenty currencies, `₹` of one.
pub fn money_text(amount: Money) -> String {
    let (sign, digits) = sign_and_digits(amount);
    match amount.currency.code() {
        "INR" => format!("{sign}₹{digits}"),
        code => format!("{code} {sign}{digits}"),
    }
}

/// The same in ASCII, with the code for rupees too: `INR 1,23,456.00`. For short messages, where a single `₹`
/// makes every letter take twice the room.
pub fn plain_money_text(amount: Money) -> String {
    let (sign, digits) = sign_and_digits(amount);
    format!("{} {sign}{digits}", amount.currency)
}

fn sign_and_digits(amount: Money) -> (&'static str, String) {
    let code = amount.currency.code();
    let decimals = decimals(code);
    let digits = format!(
        "{:0width$}",
        amount.minor.unsigned_abs(),
        width = decimals + 1
    );
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let point = if decimals == 0 { "" } else { "." };
    let whole = grouped(whole, if code == "INR" { 2 } else { 3 });
    let sign = if amount.minor < 0 { "-" } else { "" };
    (sign, format!("{whole}{point}{fraction}"))
}

/// The last three digits are a group; before them, groups of `next` (two in India: lakh and crore).
fn grouped(digits: &str, next: usize) -> String {
    let mut text = String::with_capacity(digits.len() * 3 / 2);
    for (at, digit) in digits.char_indices() {
        let left = digits.len() - at;
        if at > 0 && left >= 3 && (left - 3).is_multiple_of(next) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The exponent of ISO 4217 (list one): how many digits of the minor unit stand after the point.
fn decimals(code: &str) -> usize {
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
    fn amounts_read_as_in_their_country() {
        let text = |minor, code: &str| money_text(Money::new(minor, code.parse().unwrap()));
        for (minor, code, expected) in [
            (45_000, "INR", "₹450.00"),
            (12_345_600, "INR", "₹1,23,456.00"),
            (1_234_567_890, "INR", "₹1,23,45,678.90"),
            (99_900, "INR", "₹999.00"),
            (12_500_000, "INR", "₹1,25,000.00"),
            (-5, "INR", "-₹0.05"),
            (123_450, "USD", "USD 1,234.50"),
            (5, "EUR", "EUR 0.05"),
            (0, "EUR", "EUR 0.00"),
            (500, "JPY", "JPY 500"),
            (1_500_000, "JPY", "JPY 1,500,000"),
            (1_250, "KWD", "KWD 1.250"),
            (7, "KWD", "KWD 0.007"),
            (-150, "USD", "USD -1.50"),
            (i64::MAX, "JPY", "JPY 9,223,372,036,854,775,807"),
            (i64::MIN, "USD", "USD -92,233,720,368,547,758.08"),
        ] {
            assert_eq!(text(minor, code), expected);
        }
        let plain = plain_money_text(Money::new(12_500_000, "INR".parse().unwrap()));
        assert_eq!(plain, "INR 1,25,000.00");
    }
}
