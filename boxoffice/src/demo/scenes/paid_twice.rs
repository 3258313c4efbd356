//! The customer pays in two windows, and both payments succeed before anybody can stop the second.

use serde_json::json;

use crate::demo::act::Act;

pub async fn act(act: &mut Act) -> anyhow::Result<()> {
    let stage = act.stage.clone();
    let show = stage.show("Demo: paid twice", 600_000).await?;
    let ann = stage.customer("ann").await?;
    let booking = ann.hold(show, &["A-1", "A-2"]).await?;
    act.tell("Ann holds A-1 and A-2");
    // The webhooks wait until both cards are charged, and the bank takes its time with the refund, so that
    // what is said meanwhile can be seen.
    let slow = json!({
        "webhook": { "only": ["payment_intent.succeeded"], "delay_ms": 500 },
        "refund": "pending",
    });
    stage.tell_gateway(&booking, slow).await?;
    let first = ann.open_payment(&booking).await?;
    let second = ann.open_payment(&booking).await?;
    ann.pay(&first).await?;
    ann.pay(&second).await?;
    act.tell("she pays in one window and in another, and both cards are charged");
    act.status(
        "while the second money is on its way back",
        &ann,
        &booking,
        "CONFIRMED, not settled, must not pay, refund of 90000 INR PENDING",
    )
    .await?;
    stage.settle_refunds(&booking).await?;
    act.tell("the bank has returned the money");
    act.status(
        "in the end",
        &ann,
        &booking,
        "CONFIRMED, settled, must not pay, refund of 90000 INR DONE",
    )
    .await?;
    act.books_and_events(
        "her",
        &booking,
        &[
            ("APPLIED", 90_000),
            ("GATEWAY", -180_000),
            ("REFUNDED", 90_000),
        ],
        (180_000, 90_000, 1),
        &[
            "HoldPlaced",
            "PaymentCompleted",
            "BookingConfirmed",
            "PaymentCompleted",
            "PaymentRejected_InitiateRefund",
            "RefundInitiated",
            "RefundCompleted",
        ],
    )
    .await?;
    let reasons = stage
        .events
        .reasons(&booking, "PaymentRejected_InitiateRefund");
    act.check("why it went back", "SECOND_PAYMENT", reasons.join(", "));
    act.tickets("her", &booking, 1).await?;
    act.promises(show).await
}
