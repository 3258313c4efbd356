//! `X-Razorpay-Signature: <64 hex digits>`: HMAC-SHA256 over the raw body, with the webhook's secret as it was typed in at
//! the dashboard. No time is signed, so there is no tolerance: a replay is caught by the event's id.
//!
//! What Razorpay sends again, for a day by itself and for fifteen days by hand, stays signed with the secret of its
//! first sending: an old secret must stay valid for that long after it was changed.

use http::HeaderMap;
use time::OffsetDateTime;

use crate::header;
use crate::port::Refusal;
use crate::secrets::{SigningSecret, check, mac_from_hex};

pub(super) const HEADER: &str = "x-razorpay-signature";

pub(super) fn verify(
    secrets: &[SigningSecret],
    headers: &HeaderMap,
    body: &[u8],
    at: OffsetDateTime,
) -> Result<(), Refusal> {
    let mac = mac_from_hex(header::only(headers, HEADER)?).ok_or(Refusal::Malformed)?;
    check(secrets, &[body], &[mac], at)
}
