//! A card is declined and another one works: on the same payment, as a browser tries again within Stripe's
//! form (Ann), or by a fresh attempt (Bob).

use anyhow::ensure;

use crate::demo::act::{Act, said};
use crate::demo::{Attempt, Customer};

const DECLINED: &str = "The payment was declined and nothing was taken. You can try another card.";

pub async fn act(act: &mut Act) -> anyhow::Result<()> {
    let stage = act.stage.clone();
    let show = stage.show("Demo: failed, then succeeded", 600_000).await?;
    let ann = stage.customer("ann").await?;
    let bob = stage.customer("bob").await?;
    let anns = ann.hold(show, &["A-1", "A-2"]).await?;
    let hers = declined(act, "Ann", &ann, &anns).await?;
    ann.pay(&hers).await?;
    act.tell("Ann tries another card on the same payment, and it works");
    confirmed(act, "Ann", &ann, &anns).await?;

    let bobs = bob.hold(show, &["B-1", "B-2"]).await?;
    declined(act, "Bob", &bob, &bobs).await?;
    let fresh = bob.open_payment(&bobs).await?;
    bob.pay(&fresh).await?;
    act.tell("Bob starts a fresh payment with another card, and it works");
    confirmed(act, "Bob", &bob, &bobs).await?;
    act.promises(show).await
}

/// The gateway declines the first card, and the status says what that means.
async fn declined(
    act: &mut Act,
    name: &str,
    customer: &Customer,
    booking: &str,
) -> anyhow::Result<Attempt> {
    let attempt = customer.open_payment(booking).await?;
    let (status, answer) = customer
        .pay_with(&attempt, "pm_card_chargeDeclined")
        .await?;
    ensure!(
        status == 402,
        "the gateway did not decline: {status} {answer}"
    );
    act.tell(format!("{name} holds two seats; the card is declined"));
    let status = customer.wait_for(booking, "HELD").await?;
    act.check(
        format!("{name}, after that"),
        "HELD, settled, may pay",
        said(&status),
    );
    let message = status["message"].as_str().unwrap_or_default();
    act.check(format!("{name} is told"), DECLINED, message);
    Ok(attempt)
}

async fn confirmed(
    act: &mut Act,
    name: &str,
    customer: &Customer,
    booking: &str,
) -> anyhow::Result<()> {
    let status = customer.wait_for(booking, "CONFIRMED").await?;
    act.check(
        format!("{name}, in the end"),
        "CONFIRMED, settled, must not pay",
        said(&status),
    );
    let whose = format!("{name}'s");
    act.books_and_events(
        &whose,
        booking,
        &[("APPLIED", 90_000), ("GATEWAY", -90_000)],
        (90_000, 0, 0),
        &[
            "HoldPlaced",
            "PaymentFailed",
            "PaymentCompleted",
            "BookingConfirmed",
        ],
    )
    .await?;
    act.tickets(&whose, booking, 1).await
}
