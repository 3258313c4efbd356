//! The gateway delivers the same webhook eleven times.

use serde_json::json;

use crate::demo::act::{Act, said};

pub async fn act(act: &mut Act) -> anyhow::Result<()> {
    let stage = act.stage.clone();
    let show = stage.show("Demo: ten duplicates", 600_000).await?;
    let ann = stage.customer("ann").await?;
    let booking = ann.hold(show, &["B-1"]).await?;
    act.tell("Ann holds B-1");
    stage
        .tell_gateway(&booking, json!({ "webhook": { "duplicates": 10 } }))
        .await?;
    let attempt = ann.open_payment(&booking).await?;
    ann.pay(&attempt).await?;
    act.tell("her card is charged, and the gateway sends its webhook eleven times");
    let expected = 11;
    let taken = async || stage.deliveries_taken(&attempt.gateway_payment_id).await;
    let happened = stage.until(&expected, taken).await?;
    act.check("deliveries answered with 200", expected, happened);
    let status = ann.wait_for(&booking, "CONFIRMED").await?;
    act.check(
        "in the end",
        "CONFIRMED, settled, must not pay",
        said(&status),
    );
    act.books_and_events(
        "her",
        &booking,
        &[("APPLIED", 45_000), ("GATEWAY", -45_000)],
        (45_000, 0, 0),
        &["HoldPlaced", "PaymentCompleted", "BookingConfirmed"],
    )
    .await?;
    act.tickets("her", &booking, 1).await?;
    act.promises(show).await
}
