//! Sending a letter, as a task.

use std::sync::Arc;

use boxoffice_saga::attention::{Attention, AttentionKind};
use boxoffice_saga::task::{TaskKind, retry_at};
use boxoffice_saga::world::World;
use boxoffice_tasks::{Leased, Work};
use boxoffice_turn::Appends;
use boxoffice_turn::postgres::PgStore;

use crate::intake::Errand;
use crate::letters::{Office, Show};
use crate::mail::DeliveryError;

/// After this many tries a person is told that letters do not go out; the tries go on.
const PATIENCE: u32 = 8;

/// The notification worker's tasks.
pub struct MailWork {
    store: PgStore,
    office: Arc<Office>,
}

/// What came of a letter.
#[derive(Debug)]
pub enum Sent {
    /// Delivered to the mail server, or into the folder.
    Delivered,
    /// It can never be delivered.
    Never(String),
    /// Not delivered; try again.
    NotYet(String),
    /// It may have been delivered.
    Unknown(String),
}

impl MailWork {
    /// Work over `store`, with what `office` knows.
    pub const fn new(store: PgStore, office: Arc<Office>) -> Self {
        Self { store, office }
    }

    async fn send(&self, task: &Leased) -> Sent {
        let Some(errand) = errand(task) else {
            return Sent::Never("the task does not say which letter".to_owned());
        };
        if !errand.is_ticket() && task.has_doubtful_attempts() {
            return Sent::Never("an earlier try may have been delivered".to_owned());
        }
        let Some(booking) = task.booking else {
            return Sent::Never("the task names no booking".to_owned());
        };
        let (case, show) = match self.rows(booking).await {
            Ok(Some(rows)) => rows,
            Ok(None) => return Sent::Never("the booking or its show is not there".to_owned()),
            Err(why) => return Sent::NotYet(why),
        };
        let letter = match self.office.write(errand, &case, &show, task.now) {
            Ok(letter) => letter,
            Err(why) => return Sent::Never(why),
        };
        match self.office.postman.deliver(&letter).await {
            Ok(()) => Sent::Delivered,
            Err(DeliveryError::Permanent { reason }) => Sent::Never(reason),
            Err(DeliveryError::Transient { reason }) => Sent::NotYet(reason),
            Err(DeliveryError::Unknown { reason }) => Sent::Unknown(reason),
        }
    }

    async fn rows(
        &self,
        booking: boxoffice_saga::identity::BookingId,
    ) -> Result<Option<(boxoffice_turn::postgres::read::Case, Show)>, String> {
        let (_, mut cases) = self
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
        Ok(show.map(|show| (case, show)))
    }
}

fn errand(task: &Leased) -> Option<Errand> {
    serde_json::from_str(task.detail.as_deref()?).ok()
}

impl Work for MailWork {
    type Answer = Sent;

    const KINDS: &'static [TaskKind] = &[TaskKind::Mail];

    async fn call(&self, task: &Leased) -> Sent {
        self.send(task).await
    }

    fn apply(
        &self,
        task: &Leased,
        answer: &Sent,
        held: bool,
        world: &mut World,
        _: &mut Appends,
    ) -> String {
        let remove = |world: &mut World| {
            world.remove_task(task.key.kind, task.key.subject, task.key.generation);
        };
        let again = |world: &mut World| {
            world.postpone_task(
                task.key.clone(),
                retry_at(world.now, task.key.subject, task.attempt),
            );
        };
        let call_person = |world: &mut World, why: &str| {
            world.call_person(Attention {
                kind: AttentionKind::MailNotDelivered,
                subject: task.key.subject,
                booking: task.booking,
                payment: None,
                amount: None,
                reason: format!("a letter to the customer is not delivered: {why}"),
                at: world.now,
            });
        };
        match answer {
            Sent::Delivered => {
                remove(world);
                "delivered".to_owned()
            }
            Sent::Never(why) => {
                if held {
                    remove(world);
                    call_person(world, why);
                }
                format!("never: {why}")
            }
            Sent::NotYet(why) => {
                if held {
                    again(world);
                    if task.attempt == PATIENCE {
                        call_person(world, why);
                    }
                }
                format!("not yet: {why}")
            }
            Sent::Unknown(why) => {
                let ticket = errand(task).is_some_and(Errand::is_ticket);
                match (held, ticket) {
                    (true, true) => again(world),
                    (true, false) => remove(world),
                    (false, _) => {}
                }
                format!("unknown: {why}")
            }
        }
    }
}
