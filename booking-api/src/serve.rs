//! Serving: connections, and how they end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::api::Api;

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
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME);
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, or the other side was gone already.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Answers are small and somebody waits for each.
        let _ = stream.set_nodelay(true);
        let connection =
            connections.watch(http.serve_connection(TokioIo::new(stream), service.clone()));
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
