//! Who asks: the bearer token, a JWT.
//!
//! Signed with a shared secret (HS256), or with a key of the issuer's public set ([`key_set`]), or either:
//! which of the two checks a token is told by its algorithm, and each checks with its own algorithms only.

mod key_set;

use std::sync::Arc;

use boxoffice_saga::identity::UserId;
use http::{HeaderMap, header};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use crate::problem::{Code, Problem};
use key_set::{Key, KeySet, NoKey};

/// The shortest secret, in bytes.
const SHORTEST_SECRET: usize = 32;
/// Seconds by which the issuer's clock may differ from ours.
const LEEWAY_S: u64 = 10;
/// The longest user name, in characters.
const LONGEST_USER: usize = 128;
/// The longest token that is looked at, in bytes.
const LONGEST_TOKEN: usize = 8 * 1024;
/// The role that opens the operators' doors.
const OPERATOR: &str = "operator";

/// How tokens are checked. At least one of `secret` and `jwks_url` is needed.
#[derive(Clone, Debug)]
pub struct AuthOptions {
    /// The HS256 secret, at least 32 bytes, taken as it stands.
    pub secret: Option<SecretString>,
    /// Where the issuer's public keys are.
    pub jwks_url: Option<String>,
    /// If set, `iss` must be this.
    pub issuer: Option<String>,
    /// If set, `aud` must hold this. If not, `aud` is not looked at.
    pub audience: Option<String>,
    /// The claim that holds the caller's roles: a list, or one text with spaces between. Dots lead into
    /// objects, as in `realm_access.roles`.
    pub roles_claim: String,
}

/// Why tokens cannot be checked like this.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A secret that can be guessed.
    #[error(
        "the token secret has fewer than {SHORTEST_SECRET} bytes; make one with `openssl rand -base64 32`"
    )]
    WeakSecret,
    /// Nothing to check tokens with.
    #[error("neither a token secret nor the address of a key set is given")]
    Nothing,
    /// No HTTP client for the key set.
    #[error("the key set cannot be fetched from this machine")]
    Client(#[source] reqwest::Error),
}

/// Checks bearer tokens. `exp` and `sub` are required.
pub struct TokenVerifier {
    shared: Option<Arc<Key>>,
    issued: Option<KeySet>,
    roles_claim: String,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

impl TokenVerifier {
    /// A verifier as configured. A key set is fetched when the first token needs it.
    ///
    /// # Errors
    /// [`AuthError`].
    pub fn new(options: &AuthOptions) -> Result<Self, AuthError> {
        let claims = required_claims(options);
        let shared = match &options.secret {
            Some(secret) if secret.expose_secret().len() < SHORTEST_SECRET => {
                return Err(AuthError::WeakSecret);
            }
            Some(secret) => Some(Arc::new(Key {
                decoding: DecodingKey::from_secret(secret.expose_secret().as_bytes()),
                validation: claims.clone(),
            })),
            None => None,
        };
        let issued = match &options.jwks_url {
            Some(url) => Some(KeySet::new(url.clone(), claims).map_err(AuthError::Client)?),
            None => None,
        };
        if shared.is_none() && issued.is_none() {
            return Err(AuthError::Nothing);
        }
        Ok(Self {
            shared,
            issued,
            roles_claim: options.roles_claim.clone(),
        })
    }

    /// The caller, by the `Authorization` header.
    ///
    /// # Errors
    /// `unauthorised`, with the reason; `unavailable` while the issuer's keys cannot be fetched.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<UserId, Problem> {
        Ok(self.claims(headers).await?.0)
    }

    /// The caller, who must have the role `operator`.
    ///
    /// # Errors
    /// As for [`caller`](Self::caller), and `forbidden`.
    pub async fn operator(&self, headers: &HeaderMap) -> Result<UserId, Problem> {
        let (user, claims) = self.claims(headers).await?;
        if self.has_role(&claims, OPERATOR) {
            Ok(user)
        } else {
            Err(Problem::new(
                Code::Forbidden,
                "Your token does not carry the role `operator`.",
            ))
        }
    }

    async fn claims(
        &self,
        headers: &HeaderMap,
    ) -> Result<(UserId, serde_json::Map<String, Value>), Problem> {
        let token = bearer(headers)?;
        let key = self.key(token).await?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &key.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::ExpiredSignature => refused("Your token has expired. Log in again."),
                ErrorKind::ImmatureSignature => refused("Your token is not valid yet."),
                ErrorKind::MissingRequiredClaim(_) => {
                    refused("Your token must carry `exp` and `sub`.")
                }
                ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => {
                    refused("Your token was not issued for this service.")
                }
                _ => refused("Your token is not valid."),
            })?
            .claims;
        let legible = !claims.sub.is_empty()
            && claims.sub.chars().count() <= LONGEST_USER
            && !claims.sub.chars().any(char::is_control);
        if legible {
            Ok((UserId(claims.sub), claims.others))
        } else {
            Err(refused("Your token's `sub` must be 1 to 128 characters."))
        }
    }

    /// What checks this token. Its own word only chooses between keys that each know their algorithm.
    async fn key(&self, token: &str) -> Result<Arc<Key>, Problem> {
        let head =
            jsonwebtoken::decode_header(token).map_err(|_| refused("Your token is not valid."))?;
        if head.alg == Algorithm::HS256 {
            return self
                .shared
                .clone()
                .ok_or_else(|| refused("Your token is not valid."));
        }
        let Some(issued) = &self.issued else {
            return Err(refused("Your token is not valid."));
        };
        issued
            .key(head.kid.as_deref())
            .await
            .map_err(|no_key| match no_key {
                NoKey::Unknown => {
                    refused("Your token was signed with a key that its issuer does not publish.")
                }
                NoKey::Unavailable => Problem::new(
                    Code::Unavailable,
                    "The keys that check tokens cannot be fetched right now. Ask again in a few seconds.",
                ),
            })
    }

    fn has_role(&self, claims: &serde_json::Map<String, Value>, role: &str) -> bool {
        // A name may have dots itself, as `https://example.org/roles` has.
        let found = claims.get(&self.roles_claim).or_else(|| {
            let mut names = self.roles_claim.split('.');
            let first = claims.get(names.next()?)?;
            names.try_fold(first, |found, name| found.get(name))
        });
        match found {
            Some(Value::Array(roles)) => roles.iter().any(|has| has == role),
            Some(Value::String(roles)) => roles.split(' ').any(|has| has == role),
            _ => false,
        }
    }
}

/// What every token must say.
fn required_claims(options: &AuthOptions) -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.leeway = LEEWAY_S;
    validation.validate_nbf = true;
    let mut required = vec!["exp", "sub"];
    if let Some(issuer) = &options.issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    match &options.audience {
        Some(audience) => {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        None => validation.validate_aud = false,
    }
    validation.set_required_spec_claims(&required);
    validation
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| refused("Send your token as `Authorization: Bearer …`."))?;
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| refused("The Authorization header must be `Bearer` and a token."))?;
    if token.len() > LONGEST_TOKEN {
        return Err(refused("Your token is too long."));
    }
    Ok(token)
}

fn refused(detail: &str) -> Problem {
    Problem::new(Code::Unauthorised, detail)
}

#[cfg(test)]
mod tests;
