//! The outbox relay's window, with everything that can go wrong around it.
//!
//! What is published when, and how far the relay has come, is the production code of
//! [`boxoffice_relay::window`] and [`boxoffice_relay::progress`]. Around it: transactions that take ids, lock their
//! booking, draw a position and commit late or not at all; two relays, each of which may stop for good or wake
//! up long after its lease has ended; a producer whose records are on their way when it happens; a broker that
//! refuses a record; a database server that crashes and has forgotten the relay's last commits.

mod act;
mod database;

use stateright::{Model, Property};

pub use act::Action;
pub use database::{CursorRow, Database, Row, Writer, WriterStep};

use boxoffice_relay::progress::Progress;

/// What the relay rests on. Each can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A window is what S2 sees and S1 did not, rather than all positions beyond the last.
    Visibility,
    /// Within a window, rows are published by position.
    OrderByPosition,
    /// The window is written down before anything of it is published.
    WindowPersisted,
    /// The lower bound for new positions is what was drawn before our last commit, not what is drawn now.
    DrawnWitnessed,
    /// A writer locks the booking before it draws a position.
    BookingLocked,
    /// Every move of the cursor compares the epoch.
    EpochCompared,
    /// A record that Kafka refuses for good stops the relay; it is not passed.
    NeverPass,
    /// A record that Kafka refuses for good is followed by none that was already on its way.
    GaplessProducer,
    /// The producer gives no record up for want of an answer.
    NoMessageTimeout,
    /// Tables of the outbox are emptied only behind the cursor.
    DropBehindCursor,
    /// A relay that stops purges its producer. Not needed for any promise: it only saves repeats.
    Purge,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 11] = [
        Self::Visibility,
        Self::OrderByPosition,
        Self::WindowPersisted,
        Self::DrawnWitnessed,
        Self::BookingLocked,
        Self::EpochCompared,
        Self::NeverPass,
        Self::GaplessProducer,
        Self::NoMessageTimeout,
        Self::DropBehindCursor,
        Self::Purge,
    ];
}

/// How often each thing may go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Faults {
    /// Transactions that roll back.
    pub rollbacks: u8,
    /// Relays that stop for good, at any moment.
    pub crashes: u8,
    /// Leases that end while their holder believes in them.
    pub zombies: u8,
    /// Records that Kafka refuses.
    pub refusals: u8,
    /// Crashes of the database server.
    pub database_crashes: u8,
    /// Times that the tables of the outbox are emptied. No mishap, only seldom.
    pub recyclings: u8,
    /// Records given up for want of an answer, where [`Rule::NoMessageTimeout`] is removed.
    pub timeouts: u8,
}

/// The model.
#[derive(Clone, Debug)]
pub struct Relay {
    /// The booking of each writing transaction.
    pub writers: Vec<u8>,
    /// What has happened before anything else.
    pub already: Vec<Action>,
    /// Records in a page.
    pub page: usize,
    /// What may go wrong.
    pub faults: Faults,
    /// The rules that are removed.
    pub without: Vec<Rule>,
}

impl Relay {
    /// Whether a rule is kept.
    pub fn keeps(&self, rule: Rule) -> bool {
        !self.without.contains(&rule)
    }
}

/// A relay process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// The cursor, as it believes to hold it.
    pub hold: Option<Hold>,
    /// The page that is with its producer.
    pub on_their_way: Vec<Sent>,
    /// What is still with the producer of an earlier hold, if nobody purged it.
    pub strays: Vec<Sent>,
}

/// The cursor in the hands of a relay.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The epoch of its claim.
    pub epoch: u8,
    /// How far it has come.
    pub progress: Progress,
    /// What it does next.
    pub stage: Stage,
}

/// What a relay does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Look for news, or read the next page of the window in hand.
    Ready,
    /// There is news: take S2.
    News,
    /// A page is with the producer.
    Publishing {
        /// The page's last position.
        last: i64,
        /// Whether the window has more.
        more: bool,
    },
}

/// A record with the producer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sent {
    /// Which.
    pub row: Row,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a record with the producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fate {
    /// Not known yet.
    UnderWay,
    /// In the topic.
    Delivered,
    /// Never: Kafka will not have it.
    Refused,
    /// Never: nobody answered in time.
    GivenUp,
}

impl Fate {
    /// Whether it will never be in the topic.
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Refused | Self::GivenUp)
    }
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The database.
    pub db: Database,
    /// Two processes, alike.
    pub processes: [Process; 2],
    /// Per booking, the highest number up to which everything was delivered.
    pub delivered: Vec<u8>,
    /// A first delivery before that of an earlier event of its booking.
    pub out_of_order: bool,
    /// A delivery of what was not committed.
    pub uncommitted: bool,
    /// What may still go wrong.
    pub left: Faults,
}

/// Everything committed is published.
pub const PUBLISHED: &str = "EVENT-1: everything committed is published";
/// Nothing uncommitted is published.
pub const COMMITTED: &str = "EVENT-1: nothing uncommitted is published";
/// First deliveries are in order.
pub const IN_ORDER: &str = "EVENT-1: first deliveries are in order per booking";

impl Model for Relay {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let db = Database::new(&self.writers);
        let idle = || Process {
            hold: None,
            on_their_way: Vec::new(),
            strays: Vec::new(),
        };
        let mut state = State {
            delivered: vec![0; db.sequences.len()],
            db,
            processes: [idle(), idle()],
            out_of_order: false,
            uncommitted: false,
            left: self.faults,
        };
        for action in &self.already {
            state = self.next_state(&state, *action).unwrap_or(state);
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.mishaps(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.act(&mut next, action);
        next.db.in_order();
        if next.left.database_crashes == 0 {
            next.db.durable = next.db.cursor.clone();
        }
        // The two processes are alike, so which is which does not matter.
        if rank(&next.processes[1]) < rank(&next.processes[0]) {
            next.processes.swap(0, 1);
        }
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(IN_ORDER, |_: &Self, state: &State| !state.out_of_order),
            Property::always(COMMITTED, |_: &Self, state: &State| !state.uncommitted),
            Property::always(PUBLISHED, |model: &Self, state: &State| {
                !model.at_rest(state) || state.delivered == state.db.sequences
            }),
            Property::sometimes(
                "a booking's events are all published",
                |_: &Self, state: &State| state.delivered.iter().all(|delivered| *delivered > 0),
            ),
        ]
    }
}

impl Relay {
    /// Whether nothing is left to be done, and nothing more would happen without a mishap.
    fn at_rest(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.steps(state, &mut actions);
        actions
            .into_iter()
            .all(|action| self.next_state(state, action).is_none())
    }
}

fn rank(process: &Process) -> impl Ord {
    let places = |sent: &[Sent]| -> Vec<_> {
        sent.iter()
            .map(|sent| (sent.row.position, sent.fate))
            .collect()
    };
    let epoch = process.hold.as_ref().map(|hold| hold.epoch);
    (
        epoch,
        places(&process.on_their_way),
        places(&process.strays),
    )
}
