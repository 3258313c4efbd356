//! Sending a message, as a task.

use std::marker::PhantomData;
use std::sync::Arc;

use boxoffice_saga::attention::{Attention, AttentionKind};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::task::{TaskKind, retry_at};
use boxoffice_saga::world::World;
use boxoffice_tasks::{HeldBack, Leased, Work};
use boxoffice_turn::Appends;
use boxoffice_turn::claim::Delivery;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::postgres::read::Case;
use time::{Duration, OffsetDateTime};

use crate::channel::Channel;
use crate::delivery_error::DeliveryError;
use crate::errand::Order;
use crate::intake::NEWS;
use crate::language::Language;
use crate::metric;
use crate::office::{Due, Office, Show};

/// After this many tries a person is told that a letter does not go out; the tries go on.
const PATIENCE: u32 = 8;
/// After this many tries of which nobody knows whether they arrived, a ticket is not sent again.
const MOST_DOUBTFUL: u32 = 12;
/// A server that asks for a longer pause than this is asked again after this.
const LONGEST_PAUSE: Duration = Duration::hours(1);

/// The channel of an executor, and the tasks that it leases.
pub trait Way: Send + Sync + 'static {
    /// Which channel.
    const CHANNEL: Channel;
    /// Its [kind](Channel::task_kind), alone.
    const KINDS: &'static [TaskKind] = &[Self::CHANNEL.task_kind()];
}

/// Letters.
pub struct ByMail;
/// Text messages.
pub struct BySms;
/// Notifications to devices.
pub struct ByPush;

impl Way for ByMail {
    const CHANNEL: Channel = Channel::Email;
}
impl Way for BySms {
    const CHANNEL: Channel = Channel::Sms;
}
impl Way for ByPush {
    const CHANNEL: Channel = Channel::Push;
}

/// The tasks of one channel.
pub struct Messages<W> {
    store: PgStore,
    office: Arc<Office>,
    way: PhantomData<W>,
}

/// What came of one try.
#[derive(Debug)]
pub struct Told {
    /// In which language it was written, if it was.
    language: Option<Language>,
    outcome: Outcome,
}

/// What came of one try, and what it means for the next.
#[derive(Debug)]
enum Outcome {
    /// The mail server or the provider has taken it.
    Delivered,
    /// There is nothing to be sent (any more).
    NotSent(&'static str),
    /// It can never be delivered.
    Refused(String),
    /// Not delivered; try again, not before the pause that the server asked for.
    Later(String, Option<std::time::Duration>),
    /// It may have been delivered.
    Unknown(String),
}

impl Outcome {
    /// The name in metrics and in the delivery log.
    const fn name(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::NotSent(_) => "not_sent",
            Self::Refused(_) => "refused",
            Self::Later(..) => "later",
            Self::Unknown(_) => "unknown",
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Delivered => None,
            Self::NotSent(why) => Some(why),
            Self::Refused(why) | Self::Later(why, _) | Self::Unknown(why) => Some(why),
        }
    }
}

impl From<DeliveryError> for Outcome {
    fn from(error: DeliveryError) -> Self {
        match error {
            DeliveryError::Permanent { reason } => Self::Refused(reason),
            DeliveryError::Transient { reason, after } => Self::Later(reason, after),
            DeliveryError::Unknown { reason } => Self::Unknown(reason),
        }
    }
}

impl<W: Way> Messages<W> {
    /// Work over `store`, with what `office` knows.
    pub const fn new(store: PgStore, office: Arc<Office>) -> Self {
        Self {
            store,
            office,
            way: PhantomData,
        }
    }

    async fn tell(&self, task: &Leased) -> Told {
        let unwritten = |outcome| Told {
            language: None,
            outcome,
        };
        let (Some(order), Some(booking)) = (order(task), task.booking) else {
            let why = "the task does not say what to tell whom".to_owned();
            return unwritten(Outcome::Refused(why));
        };
        let template = order.errand.template();
        if !W::CHANNEL.at_least_once(template) && task.has_doubtful_attempts() {
            let why = "an earlier try may have been delivered".to_owned();
            return unwritten(Outcome::Unknown(why));
        }
        // A letter waits for its reader; a telephone that rings about yesterday does not help.
        if W::CHANNEL != Channel::Email && task.now - order.news_of > NEWS {
            return unwritten(Outcome::NotSent("no longer news"));
        }
        let (now, case, show) = match self.rows(booking).await {
            Ok(Some(rows)) => rows,
            Ok(None) => {
                let why = "the booking or its show is not there".to_owned();
                return unwritten(Outcome::Refused(why));
            }
            Err(why) => return unwritten(Outcome::Later(why, None)),
        };
        if let Some(why) = order.errand.outdated(&case, now) {
            return unwritten(Outcome::NotSent(why));
        }
        let wording = match self.office.wording(order.errand, &case, &show, now) {
            Ok(wording) => wording,
            Err(why) => return unwritten(Outcome::Refused(why)),
        };
        let language = Language::of_tag(case.booking.contact.language.as_deref());
        let due = Due {
            errand: order.errand,
            wording: &*wording,
            language,
            booking: &case.booking,
            subject: task.key.subject,
            now,
        };
        let outcome = match self.office.send(W::CHANNEL, &due).await {
            Ok(None) => Outcome::Delivered,
            Ok(Some(why)) => return unwritten(Outcome::NotSent(why)),
            Err(error) => error.into(),
        };
        Told {
            language: Some(language),
            outcome,
        }
    }

    /// The booking with its money and its show, and the database's clock.
    async fn rows(
        &self,
        booking: BookingId,
    ) -> Result<Option<(OffsetDateTime, Case, Show)>, String> {
        let (now, mut cases) = self
            .store
            .cases(&[booking])
            .await
            .map_err(|error| error.to_string())?;
        let Some(case) = cases.remove(&booking) else {
            return Ok(None);
        };
        let show = sqlx::query_as!(
            Show,
            "select title, starts_at from shows where show_id = $1",
            booking.show().as_i64()
        )
        .fetch_optional(self.store.pool())
        .await
        .map_err(|error| error.to_string())?;
        Ok(show.map(|show| (now, case, show)))
    }

    /// The line of the delivery log.
    fn delivery(
        &self,
        task: &Leased,
        order: Order,
        told: &Told,
        at: OffsetDateTime,
    ) -> Option<Delivery> {
        let booking = task.booking?;
        let (errand, subject) = (order.errand, task.key.subject);
        Some(Delivery {
            booking,
            channel: W::CHANNEL.name(),
            template: errand.template().name(),
            language: told.language.map(Language::tag),
            message_id: self
                .office
                .message_id(W::CHANNEL, errand, booking.uuid(), subject),
            outcome: told.outcome.name(),
            reason: told.outcome.reason().map(str::to_owned),
            attempt: task.attempt,
            at,
        })
    }
}

fn order(task: &Leased) -> Option<Order> {
    serde_json::from_str(task.detail.as_deref()?).ok()
}

fn again(task: &Leased, after: Option<std::time::Duration>, world: &mut World) {
    let usual = retry_at(world.now, task.key.subject, task.attempt);
    let asked = after.map_or(Duration::ZERO, |pause| {
        Duration::try_from(pause).map_or(LONGEST_PAUSE, |pause| pause.min(LONGEST_PAUSE))
    });
    world.postpone_task(task.key.clone(), usual.max(world.now + asked));
}

fn call_person(task: &Leased, why: &str, world: &mut World) {
    world.call_person(Attention {
        kind: AttentionKind::MailNotDelivered,
        subject: task.key.subject,
        booking: task.booking,
        payment: None,
        amount: None,
        reason: format!("a letter to the customer is not delivered: {why}"),
        at: world.now,
    });
}

impl<W: Way> Work for Messages<W> {
    type Answer = Told;

    const KINDS: &'static [TaskKind] = W::KINDS;

    async fn call(&self, task: &Leased) -> Result<Told, HeldBack> {
        let told = self.tell(task).await;
        let template = order(task).map_or("?", |order| order.errand.template().name());
        metrics::counter!(
            metric::MESSAGES,
            "channel" => W::CHANNEL.name(), "template" => template, "outcome" => told.outcome.name(),
        )
        .increment(1);
        Ok(told)
    }

    fn apply(
        &self,
        task: &Leased,
        told: &Told,
        held: bool,
        world: &mut World,
        appends: &mut Appends,
    ) -> String {
        let order = order(task);
        let line = order.and_then(|order| self.delivery(task, order, told, world.now));
        appends.deliveries.extend(line);
        let template = order.map(|order| order.errand.template());
        let at_least_once = template.is_some_and(|told| W::CHANNEL.at_least_once(told));
        // A person can write a letter instead; there is nothing to be done about a short message, and the
        // letter has told the same.
        let person =
            W::CHANNEL == Channel::Email && template.is_none_or(|told| told.worth_a_person());
        let done = |world: &mut World| {
            world.remove_task(task.key.kind, task.key.subject, task.key.generation);
        };
        match &told.outcome {
            Outcome::Delivered => {
                done(world);
                if person && task.attempt > PATIENCE {
                    world.dismiss_person(&[AttentionKind::MailNotDelivered], task.key.subject);
                }
            }
            Outcome::NotSent(_) if held => {
                done(world);
                // There is nothing left to tell, and so nothing to be done about it.
                if person && task.attempt > PATIENCE {
                    world.dismiss_person(&[AttentionKind::MailNotDelivered], task.key.subject);
                }
            }
            Outcome::Refused(why) if held => {
                done(world);
                if person {
                    call_person(task, why, world);
                }
            }
            Outcome::Later(why, after) if held => {
                again(task, *after, world);
                if person && task.attempt >= PATIENCE {
                    call_person(task, why, world);
                }
            }
            // It may have arrived every time, or never.
            Outcome::Unknown(why) if held && at_least_once && task.attempt < MOST_DOUBTFUL => {
                again(task, None, world);
                if person && task.attempt >= PATIENCE {
                    call_person(task, why, world);
                }
            }
            Outcome::Unknown(why) if held && at_least_once => {
                done(world);
                if person {
                    call_person(task, why, world);
                }
            }
            Outcome::Unknown(_) if held => done(world),
            // Somebody else has the task by now.
            Outcome::NotSent(_)
            | Outcome::Refused(_)
            | Outcome::Later(..)
            | Outcome::Unknown(_) => {}
        }
        let outcome = told.outcome.name();
        told.outcome
            .reason()
            .map_or_else(|| outcome.to_owned(), |why| format!("{outcome}: {why}"))
    }
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;
