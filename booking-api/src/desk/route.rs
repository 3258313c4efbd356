//! `POST /v1/shows/{show}/holds`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use boxoffice_saga::booking::Terms;
use boxoffice_saga::identity::{SeatName, ShowId};
use boxoffice_saga::input::Refusal;
use http::HeaderMap;
use serde::Deserialize;

use super::turn::Placed;
use super::{HoldAnswer, HoldRequest};
use crate::api::Api;
use crate::contact::ContactBody;
use crate::idempotency;
use crate::openapi::{Problems, refuses, seats_to_hold};
use crate::problem::{Code, Problem};
use crate::request::{self, InPath};
use crate::shows::seat_name;

/// What a hold is asked for with.
#[derive(Deserialize, utoipa::ToSchema)]
#[schema(as = NewHold, examples(json!({
    "seats": ["A-1", "A-2"], "contact": { "email": "name@example.org", "language": "hi-IN" },
})))]
struct HoldBody {
    /// By the seat map's names; as many as the show allows, none twice.
    #[schema(schema_with = seats_to_hold)]
    seats: Vec<SeatName>,
    /// Where the ticket goes.
    #[schema(required = true, nullable = false)]
    contact: Option<ContactBody>,
}

refuses!(HoldDoor: ACTS + NotFound, SeatsUnavailable, PaymentInProgress, UnknownSeats, TooManySeats, NoSeats, SeatTwice,
    ContactInvalid, HighDemand);

/// Hold seats: all of them or none
///
/// A newer hold of the same user for the same show replaces the older one, unless a payment is open on it.
#[utoipa::path(
    post, path = "/v1/shows/{show}/holds", tag = "bookings",
    params(
        ("show" = ShowId, Path, description = "The show's number."),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$",
            description = "The same request under the same key has one effect and one answer, for 24 hours."),
    ),
    request_body = HoldBody,
    responses(
        (status = 201, description = "Held until `expires_at`.", body = Placed<'_>, links(
            ("status" = (operation_id = "status", parameters(("booking" = "$response.body#/booking_id")))),
            ("events" = (operation_id = "events", parameters(("booking" = "$response.body#/booking_id")))),
            ("pay" = (operation_id = "pay", parameters(("booking" = "$response.body#/booking_id")))),
            ("release" = (operation_id = "release", parameters(("booking" = "$response.body#/booking_id")))),
            ("ticket" = (operation_id = "ticket", parameters(("booking" = "$response.body#/booking_id")))),
            ("picture" = (operation_id = "ticket_picture", parameters(("booking" = "$response.body#/booking_id")))),
        )),
        Problems<HoldDoor>,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn hold(
    State(api): State<Arc<Api>>,
    InPath(show): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let user = api.acting(&headers).await?;
    let show: ShowId = request::path(&show, "show")?;
    let body = request::body(body).await?;
    let key = idempotency::claim(
        &headers,
        &user,
        format!("POST /v1/shows/{show}/holds"),
        &body,
    )?;
    let asked: HoldBody = request::json(&body)?;
    let contact = asked
        .contact
        .ok_or_else(|| Problem::new(Code::ContactInvalid, "`contact` with an `email` is needed."))?
        .check()?;
    let on_sale = api
        .catalogue
        .for_sale(show)
        .await?
        .ok_or_else(|| Problem::not_found("show"))?;
    check_seats(&asked.seats, &on_sale.terms)?;
    let request = HoldRequest {
        show,
        user,
        seats: asked.seats,
        contact,
        terms: on_sale.terms.clone(),
        key,
    };
    match api.desk.ask(request).await {
        HoldAnswer::Reply(reply) => Ok(reply.into_response()),
        HoldAnswer::Refused(refusal) => Err(refusal.into()),
        HoldAnswer::OtherRequest => Err(idempotency::reused()),
        // Spread out, so that those who were turned away together do not come back together.
        HoldAnswer::HighDemand => {
            Err(Problem::high_demand().retry_after(rand::random_range(1..=4)))
        }
        HoldAnswer::Unavailable => Err(Problem::unavailable()),
        HoldAnswer::Internal => Err(Problem::internal()),
    }
}

/// What is wrong without a look at the seats. The saga checks it again.
fn check_seats(seats: &[SeatName], terms: &Terms) -> Result<(), Refusal> {
    if seats.is_empty() {
        return Err(Refusal::NoSeats);
    }
    if seats.len() > usize::from(terms.seat_limit) {
        return Err(Refusal::TooManySeats {
            limit: terms.seat_limit,
        });
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = seats.iter().find(|seat| !names.insert(*seat)) {
        return Err(Refusal::SeatTwice {
            seat: twice.clone(),
        });
    }
    // No show can have a seat of such a name, and not every name could be sent to the database.
    let unknown: Vec<_> = seats
        .iter()
        .filter(|seat| !seat_name(seat))
        .cloned()
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(Refusal::UnknownSeats { seats: unknown })
    }
}
