//! The hard moment: the customer has paid, the hold has run out, and somebody else has the seat.

use serde_json::json;

use crate::demo::act::{Act, said};

pub async fn act(act: &mut Act) -> anyhow::Result<()> {
    let stage = act.stage.clone();
    let show = stage.show("Demo: late, seats sold", 1_500).await?;
    let ann = stage.customer("ann").await?;
    let bob = stage.customer("bob").await?;
    let anns = ann.hold(show, &["A-1", "A-2"]).await?;
    act.tell("Ann holds A-1 and A-2 for 1.5 seconds");
    let busy = json!({
        "webhook": { "only": ["payment_intent.succeeded"], "delay_ms": 8_000 },
        "refuse": { "cancel": { "times": 100, "status": 503 }, "fetch": { "times": 100, "status": 503 } },
    });
    stage.tell_gateway(&anns, busy).await?;
    let attempt = ann.open_payment(&anns).await?;
    ann.pay(&attempt).await?;
    act.tell("her card is charged, but the gateway's webhook takes 8 seconds");

    let bobs = bob.hold_when_free(show, &["A-2", "A-3"]).await?;
    act.tell("her hold has run out, and Bob holds A-2 and A-3");
    let his = bob.open_payment(&bobs).await?;
    bob.pay(&his).await?;
    bob.wait_for(&bobs, "CONFIRMED").await?;
    act.tell("Bob has paid and is confirmed");
    act.check(
        "Ann, meanwhile",
        "PAYMENT_PENDING, not settled, must not pay",
        said(&ann.status(&anns).await?),
    );

    let status = ann.wait_for(&anns, "REFUNDED").await?;
    act.check(
        "Ann, in the end",
        "REFUNDED, settled, must not pay, refund of 90000 INR DONE",
        said(&status),
    );
    act.books_and_events(
        "Ann's",
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
    act.check(
        "Bob keeps his seats",
        "CONFIRMED, settled, must not pay",
        said(&bob.status(&bobs).await?),
    );
    act.books_and_events(
        "Bob's",
        &bobs,
        &[("APPLIED", 90_000), ("GATEWAY", -90_000)],
        (90_000, 0, 0),
        &["HoldPlaced", "PaymentCompleted", "BookingConfirmed"],
    )
    .await?;
    act.promises(show).await
}
