//! The gateway: its refunds, and the idempotency keys that it remembers for a day.

/// How long a key is remembered, in seconds.
const REMEMBERED_S: u32 = 24 * 3_600;

/// How a refund stands at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GatewayRefund {
    /// Accepted, and not finished.
    Pending,
    /// Done.
    Succeeded,
    /// It came back.
    Failed,
}

/// A refund at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Made {
    /// Our generation, as its metadata says.
    pub generation: u32,
    /// How it stands.
    pub state: GatewayRefund,
}

/// What the gateway did with a request, and does with every other under the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// It made this refund.
    Made(usize),
    /// It broke, before or after the effect.
    Broke,
    /// It says no.
    Declined,
}

/// A key that the gateway has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The generation that the key was made of.
    pub generation: u32,
    /// When it was first seen, in seconds.
    pub at: u32,
    /// What came of it.
    pub outcome: Outcome,
}

/// How a gateway takes a request that it has not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mood {
    /// It is done at once.
    Does,
    /// It is accepted and not finished.
    Accepts,
    /// It breaks before anything is done.
    BreaksBefore,
    /// It breaks when everything is done.
    BreaksAfter,
    /// It says no.
    Declines,
}

/// The gateway's books about one payment. It would let every refund through: that there is but one is ours to see to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Gateway {
    /// All refunds of the payment that bear our reference.
    pub refunds: Vec<Made>,
    /// The keys that it remembers.
    pub keys: Vec<Key>,
}

impl Gateway {
    /// Takes a request at `now`. A known key is answered as before.
    pub fn take(&mut self, generation: u32, mood: Mood, now: u32) -> Outcome {
        self.forget(now);
        if let Some(key) = self.keys.iter().find(|key| key.generation == generation) {
            return key.outcome;
        }
        let mut make = |state| {
            self.refunds.push(Made { generation, state });
            Outcome::Made(self.refunds.len() - 1)
        };
        let outcome = match mood {
            Mood::Does => make(GatewayRefund::Succeeded),
            Mood::Accepts => make(GatewayRefund::Pending),
            Mood::BreaksBefore => Outcome::Broke,
            Mood::BreaksAfter => {
                make(GatewayRefund::Succeeded);
                Outcome::Broke
            }
            Mood::Declines => Outcome::Declined,
        };
        // It may think better of what it declined.
        if outcome != Outcome::Declined {
            self.keys.push(Key {
                generation,
                at: now,
                outcome,
            });
        }
        outcome
    }

    /// Forgets keys that are too old.
    pub fn forget(&mut self, now: u32) {
        self.keys.retain(|key| now - key.at < REMEMBERED_S);
    }

    /// Whether it would take this request for a new one.
    pub fn is_new(&self, generation: u32, now: u32) -> bool {
        !self
            .keys
            .iter()
            .any(|key| key.generation == generation && now - key.at < REMEMBERED_S)
    }

    /// Refunds that were made and did not come back.
    pub fn alive(&self) -> usize {
        let alive = |refund: &&Made| refund.state != GatewayRefund::Failed;
        self.refunds.iter().filter(alive).count()
    }
}
