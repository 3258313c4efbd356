//! The gateway takes another amount than was asked for (Ann), or the amount in another currency (Bob). That
//! money goes back whole, and the hold stays what it was: Ann pays again, Bob gives up.

use serde_json::json;

use crate::demo::act::{Act, said};

pub async fn act(act: &mut Act) -> anyhow::Result<()> {
    let stage = act.stage.clone();
    let show = stage.show("Demo: wrong amount", 600_000).await?;
    let ann = stage.customer("ann").await?;
    let anns = ann.hold(show, &["A-1", "A-2"]).await?;
    act.tell("Ann holds A-1 and A-2 for 90000 INR");
    stage
        .tell_gateway(
            &anns,
            json!({ "amount_received": 89_999, "refund": "pending" }),
        )
        .await?;
    let attempt = ann.open_payment(&anns).await?;
    ann.pay(&attempt).await?;
    act.tell("the gateway takes 89999");
    act.status(
        "Ann, while it is on its way back",
        &ann,
        &anns,
        "HELD, not settled, may pay, refund of 89999 INR PENDING",
    )
    .await?;
    stage.settle_refunds(&anns).await?;
    act.status(
        "Ann, once it is back",
        &ann,
        &anns,
        "HELD, settled, may pay, refund of 89999 INR DONE",
    )
    .await?;
    stage.tell_gateway(&anns, json!({})).await?;
    let attempt = ann.open_payment(&anns).await?;
    ann.pay(&attempt).await?;
    act.tell("Ann pays again, and the gateway takes 90000");
    let status = ann.wait_for(&anns, "CONFIRMED").await?;
    act.check(
        "Ann, in the end",
        "CONFIRMED, settled, must not pay, refund of 89999 INR DONE",
        said(&status),
    );
    act.books_and_events(
        "Ann's",
        &anns,
        &[
            ("APPLIED", 90_000),
            ("GATEWAY", -179_999),
            ("REFUNDED", 89_999),
        ],
        (179_999, 89_999, 1),
        &[
            "HoldPlaced",
            "PaymentCompleted",
            "PaymentRejected_InitiateRefund",
            "RefundInitiated",
            "RefundCompleted",
            "PaymentCompleted",
            "BookingConfirmed",
        ],
    )
    .await?;
    reason(act, &anns, "WRONG_AMOUNT");

    let bob = stage.customer("bob").await?;
    let bobs = bob.hold(show, &["B-1", "B-2"]).await?;
    stage
        .tell_gateway(&bobs, json!({ "currency_received": "usd" }))
        .await?;
    let attempt = bob.open_payment(&bobs).await?;
    bob.pay(&attempt).await?;
    act.tell("Bob holds B-1 and B-2 for 90000 INR, and the gateway takes 90000 USD");
    act.status(
        "Bob, once it is back",
        &bob,
        &bobs,
        "HELD, settled, may pay, refund of 90000 USD DONE",
    )
    .await?;
    bob.release(&bobs).await?;
    act.tell("Bob has had enough and gives his seats up");
    act.check(
        "Bob, in the end",
        "REFUNDED, settled, must not pay, refund of 90000 USD DONE",
        said(&bob.status(&bobs).await?),
    );
    act.books_and_events(
        "Bob's",
        &bobs,
        &[("GATEWAY", -90_000), ("REFUNDED", 90_000)],
        (90_000, 90_000, 1),
        &[
            "HoldPlaced",
            "PaymentCompleted",
            "PaymentRejected_InitiateRefund",
            "RefundInitiated",
            "RefundCompleted",
            "HoldReleased",
        ],
    )
    .await?;
    reason(act, &bobs, "WRONG_CURRENCY");
    act.promises(show).await
}

fn reason(act: &mut Act, booking: &str, expected: &str) {
    let reasons = act
        .stage
        .events
        .reasons(booking, "PaymentRejected_InitiateRefund");
    act.check("why it went back", expected, reasons.join(", "));
}
