//! `POST /v1/admin/refunds/{refund}/retry | other-way | settled-elsewhere`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use boxoffice_saga::identity::RefundId;
use http::HeaderMap;
use serde::Deserialize;

use super::acts::{Asked, NeededReason, Reason, answer, in_time, order_with_reason};
use crate::api::Api;
use crate::openapi::{IdempotencyKey, Problems, refuses};
use crate::operators::Order;
use crate::operators::refund::{ByHand, Handled, Particulars, by_hand};
use crate::problem::{Code, Problem};
use crate::request::{self, InPath};

/// How the money is sent instead.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AnotherWay {
    /// Why, for the record.
    #[serde(default)]
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    reason: Option<String>,
    /// By which means, for example `bank transfer, UTR 4711`.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    means: String,
}

/// What shows that the customer has the money.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proven {
    /// Why, for the record.
    #[serde(default)]
    #[schema(
        required,
        nullable = false,
        min_length = 1,
        max_length = 500,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    reason: Option<String>,
    /// What shows it, for example the bank's reference of the transfer.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    proof: String,
}

fn particulars(field: &str, text: &str) -> Result<Particulars, Problem> {
    text.parse()
        .map_err(|wanted| Problem::new(Code::InvalidRequest, format!("`{field}`: {wanted}.")))
}

/// Does it, and answers.
async fn done(
    api: &Api,
    order: &Order,
    asked: &Asked,
    refund: RefundId,
    what: &ByHand,
) -> Result<Response, Problem> {
    let acted = in_time(by_hand(&api.store, order, asked.key.as_ref(), refund, what)).await?;
    answer(acted, 200)
}

refuses!(RetryRefundDoor: OPERATES + NotFound, RefundNotWaiting, RefundSentAnotherWay, ReasonMissing);

/// Have the gateway asked for a refund again
///
/// One that waits for a person. What became of earlier tries is looked up first, so it is never made twice.
#[utoipa::path(
    post, path = "/v1/admin/refunds/{refund}/retry", tag = "operators", operation_id = "retry_refund",
    params(
        ("refund" = RefundId, Path, description = "The refund."),
        IdempotencyKey,
    ),
    request_body = NeededReason,
    responses(
        (status = 200, description = "It is asked for again.", body = Handled),
        Problems<RetryRefundDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn retry(
    State(api): State<Arc<Api>>,
    InPath(refund): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let refund: RefundId = request::path(&refund, "refund")?;
    let route = format!("POST /v1/admin/refunds/{refund}/retry");
    let asked = Asked::of(&api, &headers, body, route).await?;
    let order = order_with_reason(&asked.user, Reason::of(&asked.body)?.reason)?;
    done(&api, &order, &asked, refund, &ByHand::Retry).await
}

refuses!(OtherWayDoor: OPERATES + NotFound, RefundNotWaiting, ReasonMissing);

/// Say that a refund's money is sent by another way
///
/// From then on the gateway is not asked for it. It waits for the proof that it has arrived.
#[utoipa::path(
    post, path = "/v1/admin/refunds/{refund}/other-way", tag = "operators", operation_id = "refund_other_way",
    params(
        ("refund" = RefundId, Path, description = "The refund."),
        IdempotencyKey,
    ),
    request_body = AnotherWay,
    responses(
        (status = 200, description = "It waits for the proof.", body = Handled),
        Problems<OtherWayDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn other_way(
    State(api): State<Arc<Api>>,
    InPath(refund): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let refund: RefundId = request::path(&refund, "refund")?;
    let route = format!("POST /v1/admin/refunds/{refund}/other-way");
    let asked = Asked::of(&api, &headers, body, route).await?;
    let AnotherWay { reason, means } = request::json(&asked.body)?;
    let order = order_with_reason(&asked.user, reason)?;
    let means = particulars("means", &means)?;
    done(&api, &order, &asked, refund, &ByHand::OtherWay { means }).await
}

refuses!(SettledElsewhereDoor: OPERATES + NotFound, RefundNotWaiting, ReasonMissing);

/// Show that a refund's money is with the customer
///
/// The refund is done: the customer is told, and the money is off the operators' account.
#[utoipa::path(
    post, path = "/v1/admin/refunds/{refund}/settled-elsewhere", tag = "operators",
    operation_id = "refund_settled_elsewhere",
    params(
        ("refund" = RefundId, Path, description = "The refund."),
        IdempotencyKey,
    ),
    request_body = Proven,
    responses(
        (status = 200, description = "It is done.", body = Handled),
        Problems<SettledElsewhereDoor>,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn settled_elsewhere(
    State(api): State<Arc<Api>>,
    InPath(refund): InPath<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let refund: RefundId = request::path(&refund, "refund")?;
    let route = format!("POST /v1/admin/refunds/{refund}/settled-elsewhere");
    let asked = Asked::of(&api, &headers, body, route).await?;
    let Proven { reason, proof } = request::json(&asked.body)?;
    let order = order_with_reason(&asked.user, reason)?;
    let proof = particulars("proof", &proof)?;
    done(
        &api,
        &order,
        &asked,
        refund,
        &ByHand::SettledElsewhere { proof },
    )
    .await
}
