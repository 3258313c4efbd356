//! Keys as they stand in a configuration: PEM, or 32 bytes in base64.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};
use ed25519_dalek::{SigningKey, VerifyingKey};

/// The longest key id: it stands in every code.
const MAX_KEY_ID_LENGTH: usize = 32;

const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is wrong with a configured key. Never holds any part of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key id cannot stand in a ticket code.
    #[error(
        "a ticket key's id has 1 to 32 letters, digits, `-` or `_`; rename the key in the configuration"
    )]
    KeyId,
    /// The id already names another key.
    #[error("two different ticket keys have the same id; give each key an id of its own")]
    KeyIdTaken,
    /// The signing key is neither PEM nor 32 bytes in base64.
    #[error(
        "the ticket signing key is neither a PKCS#8 PEM nor 32 bytes in base64; make one with `openssl genpkey -algorithm ed25519`"
    )]
    SigningKey,
    /// A public key was given where the signing key belongs.
    #[error(
        "a public key stands where the ticket signing key belongs; give the `PRIVATE KEY` to the service that issues tickets"
    )]
    PublicInsteadOfPrivate,
    /// The verifying key is neither PEM nor 32 bytes in base64, or no point of the curve.
    #[error(
        "a ticket verifying key is neither a `PUBLIC KEY` PEM nor 32 bytes in base64; make it with `openssl pkey -pubout`"
    )]
    VerifyingKey,
    /// A private key was given where a public one belongs.
    #[error(
        "a private key stands where a ticket verifying key belongs; give gates only the `PUBLIC KEY`, and replace this private key if others could read it"
    )]
    PrivateInsteadOfPublic,
    /// A public key under which signatures mean nothing.
    #[error("this ticket verifying key is weak: anybody can sign for it; make a new key pair")]
    WeakKey,
}

pub(crate) fn check_key_id(id: &str) -> Result<(), KeyError> {
    let legal = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if legal && (1..=MAX_KEY_ID_LENGTH).contains(&id.len()) {
        Ok(())
    } else {
        Err(KeyError::KeyId)
    }
}

pub(crate) fn signing_key(text: &str) -> Result<SigningKey, KeyError> {
    let text = unfolded(text);
    if text.contains("PUBLIC KEY") {
        return Err(KeyError::PublicInsteadOfPrivate);
    }
    if text.starts_with("-----BEGIN") {
        return SigningKey::from_pkcs8_pem(&text).map_err(|_| KeyError::SigningKey);
    }
    Ok(SigningKey::from_bytes(
        &thirty_two_bytes(&text).ok_or(KeyError::SigningKey)?,
    ))
}

pub(crate) fn verifying_key(text: &str) -> Result<VerifyingKey, KeyError> {
    let text = unfolded(text);
    if text.contains("PRIVATE KEY") {
        return Err(KeyError::PrivateInsteadOfPublic);
    }
    let key = if text.starts_with("-----BEGIN") {
        VerifyingKey::from_public_key_pem(&text).map_err(|_| KeyError::VerifyingKey)?
    } else {
        let bytes = thirty_two_bytes(&text).ok_or(KeyError::VerifyingKey)?;
        VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::VerifyingKey)?
    };
    if key.is_weak() {
        Err(KeyError::WeakKey)
    } else {
        Ok(key)
    }
}

/// An environment variable often holds a PEM on one line, with `\n` spelled out.
fn unfolded(text: &str) -> String {
    text.trim().replace("\\n", "\n")
}

/// Standard or URL-safe alphabet, padded or not.
fn thirty_two_bytes(text: &str) -> Option<[u8; 32]> {
    let standard = text.replace('-', "+").replace('_', "/");
    ANY_PADDING.decode(standard).ok()?.try_into().ok()
}
