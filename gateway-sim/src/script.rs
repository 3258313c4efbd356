//! A seeded script of behaviours: what each new payment meets is drawn from the seed and its id, so that the same ids meet
//! the same again.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::behaviour::{Behaviour, Call, LoseHow, Refusal};

/// A seed, and how often what happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Any number.
    pub seed: u64,
    /// How often what happens.
    pub mix: Mix,
}

/// Of a thousand payments, how many meet what. Each is drawn by itself: a payment may meet several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// Webhooks come 1 to 20 seconds late, by the movable clock.
    pub late: u16,
    /// Each webhook comes two to four times.
    pub duplicate: u16,
    /// Webhooks overtake one another.
    pub reordered: u16,
    /// Webhooks never come.
    pub lost: u16,
    /// One minor unit too little is taken.
    pub wrong: u16,
    /// The next two calls of each kind about it fail with 503 and do nothing. Opening it does not fail.
    pub failing: u16,
    /// The answer to its first refund is lost: the connection breaks, or a 500 comes after the deed.
    pub lost_answers: u16,
}

impl Script {
    /// What the payment of this id meets, beside `otherwise`.
    pub(crate) fn draw(&self, id: &str, otherwise: &Behaviour) -> Behaviour {
        let number = |what: &str| {
            let digest = Sha256::digest(format!("{}\n{id}\n{what}", self.seed));
            let first = digest.iter().take(4);
            first.fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
        };
        let meets = |what: &str, of_thousand: u16| number(what) % 1_000 < u32::from(of_thousand);
        let mut drawn = otherwise.clone();
        let Mix {
            late,
            duplicate,
            reordered,
            lost,
            wrong,
            failing,
            lost_answers,
        } = self.mix;
        if meets("late", late) {
            drawn.webhook.delay_ms = 1_000 + u64::from(number("how late") % 19_000);
        }
        if meets("duplicate", duplicate) {
            drawn.webhook.duplicates = 1 + number("how many") % 3;
        }
        drawn.webhook.reorder |= meets("reordered", reordered);
        drawn.webhook.lose |= meets("lost", lost);
        if meets("wrong", wrong) {
            drawn.amount_off_by = -1;
        }
        if meets("failing", failing) {
            let refusal = Refusal {
                times: 2,
                status: 503,
                code: None,
                retry_after: None,
            };
            for call in [
                Call::Fetch,
                Call::FetchOrder,
                Call::Cancel,
                Call::Capture,
                Call::Refund,
                Call::FetchRefund,
                Call::ListRefunds,
            ] {
                drawn.refuse.insert(call, refusal.clone());
            }
        }
        if meets("lost answer", lost_answers) {
            drawn.lose_answer = Some(Call::Refund);
            drawn.lose_how = match number("how lost") % 2 {
                0 => LoseHow::Drop,
                _ => LoseHow::Status500,
            };
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_id_meet_the_same_and_the_mix_is_kept() {
        let mix = Mix {
            lost: 300,
            wrong: 100,
            ..Mix::default()
        };
        let script = Script { seed: 7, mix };
        let ids: Vec<String> = (0..10_000).map(|n| format!("pay_{n}")).collect();
        let drawn = |script: &Script| -> Vec<Behaviour> {
            ids.iter()
                .map(|id| script.draw(id, &Behaviour::default()))
                .collect()
        };
        let first = drawn(&script);
        assert_eq!(first, drawn(&script));
        let other = Script {
            seed: 8,
            ..script.clone()
        };
        assert_ne!(first, drawn(&other));
        let lost = first.iter().filter(|drawn| drawn.webhook.lose).count();
        let wrong = first
            .iter()
            .filter(|drawn| drawn.amount_off_by != 0)
            .count();
        assert!((2_700..3_300).contains(&lost), "{lost}");
        assert!((800..1_200).contains(&wrong), "{wrong}");
        assert!(
            first
                .iter()
                .all(|drawn| drawn.lose_answer.is_none() && drawn.refuse.is_empty())
        );
    }
}
