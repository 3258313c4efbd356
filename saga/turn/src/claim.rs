//! What a turn claims, wants and appends: plain data.

use std::collections::{BTreeMap, BTreeSet};

use boxoffice_saga::identity::{BookingId, GatewayAccount, ShowId, UserId};
use boxoffice_saga::seat::SeatKey;
use boxoffice_saga::task::TaskKey;
use boxoffice_saga::world::World;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::outgoing::Outgoing;

/// What makes a turn happen at most once. All of it is checked before anything is locked.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// Partitions whose position this turn moves.
    pub positions: Vec<PositionClaim>,
    /// Events to look up in the inbox.
    pub events: Vec<EventKey>,
    /// Idempotency keys of the requests in this turn.
    pub keys: Vec<KeyClaim>,
}

/// Moves one partition's position, if it is where we believe it to be and ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PositionClaim {
    /// The consumer's name.
    pub consumer: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The epoch under which we own it.
    pub epoch: i64,
    /// Where we believe it to be; `None`: nothing was ever consumed.
    pub from: Option<i64>,
    /// The next offset after this turn.
    pub to: i64,
}

/// An event as the inbox knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey {
    /// The gateway and account.
    pub source: String,
    /// The gateway's id of the event, with a hash of the body where its signature does not cover the id.
    pub event_id: String,
}

/// What the inbox remembers of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboxOutcome {
    /// It had its effect.
    Applied,
    /// It is of no interest, for good.
    Ignored,
}

/// One request's idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyClaim {
    /// Who asks.
    pub user: UserId,
    /// The route, with its path parameters.
    pub route: String,
    /// The key, as the client chose it.
    pub key: String,
    /// SHA-256 of the request's body.
    pub request_hash: Vec<u8>,
}

/// What a key turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Never seen, and now ours until this turn ends.
    Fresh,
    /// The same request was answered before.
    Answered {
        /// The HTTP status of that answer.
        status: u16,
        /// Its body.
        body: Vec<u8>,
    },
    /// The same request was begun before; its effect is there and its answer is not yet.
    Begun {
        /// What it is about: the payment attempt.
        resume: Uuid,
    },
    /// The key was used for another request.
    OtherRequest,
}

/// What came of a [`Claim`].
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    /// Those of the events that the inbox knows.
    pub known: BTreeSet<EventKey>,
    /// The state of each key, in the order of [`Claim::keys`].
    pub keys: Vec<KeyState>,
}

/// The rows that a turn locks.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Slots of users and shows, each with the id that a new booking would have.
    pub slots: BTreeMap<(ShowId, UserId), BookingId>,
    /// Bookings; those that the slots name come along.
    pub bookings: BTreeSet<BookingId>,
    /// Whether the seats of those bookings are needed.
    pub seats_of_bookings: bool,
    /// Further seats.
    pub seats: BTreeSet<SeatKey>,
    /// Leased tasks whose answers this turn brings, with the lease.
    pub tasks: BTreeMap<TaskKey, Uuid>,
}

/// Those of the wanted tasks that still exist under the lease that was named. An answer for another is
/// recorded all the same, for answers are never fenced.
pub type Held = BTreeSet<TaskKey>;

/// What a turn writes beside the saga's own [changes](boxoffice_saga::world::Changes).
#[derive(Clone, Debug, Default)]
pub struct Appends {
    /// Events for the inbox.
    pub inbox: Vec<(EventKey, InboxOutcome)>,
    /// Answers to keep under their keys; a fresh key without one is forgotten.
    pub answers: Vec<(KeyClaim, KeptAnswer)>,
    /// Records to publish beside the booking events.
    pub outgoing: Vec<Outgoing>,
    /// Records to set aside.
    pub parked: Vec<Parked>,
    /// Parked records that have found their way.
    pub unparked: Vec<Uuid>,
    /// Records that cannot be read or applied.
    pub dead_letters: Vec<DeadLetter>,
    /// Answers to calls: the task, which try, and what came of it.
    pub attempts_answered: Vec<(TaskKey, u32, String)>,
    /// What customers were told.
    pub deliveries: Vec<Delivery>,
    /// What operators did in this turn.
    pub acts: Vec<OperatorAct>,
    /// The records that brought inputs, by the place of the input's entry among the turn's
    /// [journal entries](boxoffice_saga::world::Changes::journal).
    pub origins: BTreeMap<usize, Origin>,
}

impl Appends {
    /// Notes that `origin` brought every input that was journalled in `world` since there were `before` entries.
    pub fn brought_by(&mut self, origin: &Origin, world: &World, before: usize) {
        for nth in before..world.changes.journal.len() {
            self.origins.insert(nth, origin.clone());
        }
    }
}

/// A record of Kafka that brought an input: for people, never for decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The topic that it was read from.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The event's id.
    pub event_id: String,
    /// The event's kind, as its writer calls it.
    pub kind: String,
    /// When the record's event was received or decided.
    pub received_at: OffsetDateTime,
}

/// One try to tell a customer something, for the record: what, which way, and what came of it. It must never
/// hold an address, a telephone number or the message's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What it is about.
    pub booking: BookingId,
    /// Which way: `email`, `sms` or `push`.
    pub channel: &'static str,
    /// Which message.
    pub template: &'static str,
    /// In which language, as a BCP 47 tag; `None`: it was never written.
    pub language: Option<&'static str>,
    /// The same for every try of the same message.
    pub message_id: String,
    /// What came of it: `delivered`, `not_sent`, `refused`, `later` or `unknown`.
    pub outcome: &'static str,
    /// Why, unless it was delivered.
    pub reason: Option<String>,
    /// Which try it was, from 1.
    pub attempt: u32,
    /// When its answer came, by the database's clock.
    pub at: OffsetDateTime,
}

/// By which way an operator came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The operators' HTTP API.
    Api,
    /// The command line.
    CommandLine,
}

impl Door {
    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "API",
            Self::CommandLine => "COMMAND_LINE",
        }
    }
}

/// Something that an operator did: written with its effect, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorAct {
    /// The token's subject, or the operating system's user.
    pub who: String,
    /// Which way they came in.
    pub door: Door,
    /// What they did, for example `show.block`.
    pub what: &'static str,
    /// What it was about: a show's number, a booking's id.
    pub subject: Option<String>,
    /// Why, in their words.
    pub why: Option<String>,
    /// What came of it, as JSON.
    pub outcome: String,
}

/// What is kept under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptAnswer {
    /// The whole answer.
    Answer {
        /// HTTP status.
        status: u16,
        /// Body.
        body: Vec<u8>,
    },
    /// The effect is there; the answer needs a call first. A retry resumes this attempt.
    Begun {
        /// The payment attempt.
        resume: Uuid,
    },
}

/// A record set aside, with its exact bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Derived from the record, so that a redelivery is parked once.
    pub id: Uuid,
    /// Where it comes from.
    pub account: GatewayAccount,
    /// The gateway's id of the event.
    pub event_id: String,
    /// The gateway's name for the kind of event.
    pub kind: String,
    /// The booking that it names and that we do not know.
    pub booking: Option<BookingId>,
    /// The gateway's payment id that it names.
    pub gateway_payment_id: Option<String>,
    /// The record's headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The record's value.
    pub payload: Vec<u8>,
    /// Why.
    pub reason: String,
}

/// A record that goes to the dead letters, with its exact bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Derived from topic, partition and offset.
    pub id: Uuid,
    /// Whose it is.
    pub consumer: String,
    /// The topic it came from.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The record's value.
    pub payload: Vec<u8>,
    /// Why, for people.
    pub reason: String,
}
