//! One HTTP exchange with a gateway: the same for all of them. What the answer means is each gateway's own matter; that
//! *no answer is no failure* is decided here.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use reqwest::RequestBuilder;
use serde::Deserialize;

use crate::client::{CallError, SaidBy};
use crate::config::ApiConfig;

/// The largest answer that is read, in bytes. A full page of any list is a tenth of it.
const LARGEST_ANSWER: usize = 4 << 20;
/// The longest wait that is taken from a header.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Whatever a gateway answered, read whole.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// A client with a connection pool of its own, which sends `headers` with every request.
///
/// # Errors
/// In words, when the machine has no TLS roots.
pub(crate) fn http_client(api: &ApiConfig, headers: HeaderMap) -> Result<reqwest::Client, String> {
    // Taken only if the process has not chosen a provider itself; without one reqwest would panic.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut http = reqwest::Client::builder()
        .default_headers(headers)
        .user_agent(concat!("boxoffice/", env!("CARGO_PKG_VERSION")))
        .timeout(api.timeout())
        // Where nobody answers the telephone nothing was said: that must be told apart from a timeout.
        .connect_timeout(api.timeout() / 2)
        // A redirected POST becomes a GET, and a repeated one an attempt that nobody wrote down.
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never());
    if api.plain_http() {
        // The simulator: on this machine or beside it, so neither a proxy nor TLS roots.
        http = http.no_proxy().tls_certs_only([]);
    }
    http.build()
        .map_err(|error| format!("its client cannot be built: {}", chain(&error)))
}

/// Sends `request` and reads the whole answer.
///
/// # Errors
/// [`CallError::RetryLater`] where no connection came about, else [`CallError::Unknown`].
pub(crate) async fn exchange(request: RequestBuilder) -> Result<Reply, CallError> {
    let mut response = request.send().await.map_err(lost)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(CallError::unknown("an answer of more than 4 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply {
        status,
        headers,
        body,
    })
}

/// No answer. Only where no connection came about has certainly nothing been sent.
fn lost(error: reqwest::Error) -> CallError {
    let error = error.without_url();
    let why = chain(&error);
    if error.is_connect() || error.is_builder() {
        CallError::RetryLater {
            after: None,
            why,
            said_by: SaidBy::Nobody,
        }
    } else {
        CallError::Unknown { why }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// An answer's body. One that makes no sense is no answer: the error bears kind and place, nothing of the content.
pub(crate) fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(|error| {
        CallError::unknown(format!(
            "{:?} error in the answer at column {}",
            error.classify(),
            error.column()
        ))
    })
}

/// An id that may stand in a path. Any other cannot be one that a gateway gave out.
pub(crate) fn path_id(id: &str) -> Result<&str, CallError> {
    let fits =
        (1..=255).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    if fits {
        Ok(id)
    } else {
        Err(CallError::NotFound)
    }
}

/// `Retry-After`, in seconds, an hour at most.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let asked = Duration::from_secs(value.trim().parse().ok()?);
    Some(asked.min(LONGEST_WAIT))
}
