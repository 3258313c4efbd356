//! Reading requests: bodies within bounds, JSON with the place of what is wrong.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query};
use bytes::Bytes;
use http::Uri;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::problem::{Code, Problem};

/// What stands in a path. What cannot be read does not exist.
pub struct InPath<T>(pub T);

impl<S, T> FromRequestParts<S> for InPath<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(found)) => Ok(Self(found)),
            Err(_) => Err(Problem::not_found("path")),
        }
    }
}

/// The largest body, in bytes.
pub const LARGEST_BODY: usize = 64 * 1024;
/// The longest that a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The whole body.
///
/// # Errors
/// `body_too_large`, `request_timeout`, or `invalid_request` if the connection broke.
pub async fn body(body: Body) -> Result<Bytes, Problem> {
    body_within(body, LARGEST_BODY, BODY_TIME).await
}

/// The whole body, of at most so many bytes, arriving within this time.
///
/// # Errors
/// `body_too_large`, `request_timeout`, or `invalid_request` if the connection broke.
pub async fn body_within(body: Body, most: usize, time: Duration) -> Result<Bytes, Problem> {
    match tokio::time::timeout(time, Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::new(
            Code::BodyTooLarge,
            format!("The body may have at most {most} bytes."),
        )),
        Ok(Err(_)) => Err(Problem::new(Code::InvalidRequest, "The body broke off.")),
        Err(_) => Err(Problem::new(
            Code::RequestTimeout,
            format!("The body did not arrive within {} seconds.", time.as_secs()),
        )),
    }
}

/// JSON of a known shape.
///
/// # Errors
/// `invalid_request`, with the place and what is wrong there.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(Problem::new(
            Code::InvalidRequest,
            "The body is empty; it must be a JSON object.",
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            Code::InvalidRequest,
            format!("The body cannot be read: {error}."),
        )
    })
}

/// The query string.
///
/// # Errors
/// `invalid_request`, with what is wrong in it.
pub fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    match Query::try_from_uri(uri) {
        Ok(Query(query)) => Ok(query),
        Err(error) => Err(Problem::new(
            Code::InvalidRequest,
            format!("The query cannot be read: {}.", error.body_text()),
        )),
    }
}

/// Something in the path; what is not even of its shape does not exist.
///
/// # Errors
/// `not_found`.
pub fn path<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found(what))
}
