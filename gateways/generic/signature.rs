//! `X-Hub-Signature-256: sha256=<64 hex digits>`: HMAC-SHA256 over the raw body. No time is signed, so
//! there is no tolerance: a replay is caught by the event's id.

use http::HeaderMap;
use time::OffsetDateTime;

use crate::header;
use crate::port::Refusal;
use crate::secrets::{SigningSecret, check, mac_from_hex};

pub(super) const HEADER: &str = "x-hub-signature-256";

pub(super) fn verify(
    secrets: &[SigningSecret],
    headers: &HeaderMap,
    body: &[u8],
    at: OffsetDateTime,
) -> Result<(), Refusal> {
    let value = header::only(headers, HEADER)?;
    let mac = value
        .strip_prefix(b"sha256=")
        .and_then(mac_from_hex)
        .ok_or(Refusal::Malformed)?;
    check(secrets, &[body], &[mac], at)
}
