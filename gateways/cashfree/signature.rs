//! `x-webhook-signature`: HMAC-SHA256 over the time of `x-webhook-timestamp` and the raw body, without anything
//! between them, in base64. The key is the account's client secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use time::OffsetDateTime;

use crate::header;
use crate::port::Refusal;
use crate::secrets::{SigningSecret, check};

pub(super) const HEADER: &str = "x-webhook-signature";
pub(super) const TIME: &str = "x-webhook-timestamp";

/// How far a signature's time may be from ours at the least, in seconds. Cashfree sends a webhook again after 2, 10 and 30 minutes, and
/// does not say whether it then signs the present time or the first one; a repetition that is refused would be
/// money that nobody tells of. An hour costs nothing, for a webhook that comes twice is one.
const RETRIES_SECONDS: u32 = 3_600;

pub(super) fn verify(
    secrets: &[SigningSecret],
    tolerance_seconds: u32,
    headers: &HeaderMap,
    body: &[u8],
    at: OffsetDateTime,
) -> Result<(), Refusal> {
    let signature = header::only(headers, HEADER)?;
    let signed_at = header::only(headers, TIME)?;
    let millis = millis(signed_at).ok_or(Refusal::Malformed)?;
    let mac: [u8; 32] = STANDARD
        .decode(signature)
        .ok()
        .and_then(|mac| mac.try_into().ok())
        .ok_or(Refusal::Malformed)?;
    check(secrets, &[signed_at, body], &[mac], at)?;
    let age = at.unix_timestamp_nanos() / 1_000_000 - i128::from(millis);
    let tolerance = i128::from(tolerance_seconds.max(RETRIES_SECONDS)) * 1_000;
    if age > tolerance {
        Err(Refusal::Stale)
    } else if age < -tolerance {
        Err(Refusal::Future)
    } else {
        Ok(())
    }
}

/// Unix milliseconds: digits only. None for a sign, for anything else, and beyond i64.
fn millis(text: &[u8]) -> Option<i64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
