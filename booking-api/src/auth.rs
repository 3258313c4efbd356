//! Who asks: the bearer token, a JWT signed with HS256.

use boxoffice_saga::identity::UserId;
use http::{HeaderMap, header};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::problem::{Code, Problem};

/// The shortest secret, in bytes.
const SHORTEST_SECRET: usize = 32;
/// Seconds by which the issuer's clock may differ from ours.
const LEEWAY_S: u64 = 10;
/// The longest user name, in characters.
const LONGEST_USER: usize = 128;

/// How tokens are checked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthOptions {
    /// The HS256 secret, at least 32 bytes, taken as it stands.
    pub secret: SecretString,
    /// If set, `iss` must be this.
    #[serde(default)]
    pub issuer: Option<String>,
    /// If set, `aud` must hold this. If not, `aud` is not looked at.
    #[serde(default)]
    pub audience: Option<String>,
}

/// A secret that can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the token secret has fewer than {SHORTEST_SECRET} bytes; make one with `openssl rand -base64 32`"
)]
pub struct WeakTokenSecret;

/// Checks bearer tokens. The algorithm is pinned; `exp` and `sub` are required.
pub struct TokenVerifier {
    key: DecodingKey,
    validation: Validation,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

impl TokenVerifier {
    /// A verifier as configured.
    ///
    /// # Errors
    /// [`WeakTokenSecret`].
    pub fn new(options: &AuthOptions) -> Result<Self, WeakTokenSecret> {
        let secret = options.secret.expose_secret().as_bytes();
        if secret.len() < SHORTEST_SECRET {
            return Err(WeakTokenSecret);
        }
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
        Ok(Self {
            key: DecodingKey::from_secret(secret),
            validation,
        })
    }

    /// The caller, by the `Authorization` header.
    ///
    /// # Errors
    /// `unauthorised`, with the reason.
    pub fn caller(&self, headers: &HeaderMap) -> Result<UserId, Problem> {
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
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
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
            Ok(UserId(claims.sub))
        } else {
            Err(refused("Your token's `sub` must be 1 to 128 characters."))
        }
    }
}

fn refused(detail: &str) -> Problem {
    Problem::new(Code::Unauthorised, detail)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn options() -> AuthOptions {
        AuthOptions {
            secret: SECRET.into(),
            issuer: None,
            audience: None,
        }
    }

    fn token(algorithm: Algorithm, claims: &Value, secret: &str) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    fn ask(options: &AuthOptions, token: &str) -> Result<UserId, Code> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_str(&format!("Bearer {token}")).unwrap(),
        );
        TokenVerifier::new(options)
            .unwrap()
            .caller(&headers)
            .map_err(|problem| problem.code())
    }

    fn later() -> i64 {
        crate::clock::now().unix_timestamp() + 3600
    }

    #[test]
    fn a_good_token_names_the_user() {
        let good = token(
            Algorithm::HS256,
            &json!({"sub": "u-1", "exp": later()}),
            SECRET,
        );
        assert_eq!(ask(&options(), &good), Ok(UserId("u-1".into())));
    }

    #[test]
    fn every_other_token_is_refused() {
        let bad = [
            token(
                Algorithm::HS384,
                &json!({"sub": "u", "exp": later()}),
                SECRET,
            ),
            token(
                Algorithm::HS256,
                &json!({"sub": "u", "exp": later()}),
                "another secret of 32 bytes, really",
            ),
            token(
                Algorithm::HS256,
                &json!({"sub": "u", "exp": later() - 7200}),
                SECRET,
            ),
            token(Algorithm::HS256, &json!({"sub": "u"}), SECRET),
            token(Algorithm::HS256, &json!({"exp": later()}), SECRET),
            token(
                Algorithm::HS256,
                &json!({"sub": "", "exp": later()}),
                SECRET,
            ),
            token(
                Algorithm::HS256,
                &json!({"sub": "a\u{0}b", "exp": later()}),
                SECRET,
            ),
            token(
                Algorithm::HS256,
                &json!({"sub": "x".repeat(129), "exp": later()}),
                SECRET,
            ),
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1IiwiZXhwIjo5OTk5OTk5OTk5fQ.".into(),
            "nonsense".into(),
        ];
        for bad in bad {
            assert_eq!(ask(&options(), &bad), Err(Code::Unauthorised), "{bad}");
        }
    }

    #[test]
    fn issuer_and_audience_count_where_they_are_configured() {
        let both = AuthOptions {
            issuer: Some("us".into()),
            audience: Some("app".into()),
            ..options()
        };
        let claims = json!({"sub": "u", "exp": later(), "iss": "us", "aud": "app"});
        assert!(ask(&both, &token(Algorithm::HS256, &claims, SECRET)).is_ok());
        assert!(ask(&options(), &token(Algorithm::HS256, &claims, SECRET)).is_ok());
        for missing in ["iss", "aud"] {
            let mut claims = claims.clone();
            claims.as_object_mut().unwrap().remove(missing);
            assert!(
                ask(&both, &token(Algorithm::HS256, &claims, SECRET)).is_err(),
                "{missing}"
            );
        }
    }

    #[test]
    fn a_weak_secret_is_refused() {
        let weak = AuthOptions {
            secret: "short".into(),
            ..options()
        };
        assert_eq!(TokenVerifier::new(&weak).err(), Some(WeakTokenSecret));
    }
}
