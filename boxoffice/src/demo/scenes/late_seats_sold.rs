//! The hard moment: the customer has paid, the hold has run out, and somebody else has the seat.

use std::sync::Arc;

use serde_json::json;

use super::{books_and_events, calm, check};
use crate::demo::Check;
use crate::demo::stage::Stage;

pub async fn act(stage: &Arc<Stage>, checks: &mut Vec<Check>) -> anyhow::Result<()> {
    let show = stage.show("Demo: late, seats sold", 1_500).await?;
    let ann = stage.customer("ann").await?;
    let bob = stage.customer("bob").await?;
    let anns = ann.hold(show, &["A-1", "A-2"]).await?;
    let busy = json!({
        "webhook": { "only": ["payment_intent.succeeded"], "delay_ms": 8_000 },
        "refuse": { "cancel": { "times": 100, "status": 503 }, "fetch": { "times": 100, "status": 503 } },
    });
    stage.tell_gateway(&anns, busy).await?;
    let attempt = ann.open_payment(&anns).await?;
    ann.pay(&attempt).await?;

    let bobs = bob.hold_when_free(show, &["A-2", "A-3"]).await?;
    let his = bob.open_payment(&bobs).await?;
    bob.pay(&his).await?;
    bob.wait_for(&bobs, "CONFIRMED").await?;
    let waiting = ann.status(&anns).await?;
    check(
        checks,
        "ann, meanwhile",
        &"PAYMENT_PENDING",
        &waiting["status"].as_str().unwrap_or_default(),
    );
    check(
        checks,
        "ann, meanwhile (settled, pay again)",
        &(false, false),
        &calm(&waiting),
    );

    let status = ann.wait_for(&anns, "REFUNDED").await?;
    check(
        checks,
        "ann, in the end (settled, pay again)",
        &(true, false),
        &calm(&status),
    );
    check(
        checks,
        "her refund",
        &90_000,
        &status["refund"]["amount"]["minor"]
            .as_i64()
            .unwrap_or_default(),
    );
    books_and_events(
        stage,
        checks,
        &anns,
        &[("GATEWAY", -90_000), ("REFUNDED", 90_000)],
        (90_000, 90_000, 1),
        &[
            "HoldPlaced",
            "HoldExpired",
            "PaymentCompleted",
            "BookingFailed_InitiateRefund",
            "RefundInitiated",
            "RefundCompleted",
        ],
    )
    .await?;
    let status = bob.status(&bobs).await?;
    check(
        checks,
        "bob keeps his seats",
        &"CONFIRMED",
        &status["status"].as_str().unwrap_or_default(),
    );
    books_and_events(
        stage,
        checks,
        &bobs,
        &[("APPLIED", 90_000), ("GATEWAY", -90_000)],
        (90_000, 0, 0),
        &["HoldPlaced", "PaymentCompleted", "BookingConfirmed"],
    )
    .await
}
