//! The ticket code: `BX1.<key id>.<payload>.<signature>`, the last two in base64url without padding.
//!
//! The signature (Ed25519, RFC 8032, hence deterministic) covers the text before the last dot, so that
//! version and key id cannot be exchanged. Base64 is read strictly and signatures are verified strictly: a
//! ticket has one code, and a changed character makes it another text that nobody signed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signature;

use crate::key_text::check_key_id;
use crate::keys::{TicketKeys, VerifyingKeys};
use crate::ticket::Ticket;

/// The longest code that is looked at, in bytes; longer ones are refused unread. No ticket's code is longer.
pub const MAX_CODE_LENGTH: usize = 2048;

const VERSION: &str = "BX1";

/// A signed ticket as text: ASCII, at most [`MAX_CODE_LENGTH`] bytes, about 200 for ten seats.
///
/// Only signing makes one, or [`verify`] succeeding on its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketCode(String);

impl TicketCode {
    /// The text, for a QR code or to be typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TicketCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a code is no ticket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// Not the shape of a ticket code: another QR code, or badly copied.
    #[error("this is not a ticket code; scan it again")]
    Malformed,
    /// A ticket code of a version that this program does not know.
    #[error("this ticket is of a newer kind; update the program that checks tickets")]
    UnsupportedVersion,
    /// Signed by a key that is not configured here: another box office, or a key not rolled out yet.
    #[error("no verifying key {key_id:?} is configured here; add it if it is one of ours")]
    UnknownKey {
        /// The key id that the code claims.
        key_id: String,
    },
    /// Not signed by the key that it claims: changed, or forged.
    #[error("the signature is wrong: the ticket was changed or forged")]
    BadSignature,
}

impl Ticket {
    /// The code of this ticket. The same ticket and key always give the same code.
    pub fn sign(&self, keys: &TicketKeys) -> TicketCode {
        let payload = URL_SAFE_NO_PAD.encode(self.payload());
        let signed = format!("{VERSION}.{}.{payload}", keys.id());
        let signature = keys.sign(signed.as_bytes()).to_bytes();
        TicketCode(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The ticket that `code` stands for, if one of `keys` signed it. Surrounding white space is ignored.
///
/// Needs no network and no clock. It says that the ticket was issued, not that it is still good: whether a
/// booking was cancelled since, or has already entered, is for the gate's own list.
pub fn verify(code: &str, keys: &VerifyingKeys) -> Result<Ticket, TicketError> {
    if code.len() > MAX_CODE_LENGTH {
        return Err(TicketError::Malformed);
    }
    let code = code.trim();
    let (version, rest) = code.split_once('.').ok_or(TicketError::Malformed)?;
    if version != VERSION {
        return Err(match version.strip_prefix("BX") {
            Some(n) if !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()) => {
                TicketError::UnsupportedVersion
            }
            _ => TicketError::Malformed,
        });
    }
    let (signed, signature) = code.rsplit_once('.').ok_or(TicketError::Malformed)?;
    let (key_id, _) = rest.split_once('.').ok_or(TicketError::Malformed)?;
    check_key_id(key_id).map_err(|_| TicketError::Malformed)?;
    let payload = signed
        .strip_prefix(VERSION)
        .and_then(|text| text.strip_prefix('.'))
        .and_then(|text| text.strip_prefix(key_id))
        .and_then(|text| text.strip_prefix('.'))
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
        .ok_or(TicketError::Malformed)?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .ok()
        .and_then(|bytes| Signature::from_slice(&bytes).ok())
        .ok_or(TicketError::Malformed)?;
    let key = keys.get(key_id).ok_or_else(|| TicketError::UnknownKey {
        key_id: key_id.to_owned(),
    })?;
    key.verify_strict(signed.as_bytes(), &signature)
        .map_err(|_| TicketError::BadSignature)?;
    Ticket::from_payload(&payload).ok_or(TicketError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;
    use uuid::Uuid;

    const SEED: &str = "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=";

    fn keys() -> TicketKeys {
        TicketKeys::new("k1", SEED).unwrap()
    }

    fn ticket(seats: usize) -> Ticket {
        let seats = (1..=seats).map(|n| format!("A-{n}")).collect();
        let at = datetime!(2026-01-02 03:04:05 UTC);
        Ticket::new(Uuid::from_u128(0x0198_9a3e << 96), 4711, seats, at).unwrap()
    }

    #[test]
    fn the_code_is_deterministic_and_short() {
        let code = ticket(10).sign(&keys());
        assert_eq!(code, ticket(10).sign(&keys()));
        assert_eq!(
            verify(code.as_str(), keys().verifying()).unwrap(),
            ticket(10)
        );
        assert_eq!(
            verify(&format!(" {code}\n"), keys().verifying()).unwrap(),
            ticket(10)
        );
        assert!(
            code.as_str().len() < 213,
            "{} fits QR version 10",
            code.as_str().len()
        );
    }

    /// Printed tickets outlive releases: this very text must verify for ever. Its signature was checked by
    /// OpenSSL against the public key of RFC 8410, section 10.1.
    const PRINTED: &str = "BX1.k1.AZiaPgAAAAAAAAAAAAAAAOckpevcygYCA0EtMQNBLTI.\
        8SAPaOPZfv6gaajs1qXWu9wzkSzvYLabfWmRScduBEJjLn-Q94o7m6CuBTLQFR7GtGxCXnqD3S_In5aSfsnMAQ";

    #[test]
    fn the_format_stays() {
        assert_eq!(ticket(2).sign(&keys()).as_str(), PRINTED);
        assert_eq!(verify(PRINTED, keys().verifying()).unwrap(), ticket(2));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let code = ticket(3).sign(&keys());
        let mut bytes = code.as_str().as_bytes().to_vec();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                if let Ok(text) = std::str::from_utf8(&bytes) {
                    assert!(
                        verify(text, keys().verifying()).is_err(),
                        "byte {at}, bit {bit}"
                    );
                }
                bytes[at] ^= 1 << bit;
            }
        }
    }

    #[test]
    fn each_fault_has_its_error() {
        let code = ticket(1).sign(&keys()).to_string();
        let fault = |text: &str| verify(text, keys().verifying()).unwrap_err();
        for text in [
            "",
            ".",
            "BX1",
            "BX1.",
            "BX1.k1",
            "BX1.k1.AAAA",
            "BX.k1.AA.AA",
            "https://a.b/c",
        ] {
            assert_eq!(fault(text), TicketError::Malformed, "{text}");
        }
        assert_eq!(
            fault(&"A".repeat(MAX_CODE_LENGTH + 1)),
            TicketError::Malformed
        );
        assert_eq!(
            fault(&code.replace("BX1", "BX2")),
            TicketError::UnsupportedVersion
        );
        let unknown = TicketError::UnknownKey {
            key_id: "k2".into(),
        };
        assert_eq!(fault(&code.replace(".k1.", ".k2.")), unknown);
        assert_eq!(fault(&format!("{code}=")), TicketError::Malformed);
        let (signed, _) = code.rsplit_once('.').unwrap();
        let other = ticket(2).sign(&keys()).to_string();
        let (_, foreign) = other.rsplit_once('.').unwrap();
        assert_eq!(
            fault(&format!("{signed}.{foreign}")),
            TicketError::BadSignature
        );
    }

    #[test]
    fn old_keys_stay_good_and_a_gate_needs_no_secret() {
        let old = TicketKeys::generate();
        let before = ticket(1).sign(&old);
        let mut new = TicketKeys::new("k2", &TicketKeys::generate().seed_text()).unwrap();
        assert!(verify(before.as_str(), new.verifying()).is_err());
        new.accept(
            old.id(),
            &old.verifying().public_key_text(old.id()).unwrap(),
        )
        .unwrap();
        let after = ticket(1).sign(&new);

        let mut gate = VerifyingKeys::new();
        for id in new.verifying().ids() {
            gate.accept(id, &new.verifying().public_key_text(id).unwrap())
                .unwrap();
        }
        assert_eq!(verify(before.as_str(), &gate).unwrap(), ticket(1));
        assert_eq!(verify(after.as_str(), &gate).unwrap(), ticket(1));
    }

    #[test]
    fn the_largest_ticket_is_within_the_bound() {
        let seats: Vec<_> = (0..100).map(|n| format!("{n:010}")).collect();
        let at = datetime!(9999-12-31 0:00 UTC);
        let ticket = Ticket::new(Uuid::max(), u64::MAX, seats, at).unwrap();
        let keys = TicketKeys::new(&"k".repeat(32), SEED).unwrap();
        let code = ticket.sign(&keys);
        assert_eq!(verify(code.as_str(), keys.verifying()).unwrap(), ticket);
        assert!(crate::qr_png(&code).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(BX[0-9]{1,2})?[.]?.{0,80}[.].{0,80}") {
            prop_assert!(verify(&text, keys().verifying()).is_err());
        }
    }
}
