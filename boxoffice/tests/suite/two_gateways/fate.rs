//! What becomes of each booking's payment, drawn by a seed.

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::audience::PRICE;

/// What becomes of a booking's payment.
#[derive(Clone, Debug)]
pub struct Fate {
    pub door: Door,
    /// How the gateway treats it.
    pub behaviour: Value,
    pub pays: Pays,
    /// Somebody returns a part of it on the dashboard.
    pub dashboard: bool,
}

/// Where it is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Stripe,
    Razorpay,
}

impl Door {
    pub const BOTH: [Self; 2] = [Self::Stripe, Self::Razorpay];

    /// The gateway and its account.
    pub fn account(self) -> (&'static str, &'static str) {
        match self {
            Self::Stripe => ("stripe", "default"),
            Self::Razorpay => ("razorpay", "second"),
        }
    }

    /// What the gateway calls the webhooks that tell of money that has come.
    fn paid(self) -> &'static [&'static str] {
        match self {
            Self::Stripe => &["payment_intent.succeeded"],
            Self::Razorpay => &["payment.captured", "order.paid"],
        }
    }

    /// And those that tell of refunds.
    fn refunds(self) -> &'static [&'static str] {
        match self {
            Self::Stripe => &["refund.created", "refund.updated", "refund.failed"],
            Self::Razorpay => &["refund.created", "refund.processed", "refund.failed"],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pays {
    Once,
    /// With a card that is declined, and then with a good one.
    AtTheSecondTry,
    /// With a card that is declined, and then not at all.
    Never,
    /// And then once more: on a page that is not ours, or where the gateway lets them, on the same one.
    Twice,
    /// The bank takes its time, and says yes or no.
    Slowly(bool),
}

impl Fate {
    pub fn draw(rng: &mut StdRng) -> Self {
        let door = Door::BOTH[rng.random_range(0..2)];
        let mut behaviour = json!({});
        behaviour["webhook"] = match rng.random_range(0..100) {
            0..15 => json!({ "delay_ms": rng.random_range(200..6_000) }),
            15..30 => json!({ "duplicates": rng.random_range(1..4) }),
            30..45 => json!({ "reorder": true }),
            45..57 => json!({ "lose": true }),
            57..65 => json!({ "lose": true, "only": door.paid() }),
            65..72 => json!({ "lose": true, "only": door.refunds() }),
            _ => json!({}),
        };
        let right = match rng.random_range(0..100) {
            0..10 => {
                behaviour["amount_received"] = json!(PRICE - rng.random_range(1..100));
                false
            }
            10..14 => {
                behaviour["currency_received"] = json!("usd");
                false
            }
            _ => true,
        };
        match rng.random_range(0..100) {
            0..5 => behaviour["lose_answer"] = json!("create"),
            5..15 => behaviour["lose_answer"] = json!("refund"),
            15..20 => {
                behaviour["lose_answer"] = json!("refund");
                behaviour["lose_how"] = json!("status500");
            }
            20..25 => behaviour["refuse"] = refusal(rng, "create"),
            25..35 => behaviour["refuse"] = refusal(rng, "refund"),
            35..40 => behaviour["refuse"] = refusal(rng, "fetch"),
            40..45 => behaviour["hold_answer_ms"] = json!(rng.random_range(50..1_000)),
            _ => {}
        }
        match rng.random_range(0..100) {
            0..10 => behaviour["refund"] = json!("pending"),
            10..15 => behaviour["refund"] = json!("fails"),
            _ => {}
        }
        let pays = match rng.random_range(0..100) {
            0..8 => Pays::AtTheSecondTry,
            8..13 => Pays::Never,
            13..18 => Pays::Twice,
            18..24 => Pays::Slowly(true),
            24..27 => Pays::Slowly(false),
            _ => Pays::Once,
        };
        if matches!(pays, Pays::Slowly(_)) {
            behaviour["bank_is_slow"] = json!(true);
        }
        Self {
            door,
            dashboard: right && pays == Pays::Once && rng.random_range(0..100) < 4,
            behaviour,
            pays,
        }
    }
}

impl Fate {
    /// Whether the seats are the customer's in the end.
    pub fn is_a_booking(&self) -> bool {
        !matches!(self.pays, Pays::Never | Pays::Slowly(false))
            && self.behaviour.get("amount_received").is_none()
            && self.behaviour.get("currency_received").is_none()
    }
}

fn refusal(rng: &mut StdRng, call: &str) -> Value {
    let status = [429, 503, 500, 409][rng.random_range(0..if call == "create" { 1 } else { 4 })];
    json!({ call: { "times": rng.random_range(1..4), "status": status } })
}
