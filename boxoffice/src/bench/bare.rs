//! What the ingress is compared with: the same HTTP library, and behind it a producer, with nothing between them.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::rig::{Part, Rig};
use crate::failure::Failure;

/// Where it listens, and where it produces to.
#[derive(Debug, Args)]
pub struct Bare {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    brokers: String,
    #[arg(long)]
    topic: String,
}

/// Starts it as a process of its own. Returns where it listens.
///
/// # Errors
/// When it does not answer.
pub async fn start(rig: &Rig) -> anyhow::Result<(Part, String)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let listen = listener.local_addr()?.to_string();
    drop(listener);
    let topic = rig.topic("bare").await?;
    let brokers = &rig.stage.target.kafka;
    let arguments = [
        "bench",
        "bare",
        "--listen",
        &listen,
        "--brokers",
        brokers,
        "--topic",
        &topic,
    ];
    let part = rig.process("bare", &arguments, &[])?;
    rig.answers(&format!("http://{listen}/")).await?;
    Ok((part, listen))
}

/// Runs until it is killed.
///
/// # Errors
/// When it cannot listen, or there is no producer.
pub async fn run(bare: &Bare) -> Result<(), Failure> {
    serve(bare)
        .await
        .map_err(|error| Failure::because("the bare producer cannot run", error.as_ref()))
}

async fn serve(bare: &Bare) -> anyhow::Result<()> {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &bare.brokers)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("linger.ms", "1")
        .create()
        .context("no producer")?;
    let topic = bare.topic.clone();
    let take = move |State(producer): State<FutureProducer>, body: Bytes| {
        let topic = topic.clone();
        async move {
            let record = FutureRecord::<(), [u8]>::to(&topic).payload(&body);
            match producer.send(record, Duration::from_secs(2)).await {
                Ok(_) => StatusCode::OK,
                Err(_) => StatusCode::SERVICE_UNAVAILABLE,
            }
        }
    };
    let router = axum::Router::new()
        .route("/", get(|| async {}))
        .route("/webhooks/stripe", post(take))
        .with_state(producer);
    let listener = tokio::net::TcpListener::bind(bare.listen).await?;
    axum::serve(listener, router).await?;
    Ok(())
}
