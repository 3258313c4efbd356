//! `GET /v1/admin/attention`, `POST …/{kind}/{subject}/settle`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use boxoffice_saga::attention::AttentionKind;
use http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};

use super::acts::{Asked, NeededReason, Reason, carry_out, order_with_reason};
use super::paging;
use crate::api::Api;
use crate::bookings::not_done;
use crate::deadline;
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::operators::attention::{self, Item};
use crate::operators::page;
use crate::operators::settle::{Settle, Settled};
use crate::problem::{Code, Problem};
use crate::request::{self, InPath};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    kind: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// A page of the operators' list.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct AttentionPage {
    /// The oldest UTC day first, within a day the largest amount first.
    items: Vec<Item>,
    /// What to send as `cursor` for the next page; null on the last.
    #[schema(required)]
    next: Option<String>,
}

refuses!(AttentionDoor: OPERATES);

/// What waits for a person
///
/// The oldest UTC day first, within a day the largest amount first, and what has no amount after what has one.
#[utoipa::path(
    get, path = "/v1/admin/attention", tag = "operators", operation_id = "list_attention",
    params(
        ("kind" = Option<String>, Query, pattern = "^[a-z_]{1,40}$", description = "Only items of this kind."),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before."),
        ("limit" = Option<u16>, Query, minimum = 1, maximum = 500, description = "Items on a page; 50."),
    ),
    responses(
        (status = 200, description = "A page.", body = AttentionPage),
        Problems<AttentionDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<AttentionPage>, Problem> {
    api.verifier.operator(&headers).await?;
    let asked: Filter = request::query(&uri)?;
    let kind = match asked.kind.as_deref().map(AttentionKind::from_name) {
        None => None,
        Some(Some(kind)) => Some(kind),
        Some(None) => {
            let names = AttentionKind::ALL.map(AttentionKind::name).join(", ");
            let detail = format!("`kind` must be one of {names}.");
            return Err(Problem::new(Code::InvalidRequest, detail));
        }
    };
    let after = paging::place(asked.cursor.as_deref())?;
    let limit = paging::limit(asked.limit.as_deref())?;
    let found = deadline::read(attention::list(&api.store, kind, after.as_ref(), limit))
        .await
        .map_err(|error| not_done(&error, "the operators' list"))?;
    Ok(Json(AttentionPage {
        items: found.entries,
        next: found.next.as_ref().map(page::cursor),
    }))
}

refuses!(SettleDoor: OPERATES + NotFound, MoneyWaits, ReasonMissing);

/// Take an item off the list
///
/// One that a person has looked after and that nothing else settles. What waits for money is refused: it goes when the
/// money is settled. Doing it twice is doing it once; if what it is about happens again, it comes back.
#[utoipa::path(
    post, path = "/v1/admin/attention/{kind}/{subject}/settle", tag = "operators", operation_id = "settle_attention",
    params(
        ("kind" = String, Path, pattern = "^[a-z_]{1,40}$", description = "The item's kind."),
        ("subject" = Uuid, Path, description = "What it is about."),
        IdempotencyKey,
    ),
    request_body = NeededReason,
    responses(
        (status = 200, description = "It is off the list.", body = Settled),
        Problems<SettleDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn settle(
    State(api): State<Arc<Api>>,
    InPath((kind, subject)): InPath<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let item = Settle {
        kind: AttentionKind::from_name(&kind).ok_or_else(|| Problem::not_found("item"))?,
        subject: request::path(&subject, "item")?,
    };
    let route = format!("POST /v1/admin/attention/{kind}/{}/settle", item.subject);
    let Asked { user, body, key } = Asked::of(&api, &headers, body, route).await?;
    let order = order_with_reason(&user, Reason::of(&body)?.reason)?;
    carry_out(&api, &order, key.as_ref(), &item).await
}
