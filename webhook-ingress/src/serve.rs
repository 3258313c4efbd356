//! The server around the routes, and how it goes away.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use boxoffice_peers::PeerAddress;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::options::IngressOptions;
use crate::publisher::Publisher;
use crate::webhook::Ingress;
use crate::{connection, metric};

/// After a failed accept (too many open files, mostly) the next try waits so long.
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);
/// What connections get at the end beyond the longest answer, to be closed in order.
const TO_CLOSE: Duration = Duration::from_millis(1_500);

/// How the door was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open at the deadline. Their webhooks were not answered with 200.
    pub cut_off: usize,
    /// Whether everything handed to Kafka was acknowledged or given up.
    pub flushed: bool,
}

/// Serves `app` (that is [`router`](crate::router), and whatever was merged to it) until `shutdown`, then
/// drains: at once new webhooks get 503 and `readyz` says so; after [`IngressOptions::announce`] nothing is
/// accepted any more; requests under way are answered, within their ordinary time; then the publisher is
/// flushed. The whole takes at most `announce` + `answer_within` + 1.5 s + `flush_within`.
///
/// Cancelling (dropping) the future accepts nothing more and closes each connection after its present
/// request, without flushing.
pub async fn serve<P: Publisher>(
    listener: TcpListener,
    app: Router,
    ingress: Ingress<P>,
    shutdown: CancellationToken,
) -> Drained {
    let options = Arc::new(ingress.options().clone());
    let connections = TaskTracker::new();
    let closing = CancellationToken::new();
    // Also when this future is dropped.
    let _close = closing.clone().drop_guard();
    {
        let accepting = accept(&listener, &app, &options, &connections, &closing);
        tokio::pin!(accepting);
        tokio::select! {
            never = &mut accepting => match never {},
            () = shutdown.cancelled() => {}
        }
        ingress.drain();
        tracing::info!("the door is closing");
        tokio::select! {
            never = &mut accepting => match never {},
            () = sleep(options.announce) => {}
        }
    }
    drop(listener);
    closing.cancel();
    connections.close();
    let all_closed = timeout(options.answer_within + TO_CLOSE, connections.wait())
        .await
        .is_ok();
    let cut_off = if all_closed { 0 } else { connections.len() };
    let flushed = ingress.publisher().flush(options.flush_within).await;
    tracing::info!(cut_off, flushed, "the door is closed");
    Drained { cut_off, flushed }
}

/// Accepts for ever.
async fn accept(
    listener: &TcpListener,
    app: &Router,
    options: &Arc<IngressOptions>,
    connections: &TaskTracker,
    closing: &CancellationToken,
) -> std::convert::Infallible {
    let places = Arc::new(Semaphore::new(options.connections));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.ok();
        match listener.accept().await {
            Ok((stream, peer)) => {
                let one = one(
                    (stream, PeerAddress(peer)),
                    app.clone(),
                    Arc::clone(options),
                    closing.clone(),
                    place,
                );
                connections.spawn(one);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(AFTER_FAILED_ACCEPT).await;
            }
        }
    }
}

async fn one(
    (stream, peer): (TcpStream, PeerAddress),
    app: Router,
    options: Arc<IngressOptions>,
    closing: CancellationToken,
    place: Option<OwnedSemaphorePermit>,
) {
    let _counted = Counted::new();
    connection::run(stream, peer, app, &options, closing).await;
    drop(place);
}

/// Counts an open connection for as long as it lives, however it ends.
struct Counted(metrics::Gauge);

impl Counted {
    fn new() -> Self {
        let gauge = metrics::gauge!(metric::CONNECTIONS);
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
