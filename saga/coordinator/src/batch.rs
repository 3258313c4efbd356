//! Deciding everything that has arrived, for all partitions that we own, in one turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use boxoffice_consumer_turns::{bury, failed, letter, place, positions};
use boxoffice_failpoints::Role;
use boxoffice_gateways::{Gateways, WebhookRecord};
use boxoffice_saga::attention::{Attention, AttentionKind};
use boxoffice_saga::fact::{Fact, HintFact, Reference};
use boxoffice_saga::identity::{BookingId, GatewayAccount};
use boxoffice_saga::input::{Input, Outcome, Refusal};
use boxoffice_saga::task::{Task, TaskKey, TaskKind};
use boxoffice_saga::world::World;
use boxoffice_stream::{Batch, Handler, Record, Run, TurnFailed};
use boxoffice_turn::claim::Parked;
use boxoffice_turn::{
    Appends, Claim, Claimed, EventKey, Held, InboxOutcome, Origin, Outgoing, Plan, Reads, Store,
    TurnError, Wanted,
};
use time::Duration;
use uuid::Uuid;

use crate::intake::{self, Intake};
use crate::{CONSUMER, WEBHOOKS, metric};

/// Ids of parked and re-keyed records are derived from their events.
const RECORDS: Uuid = Uuid::from_u128(0x4d0e_6f0a_77c1_4f5e_9b36_2a60_91ab_77ee);

/// What becomes of a hint about a payment that is not ours, is decided, or was asked about just now.
const HINT_OF_NO_USE: &str = "hint_of_no_use";

/// Seconds after which a parked record is looked at for the first time.
const PARKED_FOR_S: i64 = 2;

/// The coordinator's handler.
pub struct Webhooks<S> {
    store: S,
    gateways: Arc<Gateways>,
}

impl<S> Webhooks<S> {
    /// A handler over `store`, which believes what `gateways` verify.
    pub const fn new(store: S, gateways: Arc<Gateways>) -> Self {
        Self { store, gateways }
    }
}

impl<S: Store + Reads> Handler for Webhooks<S> {
    async fn turn(&self, batch: &Batch) -> Result<(), TurnFailed> {
        let intakes: Vec<Intake> = batch
            .records()
            .map(|(_, record)| intake::read(&self.gateways, record))
            .collect();
        let found = look_up(&self.store, &intakes).await.map_err(failed)?;
        let plan = Decide {
            batch,
            intakes: &intakes,
            found: &found,
        };
        let counts = boxoffice_turn::run(&self.store, &plan)
            .await
            .map_err(failed)?;
        for (what, count) in counts.records {
            metrics::counter!(metric::RECORDS, "became" => what).increment(count);
        }
        for (verdict, count) in counts.verdicts {
            metrics::counter!(metric::VERDICTS, "verdict" => verdict).increment(count);
        }
        Ok(())
    }

    async fn dead_letter(&self, run: &Run, reason: &str) -> Result<(), TurnFailed> {
        bury(&self.store, CONSUMER, run, reason).await
    }
}

/// Finds the bookings of records that only bear the gateway's payment id. A plain read: it only tells where
/// a record is decided, never what is decided.
pub(crate) async fn look_up<S: Reads>(
    store: &S,
    intakes: &[Intake],
) -> Result<BTreeMap<(GatewayAccount, String), BookingId>, TurnError> {
    let wanted: Vec<_> = intakes
        .iter()
        .flat_map(intake::payments_to_look_up)
        .collect();
    store.bookings_of_payments(&wanted).await
}

#[derive(Debug, Default)]
struct Counts {
    records: BTreeMap<&'static str, u64>,
    verdicts: BTreeMap<&'static str, u64>,
}

struct Decide<'a> {
    batch: &'a Batch,
    intakes: &'a [Intake],
    found: &'a BTreeMap<(GatewayAccount, String), BookingId>,
}

/// Where one record goes.
enum Way<'a> {
    /// Decided here.
    Here(BookingId, &'a Input, &'a WebhookRecord, &'a EventKey),
    /// Another partition's.
    Rekey(BookingId, &'a WebhookRecord, &'a EventKey),
    /// Nobody's, as far as we know now.
    Park(
        Option<BookingId>,
        Option<&'a str>,
        &'a WebhookRecord,
        &'a EventKey,
    ),
    /// A reason to ask about a payment of this booking. Decided wherever it came in, for it changes nothing but when
    /// a question is asked, and it is in no inbox: the next one may be about something new.
    Hinted(BookingId, &'a HintFact),
    /// Set aside or left alone.
    Aside(&'a Intake),
}

impl Decide<'_> {
    fn ways<'a>(&'a self) -> impl Iterator<Item = (&'a Run, &'a Record, Way<'a>)> {
        self.batch
            .records()
            .zip(self.intakes)
            .map(|((run, record), intake)| (run, record, self.way(record, intake)))
    }

    /// A record is decided from the partition of its show, and never from another.
    fn way<'a>(&'a self, record: &'a Record, intake: &'a Intake) -> Way<'a> {
        let here = |booking: BookingId| record.key() == Some(booking.show().kafka_key().as_bytes());
        match intake {
            Intake::Ours {
                booking,
                input,
                record,
                event,
            } if here(*booking) => Way::Here(*booking, input, record, event),
            Intake::Ours {
                booking,
                record,
                event,
                ..
            } => Way::Rekey(*booking, record, event),
            Intake::ByPayment {
                gateway_payment_id,
                about_money,
                input,
                record,
                event,
                ..
            } => {
                let found = intake::payments_to_look_up(intake).find_map(|id| self.found.get(&id));
                match found {
                    Some(booking) if here(*booking) => Way::Here(*booking, input, record, event),
                    Some(booking) => Way::Rekey(*booking, record, event),
                    None if *about_money => {
                        Way::Park(None, Some(gateway_payment_id), record, event)
                    }
                    None => Way::Aside(intake),
                }
            }
            Intake::Hint { fact } => {
                let key = (fact.account.clone(), fact.gateway_payment_id.clone());
                match (self.found.get(&key), &fact.reference) {
                    (Some(booking), _) | (None, Reference::Booking { booking, .. }) => {
                        Way::Hinted(*booking, fact)
                    }
                    // Anybody can make up ids: of a payment that we have not opened nobody is asked.
                    (None, _) => Way::Aside(intake),
                }
            }
            aside => Way::Aside(aside),
        }
    }
}

impl Plan for Decide<'_> {
    type Answer = Counts;

    fn role(&self) -> Role {
        Role::Coordinator
    }

    fn claim(&self) -> Claim {
        let events = self
            .intakes
            .iter()
            .filter_map(|intake| match intake {
                Intake::Ours { event, .. }
                | Intake::ByPayment { event, .. }
                | Intake::Malformed { event, .. }
                | Intake::Nothing { event } => Some(event.clone()),
                Intake::Hint { .. } | Intake::Forged { .. } | Intake::Unreadable { .. } => None,
            })
            .collect();
        Claim {
            positions: positions(CONSUMER, self.batch),
            events,
            ..Claim::default()
        }
    }

    fn wanted(&self, claimed: &Claimed) -> Wanted {
        let bookings = self
            .ways()
            .filter_map(|(_, _, way)| match way {
                Way::Here(booking, _, _, event) | Way::Rekey(booking, _, event)
                    if !claimed.known.contains(event) =>
                {
                    Some(booking)
                }
                Way::Hinted(booking, _) => Some(booking),
                _ => None,
            })
            .collect();
        Wanted {
            bookings,
            seats_of_bookings: true,
            ..Wanted::default()
        }
    }

    fn decide(
        &self,
        claimed: &Claimed,
        _: &Held,
        world: &mut World,
        appends: &mut Appends,
    ) -> Counts {
        let mut counts = Counts::default();
        let mut seen = BTreeSet::new();
        for (run, record, way) in self.ways() {
            let event = match &way {
                Way::Here(_, _, _, event) | Way::Rekey(_, _, event) | Way::Park(_, _, _, event) => {
                    Some(*event)
                }
                Way::Aside(
                    Intake::Malformed { event, .. }
                    | Intake::Nothing { event }
                    | Intake::ByPayment { event, .. },
                ) => Some(event),
                Way::Hinted(..) | Way::Aside(_) => None,
            };
            let known =
                event.is_some_and(|event| claimed.known.contains(event) || !seen.insert(event));
            let became = if known {
                "duplicate"
            } else {
                match way {
                    Way::Here(booking, input, webhook, event) => {
                        let before = world.changes.journal.len();
                        let became =
                            apply(booking, input, webhook, event, world, appends, &mut counts);
                        appends.brought_by(&origin(run, record, webhook), world, before);
                        became
                    }
                    Way::Rekey(booking, record, event) => {
                        rekey(booking, record, event, world, appends)
                    }
                    Way::Park(booking, payment, record, event) => {
                        park(booking, payment, record, event, world, appends)
                    }
                    Way::Hinted(booking, fact) => hinted(booking, fact, world),
                    Way::Aside(intake) => set_aside(intake, run, record, world, appends),
                }
            };
            *counts.records.entry(became).or_default() += 1;
        }
        counts
    }
}

/// Where a webhook stands in Kafka, for the booking's story.
fn origin(run: &Run, record: &Record, webhook: &WebhookRecord) -> Origin {
    Origin {
        topic: run.partition.topic.to_string(),
        partition: run.partition.number,
        offset: record.offset,
        event_id: webhook.event_id.clone(),
        kind: webhook.kind.clone(),
        received_at: webhook.received_at,
    }
}

fn apply(
    booking: BookingId,
    input: &Input,
    record: &WebhookRecord,
    event: &EventKey,
    world: &mut World,
    appends: &mut Appends,
    counts: &mut Counts,
) -> &'static str {
    match world.apply(booking, input.clone()) {
        Outcome::Refused(Refusal::NoSuchBooking) => {
            return park(Some(booking), None, record, event, world, appends);
        }
        Outcome::Decided { verdict, .. } => {
            *counts.verdicts.entry(verdict.name()).or_default() += 1
        }
        _ => {}
    }
    appends.inbox.push((event.clone(), InboxOutcome::Applied));
    "applied"
}

/// Brings the next question about a payment forward, if a hint about it is of use.
fn hinted(booking: BookingId, fact: &HintFact, world: &mut World) -> &'static str {
    let attempt = world.payments.values().find(|attempt| {
        attempt.booking == booking
            && attempt.account == fact.account
            && attempt.gateway_payment_id.as_deref() == Some(&fact.gateway_payment_id)
    });
    match attempt.map(|attempt| attempt.id) {
        Some(payment) if world.hears_hint(booking, payment) => {
            world.apply(booking, Input::Hint { payment });
            "hinted"
        }
        _ => HINT_OF_NO_USE,
    }
}

fn record_id(event: &EventKey, what: &str) -> Uuid {
    Uuid::new_v5(
        &RECORDS,
        format!("{what}\n{}\n{}", event.source, event.event_id).as_bytes(),
    )
}

/// Sends a record on to the partition of its show: same bytes, same event, through the outbox.
pub(crate) fn rekey(
    booking: BookingId,
    record: &WebhookRecord,
    event: &EventKey,
    world: &World,
    appends: &mut Appends,
) -> &'static str {
    appends.outgoing.push(Outgoing {
        id: record_id(event, "rekeyed"),
        topic: WEBHOOKS.to_owned(),
        key: booking.show().kafka_key(),
        kind: record.kind.clone(),
        booking: Some(booking),
        sequence: None,
        at: world.now,
        headers: Some(record.to_headers()),
        payload: record.body.to_vec(),
    });
    "rekeyed"
}

/// Sets a record aside until its booking or payment is known; a `trace` task looks after it.
fn park(
    booking: Option<BookingId>,
    gateway_payment_id: Option<&str>,
    record: &WebhookRecord,
    event: &EventKey,
    world: &mut World,
    appends: &mut Appends,
) -> &'static str {
    let id = record_id(event, "parked");
    appends.parked.push(Parked {
        id,
        account: record.account.clone(),
        event_id: record.event_id.clone(),
        kind: record.kind.clone(),
        booking,
        gateway_payment_id: gateway_payment_id.map(str::to_owned),
        headers: record.to_headers(),
        payload: record.body.to_vec(),
        reason: if booking.is_some() {
            "unknown booking"
        } else {
            "unknown payment"
        }
        .to_owned(),
    });
    world.add_task(Task {
        key: TaskKey {
            kind: TaskKind::Trace,
            subject: id,
            generation: 1,
        },
        booking: None,
        due_at: world.now + Duration::seconds(PARKED_FOR_S),
        detail: None,
    });
    "parked"
}

fn set_aside(
    intake: &Intake,
    run: &Run,
    record: &Record,
    world: &mut World,
    appends: &mut Appends,
) -> &'static str {
    match intake {
        // By a payment that is not ours: of one that took nothing there is nothing more to know.
        Intake::Nothing { event } | Intake::ByPayment { event, .. } => {
            appends.inbox.push((event.clone(), InboxOutcome::Ignored));
            "of_no_interest"
        }
        Intake::Malformed { fact, found, event } => {
            let amount = match fact {
                Fact::Payment(fact) => Some(fact.amount),
                Fact::Refund(fact) => Some(fact.amount),
                Fact::Dispute(fact) => Some(fact.amount),
                Fact::Hint(_) | Fact::Nothing => None,
            };
            world.call_person(Attention {
                kind: AttentionKind::UnknownBooking,
                subject: record_id(event, "malformed"),
                booking: None,
                payment: None,
                amount,
                reason: format!(
                    "{} sent {} with booking_id {found:?}, which boxoffice never gave out; \
                     find out whose money it is at the gateway",
                    event.source, event.event_id
                ),
                at: world.now,
            });
            appends.inbox.push((event.clone(), InboxOutcome::Applied));
            "malformed_reference"
        }
        Intake::Forged { why } => {
            metrics::counter!(metric::FORGED).increment(1);
            tracing::error!(place = %place(run, record), why, "a record in Kafka is not genuine");
            letter(
                CONSUMER,
                AttentionKind::ForgedRecord,
                run,
                record,
                why,
                world,
                appends,
            );
            "forged"
        }
        Intake::Unreadable { why } => {
            tracing::warn!(place = %place(run, record), why, "a genuine webhook cannot be read");
            letter(
                CONSUMER,
                AttentionKind::DeadLetter,
                run,
                record,
                why,
                world,
                appends,
            );
            "unreadable"
        }
        Intake::Hint { .. } => HINT_OF_NO_USE,
        Intake::Ours { .. } => "applied",
    }
}

/// A fact that we fetched ourselves, on its way into the topic by which all money comes in. Without a booking
/// it is set aside from whatever partition it comes to.
pub fn fetched(
    booking: Option<BookingId>,
    record: &WebhookRecord,
    at: time::OffsetDateTime,
) -> Outgoing {
    let event = EventKey {
        source: record.account.to_string(),
        event_id: record.event_id.clone(),
    };
    Outgoing {
        // The same state may be fetched more than once, so the id is that of this fetch.
        id: record_id(&event, &format!("fetched at {at}")),
        topic: WEBHOOKS.to_owned(),
        key: booking.map_or_else(
            || record.event_id.clone(),
            |booking| booking.show().kafka_key(),
        ),
        kind: record.kind.clone(),
        booking,
        sequence: None,
        at,
        headers: Some(record.to_headers()),
        payload: record.body.to_vec(),
    }
}
