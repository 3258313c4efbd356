//! Stripe's errors.

use serde_json::json;

use crate::answer::Answer;
use crate::behaviour::Refusal;

pub(super) fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Answer {
    let mut error = json!({ "type": kind, "message": message });
    if let Some(code) = code {
        error["code"] = code.into();
        error["doc_url"] = format!(
            "https://stripe.com/docs/error-codes/{}",
            code.replace('_', "-")
        )
        .into();
    }
    Answer {
        status,
        body: json!({ "error": error }),
        retry_after: None,
    }
}

pub(super) fn invalid(code: Option<&str>, message: &str) -> Answer {
    error(400, "invalid_request_error", code, message)
}

pub(super) fn missing(what: &str, id: &str) -> Answer {
    let message = format!("No such {what}: '{id}'");
    error(
        404,
        "invalid_request_error",
        Some("resource_missing"),
        &message,
    )
}

pub(super) fn refused(refusal: &Refusal) -> Answer {
    let (kind, code) = match refusal.status {
        409 => ("idempotency_error", Some("idempotency_key_in_use")),
        429 => ("invalid_request_error", Some("rate_limit")),
        402 => ("card_error", Some("card_declined")),
        400..500 => ("invalid_request_error", None),
        _ => ("api_error", None),
    };
    let code = refusal.code.as_deref().or(code);
    let answer = error(
        refusal.status,
        kind,
        code,
        "The simulator was told to refuse this.",
    );
    Answer {
        retry_after: refusal.retry_after,
        ..answer
    }
}

/// Whether Stripe keeps it under the idempotency key. What was turned away at the door is not kept.
pub(super) const fn kept(answer: &Answer) -> bool {
    !matches!(answer.status, 401 | 409 | 429)
}
