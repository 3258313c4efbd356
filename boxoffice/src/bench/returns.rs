//! Money on its way back: customers who really pay at the simulated gateway, so that it can return what they paid, and how
//! long it takes until it has taken a refund on.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::Row;
use time::OffsetDateTime;

use super::connection::Connection;
use super::load::{Held, empty, host};
use super::rig::Rig;

/// How long a refund may take to be accepted before this is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks.
const STEP: Duration = Duration::from_millis(200);

/// A customer on the gateway's page.
pub struct Payer {
    gateway: Connection,
    headers: String,
}

impl Payer {
    /// Connects.
    ///
    /// # Errors
    /// When the simulator does not listen.
    pub async fn connect(rig: &Rig) -> anyhow::Result<Self> {
        let key = rig.ground.config.simulator.api_key.expose_secret();
        Ok(Self {
            gateway: Connection::open(host(&rig.stage.target.simulator)).await?,
            headers: format!(
                "authorization: Bearer {key}\r\ncontent-type: application/x-www-form-urlencoded\r\n"
            ),
        })
    }

    /// Pays for a booking, in paise; the gateway tells us.
    ///
    /// # Errors
    /// When the payment is refused.
    pub async fn pay(&mut self, held: &Held, minor: i64) -> anyhow::Result<()> {
        let booking = &held.booking;
        let body = format!("amount={minor}&currency=inr&metadata[booking_id]={booking}");
        let answer = self
            .gateway
            .ask(
                "POST",
                "/v1/payment_intents",
                &self.headers,
                body.as_bytes(),
            )
            .await?
            .expect(200)?;
        let id = answer.text("id").context("a payment's id")?.to_owned();
        let secret = answer.text("client_secret");
        let secret = secret.context("a payment's secret")?.to_owned();
        let path = format!("/v1/payment_intents/{id}/confirm");
        let body = format!("payment_method=pm_card_visa&client_secret={secret}");
        self.gateway
            .ask("POST", &path, &self.headers, body.as_bytes())
            .await?
            .expect(200)?;
        Ok(())
    }
}

/// From now on the gateway takes so many milliseconds for an answer about a new payment.
///
/// # Errors
/// When the simulator does not answer.
pub async fn answers_after(rig: &Rig, ms: u64) -> anyhow::Result<()> {
    let defaults = format!("{}/_sim/defaults", rig.stage.target.simulator);
    let told = rig.stage.http.post(defaults);
    let told = told.json(&json!({ "hold_answer_ms": ms })).send().await?;
    told.error_for_status()?;
    Ok(())
}

/// From the decision to the gateway's acceptance, in microseconds, of all refunds that were decided in between, by the
/// database's clock; without those of cancelled shows. Waits for the last.
///
/// # Errors
/// When there was none, or one is not accepted within a minute.
pub async fn accepted(
    rig: &Rig,
    from: OffsetDateTime,
    until: OffsetDateTime,
) -> anyhow::Result<Histogram<u64>> {
    let patience = Instant::now() + PATIENCE;
    loop {
        let rows = sqlx::query(
            "select (extract(epoch from a.answered_at - r.requested_at) * 1000000)::bigint
             from refunds r left join attempts a on a.subject = r.refund_id and a.kind = 'refund' and a.attempt = 1
             where r.requested_at between $1 and $2 and r.cause <> 'SHOW_CANCELLED'",
        )
        .bind(from)
        .bind(until)
        .fetch_all(&rig.stage.database)
        .await?;
        let taken: Vec<Option<i64>> = rows.iter().map(|row| row.get(0)).collect();
        if taken.iter().all(Option::is_some) {
            let mut times = empty()?;
            for us in taken.into_iter().flatten() {
                times.saturating_record(u64::try_from(us).unwrap_or(1).max(1));
            }
            ensure!(!times.is_empty(), "nothing was to be returned");
            return Ok(times);
        }
        ensure!(
            Instant::now() < patience,
            "refunds were not accepted within a minute"
        );
        tokio::time::sleep(STEP).await;
    }
}
