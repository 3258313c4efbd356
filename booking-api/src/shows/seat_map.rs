//! The seat map: always read from the seats, never kept by time. Those who ask while it is read share the
//! next reading of it.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use boxoffice_saga::identity::{SeatName, ShowId};
use boxoffice_saga::money::{Currency, Money};
use boxoffice_saga::seat::SeatState;
use boxoffice_turn::TurnError;
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use sqlx::PgPool;

use crate::api::Api;
use crate::gather::{Found, Gather, ReadFailed};
use crate::openapi::{Problems, refuses};
use crate::problem::Problem;
use crate::request::{self, InPath};

/// Plans of more seats than this in all are not remembered.
const MOST_REMEMBERED_SEATS: usize = 400_000;

refuses!(SeatsDoor: LOOKS + NotFound);

/// The seat map, as of now
#[utoipa::path(
    get, path = "/v1/shows/{show}/seats", tag = "shows",
    params(
        ("show" = ShowId, Path, description = "The show's number."),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer."),
    ),
    responses(
        (status = 200, description = "All seats, in the order of the plan.", body = SeatMapBody, headers(
            ("ETag" = String, description = "Identifies this map."),
        )),
        (status = 304, description = "As the client has it."),
        Problems<SeatsDoor>,
    ),
    security(()),
)]
pub(crate) async fn seats(
    State(api): State<Arc<Api>>,
    InPath(show): InPath<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: ShowId = request::path(&show, "show")?;
    let show = api
        .catalogue
        .for_sale(id)
        .await?
        .ok_or_else(|| Problem::not_found("show"))?;
    let map = api
        .seat_maps
        .read(id, show.terms.currency)
        .await?
        .ok_or_else(|| Problem::not_found("show"))?;
    let asked = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let known = asked
        .split(',')
        .any(|tag| tag.trim().trim_start_matches("W/") == map.tag);
    let headers = [
        (header::ETAG, map.tag.as_str()),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let body = (
        [(header::CONTENT_TYPE, "application/json")],
        map.body.clone(),
    );
    Ok((headers, body).into_response())
}

/// How [`draw`] writes a seat map.
#[derive(utoipa::ToSchema)]
#[schema(as = SeatMap)]
#[expect(
    dead_code,
    reason = "a description; the map itself is written seat by seat"
)]
struct SeatMapBody {
    show_id: ShowId,
    /// Rises with every change of a seat.
    #[schema(minimum = 0)]
    version: i64,
    seats: Vec<SeatBody>,
}

/// One seat of the map.
#[derive(utoipa::ToSchema)]
#[schema(as = Seat)]
#[expect(dead_code, reason = "a description, see above")]
struct SeatBody {
    /// What a hold names it by.
    seat: String,
    row: String,
    number: i32,
    section: String,
    price: Money,
    status: SeatStatus,
}

/// What a seat is to somebody who comes now.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(dead_code, reason = "a description, see above")]
enum SeatStatus {
    Available,
    Held,
    Booked,
    Blocked,
}

/// A seat map as it goes out.
pub(crate) struct SeatMap {
    /// What identifies it: the version, and how many held seats had become free by time alone.
    tag: String,
    body: Bytes,
}

/// Reads seat maps.
pub(crate) struct SeatMaps {
    reads: Gather<(ShowId, Currency), Arc<SeatMap>>,
}

/// A show's seats in the order of the plan, each as the beginning of its JSON: what never changes.
type Plan = Arc<Vec<(SeatName, String)>>;

#[derive(Default)]
struct Plans {
    remembered: Mutex<HashMap<ShowId, Plan>>,
}

impl SeatMaps {
    /// The seat maps of this database.
    pub(crate) fn new(db: PgPool) -> Self {
        let plans = Arc::new(Plans::default());
        let reads = Gather::new(1, 2, move |shows: Vec<(ShowId, Currency)>| {
            let (db, plans) = (db.clone(), plans.clone());
            async move {
                let mut found = HashMap::new();
                for (show, currency) in shows {
                    if let Some(map) = read(&db, &plans, show, currency).await? {
                        found.insert((show, currency), Arc::new(map));
                    }
                }
                Found::Ok(found)
            }
            .boxed()
        });
        Self { reads }
    }

    async fn read(
        &self,
        show: ShowId,
        currency: Currency,
    ) -> Result<Option<Arc<SeatMap>>, ReadFailed> {
        self.reads.read((show, currency)).await
    }
}

async fn read(
    db: &PgPool,
    plans: &Plans,
    show: ShowId,
    currency: Currency,
) -> Result<Option<SeatMap>, ReadFailed> {
    let plan = plans.of(db, show, currency).await?;
    // One statement is one snapshot.
    let rows = sqlx::query!(
        r#"select seat, state, coalesce(reclaim_at <= clock_timestamp(), false) as "over!", changes
           from show_seats where show_id = $1"#,
        show.as_i64(),
    )
    .fetch_all(db)
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut version: i64 = 0;
    let mut over: u32 = 0;
    let mut states = HashMap::with_capacity(rows.len());
    for row in &rows {
        let state = SeatState::from_name(&row.state)
            .ok_or_else(|| TurnError::Corrupt(format!("seat state {:?}", row.state)))?;
        version = version.saturating_add(row.changes);
        // A held seat whose time is over can be held by anybody: it is shown as what it is to them.
        let free = state == SeatState::Held && row.over;
        over += u32::from(free);
        states.insert(
            row.seat.as_str(),
            if free { SeatState::Available } else { state },
        );
    }
    Ok(Some(SeatMap {
        tag: format!("\"{version}.{over}\""),
        body: draw(show, version, &plan, &states),
    }))
}

fn draw(show: ShowId, version: i64, plan: &Plan, states: &HashMap<&str, SeatState>) -> Bytes {
    let mut body = String::with_capacity(64 + plan.len() * 160);
    // Writing to a string cannot fail.
    let _ = write!(
        body,
        "{{\"show_id\":{show},\"version\":{version},\"seats\":["
    );
    let mut first = true;
    for (seat, beginning) in plan.iter() {
        let Some(state) = states.get(seat.as_str()) else {
            continue;
        };
        let comma = if first { "" } else { "," };
        let _ = write!(
            body,
            "{comma}{beginning},\"status\":\"{}\"}}",
            state.public_name()
        );
        first = false;
    }
    body.push_str("]}");
    body.into()
}

#[derive(Serialize)]
struct PlannedSeat<'a> {
    seat: &'a str,
    row: &'a str,
    number: i32,
    section: &'a str,
    price: Money,
}

impl Plans {
    async fn of(&self, db: &PgPool, show: ShowId, currency: Currency) -> Result<Plan, ReadFailed> {
        let remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&show)
            .cloned();
        if let Some(plan) = remembered {
            return Ok(plan);
        }
        let rows = sqlx::query!(
            "select plan.seat, plan.row_name, plan.number, plan.section, seats.price_minor
             from seat_plans plan join show_seats seats using (show_id, seat)
             where plan.show_id = $1
             order by length(plan.row_name), plan.row_name, plan.number, plan.seat",
            show.as_i64(),
        )
        .fetch_all(db)
        .await?;
        let mut plan = Vec::with_capacity(rows.len());
        for row in rows {
            let seat = PlannedSeat {
                seat: &row.seat,
                row: &row.row_name,
                number: row.number,
                section: &row.section,
                price: Money::new(row.price_minor, currency),
            };
            let mut json = serde_json::to_string(&seat)
                .map_err(|error| TurnError::Corrupt(error.to_string()))?;
            // The status follows, and then the brace.
            json.pop();
            plan.push((row.seat, json));
        }
        let plan: Plan = Arc::new(plan);
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let seats: usize = remembered.values().map(|plan| plan.len()).sum();
        if seats + plan.len() > MOST_REMEMBERED_SEATS {
            remembered.clear();
        }
        if !plan.is_empty() {
            remembered.insert(show, plan.clone());
        }
        Ok(plan)
    }
}
