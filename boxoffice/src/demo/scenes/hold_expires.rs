//! A hold runs out while its customer looks at the screen: each long-poll brings the next document, nothing is
//! reloaded.

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::demo::act::{Act, said};
use crate::demo::customer::tag;

pub async fn act(act: &mut Act) -> anyhow::Result<()> {
    let stage = act.stage.clone();
    let show = stage.show("Demo: hold expires", 2_000).await?;
    let ann = stage.customer("ann").await?;
    let all = stage.seats_available(show).await?.join(", ");
    let booking = ann.hold(show, &["A-1", "A-2"]).await?;
    act.tell("Ann holds A-1 and A-2 for 2 seconds, and watches");
    let mut answer = ann.poll(&booking, None).await?;
    let mut seen = Vec::new();
    loop {
        let known = tag(&answer).context("a status without a tag")?;
        if answer.status() != 304 {
            let document: Value = answer.error_for_status()?.json().await?;
            act.tell(format!(
                "her screen: {} (“{}”)",
                said(&document),
                document["message"].as_str().unwrap_or_default()
            ));
            ensure!(seen.len() < 10, "the status never comes to rest");
            let over = document["status"] != "HELD";
            seen.push(said(&document));
            if over {
                break;
            }
        }
        answer = ann.poll(&booking, Some(&known)).await?;
    }
    let (first, last) = (seen.first(), seen.last());
    act.check(
        "her screen at first",
        "HELD, settled, may pay",
        first.map_or("", String::as_str),
    );
    act.check(
        "her screen in the end",
        "EXPIRED, settled, must not pay",
        last.map_or("", String::as_str),
    );
    let free = stage.seats_available(show).await?.join(", ");
    act.check("seats that are free", all, free);
    let refused = ann.try_open_payment(&booking).await?;
    let status = refused.status().as_u16();
    let problem: Value = refused.json().await?;
    let code = problem["code"].as_str().unwrap_or("no code");
    act.check(
        "if she pays now",
        "409 hold_over",
        format!("{status} {code}"),
    );
    let bob = stage.customer("bob").await?;
    let taken = bob.try_hold(show, &["A-1", "A-2"]).await?;
    act.check("if Bob wants her seats", 201, taken.status().as_u16());
    act.books_and_events(
        "her",
        &booking,
        &[],
        (0, 0, 0),
        &["HoldPlaced", "HoldExpired"],
    )
    .await?;
    act.promises(show).await
}
