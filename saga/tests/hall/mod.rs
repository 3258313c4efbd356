//! A small hall with two customers: the saga's functions on rows in memory, nothing else.

mod acts;
mod draws;
mod seen;
mod settle;

use std::collections::{BTreeMap, BTreeSet};

use boxoffice_saga::attention::Attention;
use boxoffice_saga::event::Event;
use boxoffice_saga::identity::{BookingId, GatewayAccount, ShowId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::ledger::Entry;
use boxoffice_saga::money::Currency;
use boxoffice_saga::promises::{Closed, LONGEST_UNDECIDED};
use boxoffice_saga::seat::{Seat, SeatKey, SeatState};
use boxoffice_saga::task::{Task, TaskKey};
use boxoffice_saga::world::{Changes, JournalEntry, World};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const SEATS: [&str; 3] = ["A-1", "A-2", "A-3"];

pub struct Hall {
    world: World,
    show: ShowId,
    closed: BTreeMap<ShowId, Closed>,
    drawn: u64,
    /// What is kept when a customer cancels, in hundredths of a percent.
    pub cancel_fee_bp: u16,
    /// How long a history lasts at most.
    pub lasts: Duration,
    tasks: BTreeMap<TaskKey, Task>,
    /// What the last turn looked for to remove it.
    pub tasks_removed: BTreeSet<TaskKey>,
    events: Vec<Event>,
    ledger: Vec<Entry>,
    journal: Vec<JournalEntry>,
    attention: BTreeMap<(&'static str, Uuid), Attention>,
}

fn inr() -> Currency {
    "INR".parse().expect("a currency")
}

fn stripe() -> GatewayAccount {
    GatewayAccount::new("stripe", "default")
}

fn opening() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000)
}

impl Hall {
    pub fn new() -> Self {
        let show = ShowId::try_from(7_u64).expect("a show");
        let mut world = World::new(opening());
        for name in SEATS {
            let key = SeatKey {
                show,
                seat: name.to_owned(),
            };
            let seat = Seat {
                key: key.clone(),
                state: SeatState::Available,
                booking: None,
                reclaim_at: None,
                price_minor: 1_000,
            };
            world.seats.insert(key, seat);
        }
        Self {
            world,
            show,
            closed: BTreeMap::new(),
            drawn: 0,
            cancel_fee_bp: 0,
            // No history lasts as long as what nobody works on may wait unnoticed.
            lasts: LONGEST_UNDECIDED,
            tasks: BTreeMap::new(),
            tasks_removed: BTreeSet::new(),
            events: Vec::new(),
            ledger: Vec::new(),
            journal: Vec::new(),
            attention: BTreeMap::new(),
        }
    }

    /// Applies an input and "commits" it.
    pub fn happens(&mut self, booking: BookingId, input: Input) -> Outcome {
        let outcome = self.world.apply(booking, input);
        if matches!(outcome, Outcome::Refused(_)) {
            let changes = &self.world.changes;
            assert_eq!(*changes, Changes::default(), "a refusal changes nothing");
        }
        self.commit();
        outcome
    }

    /// Applies several inputs to `booking` and "commits" what comes of them together.
    pub fn happen_in_one_turn(&mut self, booking: BookingId, inputs: &[Input]) {
        for input in inputs {
            self.world.apply(booking, input.clone());
        }
        self.commit();
    }

    fn commit(&mut self) {
        let changes = std::mem::take(&mut self.world.changes);
        for key in &changes.tasks_removed {
            self.tasks.remove(key);
        }
        self.tasks_removed = changes.tasks_removed;
        for (key, due_at) in changes.tasks_postponed {
            if let Some(task) = self.tasks.get_mut(&key) {
                task.due_at = due_at;
            }
        }
        for task in changes.tasks_added {
            self.tasks.entry(task.key.clone()).or_insert(task);
        }
        self.events.extend(changes.events);
        self.ledger.extend(changes.ledger);
        self.journal.extend(changes.journal);
        for (kind, subject) in &changes.attention_settled {
            self.attention.remove(&(kind.name(), *subject));
        }
        for item in changes.attention {
            let key = (item.kind.name(), item.subject);
            self.attention.entry(key).or_insert(item);
        }
    }

    /// The same input again moves no money, takes no seat and tells nobody anything.
    pub fn happens_again(&mut self, booking: BookingId, input: Input) -> Result<(), String> {
        // A second warning or answer to a task would need the task to be there again.
        if matches!(input, Input::HoldTimer | Input::Hold { .. }) {
            return Ok(());
        }
        let before = (
            self.events.len(),
            self.ledger.len(),
            self.world.seats.clone(),
        );
        self.happens(booking, input);
        let after = (
            self.events.len(),
            self.ledger.len(),
            self.world.seats.clone(),
        );
        if before == after {
            Ok(())
        } else {
            Err(format!("{:?}", &self.events[before.0..]))
        }
    }

    pub fn pass_seconds(&mut self, seconds: i64) {
        self.world.now += Duration::seconds(seconds);
    }
}
