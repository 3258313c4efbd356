//! `Idempotency-Key`: the same request under the same key has one effect and one answer.
//!
//! The scope is the user, the route with its path, and the key. The key is claimed in the turn that has the
//! effect; answers without an effect are not kept.

use axum::response::{IntoResponse, Response};
use boxoffice_saga::identity::UserId;
use boxoffice_turn::KeyClaim;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::problem::{Code, Problem};

/// Carries the key.
pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const LONGEST: usize = 255;

/// The claim of a request, if it carries a key. `route` is the method and the path.
///
/// # Errors
/// `invalid_request` for a key that is not 1 to 255 visible ASCII characters, or for two of them.
pub fn claim(
    headers: &HeaderMap,
    user: &UserId,
    route: String,
    body: &[u8],
) -> Result<Option<KeyClaim>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let key = value.as_bytes();
    let legible = (1..=LONGEST).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(key) {
        Ok(key) if legible && values.next().is_none() => Ok(Some(KeyClaim {
            user: user.clone(),
            route,
            key: key.to_owned(),
            request_hash: Sha256::digest(body).to_vec(),
        })),
        _ => Err(Problem::new(
            Code::InvalidRequest,
            "Idempotency-Key must be one value of 1 to 255 visible ASCII characters.",
        )),
    }
}

/// The key was used for another request.
pub fn reused() -> Problem {
    Problem::new(
        Code::IdempotencyKeyReused,
        "This Idempotency-Key was used for a request with another body. Use a fresh key for a new request.",
    )
}

/// An answer as it is kept under a key: replayed, it is the same to the byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
    /// Whether it was given before.
    pub replayed: bool,
}

impl Reply {
    /// A first answer.
    pub const fn first(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            body,
            replayed: false,
        }
    }

    /// The answer that was given before.
    pub const fn again(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            body,
            replayed: true,
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let kind = if self.status >= 400 {
            "application/problem+json"
        } else {
            "application/json"
        };
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let mut response = (status, headers, self.body).into_response();
        if self.replayed {
            response
                .headers_mut()
                .insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &[u8]) -> Result<Option<KeyClaim>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(value).unwrap());
        claim(&headers, &UserId("u".into()), "POST /x".into(), b"{}")
    }

    #[test]
    fn keys_are_checked() {
        assert_eq!(
            claim(&HeaderMap::new(), &UserId("u".into()), String::new(), b"").unwrap(),
            None
        );
        let claim = key(b"abc-1").unwrap().unwrap();
        assert_eq!(
            (claim.key.as_str(), claim.request_hash.len()),
            ("abc-1", 32)
        );
        for bad in [b"".as_slice(), b"a b", "é".as_bytes(), &[b'x'; 256]] {
            assert_eq!(key(bad).unwrap_err().code(), Code::InvalidRequest);
        }
    }

    #[test]
    fn a_replay_says_so_and_an_error_stays_a_problem() {
        let response = Reply::again(422, b"{}".to_vec()).into_response();
        assert_eq!(response.headers()[REPLAYED], "true");
        assert_eq!(
            response.headers()[header::CONTENT_TYPE],
            "application/problem+json"
        );
        assert!(
            !Reply::first(201, Vec::new())
                .into_response()
                .headers()
                .contains_key(REPLAYED)
        );
    }
}
