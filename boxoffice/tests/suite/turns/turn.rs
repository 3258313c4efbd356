//! The turn: one plan for everything that can happen, with what its door claims in production.

use boxoffice_failpoints::Role;
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::{CaptureAnswer, Input, Outcome, RefundAnswer, Refusal, VoidAnswer};
use boxoffice_saga::seat::SeatKey;
use boxoffice_saga::show_cancellation::{Page, cancel_booking};
use boxoffice_saga::task::{TaskKey, TaskKind};
use boxoffice_saga::world::World;
use boxoffice_turn::claim::{Delivery, KeptAnswer, Parked, PositionClaim};
use boxoffice_turn::{
    Appends, Claim, Claimed, EventKey, Held, InboxOutcome, KeyClaim, KeyState, Plan, Wanted,
};
use uuid::Uuid;

use super::cast::Cast;

pub const CONSUMER: &str = "turns";
pub const TOPIC: &str = "records";

/// The lease under which every task is held.
pub const LEASE: Uuid = Uuid::from_u128(7);

/// What the turn is about.
#[derive(Clone, Debug)]
pub enum Doing {
    /// Something happens to a booking.
    Happens(BookingId, Box<Input>),
    /// An answer is brought to a task that is no input of the saga's, or that leads to one.
    Errand(TaskKey, TaskKind),
}

/// By what a turn happens at most once.
#[derive(Clone, Debug)]
pub enum Door {
    /// A caller's idempotency key.
    Key,
    /// A record's position and event.
    Record {
        from: Option<i64>,
        event: &'static str,
    },
    /// The lease of a task.
    Lease(TaskKey),
    /// Nothing: it may happen again and again.
    Open,
}

/// The turn.
#[derive(Clone, Debug)]
pub struct Turn {
    pub cast: Cast,
    pub doing: Doing,
    pub door: Door,
}

impl Turn {
    pub fn of(cast: &Cast, doing: Doing) -> Self {
        let lease = |kind: TaskKind, subject: Uuid| {
            Door::Lease(TaskKey {
                kind,
                subject,
                generation: 1,
            })
        };
        let door = match &doing {
            Doing::Errand(task, _) => Door::Lease(task.clone()),
            Doing::Happens(booking, input) => match &**input {
                Input::Hold { .. }
                | Input::Release
                | Input::Replaced { .. }
                | Input::Cancel { .. }
                | Input::OpenAttempt { .. }
                | Input::AttemptCreated { .. }
                | Input::AttemptDeclined { .. }
                | Input::Hint { .. }
                | Input::RefundRetried { .. }
                | Input::RefundOtherWay { .. }
                | Input::RefundSettledElsewhere { .. } => Door::Key,
                Input::Payment(_)
                | Input::Refund(_)
                | Input::Dispute(_)
                | Input::RefundTaken { .. } => Door::Record {
                    from: None,
                    event: "first",
                },
                Input::HoldTimer => lease(TaskKind::HoldTimer, booking.uuid()),
                Input::VerifyAnswered { payment, .. } => lease(TaskKind::Verify, payment.uuid()),
                Input::CaptureAnswered { payment, .. } => lease(TaskKind::Capture, payment.uuid()),
                Input::VoidAnswered { payment, .. } => lease(TaskKind::Void, payment.uuid()),
                Input::RefundAnswered { refund, .. } => lease(TaskKind::Refund, refund.uuid()),
                Input::Swept => Door::Open,
            },
        };
        Self {
            cast: cast.clone(),
            doing,
            door,
        }
    }

    fn key(&self) -> KeyClaim {
        KeyClaim {
            user: self.cast.ann(),
            route: format!("/shows/{}", self.cast.show),
            key: "once".to_owned(),
            request_hash: vec![1],
        }
    }

    fn event(id: &str) -> EventKey {
        EventKey {
            source: "stripe/default".to_owned(),
            event_id: id.to_owned(),
        }
    }

    /// Where it may leave a note that it has come again.
    pub const fn notes(&self) -> &'static [&'static str] {
        match self.door {
            Door::Key | Door::Record { .. } => &[],
            Door::Lease(_) | Door::Open => &["journal"],
        }
    }

    pub fn partition(&self) -> i32 {
        i32::try_from(self.cast.show.number()).expect("few shows")
    }

    /// Brings the answer to a task: `Some` if the saga has something to say to it.
    fn bring(&self, held: bool, world: &mut World, appends: &mut Appends) -> Option<Outcome> {
        match &self.doing {
            Doing::Happens(booking, input) => {
                (held || settles(input)).then(|| world.apply(*booking, (**input).clone()))
            }
            Doing::Errand(..) if !held => None,
            Doing::Errand(task, kind) => {
                let booking = self.cast.booking;
                match kind {
                    TaskKind::CancelBooking => return Some(cancel_booking(booking, world)),
                    TaskKind::CancelShow => {
                        let page = Page {
                            show: self.cast.show,
                            after: None,
                        };
                        page.read(task, &[booking], 1, world);
                    }
                    TaskKind::Trace => {
                        appends.unparked.push(task.subject);
                        world.remove_task(task.kind, task.subject, task.generation);
                    }
                    TaskKind::Mail | TaskKind::Sms | TaskKind::Push => {
                        appends.deliveries.push(told(booking, world));
                        world.remove_task(task.kind, task.subject, task.generation);
                    }
                    // Their answers are inputs of the saga's.
                    TaskKind::HoldTimer
                    | TaskKind::Verify
                    | TaskKind::Void
                    | TaskKind::Capture
                    | TaskKind::Refund
                    | TaskKind::MassRefund => {}
                }
                None
            }
        }
    }
}

/// Whether an answer counts though its lease is lost: only what settles something does.
fn settles(input: &Input) -> bool {
    match input {
        Input::CaptureAnswered { answer, .. } => matches!(answer, CaptureAnswer::Taken { .. }),
        Input::VoidAnswered { answer, .. } => !matches!(answer, VoidAnswer::Unknown { .. }),
        Input::RefundAnswered { answer, .. } => matches!(answer, RefundAnswer::Told { .. }),
        _ => false,
    }
}

fn told(booking: BookingId, world: &World) -> Delivery {
    Delivery {
        booking,
        channel: "email",
        template: "booking_confirmed",
        language: Some("en"),
        message_id: "<once>".to_owned(),
        outcome: "delivered",
        reason: None,
        attempt: 1,
        at: world.now,
    }
}

impl Plan for Turn {
    type Answer = String;

    fn role(&self) -> Role {
        Role::Coordinator
    }

    fn claim(&self) -> Claim {
        let mut claim = Claim::default();
        match &self.door {
            Door::Key => claim.keys.push(self.key()),
            Door::Record { from, event } => {
                claim.events.push(Self::event(event));
                claim.positions.push(PositionClaim {
                    consumer: CONSUMER.to_owned(),
                    topic: TOPIC.to_owned(),
                    partition: self.partition(),
                    epoch: 1,
                    from: *from,
                    to: from.unwrap_or(0) + 1,
                });
            }
            Door::Lease(_) | Door::Open => {}
        }
        claim
    }

    fn wanted(&self, claimed: &Claimed) -> Wanted {
        let mut wanted = Wanted::default();
        if !claimed.known.is_empty() || claimed.keys.iter().any(|key| *key != KeyState::Fresh) {
            return wanted;
        }
        wanted.seats_of_bookings = true;
        let show = self.cast.show;
        match &self.doing {
            Doing::Happens(booking, input) => {
                if let Input::Hold { user, seats, .. } = &**input {
                    wanted.slots.insert((show, user.clone()), *booking);
                    let seats = seats.iter().cloned();
                    wanted
                        .seats
                        .extend(seats.map(|seat| SeatKey { show, seat }));
                } else {
                    wanted.bookings.insert(*booking);
                }
            }
            Doing::Errand(..) => drop(wanted.bookings.insert(self.cast.booking)),
        }
        if let Door::Lease(task) = &self.door {
            wanted.tasks.insert(task.clone(), LEASE);
        }
        wanted
    }

    fn decide(
        &self,
        claimed: &Claimed,
        held: &Held,
        world: &mut World,
        appends: &mut Appends,
    ) -> String {
        let said = |outcome: &Outcome| self.cast.named(&format!("{outcome:?}"));
        match (&self.door, &self.doing) {
            (Door::Lease(task), _) => {
                let outcome = self.bring(held.contains(task), world, appends);
                if task.kind.calls() {
                    let recorded = (task.clone(), 1, String::new());
                    appends.attempts_answered.push(recorded);
                }
                outcome.as_ref().map(said).unwrap_or_default()
            }
            (Door::Key, Doing::Happens(booking, input)) => {
                if let Some(KeyState::Answered { body, .. }) = claimed.keys.first() {
                    return String::from_utf8_lossy(body).into_owned();
                }
                let outcome = world.apply(*booking, (**input).clone());
                let said = said(&outcome);
                if !matches!(outcome, Outcome::Refused(_)) {
                    let answer = KeptAnswer::Answer {
                        status: 200,
                        body: said.clone().into_bytes(),
                    };
                    appends.answers.push((self.key(), answer));
                }
                said
            }
            (Door::Record { event, .. }, Doing::Happens(booking, input)) => {
                if !claimed.known.is_empty() {
                    return "a duplicate".to_owned();
                }
                let outcome = world.apply(*booking, (**input).clone());
                if outcome == Outcome::Refused(Refusal::NoSuchBooking) {
                    appends.parked.push(self.parked());
                } else {
                    let event = Self::event(event);
                    appends.inbox.push((event, InboxOutcome::Applied));
                }
                said(&outcome)
            }
            (Door::Open, Doing::Happens(booking, input)) => {
                said(&world.apply(*booking, (**input).clone()))
            }
            (_, Doing::Errand(..)) => String::new(),
        }
    }
}

impl Turn {
    fn parked(&self) -> Parked {
        Parked {
            id: self.cast.second.uuid(),
            account: self.cast.account(),
            event_id: "first".to_owned(),
            kind: "payment".to_owned(),
            booking: Some(self.cast.booking),
            gateway_payment_id: None,
            headers: Vec::new(),
            payload: Vec::new(),
            reason: "unknown booking".to_owned(),
        }
    }
}
