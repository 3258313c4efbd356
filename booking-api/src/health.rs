//! Liveness and readiness: which part is not ready, and why.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use boxoffice_stream::Follower;
use futures::FutureExt;
use http::{StatusCode, header};
use serde::Serialize;
use sqlx::PgPool;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::gather::{Found, Gather, ReadFailed};

/// The longest that the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(1);

/// What readiness is made of.
pub(crate) struct Health {
    database: Gather<(), ()>,
    /// Of booking events, once there is one.
    follower: OnceLock<Follower>,
}

/// Whether requests should come here.
#[derive(Serialize, utoipa::ToSchema)]
struct Readiness {
    ready: bool,
    parts: Vec<Part>,
}

/// A part of it.
#[derive(Serialize, utoipa::ToSchema)]
struct Part {
    part: &'static str,
    ready: bool,
    /// Why it is not.
    #[schema(required)]
    why: Option<&'static str>,
}

impl Health {
    /// Of this database.
    pub(crate) fn new(db: PgPool) -> Self {
        let database = Gather::new(1, 1, move |_| ask(db.clone()).boxed());
        Self {
            database,
            follower: OnceLock::new(),
        }
    }

    /// The follower of booking events, if there is one.
    pub(crate) fn follower(&self) -> Option<&Follower> {
        self.follower.get()
    }

    /// Keeps the follower. One that comes second is dropped, and ends.
    pub(crate) fn follows(&self, follower: Follower) {
        let _ = self.follower.set(follower);
    }
}

async fn ask(db: PgPool) -> Found<(), ()> {
    match tokio::time::timeout(PATIENCE, sqlx::query!("select 1 as one").fetch_one(&db)).await {
        Ok(Ok(_)) => Ok(HashMap::from([((), ())])),
        Ok(Err(_)) | Err(_) => Err(ReadFailed::Unavailable),
    }
}

/// The process answers
#[utoipa::path(
    get, path = "/livez", tag = "health",
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain; charset=utf-8")),
    security(()),
)]
pub(crate) async fn livez() -> &'static str {
    std::future::ready("ok\n").await
}

/// Whether requests should come here, and if not, why
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses(
        (status = 200, description = "They should.", body = Readiness),
        (status = 503, description = "They should not: a part is not ready.", body = Readiness),
    ),
    security(()),
)]
pub(crate) async fn readyz(State(api): State<Arc<Api>>) -> Response {
    let draining = api.draining.is_cancelled();
    let database = api.health.database.read(()).await.is_ok();
    let follower = api.health.follower().is_none_or(Follower::is_alive);
    let part = |part, ready, why| Part {
        part,
        ready,
        why: (!ready).then_some(why),
    };
    let parts = vec![
        part(
            "process",
            !draining,
            "it was asked to stop and finishes what is under way",
        ),
        part(
            "database",
            database,
            "PostgreSQL does not answer within a second",
        ),
        part(
            "follower",
            follower,
            "bookings.events.v1 is not followed; long polls notice changes late",
        ),
    ];
    // Long polls without a follower are late, not wrong: that alone takes nobody out of service.
    let ready = !draining && database;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        [(header::CACHE_CONTROL, "no-store")],
        Json(Readiness { ready, parts }),
    )
        .into_response()
}

/// Its doors.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(livez))
        .routes(routes!(readyz))
}
