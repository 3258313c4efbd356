//! The front ends' door.

use std::sync::{Mutex, PoisonError};

use axum::Router;
use boxoffice_booking_api::{Api, AuthOptions, Options, Parts as ApiParts, TokenVerifier, router, serve};
use tokio::net::TcpListener;

use super::Parts;
use super::parts::{status_tokens, ticket_keys};
use crate::config::{ApiConfig, optional};
use crate::failure::Failure;
use crate::supervisor::{Ending, Stage, Supervisor};

impl ApiConfig {
    fn auth(&self) -> AuthOptions {
        AuthOptions {
            secret: self.jwt_secret.clone(),
            issuer: optional(&self.jwt_issuer),
            audience: optional(&self.jwt_audience),
        }
    }

    fn options(&self, drain_seconds: u16) -> Options {
        Options {
            public_base_url: self.public_base_url.clone(),
            desk_batch: self.desk_batch,
            desk_queue_per_show: self.desk_queue_per_show,
            desk_queue: self.desk_queue,
            desk_glance_from: self.desk_glance_from,
            desk_patience_ms: self.desk_patience_ms,
            status_link_days: self.status_link_days,
            drain_seconds,
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
    let config = &parts.config;
    let cannot = |error: &(dyn std::error::Error + 'static)| Failure::because("the booking API cannot start", error);
    let verifier = TokenVerifier::new(&config.api.auth()).map_err(|error| cannot(&error))?;
    let status_tokens = status_tokens(&config.api)
        .map_err(|error| cannot(&error))?
        .ok_or_else(|| Failure::unusable("api.status_secret is not set"))?;
    let ticket_keys = ticket_keys(&config.tickets).map_err(|error| cannot(&error))?;
    // Doors are asked first and leave time for what comes after them.
    let options = config.api.options((config.shutdown.deadline_seconds / 2).max(1));
    let api = Api::new(ApiParts {
        store: parts.store.clone(),
        gateways: parts.gateways.clone(),
        verifier,
        status_tokens,
        ticket_keys,
        options,
    });
    api.follow(&config.kafka.brokers, &config.kafka.extra()).map_err(|error| cannot(&error))?;
    let app = router(api.clone()).merge(also);
    let once = Mutex::new(Some(listener));
    supervisor.spawn("api", Stage::Doors, Ending::EndProcess, move |stop| {
        let listener = once.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (app, api) = (app.clone(), api.clone());
        async move {
            match listener {
                Some(listener) => serve(listener, api, app, stop).await,
                None => Ok(()),
            }
        }
    });
    Ok(())
}
