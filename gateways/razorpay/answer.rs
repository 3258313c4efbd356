//! What Razorpay's answer to a call means. The one question: did it happen, did it not, or can nobody say?
//!
//! Nearly every refusal is a 400 with the code `BAD_REQUEST_ERROR`: only its description, a sentence for people, tells
//! one from another. What is not recognised here is a no, and the caller looks before it believes that of a refund.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::client::{CallError, SaidBy};
use crate::exchange::retry_after;
use crate::legible;

/// How long to wait when our key is refused: a person must put it right first.
const KEY_REFUSED: Duration = Duration::from_secs(60);
/// How long to wait when our balance there does not cover a refund: for the next payments, or for a person.
const NO_BALANCE: Duration = Duration::from_secs(3_600);

#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow)]
    error: ErrorObject<'a>,
}

#[derive(Deserialize)]
struct ErrorObject<'a> {
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    description: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
}

/// What an answer that is not 2xx means for the call that it answers.
pub(super) fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> CallError {
    if status.is_server_error() {
        return CallError::unknown(format!("status {status}"));
    }
    let parsed = serde_json::from_slice::<ErrorBody<'_>>(body).ok();
    let Some(ErrorBody { error }) = parsed else {
        // Not Razorpay's form: something in between answered. Only 429 says by itself that nothing was done.
        return if status == StatusCode::TOO_MANY_REQUESTS {
            later(headers, None, "too many requests")
        } else {
            CallError::unknown(format!("status {status} without an error object"))
        };
    };
    let code = error.code.as_deref().unwrap_or_default();
    let description = error.description.as_deref().unwrap_or_default();
    let message = legible::words(description, 200);
    match status {
        // The key is wrong or lacks a permission. Nothing was done, and the order is still right.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let why = format!("the gateway refuses our API key ({message})");
            later(headers, Some(KEY_REFUSED), &why)
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT => later(headers, None, &message),
        // The bank, or Razorpay itself, failed on the way.
        _ if matches!(code, "GATEWAY_ERROR" | "SERVER_ERROR") => {
            CallError::unknown(format!("{code}: {message}"))
        }
        _ if status.is_client_error() => told_apart(status, headers, &error, message),
        _ => CallError::unknown(format!("status {status}")),
    }
}

fn told_apart(
    status: StatusCode,
    headers: &HeaderMap,
    error: &ErrorObject<'_>,
    message: String,
) -> CallError {
    let said = message.to_lowercase();
    let says = |words: &str| said.contains(words);
    if says("requested url was not found") {
        // Not a missing payment but a wrong address: whatever we asked for, nobody was asked.
        return CallError::unknown("the gateway's API is not at `base_url`");
    }
    if status == StatusCode::NOT_FOUND || says("does not exist") || says("is not a valid id") {
        return CallError::NotFound;
    }
    // Another call about the same payment, perhaps our own earlier one.
    if says("in progress") || says("being processed") {
        return later(headers, None, &message);
    }
    if says("enough balance") || says("insufficient balance") {
        return later(headers, Some(NO_BALANCE), &message);
    }
    // This key was used with another body before: what came of *that* call, nobody here knows.
    if says("same idempotency key") {
        return CallError::Unknown { why: message };
    }
    let name = match error.reason.as_deref() {
        None | Some("" | "NA") => error.code.as_deref().unwrap_or_default(),
        Some(reason) => reason,
    };
    CallError::Declined {
        code: legible::words(name, 64),
        message,
    }
}

fn later(headers: &HeaderMap, at_least: Option<Duration>, why: &str) -> CallError {
    CallError::RetryLater {
        after: retry_after(headers).max(at_least),
        why: why.to_owned(),
        said_by: SaidBy::Gateway,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> CallError {
        judge(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
        )
    }

    fn error(code: &str, description: &str) -> String {
        format!(
            r#"{{"error":{{"code":"{code}","description":"{description}","source":"NA","step":"NA","reason":"NA","metadata":{{}}}}}}"#
        )
    }

    fn bad_request(description: &str) -> CallError {
        judged(400, &error("BAD_REQUEST_ERROR", description))
    }

    #[test]
    fn what_may_have_happened_is_unknown_and_nothing_else_is() {
        let unknown = |error| matches!(error, CallError::Unknown { .. });
        assert!(unknown(judged(
            500,
            &error("SERVER_ERROR", "We are facing some trouble")
        )));
        assert!(unknown(judged(502, "")));
        assert!(unknown(judged(400, "<html>a proxy</html>")));
        assert!(unknown(judged(
            400,
            &error("GATEWAY_ERROR", "The bank did not answer")
        )));
        assert!(unknown(bad_request(
            "Different request with the same idempotency key has already been processed."
        )));
        assert!(unknown(judged(
            404,
            &error(
                "BAD_REQUEST_ERROR",
                "The requested URL was not found on the server."
            )
        )));
        assert!(unknown(judged(302, "")));
    }

    #[test]
    fn what_was_certainly_not_done_may_be_repeated() {
        let wait = |error| match error {
            CallError::RetryLater { after, .. } => after.map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(judged(429, "")), None);
        assert_eq!(
            wait(judged(409, &error("BAD_REQUEST_ERROR", "Conflict"))),
            None
        );
        assert_eq!(
            wait(bad_request(
                "Request failed because another payment operation is in progress"
            )),
            None
        );
        assert_eq!(
            wait(bad_request(
                "Your account does not have enough balance to carry out the refund operation."
            )),
            Some(3_600)
        );
        assert_eq!(
            wait(judged(
                401,
                &error("BAD_REQUEST_ERROR", "Authentication failed")
            )),
            Some(60)
        );
    }

    #[test]
    fn a_no_is_a_no_in_the_gateways_words() {
        let CallError::Declined { code, message } =
            bad_request("The payment has been fully refunded already")
        else {
            panic!()
        };
        assert_eq!(code, "BAD_REQUEST_ERROR");
        assert_eq!(message, "The payment has been fully refunded already");
        assert_eq!(
            bad_request("The id provided does not exist"),
            CallError::NotFound
        );
    }
}
