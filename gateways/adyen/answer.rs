//! What Adyen's answer to a call means. The one question: did it happen, did it not, or can nobody say?

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::client::{CallError, SaidBy};
use crate::exchange::retry_after;
use crate::legible;

/// How long to wait when our key is refused: a person must put it right first.
const KEY_REFUSED: Duration = Duration::from_secs(60);
/// "Request already processed or in progress": another call with this idempotency key is on its way.
const IN_PROGRESS: &str = "704";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    #[serde(borrow, default)]
    error_code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error_type: Cow<'a, str>,
}

/// What an answer that is not 2xx means for the call that it answers.
pub(super) fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> CallError {
    if status.is_server_error() {
        return CallError::unknown(format!("status {status}"));
    }
    let Ok(error) = serde_json::from_slice::<ErrorBody<'_>>(body) else {
        return match status {
            // Not Adyen's form: something in between answered. Only 429 says by itself that nothing was done.
            StatusCode::TOO_MANY_REQUESTS => later(headers, None, "too many requests"),
            // Adyen's own door answers so, before anything is done.
            StatusCode::UNAUTHORIZED => later(headers, Some(KEY_REFUSED), "our API key is refused"),
            _ => CallError::unknown(format!("status {status} without an error object")),
        };
    };
    let code = error.error_code.as_deref().unwrap_or(&error.error_type);
    let message = legible::words(error.message.as_deref().unwrap_or_default(), 200);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let why = format!("the gateway refuses our API key ({message})");
            later(headers, Some(KEY_REFUSED), &why)
        }
        StatusCode::TOO_MANY_REQUESTS => later(headers, None, &message),
        _ if code == IN_PROGRESS || transient(headers) => later(headers, None, &message),
        StatusCode::NOT_FOUND => CallError::NotFound,
        _ if status.is_client_error() => CallError::Declined {
            code: legible::words(code, 64),
            message,
        },
        _ => CallError::unknown(format!("status {status}")),
    }
}

/// Adyen says that it has done nothing and that the same request may come again.
fn transient(headers: &HeaderMap) -> bool {
    headers
        .get("transient-error")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
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
        let status = StatusCode::from_u16(status).unwrap();
        judge(status, &headers, body.as_bytes())
    }

    fn error(code: &str) -> String {
        format!(
            r#"{{"status":422,"errorCode":"{code}","message":"words","errorType":"validation","pspReference":"x"}}"#
        )
    }

    #[test]
    fn each_answer_says_whether_it_may_have_happened() {
        let unknown = |error| matches!(error, CallError::Unknown { .. });
        assert!(unknown(judged(500, &[], &error("905"))));
        assert!(unknown(judged(503, &[("transient-error", "true")], "")));
        assert!(unknown(judged(400, &[], "<html>a proxy</html>")));
        assert!(unknown(judged(302, &[], "")));

        let wait = |error| match error {
            CallError::RetryLater { after, .. } => after.map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(judged(429, &[("retry-after", "7")], "")), Some(7));
        assert_eq!(wait(judged(422, &[], &error("704"))), None);
        assert_eq!(
            wait(judged(422, &[("transient-error", "true")], &error("1"))),
            None
        );
        assert_eq!(wait(judged(401, &[], "")), Some(60));
        assert_eq!(wait(judged(403, &[], &error("010"))), Some(60));

        assert_eq!(
            judged(422, &[], &error("167")),
            CallError::Declined {
                code: "167".into(),
                message: "words".into()
            }
        );
        assert_eq!(judged(404, &[], &error("1")), CallError::NotFound);
    }
}
