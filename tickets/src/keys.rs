//! The keys: one signs, many verify.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use crate::key_text::{KeyError, check_key_id, signing_key, verifying_key};

/// The public keys by key id: all that a gate needs to check tickets, and no secret.
#[derive(Clone, Debug, Default)]
pub struct VerifyingKeys(BTreeMap<String, VerifyingKey>);

impl VerifyingKeys {
    /// No keys: every ticket is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also accepts tickets signed by the key `id`. `key` is a `PUBLIC KEY` PEM, or the 32 bytes of the
    /// public key in base64. Giving the same key twice is no error.
    ///
    /// Rotation: give every gate the new public key, then let the service sign with it, and keep the old one
    /// here until the last show for which it signed is over.
    pub fn accept(&mut self, id: &str, key: &str) -> Result<(), KeyError> {
        check_key_id(id)?;
        self.insert(id, verifying_key(key)?)
    }

    /// The key `id` as text for another gate's configuration (32 bytes in base64url), if it is known.
    pub fn public_key_text(&self, id: &str) -> Option<String> {
        self.0
            .get(id)
            .map(|key| URL_SAFE_NO_PAD.encode(key.as_bytes()))
    }

    /// The ids of all accepted keys, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&VerifyingKey> {
        self.0.get(id)
    }

    fn insert(&mut self, id: &str, key: VerifyingKey) -> Result<(), KeyError> {
        match self.0.get(id) {
            Some(known) if *known != key => Err(KeyError::KeyIdTaken),
            Some(_) => Ok(()),
            None => {
                self.0.insert(id.to_owned(), key);
                Ok(())
            }
        }
    }
}

/// The signing key with its id, and every key whose tickets are still good.
///
/// `Debug` shows no secret; the secret is wiped from memory when this is dropped.
#[derive(Clone)]
pub struct TicketKeys {
    id: String,
    signing: SigningKey,
    verifying: VerifyingKeys,
}

impl TicketKeys {
    /// The signing key `id` from configuration: a PKCS#8 PEM (`openssl genpkey -algorithm ed25519`), or a
    /// 32-byte seed in base64. Its own tickets are accepted; give older public keys to [`Self::accept`].
    pub fn new(id: &str, key: &str) -> Result<Self, KeyError> {
        check_key_id(id)?;
        Self::assemble(id.to_owned(), signing_key(key)?)
    }

    /// A fresh random key, for development. The id is made from the public key, so that two machines do not
    /// claim the same one. Tickets of a lost key cannot be checked any more: keep [`Self::seed_text`] where
    /// they should survive a restart.
    pub fn generate() -> Self {
        let signing = SigningKey::from_bytes(&rand::random());
        let verifying = signing.verifying_key();
        let id = format!("dev-{}", URL_SAFE_NO_PAD.encode(&verifying.as_bytes()[..6]));
        let keys = BTreeMap::from([(id.clone(), verifying)]);
        Self {
            id,
            signing,
            verifying: VerifyingKeys(keys),
        }
    }

    /// Also accepts tickets signed by another key: see [`VerifyingKeys::accept`].
    pub fn accept(&mut self, id: &str, key: &str) -> Result<(), KeyError> {
        self.verifying.accept(id, key)
    }

    /// The id of the signing key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public half: what a gate gets.
    pub fn verifying(&self) -> &VerifyingKeys {
        &self.verifying
    }

    /// **Secret.** The signing key as [`Self::new`] reads it: the 32-byte seed in base64url.
    pub fn seed_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.signing.as_bytes())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        self.signing.sign(message)
    }

    fn assemble(id: String, signing: SigningKey) -> Result<Self, KeyError> {
        let mut verifying = VerifyingKeys::new();
        verifying.insert(&id, signing.verifying_key())?;
        Ok(Self {
            id,
            signing,
            verifying,
        })
    }
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeys")
            .field("id", &self.id)
            .field("accepted", &self.verifying.ids().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 8410, section 10.3 and 10.1: the example key pair.
    const PRIVATE_PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const PUBLIC_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";
    const SEED: &str = "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=";
    const PUBLIC: &str = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";

    #[test]
    fn every_spelling_of_a_key_is_the_same_key() {
        let from_pem = TicketKeys::new("k1", PRIVATE_PEM).unwrap();
        let url_safe = SEED.replace('+', "-").replace('/', "_");
        let one_line = PRIVATE_PEM.trim().replace('\n', "\\n");
        for text in [SEED, url_safe.trim_end_matches('='), &one_line] {
            let keys = TicketKeys::new("k1", text).unwrap();
            assert_eq!(keys.seed_text(), from_pem.seed_text());
        }
        let mut keys = from_pem;
        keys.accept("k1", PUBLIC_PEM).unwrap();
        keys.accept("k1", PUBLIC).unwrap();
        assert_eq!(
            keys.verifying().public_key_text("k1").unwrap(),
            PUBLIC.trim_end_matches('=')
        );
    }

    #[test]
    fn a_wrong_key_says_what_to_do() {
        let signing = |text: &str| TicketKeys::new("k1", text).unwrap_err();
        assert_eq!(signing(PUBLIC_PEM), KeyError::PublicInsteadOfPrivate);
        for text in ["", "hunter2", "AAAA", "-----BEGIN PRIVATE KEY-----"] {
            assert_eq!(signing(text), KeyError::SigningKey);
        }
        assert!(KeyError::SigningKey.to_string().contains("openssl genpkey"));

        let accepting = |id: &str, text: &str| VerifyingKeys::new().accept(id, text).unwrap_err();
        assert_eq!(
            accepting("k1", PRIVATE_PEM),
            KeyError::PrivateInsteadOfPublic
        );
        assert_eq!(accepting("k1", "rubbish"), KeyError::VerifyingKey);
        assert_eq!(accepting("k1", &"A".repeat(43)), KeyError::WeakKey);
        for id in ["", "a.b", "schlüssel", &"x".repeat(33)] {
            assert_eq!(accepting(id, PUBLIC), KeyError::KeyId);
        }
    }

    #[test]
    fn one_id_names_one_key() {
        let other = TicketKeys::generate();
        let mut keys = TicketKeys::new("k1", SEED).unwrap();
        let public = other.verifying().public_key_text(other.id()).unwrap();
        assert_eq!(keys.accept("k1", &public), Err(KeyError::KeyIdTaken));
    }

    #[test]
    fn a_generated_key_survives_as_its_seed_and_is_not_shown() {
        let keys = TicketKeys::generate();
        let again = TicketKeys::new(keys.id(), &keys.seed_text()).unwrap();
        assert_eq!(again.seed_text(), keys.seed_text());
        assert!(!format!("{keys:?}").contains(&keys.seed_text()));
        assert_ne!(TicketKeys::generate().id(), keys.id());
    }
}
