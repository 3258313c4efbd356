//! The scenes.

mod failed_then_succeeded;
mod forged_signature;
mod hold_expires;
mod late_seats_free;
mod late_seats_sold;
mod mail_server_down;
mod paid_in_time;
mod paid_twice;
mod ten_duplicates;
mod wrong_amount;

use anyhow::bail;

use super::act::Act;

/// A scene, by its stable name.
pub struct Scene {
    /// The name.
    pub name: &'static str,
    /// What it is about, one line.
    pub about: &'static str,
}

/// All scenes, in order.
pub const ALL: [Scene; 10] = [
    Scene {
        name: "paid_in_time",
        about: "A customer holds two seats and pays in time: a ticket.",
    },
    Scene {
        name: "late_seats_free",
        about: "The bank is slow and the hold runs out, but nobody took the seats: a ticket after all.",
    },
    Scene {
        name: "late_seats_sold",
        about: "The payment arrives after the seats were sold to somebody else: the money goes back.",
    },
    Scene {
        name: "ten_duplicates",
        about: "The gateway tells the same payment eleven times: one booking, one ticket.",
    },
    Scene {
        name: "failed_then_succeeded",
        about: "The card is declined, another one works: the hold lives on, one ticket, no refund.",
    },
    Scene {
        name: "forged_signature",
        about: "Webhooks that no gateway of ours has signed: refused at the door, and nothing happens.",
    },
    Scene {
        name: "paid_twice",
        about: "Two payments for one booking both succeed: one ticket, and the second money goes back.",
    },
    Scene {
        name: "wrong_amount",
        about: "The gateway took another amount, or another currency: it goes back whole, the hold stays.",
    },
    Scene {
        name: "hold_expires",
        about: "A customer watches the hold run out on the screen, without a reload: others get the seats.",
    },
    Scene {
        name: "mail_server_down",
        about: "The mail server is away: the booking is confirmed all the same, the ticket is mailed later.",
    },
];

/// Plays a scene.
pub async fn act(name: &str, act: &mut Act) -> anyhow::Result<()> {
    match name {
        "paid_in_time" => paid_in_time::act(act).await,
        "late_seats_free" => late_seats_free::act(act).await,
        "late_seats_sold" => late_seats_sold::act(act).await,
        "ten_duplicates" => ten_duplicates::act(act).await,
        "failed_then_succeeded" => failed_then_succeeded::act(act).await,
        "forged_signature" => forged_signature::act(act).await,
        "paid_twice" => paid_twice::act(act).await,
        "wrong_amount" => wrong_amount::act(act).await,
        "hold_expires" => hold_expires::act(act).await,
        "mail_server_down" => mail_server_down::act(act).await,
        other => bail!("there is no scene {other}"),
    }
}
