//! The gateway delivers the same webhook eleven times.

use std::sync::Arc;

use serde_json::json;

use super::{books_and_events, check};
use crate::demo::Check;
use crate::demo::stage::Stage;

pub async fn act(stage: &Arc<Stage>, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    let show = stage.show("Demo: ten duplicates", 600_000).await?;
    let ann = stage.customer("ann").await?;
    let booking = ann.hold(show, &["B-1"]).await?;
    stage
        .tell_gateway(&booking, json!({ "webhook": { "duplicates": 10 } }))
        .await?;
    let attempt = ann.open_payment(&booking).await?;
    ann.pay(&attempt).await?;
    ann.wait_for(&booking, "CONFIRMED").await?;
    let expected = 11;
    let taken = async || stage.deliveries_taken(&attempt.gateway_payment_id).await;
    let happened = stage.until(&expected, taken).await?;
    check(checks, "deliveries answered with 200", &expected, &happened);
    books_and_events(
        stage,
        checks,
        &booking,
        &[("APPLIED", 45_000), ("GATEWAY", -45_000)],
        (45_000, 0, 0),
        &["HoldPlaced", "PaymentCompleted", "BookingConfirmed"],
    )
    .await
}
