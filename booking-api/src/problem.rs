//! Every way in which an answer can be no: `application/problem+json` (RFC 9457) with a stable code.
//!
//! A detail says what to do. Text of the database or of a library never leaves.

use axum::response::{IntoResponse, Response};
use boxoffice_saga::identity::SeatName;
use boxoffice_saga::input::Refusal;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:ident, $title:literal;)+) => {
        /// The stable codes. What is said of each is its documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The HTTP status that it comes with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// The problem's title.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What it means, for the documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// Somebody else has at least one of the seats, or it is not for sale. `seats` names them. Nothing was
    /// held; choose others.
    SeatsUnavailable = "seats_unavailable", CONFLICT, "Seats are no longer available";
    /// The show has no such seats; `seats` names them. Read the seat map again.
    UnknownSeats = "unknown_seats", UNPROCESSABLE_ENTITY, "No such seats";
    /// More seats than the show allows in one hold.
    TooManySeats = "too_many_seats", UNPROCESSABLE_ENTITY, "Too many seats";
    /// No seat was named. Name at least one in `seats`.
    NoSeats = "no_seats", UNPROCESSABLE_ENTITY, "No seats";
    /// A seat was named twice; `seats` names it.
    SeatTwice = "seat_twice", UNPROCESSABLE_ENTITY, "A seat was named twice";
    /// The caller's earlier hold for this show has an open payment, so it is not replaced. Wait for that
    /// payment, or release the earlier hold.
    PaymentInProgress = "payment_in_progress", CONFLICT, "A payment is in progress";
    /// Too many people want this show right now, and nothing was done. Ask again after `Retry-After`.
    HighDemand = "high_demand", SERVICE_UNAVAILABLE, "High demand, try again";
    /// You, or your address, ask too often. Ask again after `Retry-After`.
    SlowDown = "slow_down", TOO_MANY_REQUESTS, "Slow down";
    /// This instance has as much under way as it can carry, and nothing was done. Ask again after
    /// `Retry-After`.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too busy, try again";
    /// The hold is over: its time ran out or it was given up. Hold seats again.
    HoldOver = "hold_over", CONFLICT, "The hold is over";
    /// The booking is paid and confirmed.
    AlreadyPaid = "already_paid", CONFLICT, "Already paid";
    /// There is no such thing, or it is somebody else's.
    NotFound = "not_found", NOT_FOUND, "Not found";
    /// The caller's token is missing, wrong or expired; the detail says which.
    Unauthorised = "unauthorised", UNAUTHORIZED, "Not authorised";
    /// The caller's token does not carry the role that this needs.
    Forbidden = "forbidden", FORBIDDEN, "Not allowed";
    /// The request cannot be read; the detail says where.
    InvalidRequest = "invalid_request", BAD_REQUEST, "Invalid request";
    /// The contact is missing or cannot be right; the detail says which part.
    ContactInvalid = "contact_invalid", UNPROCESSABLE_ENTITY, "Invalid contact";
    /// The `Idempotency-Key` was used before for a request with another body. Use a fresh key for a new
    /// request.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Idempotency key reused";
    /// No gateway of this name takes payments here.
    UnknownGateway = "unknown_gateway", NOT_FOUND, "Unknown gateway";
    /// The gateway will not open a payment for this amount and currency; `gateway_code` says why. Nothing was
    /// taken; another gateway may do.
    GatewayDeclined = "gateway_declined", UNPROCESSABLE_ENTITY, "The gateway declined";
    /// The gateway does not answer. Nothing is known to have failed: ask again after `Retry-After` under the
    /// same `Idempotency-Key`, which goes on with the same attempt.
    GatewayUnavailable = "gateway_unavailable", SERVICE_UNAVAILABLE, "The gateway does not answer";
    /// The service cannot reach its database. Ask again after `Retry-After`; under the same `Idempotency-Key`
    /// nothing happens twice.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable";
    /// The body is larger than 64 KiB, or 16 MiB where operators send shows.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "Body too large";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// The show has begun, so its customer can no longer cancel the booking. An operator still can.
    ShowStarted = "show_started", CONFLICT, "The show has begun";
    /// The terms that were agreed with the hold no longer let its customer cancel. An operator still can.
    TooLateToCancel = "too_late_to_cancel", CONFLICT, "Too late to cancel";
    /// The refund does not wait for a person: it is under way by itself, or done.
    RefundNotWaiting = "refund_not_waiting", CONFLICT, "The refund does not wait for a person";
    /// A person sends this money by another way already: made at the gateway too, the customer would get it twice.
    RefundSentAnotherWay = "refund_sent_another_way", CONFLICT, "The money is sent by another way";
    /// This item goes off the operators' list by itself when its money is settled; the detail names the commands that
    /// settle it. Taken off by hand, the money would be forgotten.
    MoneyWaits = "money_waits", CONFLICT, "Its money is not settled";
    /// The show, or the file of its seats, cannot be as it is given; the detail says where, by line and column
    /// or by seat, and what is wrong. Nothing was changed.
    ShowInvalid = "show_invalid", UNPROCESSABLE_ENTITY, "Invalid show";
    /// The show's number or its `external_ref` belongs to another show.
    ShowTaken = "show_taken", CONFLICT, "Another show has this name";
    /// The show is in a state that does not allow it: not on sale yet, on sale already, cancelled or removed;
    /// the detail says which.
    ShowState = "show_state", CONFLICT, "The show's state does not allow it";
    /// This act needs a `reason`, which is kept with the operator's name.
    ReasonMissing = "reason_missing", UNPROCESSABLE_ENTITY, "A reason is needed";
    /// The dead letter was put back into its topic before. Whether that helped is told by the list of letters: what
    /// could not be used again is another letter. To send it once more, say `again`.
    AlreadyRedriven = "already_redriven", CONFLICT, "The letter was redriven before";
    /// The dead letter cannot be sent again as it was; the detail says why. Nothing of ours wrote it.
    NotRedrivable = "not_redrivable", CONFLICT, "The letter cannot be redriven";
    /// This path does not take this method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// A bug or a broken row of ours. It has been logged; asking again will hardly help.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
}

/// One answer that is no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    detail: String,
    seats: Vec<SeatName>,
    gateway_code: Option<String>,
    retry_after_s: Option<u32>,
}

/// A problem document (RFC 9457).
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// `urn:boxoffice:error:` and the code.
    r#type: String,
    /// What kind of problem it is, for people.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What is wrong here, and what to do, for people.
    detail: &'a str,
    /// The stable code; each has a page in the documentation.
    code: &'a str,
    /// The seats that it is about.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false, value_type = Vec<String>)]
    seats: &'a [SeatName],
    /// The gateway's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    gateway_code: Option<&'a str>,
}

impl Problem {
    /// A problem. `detail` is for the caller: what is wrong and what to do.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after_s = match code {
            Code::HighDemand | Code::SlowDown | Code::Overloaded => Some(2),
            Code::Unavailable | Code::GatewayUnavailable => Some(5),
            _ => None,
        };
        Self {
            code,
            detail: detail.into(),
            seats: Vec::new(),
            gateway_code: None,
            retry_after_s,
        }
    }

    /// Names the seats that it is about.
    #[must_use]
    pub fn about_seats(mut self, seats: Vec<SeatName>) -> Self {
        self.seats = seats;
        self
    }

    /// Adds the gateway's own code.
    #[must_use]
    pub fn gateway_code(mut self, code: String) -> Self {
        self.gateway_code = Some(code);
        self
    }

    /// Asks for so many seconds of patience (`Retry-After`).
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Its code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// No such thing here, or it is somebody else's.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}."))
    }

    /// The database is not there.
    pub fn unavailable() -> Self {
        Self::new(
            Code::Unavailable,
            "The service cannot reach its database. Ask again in a few seconds, under the same \
             Idempotency-Key if you used one.",
        )
    }

    /// A bug or a broken row of ours.
    pub fn internal() -> Self {
        Self::new(
            Code::Internal,
            "Something is wrong on our side. It has been logged.",
        )
    }

    /// Too many at once.
    pub fn high_demand() -> Self {
        Self::new(
            Code::HighDemand,
            "Many people want this show right now. Nothing was held; try again in a moment.",
        )
    }

    /// The body, as kept under idempotency keys.
    pub fn body(&self) -> Vec<u8> {
        let body = ProblemBody {
            r#type: format!("urn:boxoffice:error:{}", self.code.name()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.name(),
            seats: &self.seats,
            gateway_code: self.gateway_code.as_deref(),
        };
        // Strings and numbers only: this cannot fail.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoSuchBooking => Self::not_found("booking"),
            Refusal::NoSeats => Self::new(Code::NoSeats, "Name at least one seat in `seats`."),
            Refusal::TooManySeats { limit } => Self::new(
                Code::TooManySeats,
                format!("This show allows at most {limit} seats in one hold."),
            ),
            Refusal::SeatTwice { seat } => {
                Self::new(Code::SeatTwice, "Name each seat once.").about_seats(vec![seat])
            }
            Refusal::UnknownSeats { seats } => Self::new(
                Code::UnknownSeats,
                "This show has no such seats. Read the seat map again.",
            )
            .about_seats(seats),
            Refusal::SeatsTaken { seats } => Self::new(
                Code::SeatsUnavailable,
                "Somebody else has these seats. Nothing was held; choose others.",
            )
            .about_seats(seats),
            Refusal::PaymentInProgress => Self::new(
                Code::PaymentInProgress,
                "Your earlier hold for this show has an open payment. Wait for it, or release that hold first.",
            ),
            Refusal::HoldOver => Self::new(Code::HoldOver, "The hold is over. Hold seats again."),
            Refusal::AlreadyPaid => {
                Self::new(Code::AlreadyPaid, "This booking is paid and confirmed.")
            }
            Refusal::NoSuchPayment => Self::not_found("payment"),
            Refusal::NoSuchRefund => Self::not_found("refund"),
            Refusal::NotWithOperator => Self::new(
                Code::RefundNotWaiting,
                "This refund does not wait for a person: it is under way by itself, or done.",
            ),
            Refusal::SentAnotherWay { means } => Self::new(
                Code::RefundSentAnotherWay,
                format!("This money is sent by another way already: {means}."),
            ),
            Refusal::TooSoon { after_s } => Self::new(
                Code::SlowDown,
                "We are asking the gateway already. Poll the status; another hint is listened to later.",
            )
            .retry_after(after_s),
            // The desk draws another id; who sees this nevertheless met a bug.
            Refusal::IdTaken => Self::internal(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (
            self.code.status(),
            [
                (header::CONTENT_TYPE, "application/problem+json"),
                (header::CACHE_CONTROL, "no-store"),
            ],
            self.body(),
        )
            .into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code == Code::Unauthorised {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"boxoffice\""),
            );
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_documented_and_errors() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(
                code.name()
                    .bytes()
                    .all(|c| c.is_ascii_lowercase() || c == b'_'),
                "{}",
                code.name()
            );
            assert!(
                code.meaning().len() > 20 && !code.title().is_empty(),
                "{}",
                code.name()
            );
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }

    #[test]
    fn a_conflict_names_the_seats_and_nothing_that_is_not_there() {
        let problem = Problem::from(Refusal::SeatsTaken {
            seats: vec!["A-1".into()],
        });
        let body: serde_json::Value = serde_json::from_slice(&problem.body()).unwrap();
        assert_eq!(body["code"], "seats_unavailable");
        assert_eq!(body["status"], 409);
        assert_eq!(body["seats"], serde_json::json!(["A-1"]));
        assert!(body.get("gateway_code").is_none());
        assert!(
            !problem
                .into_response()
                .headers()
                .contains_key(header::RETRY_AFTER)
        );
    }

    #[test]
    fn what_may_be_asked_again_says_when() {
        for code in Code::ALL.iter().filter(|code| {
            matches!(
                code.status(),
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
            )
        }) {
            let response = Problem::new(*code, "").into_response();
            assert!(
                response.headers().contains_key(header::RETRY_AFTER),
                "{}",
                code.name()
            );
        }
        let response = Problem::new(Code::Unauthorised, "").into_response();
        assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
    }
}
