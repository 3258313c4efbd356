//! `Stripe-Signature: t=<unix seconds>,v1=<hex>[,v1=…][,v0=…]`: HMAC-SHA256 over `t`, a full stop and the
//! raw body; the key is the whole secret text, `whsec_` included. Any `v1` may match (Stripe signs with
//! both secrets while one is rolled); other schemes and broken `v1` values are passed over.

use http::HeaderMap;
use time::OffsetDateTime;

use crate::header;
use crate::port::Refusal;
use crate::secrets::{SigningSecret, check, mac_from_hex};
use crate::signed_time::{fresh, seconds};

pub(super) const HEADER: &str = "stripe-signature";

pub(super) fn verify(
    secrets: &[SigningSecret],
    tolerance_seconds: u32,
    headers: &HeaderMap,
    body: &[u8],
    at: OffsetDateTime,
) -> Result<(), Refusal> {
    let (signed_at, macs) = parse(header::only(headers, HEADER)?)?;
    check(secrets, &[signed_at, b".", body], &macs, at)?;
    let signed_at = seconds(signed_at).ok_or(Refusal::Malformed)?;
    fresh(signed_at, at, tolerance_seconds)
}

/// The time as it stands there, and the `v1` values that are MACs at all.
fn parse(value: &[u8]) -> Result<(&[u8], Vec<[u8; 32]>), Refusal> {
    let mut signed_at = None;
    let mut macs = Vec::new();
    let mut any_v1 = false;
    for item in value.split(|&byte| byte == b',') {
        let item = item.trim_ascii();
        if let Some(time) = item.strip_prefix(b"t=") {
            // Two times would leave open which one is meant.
            if signed_at.replace(time).is_some() || seconds(time).is_none() {
                return Err(Refusal::Malformed);
            }
        } else if let Some(mac) = item.strip_prefix(b"v1=") {
            any_v1 = true;
            macs.extend(mac_from_hex(mac));
        }
    }
    match signed_at {
        Some(signed_at) if any_v1 => Ok((signed_at, macs)),
        _ => Err(Refusal::Malformed),
    }
}
