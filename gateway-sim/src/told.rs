//! `/_sim`: what tests and people tell the simulator, and what it tells them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use crate::behaviour::Behaviour;
use crate::books::{Books, DisputeStatus, Order, Payment, RefundStatus};
use crate::refunds::Wanted;
use crate::script::Script;
use crate::sim::Sim;
use crate::wire::Happened;
use crate::{delivery, payments, refunds};

type Told<T> = Result<Json<T>, JsonRejection>;

#[derive(Deserialize)]
pub(crate) struct About {
    payment: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Advance {
    advance_seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settle {
    outcome: Outcome,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettleRefund {
    status: Outcome,
}

/// A refund that somebody makes at the gateway's dashboard: nothing in it is of our making.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DashboardRefund {
    /// In minor units; without: all that is left.
    amount: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Disputed {
    status: DisputeStatus,
    /// In minor units; without: all that was captured.
    amount: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Outage {
    status: Option<u16>,
}

#[derive(Deserialize)]
pub(crate) struct AboutMail {
    #[serde(default)]
    about: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenMail {
    open: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Succeeded,
    Failed,
}

pub(crate) async fn payment(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
    told: Told<Behaviour>,
) -> Response {
    with(told, |behaviour| {
        let answer = Json(&behaviour).into_response();
        sim.books().behaviours.insert(id, behaviour);
        sim.dirty.notify_one();
        answer
    })
}

pub(crate) async fn defaults(State(sim): State<Arc<Sim>>, told: Told<Behaviour>) -> Response {
    with(told, |behaviour| {
        let answer = Json(&behaviour).into_response();
        sim.books().defaults = behaviour;
        sim.dirty.notify_one();
        answer
    })
}

pub(crate) async fn script(State(sim): State<Arc<Sim>>, told: Told<Script>) -> Response {
    with(told, |script| {
        let answer = Json(&script).into_response();
        sim.books().script = Some(script);
        sim.dirty.notify_one();
        answer
    })
}

pub(crate) async fn settle(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
    told: Told<Settle>,
) -> Response {
    with(told, |Settle { outcome }| {
        let mut books = sim.books();
        let Some(behaviour) = behaviour_of(&mut books, &id) else {
            return none(&id);
        };
        let happened = payments::settle(&mut books, &id, outcome == Outcome::Succeeded, &behaviour);
        told_of(&sim, &mut books, happened, &behaviour)
    })
}

pub(crate) async fn refund(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
    told: Told<SettleRefund>,
) -> Response {
    with(told, |SettleRefund { status }| {
        let status = match status {
            Outcome::Succeeded => RefundStatus::Succeeded,
            Outcome::Failed => RefundStatus::Failed,
        };
        let mut books = sim.books();
        let Some(behaviour) = behaviour_of(&mut books, &id) else {
            return none(&id);
        };
        let happened = refunds::settle(&mut books, &id, status);
        told_of(&sim, &mut books, happened, &behaviour)
    })
}

pub(crate) async fn dashboard_refund(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
    told: Told<DashboardRefund>,
) -> Response {
    with(told, |DashboardRefund { amount }| {
        let mut books = sim.books();
        let Some(behaviour) = behaviour_of(&mut books, &id) else {
            return none(&id);
        };
        let wanted = Wanted {
            payment: id.clone(),
            amount,
            metadata: BTreeMap::new(),
            reason: None,
            receipt: None,
        };
        match refunds::make(&mut books, wanted, &behaviour, sim.now()) {
            Ok((_, happened)) => told_of(&sim, &mut books, happened, &behaviour),
            Err(_) => wrong("there is not so much of it to be returned"),
        }
    })
}

pub(crate) async fn dispute(
    State(sim): State<Arc<Sim>>,
    Path(id): Path<String>,
    told: Told<Disputed>,
) -> Response {
    with(told, |Disputed { status, amount }| {
        let mut books = sim.books();
        let Some(behaviour) = behaviour_of(&mut books, &id) else {
            return none(&id);
        };
        let happened = payments::dispute(&mut books, &id, status, amount, sim.now());
        told_of(&sim, &mut books, happened, &behaviour)
    })
}

pub(crate) async fn outage(State(sim): State<Arc<Sim>>, told: Told<Outage>) -> Response {
    with(told, |Outage { status }| match status {
        Some(status) if !(400..600).contains(&status) => {
            wrong("an outage's status is from 400 to 599")
        }
        status => {
            sim.books().outage = status;
            Json(json!({ "status": status })).into_response()
        }
    })
}

pub(crate) async fn advance(State(sim): State<Arc<Sim>>, told: Told<Advance>) -> Response {
    with(
        told,
        |Advance {
             advance_seconds: by,
         }| {
            // Ten years at a time: enough for any test, and far from where dates end.
            if !(0..=315_360_000).contains(&by) {
                return wrong("the clock moves forward only, by ten years at most");
            }
            sim.clock.advance(by * 1_000);
            sim.dirty.notify_one();
            time(&sim).into_response()
        },
    )
}

pub(crate) async fn clock(State(sim): State<Arc<Sim>>) -> Json<Value> {
    time(&sim)
}

pub(crate) async fn mail(State(sim): State<Arc<Sim>>, Query(asked): Query<AboutMail>) -> Response {
    let Some(mail) = &sim.mail else {
        return no_mail_server();
    };
    let (address, open) = mail.door().await;
    let letters = mail.taken(&asked.about);
    Json(json!({ "address": address, "open": open, "letters": letters })).into_response()
}

pub(crate) async fn open_mail(State(sim): State<Arc<Sim>>, told: Told<OpenMail>) -> Response {
    let told = match told {
        Ok(Json(told)) => told,
        Err(rejection) => return wrong(&rejection.body_text()),
    };
    let Some(mail) = &sim.mail else {
        return no_mail_server();
    };
    if !told.open {
        mail.close().await;
    } else if let Err(error) = mail.open().await {
        let why = format!("the mail server cannot listen again: {error}");
        return (StatusCode::CONFLICT, Json(json!({ "error": why }))).into_response();
    }
    Json(json!({ "open": told.open })).into_response()
}

pub(crate) async fn books(State(sim): State<Arc<Sim>>, Query(about): Query<About>) -> Json<Value> {
    let books = sim.books();
    let wanted = about.payment.as_deref();
    let orders: Vec<&Order> = books
        .orders
        .values()
        .filter(|order| {
            wanted.is_none_or(|wanted| {
                order.id == wanted || order.notes.values().any(|value| value == wanted)
            })
        })
        .collect();
    let payments: Vec<&Payment> = books
        .payment_order
        .iter()
        .filter_map(|id| books.payments.get(id))
        .filter(|payment| {
            wanted.is_none_or(|wanted| {
                payment.id == wanted || payment.metadata.values().any(|v| v == wanted)
            })
        })
        .collect();
    let sum =
        |of: &dyn Fn(&Payment) -> i64| payments.iter().map(|payment| of(payment)).sum::<i64>();
    Json(json!({
        "clock": sim.now().format(&Rfc3339).unwrap_or_default(),
        "captured": sum(&|payment| payment.received),
        "refunded": sum(&|payment| books.refunded(payment)),
        "orders": orders,
        "payments": payments.iter().map(|payment| page(&books, payment)).collect::<Vec<_>>(),
        "other_calls": books.other_calls,
    }))
}

pub(crate) async fn deliveries(
    State(sim): State<Arc<Sim>>,
    Query(about): Query<About>,
) -> Json<Value> {
    let books = sim.books();
    let listed: Vec<Value> = books
        .deliveries
        .iter()
        .filter_map(|delivery| {
            let event = books.events.get(delivery.event)?;
            about
                .payment
                .as_ref()
                .is_none_or(|wanted| *wanted == event.payment)
                .then(|| {
                    json!({
                        "event": event.id,
                        "type": event.kind,
                        "payment": event.payment,
                        "lost": delivery.lost,
                        "over": delivery.over,
                        "attempts": delivery.attempts,
                    })
                })
        })
        .collect();
    Json(json!({ "deliveries": listed }))
}

fn page(books: &Books, payment: &Payment) -> Value {
    let refunds: Vec<Value> = books
        .refunds_of(payment)
        .map(|refund| payment.wire.speaks().refund(refund))
        .collect();
    json!({
        "id": payment.id,
        "gateway": payment.wire,
        "order": payment.order,
        "amount": payment.amount,
        "currency": payment.currency,
        "status": payment.status,
        "captured": payment.received,
        "refunded": books.refunded(payment),
        "metadata": payment.metadata,
        "refunds": refunds,
        "calls": payment.calls,
    })
}

fn behaviour_of(books: &mut Books, id: &str) -> Option<Behaviour> {
    let (id, metadata) = books.subject(id)?;
    let name = books.behaviour_name(id, metadata);
    Some(books.behaviour(&name).clone())
}

fn told_of(
    sim: &Arc<Sim>,
    books: &mut Books,
    happened: Vec<Happened>,
    behaviour: &Behaviour,
) -> Response {
    let Some(object) = happened.first().map(|first| first.object.clone()) else {
        return wrong("it is not in a state that can end so");
    };
    for happened in happened {
        delivery::publish(sim, books, happened, &behaviour.webhook);
    }
    sim.dirty.notify_one();
    Json(object).into_response()
}

fn time(sim: &Sim) -> Json<Value> {
    let ahead = sim.clock.ahead_ms() / 1_000;
    Json(json!({ "now": sim.now().format(&Rfc3339).unwrap_or_default(), "ahead_seconds": ahead }))
}

fn with<T>(told: Told<T>, act: impl FnOnce(T) -> Response) -> Response {
    match told {
        Ok(Json(told)) => act(told),
        Err(rejection) => wrong(&rejection.body_text()),
    }
}

fn wrong(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": why }))).into_response()
}

fn no_mail_server() -> Response {
    let why = "there is no mail server here: set simulator.mail_listen";
    (StatusCode::NOT_FOUND, Json(json!({ "error": why }))).into_response()
}

fn none(id: &str) -> Response {
    (
        StatusCode::NOT_FOUND,
        Json(json!({ "error": format!("there is no {id} here") })),
    )
        .into_response()
}
