//! The two doors.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use boxoffice_booking_api::{
    Api, AuthOptions, Options, Parts, Rate, TokenVerifier, TrustedProxies,
};
use boxoffice_webhook_ingress::{Ingress, KafkaPublisher};
use tokio::net::TcpListener;

use super::{Shared, health, listen, status_tokens, ticket_keys};
use crate::config::{is_set, optional};
use crate::failure::Failure;
use crate::supervisor::{Ending, Stage};

/// A listener is handed to a door once: a door that has ended ends the process.
struct Once(Mutex<Option<TcpListener>>);

impl Once {
    fn new(listener: TcpListener) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(listener))))
    }

    fn take(&self) -> anyhow::Result<TcpListener> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        taken.ok_or_else(|| anyhow::anyhow!("the door was closed"))
    }
}

/// Opens the gateways' door.
pub async fn ingress(shared: &Shared<'_>) -> Result<SocketAddr, Failure> {
    let options = shared.config.ingress.options();
    let publisher = KafkaPublisher::new(shared.config.kafka.connection(), &options)
        .map_err(|error| Failure::because("the Kafka producer cannot be made", &error))?;
    let ingress = Ingress::new(shared.gateways.clone(), publisher, options)
        .map_err(|error| Failure::because("the ingress cannot be set up", &error))?;
    let (listener, address) = listen("ingress.listen", shared.config.ingress.listen).await?;
    let listener = Once::new(listener);
    shared
        .supervisor
        .spawn("ingress", Stage::Doors, Ending::EndProcess, move |stop| {
            let (ingress, listener) = (ingress.clone(), listener.clone());
            async move {
                let app: Router = boxoffice_webhook_ingress::router(ingress.clone())
                    .merge(health::metrics_route());
                let drained = boxoffice_webhook_ingress::serve(
                    listener.take()?,
                    app,
                    ingress,
                    stop.child_token(),
                )
                .await;
                tracing::info!(?drained, "the ingress is closed");
                anyhow::Ok(())
            }
        });
    Ok(address)
}

/// Opens the front ends' door.
pub async fn api(shared: &Shared<'_>) -> Result<SocketAddr, Failure> {
    let config = &shared.config.api;
    let auth = AuthOptions {
        secret: Some(config.jwt_secret.clone()).filter(is_set),
        jwks_url: optional(&config.jwks_url),
        roles_claim: config.jwt_roles_claim.clone(),
        issuer: optional(&config.jwt_issuer),
        audience: optional(&config.jwt_audience),
    };
    let (listener, address) = listen("api.listen", config.listen).await?;
    let api = Api::new(Parts {
        store: shared.store.clone(),
        gateways: shared.gateways.clone(),
        verifier: TokenVerifier::new(&auth)
            .map_err(|error| Failure::because("callers' tokens cannot be checked", &error))?,
        status_tokens: status_tokens(shared.config)?,
        ticket_keys: ticket_keys(&shared.config.tickets)
            .map_err(|error| Failure::because("tickets.signing_key cannot be used", &error))?,
        options: Options {
            public_base_url: config.public_base_url.clone(),
            desk_batch: config.desk_batch,
            desk_queue_per_show: config.desk_queue_per_show,
            desk_queue: config.desk_queue,
            desk_glance_from: config.desk_glance_from,
            desk_patience_ms: config.desk_patience_ms,
            requests_under_way: config.requests_under_way,
            waiting_clients: config.waiting_clients,
            event_stream_seconds: config.event_stream_seconds,
            user_rate: Rate {
                per_second: config.user_per_second,
                burst: config.user_burst,
            },
            address_rate: Rate {
                per_second: config.address_per_second,
                burst: config.address_burst,
            },
            trusted_proxies: TrustedProxies::new(&config.trusted_proxies).map_err(|text| {
                Failure::unusable(format!("api.trusted_proxies: {text:?} is no network"))
            })?,
            allowed_origins: config.allowed_origins.clone(),
            status_link_days: config.status_link_days,
            // The workers and the relay drain after the doors, and need their time too.
            drain_seconds: shared.config.shutdown.deadline_seconds / 2,
        },
    });
    api.follow(&shared.config.kafka.brokers, &shared.config.kafka.extra())
        .map_err(|error| Failure::because("booking events cannot be followed", &error))?;
    let listener = Once::new(listener);
    shared
        .supervisor
        .spawn("api", Stage::Doors, Ending::EndProcess, move |stop| {
            let (api, listener) = (api.clone(), listener.clone());
            async move {
                let app = boxoffice_booking_api::router(api.clone()).merge(health::metrics_route());
                boxoffice_booking_api::serve(listener.take()?, api, app, stop.child_token())
                    .await?;
                anyhow::Ok(())
            }
        });
    Ok(address)
}
