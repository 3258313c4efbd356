//! The OpenAPI document, made from the handlers themselves: a route without a description does not compile, and
//! a description without a route does not exist.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use http::{StatusCode, header};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, Modify};

use crate::problem::{Code, Problem, ProblemBody};
use crate::shows::MOST_SEATS;

/// The document's frame; the router puts the paths in.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "boxoffice",
        description = "Ticket bookings, from seat hold to paid ticket. Every answer that is no is a problem document \
            (RFC 9457) with a stable `code`. Times are RFC 3339 in UTC; money is in minor units with its currency.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "shows", description = "What is for sale."),
        (name = "bookings", description = "From the hold to the ticket."),
        (name = "operators", description = "Needs the role `operator`. Every act is recorded with who and why."),
        (name = "health", description = "For whoever runs it."),
    ),
    modifiers(&Bearer),
)]
pub(crate) struct Frame;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        bearer.description = Some("HS256, or a key of the issuer's JWKS.".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// Seats by their names: at least one, none twice.
pub(crate) fn seat_names() -> Array {
    seats(MOST_SEATS)
}

/// The same for a hold. A show may allow fewer.
pub(crate) fn seats_to_hold() -> Array {
    seats(100)
}

fn seats(most: usize) -> Array {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(16));
    ArrayBuilder::new()
        .items(name)
        .min_items(Some(1))
        .max_items(Some(most))
        .unique_items(true)
        .build()
}

/// What a door can answer no with.
pub(crate) trait Refuses {
    /// The door's own codes.
    const CODES: &'static [Code];
    /// And those that it shares with others of its kind.
    const SHARED: &'static [Code];
}

/// Every door that looks at PostgreSQL.
pub(crate) const LOOKS: &[Code] = &[
    Code::SlowDown,
    Code::Overloaded,
    Code::Unavailable,
    Code::Internal,
];

/// Every door at which a caller acts: with a token, a body and perhaps an `Idempotency-Key`.
pub(crate) const ACTS: &[Code] = &[
    Code::Unauthorised,
    Code::InvalidRequest,
    Code::BodyTooLarge,
    Code::RequestTimeout,
    Code::IdempotencyKeyReused,
    Code::SlowDown,
    Code::Overloaded,
    Code::Unavailable,
    Code::Internal,
];

/// Every door of the operators. They are let in always, at any rate.
pub(crate) const OPERATES: &[Code] = &[
    Code::Unauthorised,
    Code::Forbidden,
    Code::InvalidRequest,
    Code::BodyTooLarge,
    Code::RequestTimeout,
    Code::IdempotencyKeyReused,
    Code::Unavailable,
    Code::Internal,
];

/// What every POST takes beside its path and body.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it describes a header that is read elsewhere")]
pub(crate) struct IdempotencyKey {
    /// The same request under the same key has one effect and one answer, for 24 hours.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$"
    )]
    key: Option<String>,
}

/// Declares what a door can answer no with: `refuses!(Hold: ACTS + SeatsUnavailable, …)`.
macro_rules! refuses {
    ($name:ident: $shared:ident $(+ $($code:ident),+)?) => {
        pub(crate) struct $name;

        impl $crate::openapi::Refuses for $name {
            const CODES: &'static [$crate::problem::Code] = &[$($($crate::problem::Code::$code),+)?];
            const SHARED: &'static [$crate::problem::Code] = $crate::openapi::$shared;
        }
    };
}
pub(crate) use refuses;

/// The answers of a door that are no, by status, each with its codes.
pub(crate) struct Problems<D>(PhantomData<D>);

impl<D: Refuses> IntoResponses for Problems<D> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut by_status: BTreeMap<StatusCode, Vec<Code>> = BTreeMap::new();
        for code in D::CODES.iter().chain(D::SHARED) {
            by_status.entry(code.status()).or_default().push(*code);
        }
        by_status
            .into_iter()
            .map(|(status, codes)| (status.as_u16().to_string(), response(status, &codes).into()))
            .collect()
    }
}

fn response(status: StatusCode, codes: &[Code]) -> Response {
    let lines: Vec<String> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.name(), code.meaning()))
        .collect();
    let mut content = Content::new(Some(Ref::from_schema_name("Problem")));
    for code in codes {
        let problem = Problem::new(*code, "What is wrong here, and what to do.");
        let example = serde_json::from_slice(&problem.body()).unwrap_or_default();
        content.examples.insert(
            code.name().to_owned(),
            ExampleBuilder::new().value(Some(example)).build().into(),
        );
    }
    let mut response = ResponseBuilder::new()
        .description(lines.join("\n\n"))
        .content("application/problem+json", content);
    let busy = matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
    );
    if busy {
        let seconds = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(0_i32))
            .build();
        let after = HeaderBuilder::new()
            .schema(Some(Schema::Object(seconds)))
            .description(Some("Ask again after so many seconds."))
            .build();
        response = response.header(header::RETRY_AFTER.as_str(), after);
    }
    response.build()
}
