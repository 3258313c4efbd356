//! Health and metrics: of every role that has no door of its own, and `/metrics` for the doors too.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use boxoffice_turn::postgres::PgStore;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Map, Value, json};

use super::{Shared, listen};
use crate::failure::Failure;
use crate::supervisor::{Ending, Stage, Supervisor, TaskState};

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder and describes every metric. Before anything records.
///
/// # Errors
/// When another recorder is installed already.
pub fn install_metrics() -> Result<(), Failure> {
    if METRICS.get().is_some() {
        return Ok(());
    }
    let handle = PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| Failure::because("metrics cannot be recorded", &error))?;
    let _ = METRICS.set(handle);
    crate::audit::running::metric::describe();
    crate::reconciliation::metric::describe();
    boxoffice_analytics::describe_metrics();
    boxoffice_booking_api::metric::describe();
    boxoffice_coordinator::describe_metrics();
    boxoffice_gateways::describe_metrics();
    boxoffice_notifications::describe_metrics();
    boxoffice_producers::metric::describe();
    boxoffice_relay::describe_metrics();
    boxoffice_stream::metric::describe();
    boxoffice_tasks::describe_metrics();
    boxoffice_turn::describe_metrics();
    boxoffice_webhook_ingress::metric::describe();
    Ok(())
}

/// How often what was recorded is folded into the histograms, scraped or not.
const UPKEEP: Duration = Duration::from_secs(5);

/// Keeps the recorder from growing while nobody scrapes.
pub fn keep_up(supervisor: &Supervisor) {
    supervisor.spawn(
        "metrics",
        Stage::Rest,
        Ending::StartAgain,
        |stop| async move {
            while stop
                .run_until_cancelled(tokio::time::sleep(UPKEEP))
                .await
                .is_some()
            {
                if let Some(metrics) = METRICS.get() {
                    metrics.run_upkeep();
                }
            }
            anyhow::Ok(())
        },
    );
}

/// `GET /metrics`, in Prometheus' text format.
pub fn metrics_route() -> Router {
    Router::new().route(
        "/metrics",
        get(async || {
            METRICS
                .get()
                .map(PrometheusHandle::render)
                .unwrap_or_default()
        }),
    )
}

#[derive(Clone)]
struct Health {
    supervisor: Supervisor,
    databases: Vec<PgStore>,
}

/// Serves `/livez`, `/readyz` and `/metrics`.
pub async fn serve(shared: &Shared<'_>) -> Result<SocketAddr, Failure> {
    let (listener, address) = listen("health.listen", shared.config.health.listen).await?;
    let health = Health {
        supervisor: shared.supervisor.clone(),
        databases: shared.databases.clone(),
    };
    let app = Router::new()
        .route("/livez", get(async || StatusCode::OK))
        .route("/readyz", get(ready))
        .with_state(health)
        .merge(metrics_route());
    let listener = std::sync::Arc::new(tokio::sync::Mutex::new(Some(listener)));
    shared
        .supervisor
        .spawn("health", Stage::Rest, Ending::EndProcess, move |stop| {
            let (app, listener) = (app.clone(), listener.clone());
            async move {
                let listener = listener
                    .lock()
                    .await
                    .take()
                    .ok_or_else(|| anyhow::anyhow!("the listener is gone"))?;
                axum::serve(listener, app)
                    .with_graceful_shutdown(async move { stop.cancelled().await })
                    .await?;
                anyhow::Ok(())
            }
        });
    Ok(address)
}

/// Which part is not ready, and why.
async fn ready(State(health): State<Health>) -> impl IntoResponse {
    let mut parts = Map::new();
    let mut ready = !health.supervisor.is_draining();
    let mut database = "ready";
    for store in &health.databases {
        let ping = sqlx::query("select 1").execute(store.pool());
        match tokio::time::timeout(Duration::from_secs(1), ping).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "the database is not ready");
                database = "does not answer";
            }
            Err(_) => database = "does not answer within 1 s",
        }
    }
    ready &= database == "ready";
    parts.insert("database".to_owned(), Value::from(database));
    for (name, state) in health.supervisor.states() {
        ready &= state == TaskState::Running;
        parts.insert(name, serde_json::to_value(state).unwrap_or(Value::Null));
    }
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(json!({ "ready": ready, "parts": parts })))
}
