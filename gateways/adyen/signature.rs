//! Each item bears its own signature: HMAC-SHA256, in base64, over eight of its fields with `:` between them. Nothing is
//! escaped, and no time is signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::item::{Item, Request, text};
use super::key;
use crate::port::Refusal;
use crate::secrets::{SigningSecret, hmac_sha256};

/// The most items in one request. Adyen sends one with JSON and six at most with anything; each becomes a record with
/// the whole body in it.
const MOST_ITEMS: usize = 100;

/// Believes all items or none.
pub(super) fn verify(
    secrets: &[SigningSecret],
    body: &[u8],
    at: OffsetDateTime,
) -> Result<(), Refusal> {
    // What is signed stands in the JSON: this much must be read first.
    let request: Request<'_> = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
    if request.items.is_empty() {
        return Err(Refusal::Missing);
    }
    if request.items.len() > MOST_ITEMS {
        return Err(Refusal::Malformed);
    }
    request
        .items
        .iter()
        .try_for_each(|wrapped| genuine(secrets, &wrapped.item, at))
}

fn genuine(secrets: &[SigningSecret], item: &Item<'_>, at: OffsetDateTime) -> Result<(), Refusal> {
    let offered = text(&item.additional_data.signature);
    if offered.is_empty() {
        return Err(Refusal::Missing);
    }
    let offered: [u8; 32] = STANDARD
        .decode(offered)
        .ok()
        .and_then(|mac| mac.try_into().ok())
        .ok_or(Refusal::Malformed)?;
    let value = item
        .amount
        .value
        .map(|value| value.to_string())
        .unwrap_or_default();
    let fields = [
        text(&item.psp_reference),
        text(&item.original_reference),
        text(&item.merchant_account_code),
        text(&item.merchant_reference),
        &value,
        text(&item.amount.currency),
        text(&item.event_code),
        text(&item.success),
    ];
    // With a `:` in two fields, what one of them ends with could be what the next begins with. Only our own reference
    // is anybody's free text.
    let ambiguous = fields
        .iter()
        .enumerate()
        .any(|(place, field)| place != 3 && field.contains(':'));
    if ambiguous {
        return Err(Refusal::Malformed);
    }
    let signed = fields.join(":");
    let mut retired = false;
    for secret in secrets {
        let right = key(secret.secret.expose_secret())
            .and_then(|key| hmac_sha256(&key, &[signed.as_bytes()]));
        if right.is_some_and(|right| bool::from(right.as_slice().ct_eq(&offered))) {
            if secret.valid(at) {
                return Ok(());
            }
            retired = true;
        }
    }
    Err(if retired {
        Refusal::RetiredSecret
    } else {
        Refusal::Mismatch
    })
}
