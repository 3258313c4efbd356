//! Answers in Stripe's form, errors included.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::behaviour::Refusal;
use crate::books::fresh_id;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    #[serde(default)]
    pub(crate) retry_after: Option<u64>,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self {
            status: 200,
            body,
            retry_after: None,
        }
    }

    pub(crate) fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Self {
        let mut error = json!({ "type": kind, "message": message });
        if let Some(code) = code {
            error["code"] = code.into();
            error["doc_url"] = format!(
                "https://stripe.com/docs/error-codes/{}",
                code.replace('_', "-")
            )
            .into();
        }
        Self {
            status,
            body: json!({ "error": error }),
            retry_after: None,
        }
    }

    pub(crate) fn invalid(code: Option<&str>, message: &str) -> Self {
        Self::error(400, "invalid_request_error", code, message)
    }

    pub(crate) fn missing(what: &str, id: &str) -> Self {
        let message = format!("No such {what}: '{id}'");
        Self::error(
            404,
            "invalid_request_error",
            Some("resource_missing"),
            &message,
        )
    }

    /// Adds a field to the error object.
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        if let Some(error) = self.body.get_mut("error") {
            error[field] = value;
        }
        self
    }

    pub(crate) fn refused(refusal: &Refusal) -> Self {
        let (kind, code) = match refusal.status {
            409 => ("idempotency_error", Some("idempotency_key_in_use")),
            429 => ("invalid_request_error", Some("rate_limit")),
            402 => ("card_error", Some("card_declined")),
            400..500 => ("invalid_request_error", None),
            _ => ("api_error", None),
        };
        let code = refusal.code.as_deref().or(code);
        let answer = Self::error(
            refusal.status,
            kind,
            code,
            "The simulator was told to refuse this.",
        );
        Self {
            retry_after: refusal.retry_after,
            ..answer
        }
    }

    /// Whether Stripe keeps it under the idempotency key. What was turned away at the door is not kept.
    pub(crate) fn kept(&self) -> bool {
        !matches!(self.status, 401 | 409 | 429)
    }

    pub(crate) fn into_response(self, replayed: bool) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(self.body)).into_response();
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&fresh_id("req")) {
            headers.insert("request-id", id);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if replayed {
            headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}
