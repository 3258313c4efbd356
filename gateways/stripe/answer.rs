//! What Stripe's answer to a call means. The one question: did it happen, did it not, or can nobody say?

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::{CallError, SaidBy};
use crate::exchange::retry_after;
use crate::legible;

/// How long to wait when our key is refused: a person must put it right first.
const KEY_REFUSED: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
pub(super) struct ErrorBody<'a> {
    #[serde(borrow)]
    pub(super) error: ErrorObject<'a>,
}

#[derive(Deserialize)]
pub(super) struct ErrorObject<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) payment_intent: Option<&'a RawValue>,
}

/// What an answer that is not 2xx means for the call that it answers.
pub(super) fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> CallError {
    if status.is_server_error() {
        // Under a key, Stripe keeps a 500 and replays it; whether anything was done before, it does not say.
        return CallError::unknown(format!("status {status}"));
    }
    let parsed = serde_json::from_slice::<ErrorBody<'_>>(body).ok();
    let Some(ErrorBody { error }) = parsed else {
        // Not Stripe's form: something in between answered. Only 429 says by itself that nothing was done.
        return if status == StatusCode::TOO_MANY_REQUESTS {
            later(headers, "too many requests")
        } else {
            CallError::unknown(format!("status {status} without an error object"))
        };
    };
    let code = error.code.as_deref().unwrap_or_default();
    let kind = error.kind.as_deref().unwrap_or_default();
    let name = legible::words(if code.is_empty() { kind } else { code }, 64);
    match status {
        // The key is wrong or lacks a permission. Nothing was done, and the order is still right.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => CallError::RetryLater {
            after: Some(KEY_REFUSED),
            why: format!("the gateway refuses our API key ({name})"),
            said_by: SaidBy::Gateway,
        },
        StatusCode::TOO_MANY_REQUESTS => later(headers, &name),
        StatusCode::CONFLICT if matches!(code, "idempotency_key_in_use" | "lock_timeout") => {
            later(headers, &name)
        }
        StatusCode::CONFLICT if should_retry(headers) == Some(true) => later(headers, &name),
        StatusCode::CONFLICT => CallError::unknown(format!("conflict ({name})")),
        _ if code == "lock_timeout" || code == "rate_limit" => later(headers, &name),
        // This key was used with another body before: what came of *that* call, nobody here knows.
        _ if kind == "idempotency_error" => {
            CallError::unknown("the idempotency key was used with other parameters".to_owned())
        }
        _ if status == StatusCode::NOT_FOUND || code == "resource_missing" => CallError::NotFound,
        _ if should_retry(headers) == Some(true) => later(headers, &name),
        _ if status.is_client_error() => CallError::Declined {
            code: name,
            message: legible::words(error.message.as_deref().unwrap_or_default(), 200),
        },
        _ => CallError::unknown(format!("status {status}")),
    }
}

fn later(headers: &HeaderMap, why: &str) -> CallError {
    let asked = retry_after(headers);
    // Told not to retry, and yet the work must be done: slowly, then.
    let after = match should_retry(headers) {
        Some(false) => Some(asked.unwrap_or(KEY_REFUSED)),
        _ => asked,
    };
    CallError::RetryLater {
        after,
        why: why.to_owned(),
        said_by: SaidBy::Gateway,
    }
}

fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("stripe-should-retry")?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> CallError {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (
                    http::HeaderName::from_static(name),
                    http::HeaderValue::from_static(value),
                )
            })
            .collect();
        judge(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            body.as_bytes(),
        )
    }

    fn error(kind: &str, code: &str) -> String {
        format!(r#"{{"error":{{"type":"{kind}","code":"{code}","message":"words"}}}}"#)
    }

    #[test]
    fn what_may_have_happened_is_unknown_and_nothing_else_is() {
        let unknown = |error| matches!(error, CallError::Unknown { .. });
        assert!(unknown(judged(500, &[], &error("api_error", ""))));
        assert!(unknown(judged(503, &[("stripe-should-retry", "true")], "")));
        assert!(unknown(judged(400, &[], "<html>a proxy</html>")));
        assert!(unknown(judged(400, &[], &error("idempotency_error", ""))));
        assert!(unknown(judged(302, &[], "")));
        assert!(unknown(judged(
            409,
            &[],
            &error("invalid_request_error", "something_new")
        )));
    }

    #[test]
    fn what_was_certainly_not_done_may_be_repeated() {
        let wait = |error| match error {
            CallError::RetryLater { after, .. } => after.map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        };
        let limited = error("invalid_request_error", "rate_limit");
        assert_eq!(
            wait(judged(429, &[("retry-after", "7")], &limited)),
            Some(7)
        );
        assert_eq!(
            wait(judged(429, &[("retry-after", "99999999999")], &limited)),
            Some(3_600)
        );
        assert_eq!(
            wait(judged(429, &[("retry-after", "soon")], &limited)),
            None
        );
        assert_eq!(
            wait(judged(429, &[("stripe-should-retry", "false")], &limited)),
            Some(60)
        );
        assert_eq!(
            wait(judged(
                429,
                &[],
                &error("invalid_request_error", "lock_timeout")
            )),
            None
        );
        assert_eq!(
            wait(judged(
                409,
                &[],
                &error("idempotency_error", "idempotency_key_in_use")
            )),
            None
        );
        assert_eq!(
            wait(judged(
                400,
                &[("stripe-should-retry", "true")],
                &error("api_error", "x")
            )),
            None
        );
        assert_eq!(
            wait(judged(401, &[], &error("invalid_request_error", ""))),
            Some(60)
        );
    }

    #[test]
    fn a_no_is_a_no_with_the_gateways_code() {
        let CallError::Declined { code, message } = judged(
            400,
            &[],
            &error("invalid_request_error", "charge_already_refunded"),
        ) else {
            panic!()
        };
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("charge_already_refunded", "words")
        );
        assert_eq!(
            judged(
                404,
                &[],
                &error("invalid_request_error", "resource_missing")
            ),
            CallError::NotFound
        );
        assert_eq!(
            judged(
                400,
                &[],
                &error("invalid_request_error", "resource_missing")
            ),
            CallError::NotFound
        );
    }
}
