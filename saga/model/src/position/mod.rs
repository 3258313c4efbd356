//! A partition with two members of its group, and the row that says where it stands.
//!
//! What a member does when it is given the partition, when its claim is answered, when its position is lost, is the
//! production code of [`boxoffice_stream::ownership`]. Around it: a group that moves the partition while its owner
//! sleeps, claims and turns that wait in the database, commits whose answers are lost, members that die, a database
//! that fails over to a copy that is behind.

mod act;

use std::collections::BTreeSet;

use boxoffice_stream::ownership::Ownership;
use boxoffice_stream::{Owned, Partition};
use stateright::{Model, Property};

pub use act::Action;

/// What consuming by turns rests on. Each can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A turn compares the position that it starts from.
    PositionCompared,
    /// A turn compares the epoch of its owner.
    EpochCompared,
    /// The position moves in the transaction of the effect.
    OneTransaction,
    /// Records are read from the database's position, not from Kafka's.
    SeekToDatabase,
    /// What was fetched and not decided is dropped when the position is lost, or begun anew.
    BufferDropped,
    /// A claim asks, once it has the row, whether its assignment is still the present one.
    ClaimCheckedBefore,
    /// And once more when it is committed, before records flow.
    ClaimCheckedAfter,
    /// Whose partition was revoked does not claim it anew.
    RevokedIsDropped,
    /// An idle owner looks now and then whether its row still says what it believes.
    LooksWhenIdle,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 9] = [
        Self::PositionCompared,
        Self::EpochCompared,
        Self::OneTransaction,
        Self::SeekToDatabase,
        Self::BufferDropped,
        Self::ClaimCheckedBefore,
        Self::ClaimCheckedAfter,
        Self::RevokedIsDropped,
        Self::LooksWhenIdle,
    ];
}

/// How often each thing may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Times that the group gives the partition to the other member.
    pub rebalances: u8,
    /// Answers of the database that are lost.
    pub lost: u8,
    /// Members that die, and start again.
    pub crashes: u8,
    /// Times that the database fails over to its copy.
    pub failovers: u8,
}

/// The model.
#[derive(Clone, Debug)]
pub struct Position {
    /// How many records there are.
    pub records: i64,
    /// How many a turn decides at most.
    pub batch: usize,
    /// What may go wrong.
    pub faults: Faults,
    /// The rules that are removed.
    pub without: Vec<Rule>,
}

impl Position {
    /// Whether a rule is kept.
    pub fn keeps(&self, rule: Rule) -> bool {
        !self.without.contains(&rule)
    }
}

/// The database: the partition's row, and how often each record had its effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Database {
    /// The row, once somebody has claimed it.
    pub row: Option<Owned>,
    /// How often each record was applied.
    pub applied: Vec<u8>,
}

/// A member of the group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Its present assignment, if it believes to have one.
    pub assignment: Option<u64>,
    /// What it knows of its partition.
    pub ownership: Ownership,
    /// What it asks the database beside its turns.
    pub asks: Option<Ask>,
    /// What was fetched and not yet decided.
    pub queue: Vec<i64>,
    /// The next offset to be fetched, while records flow.
    pub fetches: Option<i64>,
    /// The turn in hand; whether its answer is awaited.
    pub turn: Option<(Turn, bool)>,
    /// The position that Kafka is still to be told.
    pub stands: Option<i64>,
}

/// A question to the database beside the turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// To take the row.
    Claim {
        /// For which assignment.
        generation: u64,
    },
    /// To read the row.
    Read {
        /// For which assignment.
        generation: u64,
    },
}

/// What a turn wants of the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Turn {
    /// For which assignment.
    pub generation: u64,
    /// The epoch under which it was begun.
    pub epoch: i64,
    /// Where the partition is believed to stand.
    pub from: Option<i64>,
    /// Where it stands afterwards.
    pub to: i64,
    /// The records that it decides.
    pub records: Vec<i64>,
}

/// A turn at the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pending {
    /// Who sent it.
    pub member: usize,
    /// What it wants.
    pub turn: Turn,
    /// Whether somebody waits for its answer.
    pub awaited: bool,
    /// Where the effect has a transaction of its own: it is done, and the position is to follow.
    pub effect_done: bool,
}

/// A claim that has the row's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claiming {
    /// Whose.
    pub member: usize,
    /// For which assignment.
    pub generation: u64,
    /// Whether that had ended when the lock was had.
    pub late: bool,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The database.
    pub db: Database,
    /// Its copy.
    pub copy: Database,
    /// The offset that Kafka was told last.
    pub told: i64,
    /// To whom the group has given the partition.
    pub owner: usize,
    /// The number of the last assignment.
    pub generation: u64,
    /// The members.
    pub members: [Member; 2],
    /// Turns at the database.
    pub pending: BTreeSet<Pending>,
    /// The claim that has the row's lock.
    pub claiming: Option<Claiming>,
    /// A turn moved a position that another had claimed since.
    pub moved_by_the_past: bool,
    /// A claim took the row though its assignment had ended before it had the lock.
    pub taken_by_the_past: bool,
    /// A turn was begun under an assignment that had ended before records flowed.
    pub begun_by_the_past: bool,
    /// What may still go wrong.
    pub left: Faults,
}

/// Once.
pub const ONCE: &str = "SAGA-1: no record has its effect twice";
/// None is left out.
pub const NONE_SKIPPED: &str = "INGRESS-1: no record before the position is left out";
/// An older owner moves nothing.
pub const FENCED: &str = "a turn of an older owner moves nothing once a newer one has claimed";
/// An owner is not disturbed.
pub const UNDISTURBED: &str = "a claim from the past takes nothing from the present owner";
/// Nobody begins late.
pub const NOT_BEGUN: &str = "records do not flow for an assignment that ended while it was claimed";
/// It goes on.
pub const NO_LIVELOCK: &str =
    "INGRESS-1: members do not take the partition from one another for ever";
/// It ends.
pub const ALL_DECIDED: &str = "INGRESS-1: every record is decided in the end";

/// So often two members who both believe in it take the partition from one another at most, before the one hears that
/// it is not its own.
pub const FEW_CLAIMS: i64 = 3;
/// More claims than these and all mishaps together can cause.
pub const MOST_CLAIMS: i64 = 10;

/// The only partition.
pub fn partition() -> Partition {
    Partition::new("t", 0)
}

impl Model for Position {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let records = usize::try_from(self.records).unwrap_or(0);
        let db = Database {
            row: None,
            applied: vec![0; records],
        };
        let mut state = State {
            copy: db.clone(),
            db,
            told: 0,
            owner: 0,
            generation: 0,
            members: [Member::new(), Member::new()],
            pending: BTreeSet::new(),
            claiming: None,
            moved_by_the_past: false,
            taken_by_the_past: false,
            begun_by_the_past: false,
            left: self.faults,
        };
        state.assign(0);
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.steps(state, actions);
        self.mishaps(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.act(&mut next, action);
        if next.left.failovers == 0 {
            next.copy = next.db.clone();
        }
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_: &Self, state: &State| {
                state.db.applied.iter().all(|times| *times <= 1)
            }),
            Property::always(NONE_SKIPPED, |_: &Self, state: &State| {
                let stands = state.db.row.and_then(|row| row.next_offset).unwrap_or(0);
                let before = usize::try_from(stands).unwrap_or(0);
                state.db.applied[..before].iter().all(|times| *times > 0)
            }),
            Property::always(FENCED, |_: &Self, state: &State| !state.moved_by_the_past),
            Property::always(UNDISTURBED, |_: &Self, state: &State| {
                !state.taken_by_the_past
            }),
            Property::always(NOT_BEGUN, |_: &Self, state: &State| {
                !state.begun_by_the_past
            }),
            Property::always(NO_LIVELOCK, |_: &Self, state: &State| {
                state.db.row.is_none_or(|row| row.epoch < MOST_CLAIMS)
            }),
            Property::always(ALL_DECIDED, |model: &Self, state: &State| {
                state.db.applied.iter().all(|times| *times > 0) || !model.at_rest(state)
            }),
            Property::sometimes("all is decided", |_: &Self, state: &State| {
                state.db.applied.iter().all(|times| *times > 0)
            }),
        ]
    }
}

impl Position {
    fn at_rest(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.steps(state, &mut actions);
        actions
            .into_iter()
            .all(|action| self.next_state(state, action).is_none())
    }
}
