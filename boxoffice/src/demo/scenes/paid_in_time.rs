//! A customer holds two seats and pays in time.

use crate::demo::act::{Act, said};

pub async fn act(act: &mut Act) -> anyhow::Result<()> {
    let stage = act.stage.clone();
    let show = stage.show("Demo: paid in time", 600_000).await?;
    let ann = stage.customer("ann").await?;
    let booking = ann.hold(show, &["A-1", "A-2"]).await?;
    act.tell("Ann holds A-1 and A-2");
    let attempt = ann.open_payment(&booking).await?;
    act.check(
        "while she pays",
        "PAYMENT_PENDING, not settled, must not pay",
        said(&ann.status(&booking).await?),
    );
    ann.pay(&attempt).await?;
    act.tell("her card is charged at the gateway");
    let status = ann.wait_for(&booking, "CONFIRMED").await?;
    act.check(
        "in the end",
        "CONFIRMED, settled, must not pay",
        said(&status),
    );
    act.check(
        "her ticket, at its address",
        200,
        ann.ticket(&booking).await?,
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
