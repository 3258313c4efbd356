//! A provider that is reached by HTTP.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Provider, ShortMessage};
use crate::delivery_error::DeliveryError;

/// Of an answer's body no more is read, in bytes.
const LONGEST_ANSWER: usize = 4 << 10;
/// The longest code that is kept, in bytes.
const LONGEST_CODE: usize = 40;
/// A connection that has rested longer is not used again: one that the other side is just closing would lose a
/// message that is sent at most once.
const IDLE: Duration = Duration::from_secs(5);

/// What is wrong with the configuration of a provider. Never shows its token.
#[derive(Debug, thiserror::Error)]
pub enum ProviderSettingsError {
    /// The address is none.
    #[error("the address is no URL; write it as `https://sms.example.com/messages`")]
    Url,
    /// The token cannot stand in a header.
    #[error("the token has characters that no header can hold")]
    Token,
    /// The client cannot be built: the machine has no TLS roots, for example.
    #[error("its client cannot be built")]
    Client(#[source] reqwest::Error),
}

/// Posts each message to one address:
///
/// ```text
/// POST <url>
/// Authorization: Bearer <token>
/// Idempotency-Key: <message_id>
/// Content-Type: application/json
///
/// {"to":"+912255501000","text":"Booked: …","message_id":"0190…","kind":"booking_confirmed"}
/// ```
///
/// What the answer means:
///
/// | answer | meaning |
/// |---|---|
/// | 2xx | taken; the body does not matter |
/// | 408, 429 | not taken, try again; `Retry-After` in seconds is kept to |
/// | 401 | not taken: our token is wrong. Tried again, for that is no fault of the message |
/// | other 4xx | never: the number, the text. Not tried again |
/// | 502, 504 | somebody in between lost the answer: unknown |
/// | other 5xx | not taken, try again, `Retry-After` as above |
/// | 3xx | not taken; redirects are not followed |
/// | no connection | not taken, try again |
/// | none in time, or none | unknown |
///
/// Unknown means that the message is not sent again, so an adapter must not answer 5xx where it may have passed
/// the message on, unless it makes the `Idempotency-Key` good. An adapter may explain a refusal by
/// `{"code":"unreachable_number"}`: letters, `-` and `_`. That code goes into the delivery log and nothing else
/// of the body does, for it may repeat the number.
#[derive(Clone, Debug)]
pub struct HttpProvider {
    url: Url,
    http: reqwest::Client,
}

impl HttpProvider {
    /// A provider at `url` (`http` or `https`). `limit` is for one message, from connecting to the answer.
    ///
    /// # Errors
    /// [`ProviderSettingsError`].
    pub fn new(
        url: &str,
        token: &SecretString,
        limit: Duration,
    ) -> Result<Self, ProviderSettingsError> {
        // Taken only if the process has not chosen a provider itself; without one reqwest would panic.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let url = url
            .parse::<Url>()
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or(ProviderSettingsError::Url)?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| ProviderSettingsError::Token)?;
        bearer.set_sensitive(true);
        let mut http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .user_agent(concat!("boxoffice/", env!("CARGO_PKG_VERSION")))
            .timeout(limit)
            // Where nobody answers the telephone nothing was said: that must be told apart from a timeout.
            .connect_timeout(limit / 2)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if url.scheme() == "http" {
            // An adapter on this machine or beside it: neither a proxy nor TLS roots.
            http = http.no_proxy().tls_certs_only([]);
        }
        let http = http.build().map_err(ProviderSettingsError::Client)?;
        Ok(Self { url, http })
    }

    async fn post(&self, message: &ShortMessage) -> Result<(), DeliveryError> {
        let request = self
            .http
            .post(self.url.clone())
            .header("idempotency-key", &message.message_id)
            .json(message);
        let response = request.send().await.map_err(no_answer)?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(judge(response).await)
    }
}

impl Provider for HttpProvider {
    fn send<'a>(&'a self, message: &'a ShortMessage) -> BoxFuture<'a, Result<(), DeliveryError>> {
        self.post(message).boxed()
    }
}

/// No answer. Only where no connection came about has certainly nothing been handed over.
fn no_answer(error: reqwest::Error) -> DeliveryError {
    if error.is_connect() || error.is_builder() {
        return DeliveryError::later("the provider cannot be reached".to_owned());
    }
    let reason = if error.is_timeout() {
        "the provider gave no answer in time"
    } else {
        "the connection broke before the provider's answer"
    };
    DeliveryError::Unknown {
        reason: reason.to_owned(),
    }
}

async fn judge(response: Response) -> DeliveryError {
    let status = response.status();
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let code = code(response)
        .await
        .map(|code| format!(" ({code})"))
        .unwrap_or_default();
    let reason = format!("the provider answered {}{code}", status.as_u16());
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => DeliveryError::Unknown { reason },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED => {
            DeliveryError::Transient { reason, after }
        }
        status if status.is_client_error() => DeliveryError::Permanent { reason },
        _ => DeliveryError::Transient { reason, after },
    }
}

#[derive(Deserialize)]
struct Explanation {
    code: String,
}

/// The provider's code, if it gave one that can hold no number.
async fn code(mut response: Response) -> Option<String> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            return None;
        }
    }
    let Explanation { code } = serde_json::from_slice(&body).ok()?;
    let fits = (1..=LONGEST_CODE).contains(&code.len())
        && code
            .bytes()
            .all(|c| c.is_ascii_alphabetic() || c == b'-' || c == b'_');
    fits.then_some(code)
}
