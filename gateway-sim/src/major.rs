//! Amounts in decimal major units, for the gateways that write them so.

use serde_json::{Number, Value};

/// The minor units that a decimal says, for a currency with two places.
pub(crate) fn minor(text: &str) -> Option<i64> {
    let (major, rest) = text.split_once('.').unwrap_or((text, ""));
    let rest = format!("{rest:0<2}");
    if rest.len() != 2 {
        return None;
    }
    format!("{major}{rest}").parse().ok()
}

/// Minor units as a JSON number in major ones, as such gateways print them.
pub(crate) fn number(minor: i64) -> Value {
    let text = format!("{}.{:02}", minor / 100, minor % 100);
    text.parse::<Number>().map_or(Value::Null, Value::Number)
}
