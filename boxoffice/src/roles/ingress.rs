//! The gateways' door.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use boxoffice_webhook_ingress::{Ingress, IngressOptions, KafkaPublisher, router, serve};
use tokio::net::TcpListener;

use super::Parts;
use crate::config::IngressConfig;
use crate::failure::Failure;
use crate::supervisor::{Ending, Stage, Supervisor};

impl IngressConfig {
    /// For the door.
    pub fn options(&self) -> IngressOptions {
        IngressOptions {
            largest_body: self.largest_body_bytes,
            answer_within: Duration::from_millis(self.answer_within_ms),
            body_within: Duration::from_millis(self.body_within_ms),
            in_flight_requests: self.in_flight_requests,
            ..IngressOptions::default()
        }
    }
}

/// Starts to serve. `also` are further routes: metrics.
pub(super) fn start(
    parts: &Parts,
    listener: TcpListener,
    also: Router,
    supervisor: &Supervisor,
) -> Result<(), Failure> {
    let options = parts.config.ingress.options();
    let publisher = KafkaPublisher::new(parts.config.kafka.connection(), &options)
        .map_err(|error| Failure::because("the webhook ingress cannot start", &error))?;
    let ingress = Ingress::new(&parts.gateways, publisher, options)
        .map_err(|error| Failure::because("the webhook ingress cannot start", &error))?;
    let app = router(ingress.clone()).merge(also);
    let once = Mutex::new(Some(listener));
    supervisor.spawn("ingress", Stage::Doors, Ending::EndProcess, move |stop| {
        let listener = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (app, ingress) = (app.clone(), ingress.clone());
        async move {
            let Some(listener) = listener else { return Ok::<(), anyhow::Error>(()) };
            let drained = serve(listener, app, ingress, stop).await;
            if drained.cut_off > 0 || !drained.flushed {
                tracing::warn!(?drained, "the gateways' door closed with work under way; they will send it again");
            }
            Ok(())
        }
    });
    Ok(())
}
