//! The customer pays in time, but the news come after the hold's end; nobody took the seats.

use serde_json::json;

use crate::demo::act::{Act, said};

pub async fn act(act: &mut Act) -> anyhow::Result<()> {
    let stage = act.stage.clone();
    let show = stage.show("Demo: late, seats free", 1_500).await?;
    let ann = stage.customer("ann").await?;
    let booking = ann.hold(show, &["A-1", "A-2"]).await?;
    act.tell("Ann holds A-1 and A-2 for 1.5 seconds");
    // The gateway cannot be asked either when the hold ends, or it would tell before the webhook does.
    let busy = json!({
        "webhook": { "delay_ms": 4_000 },
        "refuse": { "cancel": { "times": 100, "status": 503 }, "fetch": { "times": 100, "status": 503 } },
    });
    stage.tell_gateway(&booking, busy).await?;
    let attempt = ann.open_payment(&booking).await?;
    ann.pay(&attempt).await?;
    act.tell("her card is charged, but the gateway's webhook takes 4 seconds");
    let expired = "HoldExpired".to_owned();
    let last = async || Ok(stage.events.of(&booking).pop().unwrap_or_default());
    let happened = stage.until(&expired, last).await?;
    act.check("the hold ran out", &expired, happened);
    act.check(
        "meanwhile",
        "PAYMENT_PENDING, not settled, must not pay",
        said(&ann.status(&booking).await?),
    );
    let status = ann.wait_for(&booking, "CONFIRMED").await?;
    act.check(
        "in the end",
        "CONFIRMED, settled, must not pay",
        said(&status),
    );
    act.books_and_events(
        "her",
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
    .await?;
    act.promises(show).await
}
