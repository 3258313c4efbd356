//! A customer holds two seats and pays in time.

use std::sync::Arc;

use super::{books_and_events, calm, check};
use crate::demo::Check;
use crate::demo::stage::Stage;

pub async fn act(stage: &Arc<Stage>, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    let show = stage.show("Demo: paid in time", 600_000).await?;
    let ann = stage.customer("ann").await?;
    let booking = ann.hold(show, &["A-1", "A-2"]).await?;
    let attempt = ann.open_payment(&booking).await?;
    let waiting = ann.status(&booking).await?;
    check(
        checks,
        "while she pays",
        &"PAYMENT_PENDING",
        &waiting["status"].as_str().unwrap_or_default(),
    );
    check(
        checks,
        "while she pays (settled, pay again)",
        &(false, false),
        &calm(&waiting),
    );
    ann.pay(&attempt).await?;
    let status = ann.wait_for(&booking, "CONFIRMED").await?;
    check(
        checks,
        "in the end (settled, pay again)",
        &(true, false),
        &calm(&status),
    );
    check(
        checks,
        "a ticket is there",
        &true,
        &status["ticket_url"].is_string(),
    );
    books_and_events(
        stage,
        checks,
        &booking,
        &[("APPLIED", 90_000), ("GATEWAY", -90_000)],
        (90_000, 0, 0),
        &["HoldPlaced", "PaymentCompleted", "BookingConfirmed"],
    )
    .await
}
