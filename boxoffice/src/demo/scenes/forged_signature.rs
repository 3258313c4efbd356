//! Webhooks that our gateway has not signed, or not as they came: each is refused at the door with its code.
//!
//! That none of them got behind the door is seen on the webhooks' topic: whatever is about one show stands in
//! one partition, so once the true webhook is there, nothing that came before it can still be on its way.

use serde_json::Value;

use crate::demo::Stage;
use crate::demo::act::{Act, said};

/// Seconds outside of every tolerance that anybody would configure.
const LONG: i64 = 24 * 3_600;

pub async fn act(act: &mut Act) -> anyhow::Result<()> {
    let stage = act.stage.clone();
    let show = stage.show("Demo: forged signature", 600_000).await?;
    let ann = stage.customer("ann").await?;
    let booking = ann.hold(show, &["A-1", "A-2"]).await?;
    act.tell("Ann holds A-1 and A-2; somebody would like her to have paid");

    let forged = Stage::payment_succeeded(&booking, "pi_forged", 90_000);
    let genuine = Stage::payment_succeeded(&booking, "pi_forged", 1);
    let now = stage.machine_now().await?;
    let made_up = format!("t={now},v1={}", "0".repeat(64));
    let of = |at: i64, body: &str| Some(stage.sign(at, body.as_bytes()));
    let cases = [
        ("not signed", "stripe", None, "400 signature_missing"),
        (
            "a signature that is made up",
            "stripe",
            Some(made_up),
            "400 signature_mismatch",
        ),
        (
            "a good signature of another body",
            "stripe",
            of(now, &genuine),
            "400 signature_mismatch",
        ),
        (
            "signed yesterday",
            "stripe",
            of(now - LONG, &forged),
            "400 signature_stale",
        ),
        (
            "signed tomorrow",
            "stripe",
            of(now + LONG, &forged),
            "400 signature_future",
        ),
        (
            "from a gateway that nobody knows",
            "nobody",
            of(now, &forged),
            "404 unknown_gateway",
        ),
    ];
    for (what, gateway, signature, expected) in cases {
        let answer = stage
            .post_to_ingress(gateway, signature.as_deref(), &forged)
            .await?;
        let status = answer.status().as_u16();
        // Whatever is taken is answered without a body.
        let problem: Value = serde_json::from_slice(&answer.bytes().await?).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or("no code");
        act.check(what, expected, format!("{status} {code}"));
    }
    act.check(
        "her booking after all that",
        "HELD, settled, may pay",
        said(&ann.status(&booking).await?),
    );

    let attempt = ann.open_payment(&booking).await?;
    ann.pay(&attempt).await?;
    act.tell("Ann pays, and the gateway sends the true webhook");
    let status = ann.wait_for(&booking, "CONFIRMED").await?;
    act.check(
        "in the end",
        "CONFIRMED, settled, must not pay",
        said(&status),
    );
    let only = vec!["payment_intent.succeeded".to_owned()];
    let happened = stage
        .until(&only, async || Ok(stage.events.webhooks(show)))
        .await?;
    act.check(
        "webhooks about her show on Kafka",
        only.join(", "),
        happened.join(", "),
    );
    act.books_and_events(
        "her",
        &booking,
        &[("APPLIED", 90_000), ("GATEWAY", -90_000)],
        (90_000, 0, 0),
        &["HoldPlaced", "PaymentCompleted", "BookingConfirmed"],
    )
    .await?;
    act.promises(show).await
}
