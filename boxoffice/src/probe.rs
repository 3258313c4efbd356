//! `boxoffice health`: asks a door whether it is ready, for whoever watches the process.

use std::process::ExitCode;
use std::time::Duration;

use crate::failure::Failure;

/// How long the answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Succeeds if `url` answers with a status of 200 to 299 within 3 s.
///
/// # Errors
/// With the answer, or why there was none.
pub async fn run(url: &str) -> Result<ExitCode, Failure> {
    let silent = |error: reqwest::Error| {
        Failure::because(format!("{url} does not answer"), &error.without_url())
    };
    let http = reqwest::Client::builder()
        .timeout(ANSWER_WITHIN)
        .build()
        .map_err(silent)?;
    let answer = http.get(url).send().await.map_err(silent)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(ExitCode::SUCCESS);
    }
    let text = answer.text().await.unwrap_or_default();
    Err(Failure::new(format!("{url} answers {status} {text}")))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_a_door_that_says_so_is_ready() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let app = Router::new().route("/ready", get(async || "yes")).route(
            "/busy",
            get(async || (StatusCode::SERVICE_UNAVAILABLE, "not yet")),
        );
        let served = tokio::spawn(async move { axum::serve(listener, app).await });
        assert!(run(&format!("http://{at}/ready")).await.is_ok());
        let busy = run(&format!("http://{at}/busy")).await.unwrap_err();
        assert!(
            busy.in_one_line()
                .contains("503 Service Unavailable not yet")
        );
        served.abort();
        let _ = served.await;
        let gone = run(&format!("http://{at}/ready")).await.unwrap_err();
        assert!(gone.in_one_line().contains("does not answer"));
    }
}
