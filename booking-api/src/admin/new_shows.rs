//! `POST /v1/admin/shows` and `/v1/admin/shows/import`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use boxoffice_saga::identity::ShowId;
use boxoffice_saga::money::Currency;
use http::{HeaderMap, Uri, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::acts::{Asked, carry_out, in_time, order, sentence};
use super::several;
use crate::api::Api;
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::problem::{Code, Problem};
use crate::request;
use crate::shows::{
    self, CreateShow, Created, GivenTerms, Import, Imported, NewSeat, NewShow, seats_of_csv,
};

/// Why, for the record: a body that is a show has no room for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    reason: Option<String>,
}

refuses!(CreateDoor: OPERATES + ShowInvalid, ShowTaken);

/// Create a show
///
/// Not yet on sale, and not seen by the public.
#[utoipa::path(
    post, path = "/v1/admin/shows", tag = "operators", operation_id = "create_show",
    params(
        ("reason" = Option<String>, Query, min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$", description = "Why, for the record."),
        IdempotencyKey,
    ),
    request_body = NewShow,
    responses(
        (status = 201, description = "Created.", body = Created),
        Problems<CreateDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let route = "POST /v1/admin/shows".to_owned();
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order(&user, request::query::<Why>(&uri)?.reason)?;
    let show: NewShow = request::json(&body)?;
    carry_out(&api, &order, key.as_ref(), &CreateShow(&show)).await
}

/// What a CSV file of seats does not say of its show.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CsvShow {
    external_ref: String,
    title: String,
    #[serde(with = "time::serde::rfc3339")]
    starts_at: OffsetDateTime,
    show: Option<ShowId>,
    currency: Currency,
    hold_ms: Option<i64>,
    grace_ms: Option<i64>,
    extension_ms: Option<i64>,
    extension_limit_ms: Option<i64>,
    warning_ms: Option<i64>,
    seat_limit: Option<u16>,
    cancel_until_ms: Option<i64>,
    cancel_fee_bp: Option<u16>,
    reason: Option<String>,
}

/// What became of each show of a document.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ImportedShows)]
struct AllImported {
    /// How many were refused.
    refused: usize,
    shows: Vec<Imported>,
}

/// A show to be imported.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "a description of a NewShow that has a name")]
struct ShowToImport {
    /// Your own name for it, by which it is known when it comes again.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    external_ref: String,
    /// Its number; without one it gets the next that is free.
    show: Option<ShowId>,
    /// What people read.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    title: String,
    /// When it begins.
    starts_at: OffsetDateTime,
    /// Under which rules it is sold, and in which currency.
    terms: GivenTerms,
    /// Its seats, each name once.
    #[schema(min_items = 1, max_items = 40_000)]
    seats: Vec<NewSeat>,
}

refuses!(ImportDoor: OPERATES + ShowInvalid);

/// Create or change shows, many at once
///
/// JSON: one show or an array of shows. `text/csv`: the seats of one show, with a first line
/// `seat,row,number,section,price_minor`, and the rest of it in the query, its rules under their names in `terms`.
/// Importing the same again changes nothing; of a show on sale only the title and the time can change. A document with
/// a mistake in it changes nothing at all; a show that is refused does not stop the others.
#[utoipa::path(
    post, path = "/v1/admin/shows/import", tag = "operators", operation_id = "import_shows",
    params(
        ("external_ref" = Option<String>, Query, description = "For CSV: your own name for the show."),
        ("title" = Option<String>, Query, description = "For CSV: what people read."),
        ("starts_at" = Option<OffsetDateTime>, Query, description = "For CSV: when it begins."),
        ("currency" = Option<Currency>, Query, description = "For CSV: the currency of all prices."),
        ("reason" = Option<String>, Query, min_length = 1, max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$", description = "Why, for the record."),
        IdempotencyKey,
    ),
    request_body(content((Vec<ShowToImport> = "application/json"), (String = "text/csv"))),
    responses(
        (status = 200, description = "What became of each.", body = AllImported),
        Problems<ImportDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn import(
    State(api): State<Arc<Api>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // The query is part of what is asked for: the same key with another query is another route. It may be long.
    let query_hash = hex::encode(Sha256::digest(uri.query().unwrap_or_default()));
    let route = format!("POST {}?{query_hash}", uri.path());
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .unwrap_or("application/json")
        .trim()
        .to_ascii_lowercase();
    let (shows, reason) = match kind.as_str() {
        "application/json" => (json(&body)?, request::query::<Why>(&uri)?.reason),
        "text/csv" => csv(&uri, &body)?,
        other => {
            return Err(Problem::new(
                Code::InvalidRequest,
                format!("Send application/json or text/csv, not {other:?}."),
            ));
        }
    };
    shows.check().map_err(|(which, error)| {
        let said = format!("{which}: {error}");
        Problem::new(Code::ShowInvalid, sentence(&said))
    })?;
    let order = order(&user, reason)?;
    if let Some(before) = several::answered(&api, key.as_ref()).await? {
        return Ok(before);
    }
    let shows = in_time(shows::import(&api.store, &order, &shows)).await?;
    let refused = shows.iter().filter(|show| show.why.is_some()).count();
    several::answer(&api, key.as_ref(), &AllImported { refused, shows }).await
}

fn json(bytes: &[u8]) -> Result<Import, Problem> {
    Import::of_json(bytes).map_err(|error| {
        Problem::new(
            Code::ShowInvalid,
            format!("The document cannot be read: {error}."),
        )
    })
}

fn csv(uri: &Uri, bytes: &[u8]) -> Result<(Import, Option<String>), Problem> {
    let given: CsvShow = request::query(uri)?;
    let seats = seats_of_csv(bytes)
        .map_err(|error| Problem::new(Code::ShowInvalid, sentence(&error.to_string())))?;
    let terms = GivenTerms {
        currency: given.currency,
        hold_ms: given.hold_ms,
        grace_ms: given.grace_ms,
        extension_ms: given.extension_ms,
        extension_limit_ms: given.extension_limit_ms,
        warning_ms: given.warning_ms,
        seat_limit: given.seat_limit,
        cancel_until_ms: given.cancel_until_ms,
        cancel_fee_bp: given.cancel_fee_bp,
    };
    let show = NewShow {
        show: given.show,
        external_ref: Some(given.external_ref),
        title: given.title,
        starts_at: given.starts_at,
        terms: terms.into(),
        seats,
    };
    Ok((Import(vec![show]), given.reason))
}
