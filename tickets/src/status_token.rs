//! The token in a `status_url`: `GET /v1/bookings/{id}?token=…`.
//!
//! Ids are no secrets, so an address that a browser polls without logging in carries a token: HMAC-SHA256
//! over the booking id and an expiry. It opens one booking's status for reading, and nothing else.
//!
//! In base64url without padding, 55 characters: 1 byte version, 8 bytes expiry (seconds since 1970,
//! big-endian), 32 bytes MAC over a label, version, booking id and expiry. The booking id stands in the path.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use time::OffsetDateTime;
use uuid::Uuid;

/// The shortest secret, in bytes.
pub const MIN_SECRET_LENGTH: usize = 32;

const VERSION: u8 = 1;
const LABEL: &[u8] = b"boxoffice status token\0";
const TOKEN_BYTES: usize = 1 + 8 + 32;

/// Issues and checks status tokens. `Debug` shows no secret.
#[derive(Clone)]
pub struct StatusTokens {
    signing: Hmac<Sha256>,
    older: Vec<Hmac<Sha256>>,
}

/// A secret that can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the status token secret has fewer than {MIN_SECRET_LENGTH} bytes; make one with `openssl rand -base64 32`"
)]
pub struct WeakSecret;

/// Why a token does not open this booking's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatusTokenError {
    /// Not the shape of a token.
    #[error("this is not a status token")]
    Malformed,
    /// Ours, for this booking, but its time is over.
    #[error("this status link has expired; log in to see the booking")]
    Expired,
    /// Not ours, changed, or for another booking.
    #[error("this status token is not valid for this booking")]
    Forged,
}

impl StatusTokens {
    /// Signs and accepts with `secret`, at least [`MIN_SECRET_LENGTH`] bytes, taken as they stand.
    pub fn new(secret: &[u8]) -> Result<Self, WeakSecret> {
        Ok(Self {
            signing: keyed(secret)?,
            older: Vec::new(),
        })
    }

    /// Also accepts what an older secret signed, until its last token has expired (rotation).
    pub fn also_accept(mut self, secret: &[u8]) -> Result<Self, WeakSecret> {
        self.older.push(keyed(secret)?);
        Ok(self)
    }

    /// A token for `booking_id`, good until `expires_at` (cut to the second). Safe in a URL as it stands.
    pub fn issue(&self, booking_id: Uuid, expires_at: OffsetDateTime) -> String {
        let expiry = expires_at.unix_timestamp().to_be_bytes();
        let mut token = [0; TOKEN_BYTES];
        token[0] = VERSION;
        token[1..9].copy_from_slice(&expiry);
        token[9..].copy_from_slice(&mac(&self.signing, booking_id, expiry));
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Whether `token` opens `booking_id` at `now`; good as long as `now` is before its expiry. The MAC is
    /// compared in constant time, and first: only a genuine token is told that it has expired.
    pub fn check(
        &self,
        token: &str,
        booking_id: Uuid,
        now: OffsetDateTime,
    ) -> Result<(), StatusTokenError> {
        let mut bytes = [0; TOKEN_BYTES];
        match URL_SAFE_NO_PAD.decode_slice(token, &mut bytes) {
            Ok(TOKEN_BYTES) if bytes[0] == VERSION => {}
            _ => return Err(StatusTokenError::Malformed),
        }
        let mut expiry = [0; 8];
        expiry.copy_from_slice(&bytes[1..9]);
        let genuine = std::iter::once(&self.signing)
            .chain(&self.older)
            .map(|key| mac(key, booking_id, expiry).ct_eq(&bytes[9..]))
            .fold(Choice::from(0), |any, this| any | this);
        if !bool::from(genuine) {
            return Err(StatusTokenError::Forged);
        }
        if now.unix_timestamp() >= i64::from_be_bytes(expiry) {
            return Err(StatusTokenError::Expired);
        }
        Ok(())
    }
}

impl fmt::Debug for StatusTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusTokens")
            .field("older", &self.older.len())
            .finish_non_exhaustive()
    }
}

fn keyed(secret: &[u8]) -> Result<Hmac<Sha256>, WeakSecret> {
    if secret.len() < MIN_SECRET_LENGTH {
        return Err(WeakSecret);
    }
    Hmac::new_from_slice(secret).map_err(|_| WeakSecret)
}

fn mac(key: &Hmac<Sha256>, booking_id: Uuid, expiry: [u8; 8]) -> [u8; 32] {
    let mut mac = key.clone();
    mac.update(LABEL);
    mac.update(&[VERSION]);
    mac.update(booking_id.as_bytes());
    mac.update(&expiry);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::Duration;
    use time::macros::datetime;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const OTHER: &[u8] = b"fedcba9876543210fedcba9876543210";
    const BOOKING: Uuid = Uuid::from_u128(0x42);
    const NOON: OffsetDateTime = datetime!(2026-01-02 12:00 UTC);

    fn tokens() -> StatusTokens {
        StatusTokens::new(SECRET).unwrap()
    }

    #[test]
    fn a_token_opens_its_booking_until_it_expires() {
        let token = tokens().issue(BOOKING, NOON);
        assert_eq!(token.len(), 55);
        let check = |booking, now| tokens().check(&token, booking, now);
        assert_eq!(check(BOOKING, NOON - Duration::SECOND), Ok(()));
        assert_eq!(check(BOOKING, NOON - Duration::NANOSECOND), Ok(()));
        assert_eq!(check(BOOKING, NOON), Err(StatusTokenError::Expired));
        assert_eq!(check(Uuid::nil(), NOON), Err(StatusTokenError::Forged));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let token = tokens().issue(BOOKING, NOON);
        let mut bytes = token.into_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                if let Ok(text) = std::str::from_utf8(&bytes) {
                    let answer = tokens().check(text, BOOKING, datetime!(2026-01-01 0:00 UTC));
                    assert!(
                        matches!(
                            answer,
                            Err(StatusTokenError::Forged | StatusTokenError::Malformed)
                        ),
                        "byte {at}, bit {bit}: {answer:?}"
                    );
                }
                bytes[at] ^= 1 << bit;
            }
        }
    }

    #[test]
    fn secrets_rotate() {
        let old = StatusTokens::new(OTHER).unwrap().issue(BOOKING, NOON);
        let before = NOON - Duration::HOUR;
        assert_eq!(
            tokens().check(&old, BOOKING, before),
            Err(StatusTokenError::Forged)
        );
        let both = tokens().also_accept(OTHER).unwrap();
        assert_eq!(both.check(&old, BOOKING, before), Ok(()));
        assert_eq!(
            tokens().check(&both.issue(BOOKING, NOON), BOOKING, before),
            Ok(())
        );
    }

    #[test]
    fn weak_secrets_are_refused_and_none_is_shown() {
        assert_eq!(StatusTokens::new(&SECRET[1..]).unwrap_err(), WeakSecret);
        assert_eq!(tokens().also_accept(b"").unwrap_err(), WeakSecret);
        assert_eq!(format!("{:?}", tokens()), "StatusTokens { older: 0, .. }");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,120}") {
            prop_assert!(tokens().check(&text, BOOKING, NOON).is_err());
        }

        #[test]
        fn tokens_come_back(id: u128, seconds in 1_i64..253_402_300_799) {
            let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let booking = Uuid::from_u128(id);
            let token = tokens().issue(booking, at);
            prop_assert_eq!(tokens().check(&token, booking, at - Duration::SECOND), Ok(()));
        }
    }
}
