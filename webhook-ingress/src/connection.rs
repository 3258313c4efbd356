//! One connection, from accept to a close that its last answer survives.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use boxoffice_peers::PeerAddress;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::options::IngressOptions;

/// The largest head, and how much of a body is read at a time.
const BUFFER: usize = 64 << 10;
/// How long, and how much of, what a sender still has to say is listened to after our last answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 2 << 20;

/// Serves one connection until its end, until it is too old, or until `closing`; in the latter two the
/// request under way is answered first.
pub(crate) async fn run(
    stream: TcpStream,
    peer: PeerAddress,
    app: Router,
    options: &IngressOptions,
    closing: CancellationToken,
) {
    // Answers are one small packet: waiting for more to send only delays them.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        Box::pin(app.clone().oneshot(request))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.idle_within)
        .max_headers(options.headers)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);

    let ended = tokio::select! {
        ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => Some(ended),
        () = closing.cancelled() => None,
        () = sleep(options.connection_age) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            match timeout(
                options.answer_within,
                poll_fn(|cx| connection.poll_without_shutdown(cx)),
            )
            .await
            {
                Ok(ended) => ended,
                // The answer is long given; the sender does not take it.
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
    linger(connection.into_parts().io.into_inner()).await;
}

/// Closes our side and lets the other finish. Closing a socket with bytes in it that nobody has read resets
/// the connection, and the reset can overtake the 413 that said why.
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut unread = [0; 4 << 10];
    let listening = async {
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut unread).await {
                Ok(0) | Err(_) => break,
                Ok(some) => left = left.saturating_sub(some),
            }
        }
    };
    let _ = timeout(LINGER, listening).await;
}
