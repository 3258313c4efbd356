//! The customer pays in time, but the news come after the hold's end; nobody took the seats.

use std::sync::Arc;

use serde_json::json;

use super::{books_and_events, calm, check};
use crate::demo::Check;
use crate::demo::stage::Stage;

pub async fn act(stage: &Arc<Stage>, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    let show = stage.show("Demo: late, seats free", 1_500).await?;
    let ann = stage.customer("ann").await?;
    let booking = ann.hold(show, &["A-1", "A-2"]).await?;
    // The gateway cannot be asked either when the hold ends, or it would tell before the webhook does.
    let busy = json!({
        "webhook": { "delay_ms": 4_000 },
        "refuse": { "cancel": { "times": 100, "status": 503 }, "fetch": { "times": 100, "status": 503 } },
    });
    stage.tell_gateway(&booking, busy).await?;
    let attempt = ann.open_payment(&booking).await?;
    ann.pay(&attempt).await?;
    let expected = "HoldExpired".to_owned();
    let last = async || {
        Ok(stage
            .events
            .of(&booking)
            .last()
            .cloned()
            .unwrap_or_default())
    };
    let happened = stage.until(&expected, last).await?;
    check(checks, "the hold ran out", &expected, &happened);
    let waiting = ann.status(&booking).await?;
    check(
        checks,
        "meanwhile",
        &"PAYMENT_PENDING",
        &waiting["status"].as_str().unwrap_or_default(),
    );
    check(
        checks,
        "meanwhile (settled, pay again)",
        &(false, false),
        &calm(&waiting),
    );
    let status = ann.wait_for(&booking, "CONFIRMED").await?;
    check(
        checks,
        "in the end (settled, pay again)",
        &(true, false),
        &calm(&status),
    );
    books_and_events(
        stage,
        checks,
        &booking,
        &[("APPLIED", 90_000), ("GATEWAY", -90_000)],
        (90_000, 0, 0),
        &[
            "HoldPlaced",
            "HoldExpired",
            "PaymentCompleted",
            "BookingConfirmed",
        ],
    )
    .await
}
