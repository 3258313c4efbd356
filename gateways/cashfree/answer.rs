//! What Cashfree's answer to a call means. The one question: did it happen, did it not, or can nobody say?

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::client::{CallError, SaidBy};
use crate::exchange::retry_after;
use crate::legible;

/// How long to wait when our key is refused: a person must put it right first.
const KEY_REFUSED: Duration = Duration::from_secs(60);
/// The longest wait that is taken from a header.
const LONGEST_WAIT: u64 = 3_600;

#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// What an answer that is not 2xx means for the call that it answers.
pub(super) fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> CallError {
    if status.is_server_error() {
        // Under an idempotency key, a 500 too is kept and replayed; whether anything was done, it does not say.
        return CallError::unknown(format!("status {status}"));
    }
    let Ok(error) = serde_json::from_slice::<ErrorBody<'_>>(body) else {
        // Not Cashfree's form: something in between answered. Only 429 says by itself that nothing was done.
        return if status == StatusCode::TOO_MANY_REQUESTS {
            later(headers, None, "too many requests")
        } else {
            CallError::unknown(format!("status {status} without an error object"))
        };
    };
    let code = legible::words(error.code.as_deref().unwrap_or(&error.kind), 64);
    let message = legible::words(error.message.as_deref().unwrap_or_default(), 200);
    match status {
        // The key is wrong or lacks a permission. Nothing was done, and the order is still right.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => later(
            headers,
            Some(KEY_REFUSED),
            &format!("the gateway refuses our API key ({message})"),
        ),
        StatusCode::TOO_MANY_REQUESTS => later(headers, None, &code),
        // The key was used with another body before, or is in use: what comes of *that* call, nobody here knows.
        _ if error.kind == "idempotency_error" => {
            CallError::unknown(format!("the idempotency key: {message}"))
        }
        StatusCode::NOT_FOUND => CallError::NotFound,
        StatusCode::CONFLICT if !code.ends_with("_exists") => {
            CallError::unknown(format!("conflict ({code})"))
        }
        _ if status.is_client_error() => CallError::Declined { code, message },
        _ => CallError::unknown(format!("status {status}")),
    }
}

fn later(headers: &HeaderMap, at_least: Option<Duration>, why: &str) -> CallError {
    let asked = headers
        .get("x-ratelimit-retry")
        .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok())
        .map(|seconds| Duration::from_secs(seconds.min(LONGEST_WAIT)));
    CallError::RetryLater {
        after: asked.max(retry_after(headers)).max(at_least),
        why: why.to_owned(),
        said_by: SaidBy::Gateway,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> CallError {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-ratelimit-retry"),
            http::HeaderValue::from_static("7"),
        )]);
        judge(
            StatusCode::from_u16(status).unwrap(),
            &headers,
            body.as_bytes(),
        )
    }

    fn error(kind: &str, code: &str) -> String {
        format!(r#"{{"message":"words","code":"{code}","type":"{kind}"}}"#)
    }

    #[test]
    fn what_may_have_happened_is_unknown_and_nothing_else_is() {
        let unknown = |error| matches!(error, CallError::Unknown { .. });
        assert!(unknown(judged(500, &error("api_error", "internal_error"))));
        assert!(unknown(judged(502, "")));
        assert!(unknown(judged(400, "<html>a proxy</html>")));
        assert!(unknown(judged(302, "")));
        assert!(unknown(judged(422, &error("idempotency_error", "x"))));
        assert!(unknown(judged(
            409,
            &error("invalid_request_error", "something_new")
        )));
    }

    #[test]
    fn what_was_certainly_not_done_may_be_repeated() {
        let wait = |error| match error {
            CallError::RetryLater { after, .. } => after.map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(judged(429, "")), Some(7));
        assert_eq!(wait(judged(429, &error("rate_limit_error", "x"))), Some(7));
        assert_eq!(
            wait(judged(401, &error("authentication_error", "x"))),
            Some(60)
        );
    }

    #[test]
    fn a_no_is_a_no_with_the_gateways_code() {
        for (status, code) in [
            (400, "refund_amount_invalid"),
            (409, "order_already_exists"),
        ] {
            let CallError::Declined {
                code: said,
                message,
            } = judged(status, &error("invalid_request_error", code))
            else {
                panic!()
            };
            assert_eq!((said.as_str(), message.as_str()), (code, "words"));
        }
        assert_eq!(
            judged(404, &error("invalid_request_error", "order_not_found")),
            CallError::NotFound
        );
    }
}
