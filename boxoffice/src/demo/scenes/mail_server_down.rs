//! The mail server goes away, and comes back.
//!
//! `boxoffice dev` sends its letters by SMTP to a mail server of the simulator's, so a running system can be
//! robbed of its mail server in earnest: while that is closed, nobody listens on its port. Nothing of ours is
//! told; the notification worker finds out by itself.

use crate::demo::act::{Act, said};

pub async fn act(act: &mut Act) -> anyhow::Result<()> {
    let stage = act.stage.clone();
    stage.open_mail_server(false).await?;
    let played = without_mail(act).await;
    // Whatever came of it, others want their letters.
    let opened = stage.open_mail_server(true).await;
    let booking = played?;
    opened?;
    act.tell("the mail server is back");
    act.tickets("her", &booking, 1).await
}

async fn without_mail(act: &mut Act) -> anyhow::Result<String> {
    let stage = act.stage.clone();
    let show = stage.show("Demo: mail server down", 600_000).await?;
    act.tell("the mail server is gone");
    let ann = stage.customer("ann").await?;
    let booking = ann.hold(show, &["A-1", "A-2"]).await?;
    let attempt = ann.open_payment(&booking).await?;
    ann.pay(&attempt).await?;
    act.tell("Ann holds A-1 and A-2 and pays");
    let status = ann.wait_for(&booking, "CONFIRMED").await?;
    act.check(
        "her booking, without any mail",
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
    let tried = async || Ok(stage.letters_not_taken(&booking).await? > 0);
    let tried = stage.until(&true, tried).await?;
    let tried = if tried { "nobody took it" } else { "not tried" };
    act.check("her letter", "nobody took it", tried);
    act.tickets("her", &booking, 0).await?;
    act.promises(show).await?;
    Ok(booking)
}
