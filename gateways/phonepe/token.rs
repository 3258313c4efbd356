//! The token that PhonePe wants with every call. (developer.phonepe.com, Generate Authorization Token;
//! PhonePe/phonepe-pg-sdk-python: `token_service.py`, `base_urls.py`)

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::answer::Problem;
use crate::client::{CallError, SaidBy};
use crate::config::ApiConfig;
use crate::exchange::{Reply, decode, exchange, retry_after};

/// How long before its end a token is not used any more: calls take their time.
const MARGIN: Duration = Duration::from_secs(60);
/// The longest that a token is kept, whatever it says of itself.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// How long to wait when PhonePe refuses our credentials: a person must put it right first.
pub(super) const KEY_REFUSED: Duration = Duration::from_secs(60);
/// The version of our credentials, where none is configured: the sandbox's is always 1.
const FIRST_VERSION: u32 = 1;

/// Gets tokens, keeps the last one, and gets the next shortly before its end. However many calls want one, one asks.
#[derive(Debug)]
pub(super) struct Tokens {
    http: reqwest::Client,
    url: String,
    id: String,
    version: u32,
    secret: SecretString,
    patience: Duration,
    kept: Mutex<Option<Token>>,
}

#[derive(Debug)]
struct Token {
    /// As it stands in `Authorization`. Marked as sensitive: not even `Debug` shows it.
    shown: HeaderValue,
    until: Instant,
}

#[derive(Deserialize)]
struct Issued<'a> {
    #[serde(borrow)]
    access_token: Cow<'a, str>,
    #[serde(borrow)]
    token_type: Cow<'a, str>,
    #[serde(default)]
    issued_at: Option<i64>,
    #[serde(default)]
    expires_at: Option<i64>,
}

impl Tokens {
    pub(super) fn new(http: reqwest::Client, base_url: &str, api: &ApiConfig) -> Self {
        Self {
            http,
            url: address(base_url),
            id: api.user.clone().unwrap_or_default(),
            version: api.client_version.unwrap_or(FIRST_VERSION),
            secret: api.api_key.clone(),
            patience: api.timeout(),
            kept: Mutex::default(),
        }
    }

    /// What to send as `Authorization`, within the time of one exchange.
    ///
    /// # Errors
    /// [`CallError::RetryLater`], always: without a token nothing has been asked for.
    pub(super) async fn current(&self) -> Result<HeaderValue, CallError> {
        timeout(self.patience, self.kept_or_new())
            .await
            .unwrap_or_else(|_| Err(without("no token in time".to_owned())))
    }

    /// Keeps this one no longer: PhonePe has refused it.
    pub(super) async fn forget(&self, refused: &HeaderValue) {
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|token| token.shown == *refused) {
            *kept = None;
        }
    }

    async fn kept_or_new(&self) -> Result<HeaderValue, CallError> {
        // Held while one asks: the others want what comes of it.
        let mut kept = self.kept.lock().await;
        if let Some(token) = &*kept
            && Instant::now() < token.until
        {
            return Ok(token.shown.clone());
        }
        let token = self.ask().await?;
        let shown = token.shown.clone();
        *kept = Some(token);
        Ok(shown)
    }

    async fn ask(&self) -> Result<Token, CallError> {
        let asked_at = Instant::now();
        let request = self.http.post(&self.url).form(&[
            ("client_id", self.id.as_str()),
            ("client_version", &self.version.to_string()),
            ("client_secret", self.secret.expose_secret()),
            ("grant_type", "client_credentials"),
        ]);
        let Reply {
            status,
            headers,
            body,
        } = exchange(request)
            .await
            .map_err(|error| without(error.to_string()))?;
        if !status.is_success() {
            return Err(refused(status, &headers, &body));
        }
        let issued: Issued<'_> = decode(&body).map_err(|error| without(error.to_string()))?;
        let mut shown =
            HeaderValue::from_str(&format!("{} {}", issued.token_type, issued.access_token))
                .map_err(|_| without("a token that no header can hold".to_owned()))?;
        shown.set_sensitive(true);
        Ok(Token {
            shown,
            // Its life is counted by its own two times, for their clock is not ours.
            until: asked_at + issued.good_for(),
        })
    }
}

impl Issued<'_> {
    /// How long it is used. Not at all after this call, where it does not say when it ends.
    fn good_for(&self) -> Duration {
        let lives = self
            .expires_at
            .zip(self.issued_at)
            .and_then(|(end, start)| u64::try_from(end.checked_sub(start)?).ok());
        Duration::from_secs(lives.unwrap_or(0))
            .min(LONGEST)
            .saturating_sub(MARGIN)
    }
}

/// In production another service beside the API gives tokens out, in the sandbox the API itself.
fn address(base_url: &str) -> String {
    match base_url.strip_suffix("/apis/pg") {
        Some(host) => format!("{host}/apis/identity-manager/v1/oauth/token"),
        None => format!("{base_url}/v1/oauth/token"),
    }
}

/// No token, so the call was never made.
fn without(why: String) -> CallError {
    CallError::RetryLater {
        after: None,
        why: format!("without a token nothing was asked: {why}"),
        said_by: SaidBy::Nobody,
    }
}

fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> CallError {
    let Some(problem) = Problem::of(status, body) else {
        return without(format!("status {status}"));
    };
    let at_least = (status != StatusCode::TOO_MANY_REQUESTS).then_some(KEY_REFUSED);
    CallError::RetryLater {
        after: retry_after(headers).max(at_least),
        why: format!(
            "the gateway gives us no token ({}): are `api.base_url`, `api.user`, `api.api_key` and \
             `api.client_version` right?",
            problem.code
        ),
        said_by: SaidBy::Gateway,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good_for(issued_at: Option<i64>, expires_at: Option<i64>) -> u64 {
        let issued = Issued {
            access_token: "t".into(),
            token_type: "O-Bearer".into(),
            issued_at,
            expires_at,
        };
        issued.good_for().as_secs()
    }

    #[test]
    fn a_token_is_left_before_its_end() {
        let issued = Some(1_706_073_005);
        assert_eq!(good_for(issued, Some(1_706_073_005 + 3_600)), 3_540);
        assert_eq!(good_for(issued, Some(1_706_073_005 + 60)), 0);
        assert_eq!(good_for(issued, Some(i64::MAX)), 86_340);
        for (issued, expires) in [
            (None, issued),
            (issued, None),
            (issued, issued),
            (Some(i64::MAX), Some(i64::MIN)),
            (Some(i64::MIN), Some(i64::MAX)),
        ] {
            assert_eq!(good_for(issued, expires), 0, "{issued:?} {expires:?}");
        }
    }

    #[test]
    fn tokens_come_from_where_phonepe_says() {
        assert_eq!(
            address("https://api.phonepe.com/apis/pg"),
            "https://api.phonepe.com/apis/identity-manager/v1/oauth/token"
        );
        assert_eq!(
            address("https://api-preprod.phonepe.com/apis/pg-sandbox"),
            "https://api-preprod.phonepe.com/apis/pg-sandbox/v1/oauth/token"
        );
    }
}
