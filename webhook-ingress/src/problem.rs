//! Every answer that is not 200, as a problem document (RFC 9457).

use std::time::Duration;

use boxoffice_gateways::Refusal;
use boxoffice_producers::SendError;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde::Serialize;

/// Why a webhook was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No gateway account of that name is configured.
    UnknownGateway,
    /// It comes from an address that this account's gateway does not send from.
    SourceNotAllowed,
    /// Not a POST.
    MethodNotAllowed,
    /// The signature header is missing.
    SignatureMissing,
    /// The signature header is not of its scheme's shape.
    SignatureMalformed,
    /// Genuine, but signed too long ago.
    SignatureStale,
    /// Genuine, but signed too far in the future.
    SignatureFuture,
    /// No secret that is valid now makes this signature.
    SignatureMismatch,
    /// The body ended before it was whole.
    BodyIncomplete,
    /// The body is over the limit.
    BodyTooLarge,
    /// The body was not whole in time.
    BodyTooSlow,
    /// The broker did not acknowledge in time, or cannot be reached.
    BrokerUnavailable,
    /// The broker will not take the record until somebody changes something on our side.
    BrokerRefused,
    /// The producer has too much under way.
    QueueFull,
    /// Too many webhooks, or too many of their bytes, are being handled.
    TooBusy,
    /// This instance is shutting down.
    Draining,
}

impl Refused {
    /// All of them. Each has a page in the documentation, under its code.
    pub const ALL: [Self; 16] = [
        Self::UnknownGateway,
        Self::SourceNotAllowed,
        Self::MethodNotAllowed,
        Self::SignatureMissing,
        Self::SignatureMalformed,
        Self::SignatureStale,
        Self::SignatureFuture,
        Self::SignatureMismatch,
        Self::BodyIncomplete,
        Self::BodyTooLarge,
        Self::BodyTooSlow,
        Self::BrokerUnavailable,
        Self::BrokerRefused,
        Self::QueueFull,
        Self::TooBusy,
        Self::Draining,
    ];

    /// The stable code: in the answer, in metrics and in logs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownGateway => "unknown_gateway",
            Self::SourceNotAllowed => "source_not_allowed",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::SignatureMissing => "signature_missing",
            Self::SignatureMalformed => "signature_malformed",
            Self::SignatureStale => "signature_stale",
            Self::SignatureFuture => "signature_future",
            Self::SignatureMismatch => "signature_mismatch",
            Self::BodyIncomplete => "body_incomplete",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTooSlow => "body_too_slow",
            Self::BrokerUnavailable => "broker_unavailable",
            Self::BrokerRefused => "broker_refused",
            Self::QueueFull => "queue_full",
            Self::TooBusy => "too_busy",
            Self::Draining => "draining",
        }
    }

    /// The status of the answer.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::UnknownGateway => StatusCode::NOT_FOUND,
            Self::SourceNotAllowed => StatusCode::FORBIDDEN,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::SignatureMissing
            | Self::SignatureMalformed
            | Self::SignatureStale
            | Self::SignatureFuture
            | Self::SignatureMismatch
            | Self::BodyIncomplete => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BrokerUnavailable
            | Self::BrokerRefused
            | Self::QueueFull
            | Self::TooBusy
            | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The problem's title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::UnknownGateway => "No such gateway account",
            Self::SourceNotAllowed => "Not an address of this gateway",
            Self::MethodNotAllowed => "Webhooks are sent with POST",
            Self::SignatureMissing => "The signature is missing",
            Self::SignatureMalformed => "The signature is malformed",
            Self::SignatureStale => "Signed too long ago",
            Self::SignatureFuture => "Signed in the future",
            Self::SignatureMismatch => "The signature does not match",
            Self::BodyIncomplete => "The body is not whole",
            Self::BodyTooLarge => "The body is too large",
            Self::BodyTooSlow => "The body came too slowly",
            Self::BrokerUnavailable | Self::BrokerRefused => "Not safely stored, send it again",
            Self::QueueFull | Self::TooBusy => "Too much at once, send it again",
            Self::Draining => "Shutting down, send it again",
        }
    }

    /// What is wrong and what the sender should do.
    const fn detail(self) -> &'static str {
        match self {
            Self::UnknownGateway => {
                "No gateway account has this address. Check it: /webhooks/ and the gateway's name as configured here."
            }
            Self::SourceNotAllowed => {
                "This address takes webhooks only from the gateway's own addresses, and this is none of them."
            }
            Self::MethodNotAllowed => "Send webhooks to this address with POST.",
            Self::SignatureMissing => {
                "Sign the webhook: the signature header of this gateway's scheme is not there, or empty."
            }
            Self::SignatureMalformed => {
                "The signature header is there but not of its scheme's shape, or there twice."
            }
            Self::SignatureStale => {
                "The signature is genuine but too old. Sign each delivery at the time of sending; check the clock."
            }
            Self::SignatureFuture => {
                "The signature is genuine but its time has not come. Check the sending machine's clock."
            }
            Self::SignatureMismatch => {
                "No secret that is valid now makes this signature over these bytes. Check the secret, and sign the \
                 exact bytes that are sent."
            }
            Self::BodyIncomplete => {
                "The connection broke before the body was whole. Send it again."
            }
            Self::BodyTooLarge => "The body is over the limit of this address.",
            Self::BodyTooSlow => "The body was not whole in time. Send it again.",
            Self::BrokerUnavailable | Self::BrokerRefused => {
                "We could not store this webhook. It is not your doing: send it again after Retry-After."
            }
            Self::QueueFull | Self::TooBusy => {
                "We have too much to do to store this webhook now. Send it again after Retry-After."
            }
            Self::Draining => "This instance is shutting down. Send it again after Retry-After.",
        }
    }

    /// Whether it is our fault or lack of room, not the sender's doing.
    pub const fn is_ours(self) -> bool {
        matches!(self.status(), StatusCode::SERVICE_UNAVAILABLE)
    }

    /// Whether the rest of the request is of no use to us, so that the connection ends with this answer.
    const fn ends_connection(self) -> bool {
        matches!(
            self,
            Self::BodyIncomplete | Self::BodyTooLarge | Self::BodyTooSlow | Self::Draining
        )
    }

    /// The answer.
    pub(crate) fn answer<B: From<Vec<u8>>>(self, retry_after: Duration) -> Response<B> {
        let document = Document {
            r#type: format!("urn:boxoffice:error:{}", self.code()),
            title: self.title(),
            status: self.status().as_u16(),
            detail: self.detail(),
            code: self.code(),
        };
        // Plain fields: serialising them cannot fail.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(B::from(body));
        *response.status_mut() = self.status();
        let mut put = |name: HeaderName, value: HeaderValue| {
            response.headers_mut().insert(name, value);
        };
        put(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.is_ours() {
            put(RETRY_AFTER, retry_after.as_secs().max(1).into());
        }
        if self == Self::MethodNotAllowed {
            put(ALLOW, HeaderValue::from_static("POST"));
        }
        if self.ends_connection() {
            put(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

#[derive(Serialize)]
struct Document {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'static str,
    code: &'static str,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Missing => Self::SignatureMissing,
            Refusal::Malformed => Self::SignatureMalformed,
            Refusal::Stale => Self::SignatureStale,
            Refusal::Future => Self::SignatureFuture,
            // To the outside a retired secret is one we do not know; the log tells them apart.
            Refusal::Mismatch | Refusal::RetiredSecret => Self::SignatureMismatch,
        }
    }
}

impl From<SendError> for Refused {
    fn from(error: SendError) -> Self {
        match error {
            SendError::QueueFull => Self::QueueFull,
            error if error.is_permanent() => Self::BrokerRefused,
            _ => Self::BrokerUnavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_our_faults_are_503() {
        for (nth, refused) in Refused::ALL.into_iter().enumerate() {
            assert!(
                Refused::ALL
                    .into_iter()
                    .skip(nth + 1)
                    .all(|other| other.code() != refused.code())
            );
            let answer: Response<Vec<u8>> = refused.answer(Duration::from_secs(5));
            assert_eq!(
                answer.headers().contains_key(RETRY_AFTER),
                answer.status() == 503
            );
            assert!(![401, 410].contains(&answer.status().as_u16()));
            let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!(
                document["type"],
                format!("urn:boxoffice:error:{}", refused.code())
            );
            assert_eq!(document["status"], answer.status().as_u16());
            assert!(
                document["detail"]
                    .as_str()
                    .is_some_and(|detail| detail.len() > 20)
            );
        }
    }

    #[test]
    fn no_failure_of_kafka_is_a_4xx() {
        for error in [
            SendError::QueueFull,
            SendError::TooLarge,
            SendError::UnknownTopic,
            SendError::TimedOut,
        ] {
            assert!(Refused::from(error).is_ours());
        }
    }
}
