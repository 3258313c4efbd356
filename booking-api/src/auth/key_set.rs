//! The issuer's public keys (JWKS, RFC 7517), fetched and kept.
//!
//! A key checks one algorithm only: its own `alg`, or the one that its type leaves. So a token cannot choose
//! how it is checked. Symmetric keys are never taken from a public set.
//!
//! Tokens of unknown keys make us look at the set again, but never more often than every
//! [`SHORTEST_PAUSE`], whatever callers send; those who arrive during a look share it. When the issuer does
//! not answer, the keys that we have stay good.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::StatusCode;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Between two looks at the set because of tokens that name unknown keys.
const SHORTEST_PAUSE: Duration = Duration::from_secs(10);
/// After this the set is looked at again, so that a withdrawn key ends.
const OLDEST: Duration = Duration::from_secs(300);
/// One look may take this long.
const PATIENCE: Duration = Duration::from_secs(3);
/// The largest set that is read, in bytes.
const LARGEST: usize = 1 << 20;
/// More keys than this are no key set that we know of.
const MOST_KEYS: usize = 200;

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The set has no such key.
    Unknown,
    /// No set could be fetched yet.
    Unavailable,
}

/// A key, with the one algorithm for which it is good.
pub(super) struct Key {
    pub(super) decoding: DecodingKey,
    pub(super) validation: Validation,
}

#[derive(Clone)]
struct Keys {
    by_id: Arc<HashMap<String, Arc<Key>>>,
    /// The only key of a set in which it has no name.
    only: Option<Arc<Key>>,
    fetched: Instant,
}

/// The keys behind one address.
pub(super) struct KeySet {
    inner: Arc<Inner>,
}

struct Inner {
    url: String,
    http: reqwest::Client,
    /// What a token must say beside its signature; each key adds its algorithm.
    claims: Validation,
    keys: RwLock<Option<Keys>>,
    /// When the last look began. Held during a look.
    looked: Mutex<Option<Instant>>,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// The keys at `url`; nothing is fetched yet.
    ///
    /// # Errors
    /// When the machine has no TLS roots.
    pub(super) fn new(url: String, claims: Validation) -> Result<Self, reqwest::Error> {
        // Taken only if the process has not chosen a provider itself; without one reqwest would panic.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            // The address is the operator's choice; nobody else's.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let inner = Inner {
            url,
            http,
            claims,
            keys: RwLock::new(None),
            looked: Mutex::new(None),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The key of that name; without a name, the set's only key.
    pub(super) async fn key(&self, id: Option<&str>) -> Result<Arc<Key>, NoKey> {
        let inner = &self.inner;
        if let Some(keys) = inner.present() {
            let old = keys.fetched.elapsed() > OLDEST;
            if let Some(key) = keys.find(id) {
                if old {
                    let inner = inner.clone();
                    tokio::spawn(async move { inner.look(None).await });
                }
                return Ok(key);
            }
        }
        // On its own: a caller who hangs up must not take the look, and the pause after it, from all others.
        let (looking, wanted) = (inner.clone(), id.map(str::to_owned));
        let look = tokio::spawn(async move { looking.look(wanted.as_deref()).await });
        let _ = look.await;
        let keys = inner.present().ok_or(NoKey::Unavailable)?;
        keys.find(id).ok_or(NoKey::Unknown)
    }
}

impl Keys {
    fn find(&self, id: Option<&str>) -> Option<Arc<Key>> {
        match id {
            Some(id) => self.by_id.get(id).or(self.only.as_ref()).cloned(),
            None if self.by_id.len() == 1 => self.by_id.values().next().cloned(),
            None => self.only.clone(),
        }
    }
}

impl Inner {
    fn present(&self) -> Option<Keys> {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Looks at the set again, unless somebody just has, or has found `wanted` meanwhile.
    async fn look(&self, wanted: Option<&str>) {
        let mut looked = self.looked.lock().await;
        let found = wanted.is_some_and(|id| {
            self.present()
                .is_some_and(|keys| keys.by_id.contains_key(id))
        });
        if found || looked.is_some_and(|at| at.elapsed() < SHORTEST_PAUSE) {
            return;
        }
        *looked = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(keys);
            }
            Err(why) => {
                tracing::warn!(url = %self.url, why, "the token issuer's keys cannot be fetched; those that we have stay good");
            }
        }
    }

    async fn fetch(&self) -> Result<Keys, String> {
        let mut answer = self
            .http
            .get(&self.url)
            .send()
            .await
            .map_err(|error| error.without_url().to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer was {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(part) = answer
            .chunk()
            .await
            .map_err(|error| error.without_url().to_string())?
        {
            if body.len() + part.len() > LARGEST {
                return Err(format!("the set has more than {LARGEST} bytes"));
            }
            body.extend_from_slice(&part);
        }
        let document: Document =
            serde_json::from_slice(&body).map_err(|error| format!("it is no key set: {error}"))?;
        let mut by_id = HashMap::new();
        let mut nameless = Vec::new();
        // Keys that we cannot use are somebody else's.
        for jwk in document
            .keys
            .into_iter()
            .take(MOST_KEYS)
            .filter_map(|value| serde_json::from_value::<Jwk>(value).ok())
        {
            let Some(key) = self.usable(&jwk) else {
                continue;
            };
            match jwk.common.key_id {
                Some(id) => {
                    by_id.insert(id, Arc::new(key));
                }
                None => nameless.push(Arc::new(key)),
            }
        }
        if by_id.is_empty() && nameless.is_empty() {
            return Err("the set has no key that checks signatures".to_owned());
        }
        let only = if by_id.is_empty() && nameless.len() == 1 {
            nameless.pop()
        } else {
            None
        };
        Ok(Keys {
            by_id: Arc::new(by_id),
            only,
            fetched: Instant::now(),
        })
    }

    fn usable(&self, jwk: &Jwk) -> Option<Key> {
        if !matches!(
            jwk.common.public_key_use,
            None | Some(PublicKeyUse::Signature)
        ) {
            return None;
        }
        let algorithm = algorithm(jwk)?;
        let mut validation = self.claims.clone();
        validation.algorithms = vec![algorithm];
        Some(Key {
            decoding: DecodingKey::from_jwk(jwk).ok()?,
            validation,
        })
    }
}

/// The one algorithm for which a key is good: what it says itself if that fits its type, else its type's
/// usual one.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let usual = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Algorithm::ES256,
            EllipticCurve::P384 => Algorithm::ES384,
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    let Some(own) = &jwk.common.key_algorithm else {
        return Some(usual);
    };
    let own = match own {
        KeyAlgorithm::RS256 => Algorithm::RS256,
        KeyAlgorithm::RS384 => Algorithm::RS384,
        KeyAlgorithm::RS512 => Algorithm::RS512,
        KeyAlgorithm::PS256 => Algorithm::PS256,
        KeyAlgorithm::PS384 => Algorithm::PS384,
        KeyAlgorithm::PS512 => Algorithm::PS512,
        KeyAlgorithm::ES256 => Algorithm::ES256,
        KeyAlgorithm::ES384 => Algorithm::ES384,
        KeyAlgorithm::EdDSA => Algorithm::EdDSA,
        _ => return None,
    };
    let fits = match usual {
        Algorithm::RS256 => !matches!(own, Algorithm::ES256 | Algorithm::ES384 | Algorithm::EdDSA),
        usual => usual == own,
    };
    fits.then_some(own)
}
