//! `POST /v1/admin/shows` and `/v1/admin/shows/import`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::Response;
use boxoffice_saga::identity::ShowId;
use boxoffice_saga::money::Currency;
use http::{HeaderMap, Uri, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::acts::{Asked, carry_out, order, sentence};
use super::several;
use crate::api::Api;
use crate::problem::{Code, Problem};
use crate::request;
use crate::shows::{self, CreateShow, GivenTerms, Import, Imported, NewShow, seats_of_csv};

/// Why, for the record: a body that is a show has no room for it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Why {
    reason: Option<String>,
}

/// Creates one show.
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let route = "POST /v1/admin/shows".to_owned();
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order(&user, query::<Why>(&uri)?.reason)?;
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
    reason: Option<String>,
}

#[derive(Serialize)]
struct AllImported {
    refused: usize,
    shows: Vec<Imported>,
}

/// Imports one show or many: JSON, or the seats of one show as CSV with the rest of it in the query.
pub(super) async fn import(
    State(api): State<Arc<Api>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // The query is part of what is asked for: the same key with another query is another route.
    let route = format!(
        "POST {}",
        uri.path_and_query().map_or("", |path| path.as_str())
    );
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .unwrap_or("application/json")
        .trim()
        .to_ascii_lowercase();
    let (shows, reason) = match kind.as_str() {
        "application/json" => (json(&body)?, query::<Why>(&uri)?.reason),
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
    let shows = shows::import(&api.store, &order, &shows).await?;
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
    let given: CsvShow = query(uri)?;
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

fn query<T: serde::de::DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    match Query::try_from_uri(uri) {
        Ok(Query(query)) => Ok(query),
        Err(error) => Err(Problem::new(
            Code::InvalidRequest,
            format!("The query cannot be read: {}.", error.body_text()),
        )),
    }
}
