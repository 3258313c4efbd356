//! `trace`: finds out whose a parked record is. First by looking again, for its booking or payment may have
//! become visible; then by asking the gateway; then by a person.

use boxoffice_gateways::record::WebhookRecord;
use boxoffice_saga::attention::{Attention, AttentionKind};
use boxoffice_saga::fact::Reference;
use boxoffice_saga::identity::{BookingId, GatewayAccount};
use boxoffice_saga::task::retry_at;
use boxoffice_saga::world::World;
use boxoffice_stream::Record;
use boxoffice_tasks::{HeldBack, Leased};
use boxoffice_turn::{Appends, EventKey, InboxOutcome, Reads};

use super::{CoordinatorWork, made};
use crate::batch::{fetched, look_up, rekey};
use crate::intake::{self, Intake};

/// So many looks, growing apart to about half a minute in all, before the gateway is asked; and twice that
/// before a person is.
const LOOKS: u32 = 5;

/// What came of looking.
#[derive(Debug)]
pub enum Traced {
    /// The record is gone already.
    Gone,
    /// It belongs to this booking.
    Found {
        /// The booking.
        booking: BookingId,
        /// The record.
        record: Box<WebhookRecord>,
        /// What the inbox knows it by.
        event: EventKey,
        /// The payment that it is about, fetched and signed, if it was the gateway that knew whose it is: without
        /// that in our books the record would find nothing again.
        payment: Option<Box<WebhookRecord>>,
    },
    /// The gateway says that it belongs to somebody else.
    SomebodyElses {
        /// What the inbox knows it by.
        event: EventKey,
    },
    /// Not found yet.
    NotYet {
        /// Why, for people.
        why: String,
        /// The booking that it names.
        booking: Option<BookingId>,
    },
}

impl Traced {
    /// The same with the payment that the gateway told of, if the booking was found.
    fn with_payment(mut self, signed: WebhookRecord) -> Self {
        if let Self::Found { payment, .. } = &mut self {
            *payment = Some(Box::new(signed));
        }
        self
    }
}

/// Why a look has found nothing.
enum NotFound {
    Because(String),
    /// The gateway would have to be asked, and is not asked now.
    HeldBack(HeldBack),
}

impl<S: Into<String>> From<S> for NotFound {
    fn from(why: S) -> Self {
        Self::Because(why.into())
    }
}

impl<S: Reads> CoordinatorWork<S> {
    pub(super) async fn trace(&self, task: &Leased) -> Result<Traced, HeldBack> {
        match self.look_again(task).await {
            Ok(traced) => Ok(traced),
            Err(NotFound::Because(why)) => Ok(Traced::NotYet { why, booking: None }),
            Err(NotFound::HeldBack(held_back)) => Err(held_back),
        }
    }

    async fn look_again(&self, task: &Leased) -> Result<Traced, NotFound> {
        let parked = self
            .store
            .parked_record(task.key.subject)
            .await
            .map_err(|error| error.to_string())?;
        let Some(parked) = parked else {
            return Ok(Traced::Gone);
        };
        let record = Record::new(0, None, None, &parked.headers, &parked.payload);
        match intake::read(&self.gateways, &record) {
            Intake::Ours {
                booking,
                record,
                event,
                ..
            } => self.booking_there(booking, record, event).await,
            intake @ Intake::ByPayment { .. } => self.payment_there(task, intake).await,
            _ => Err("the parked record can no longer be read".into()),
        }
    }

    async fn booking_there(
        &self,
        booking: BookingId,
        record: Box<WebhookRecord>,
        event: EventKey,
    ) -> Result<Traced, NotFound> {
        let (_, cases) = self
            .store
            .cases(&[booking])
            .await
            .map_err(|error| error.to_string())?;
        if cases.contains_key(&booking) {
            return Ok(Traced::Found {
                booking,
                record,
                event,
                payment: None,
            });
        }
        Ok(Traced::NotYet {
            why: format!("there is no booking {booking}"),
            booking: Some(booking),
        })
    }

    async fn payment_there(&self, task: &Leased, intake: Intake) -> Result<Traced, NotFound> {
        let found = look_up(&self.store, std::slice::from_ref(&intake))
            .await
            .map_err(|error| error.to_string())?;
        let Intake::ByPayment {
            account,
            gateway_payment_id,
            record,
            event,
            ..
        } = intake
        else {
            return Err("not a record without a reference".into());
        };
        if let Some(booking) = found.into_values().next() {
            return Ok(Traced::Found {
                booking,
                record,
                event,
                payment: None,
            });
        }
        if task.attempt <= LOOKS {
            return Ok(Traced::NotYet {
                why: format!("nobody knows payment {gateway_payment_id}"),
                booking: None,
            });
        }
        self.ask(task, &account, &gateway_payment_id, record, event)
            .await
    }

    async fn ask(
        &self,
        task: &Leased,
        account: &GatewayAccount,
        gateway_payment_id: &str,
        record: Box<WebhookRecord>,
        event: EventKey,
    ) -> Result<Traced, NotFound> {
        let client = self
            .gateways
            .client(account)
            .ok_or("this gateway cannot be asked")?;
        let fact = made(client.fetch_payment(gateway_payment_id).await)
            .map_err(NotFound::HeldBack)?
            .map_err(|error| error.to_string())?;
        match &fact.reference {
            Reference::Booking { booking, .. } => {
                let traced = self.booking_there(*booking, record, event).await?;
                let signed = self.gateways.facts().payment(fact, 0, task.now);
                Ok(traced.with_payment(signed.map_err(|error| error.to_string())?))
            }
            Reference::Absent => Ok(Traced::SomebodyElses { event }),
            Reference::Malformed { found } => {
                Err(format!("its payment bears the reference {found:?}").into())
            }
        }
    }
}

pub(super) fn apply(
    task: &Leased,
    traced: &Traced,
    held: bool,
    world: &mut World,
    appends: &mut Appends,
) -> String {
    let done = |world: &mut World, appends: &mut Appends| {
        appends.unparked.push(task.key.subject);
        world.dismiss_person(&[AttentionKind::UnknownBooking], task.key.subject);
        world.remove_task(task.key.kind, task.key.subject, task.key.generation);
    };
    match traced {
        _ if !held => "unknown: the lease was lost".to_owned(),
        Traced::Gone => {
            done(world, appends);
            "gone".to_owned()
        }
        Traced::Found {
            booking,
            record,
            event,
            payment,
        } => {
            if let Some(payment) = payment {
                appends
                    .outgoing
                    .push(fetched(Some(*booking), payment, world.now));
            }
            rekey(*booking, record, event, world, appends);
            done(world, appends);
            "found".to_owned()
        }
        Traced::SomebodyElses { event } => {
            appends.inbox.push((event.clone(), InboxOutcome::Ignored));
            done(world, appends);
            "somebody else's".to_owned()
        }
        Traced::NotYet { why, booking } => {
            world.postpone_task(
                task.key.clone(),
                retry_at(world.now, task.key.subject, task.attempt),
            );
            if task.attempt > 2 * LOOKS {
                world.call_person(Attention {
                    kind: AttentionKind::UnknownBooking,
                    subject: task.key.subject,
                    booking: *booking,
                    payment: None,
                    amount: None,
                    reason: format!(
                        "a parked record finds no booking: {why}; its bytes are in parked_records"
                    ),
                    at: world.now,
                });
            }
            format!("unknown: {why}")
        }
    }
}
