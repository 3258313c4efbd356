//! Serving: connections, and how they end.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::api::Api;
use crate::limits::PeerAddress;

/// How long a connection may take to send a request's headers, and may be idle between requests.
const HEADER_TIME: Duration = Duration::from_secs(75);
/// The pause after the system could give no further connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `router` (see [`router`](crate::router); others may be merged into it) until `shutdown`.
///
/// From then on readiness ends, no connection is accepted, whoever waits in a long poll is answered at once,
/// and requests under way are finished, for at most [`Options::drain_seconds`](crate::Options::drain_seconds).
///
/// # Errors
/// If the listener has no address. Errors of single connections are theirs.
pub async fn serve(
    listener: TcpListener,
    api: Arc<Api>,
    router: Router,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "the booking API serves");
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME);
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Too many open files, or the other side was gone already.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are small and somebody waits for each.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(Connected {
            router: router.clone(),
            peer: PeerAddress(peer),
        });
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
    drop(listener);
    api.draining.cancel();
    let patience = api.options.drain();
    if tokio::time::timeout(patience, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            ?patience,
            "requests were still under way when the time to finish them was over"
        );
    }
    Ok(())
}

/// The router, for one connection: its requests carry the other end's address.
#[derive(Clone)]
struct Connected {
    router: Router,
    peer: PeerAddress,
}

impl Service<Request<Incoming>> for Connected {
    type Response = <Router as Service<Request<Incoming>>>::Response;
    type Error = <Router as Service<Request<Incoming>>>::Error;
    type Future = <Router as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<Incoming>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.router.call(request)
    }
}
