//! Booking events in: which of them make us write, and which ways.

use std::sync::Arc;

use boxoffice_consumer_turns::Consumer;
use boxoffice_consumer_turns::events::TakesOn;
use boxoffice_saga::event::Event;
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::task::{Task, TaskKey};
use boxoffice_saga::world::World;
use time::Duration;
use uuid::Uuid;

use crate::channel::Channel;
use crate::errand::{Errand, Order};
use crate::office::Office;
use crate::{CONSUMER, metric};

/// Older news are not written about, except tickets by mail: a rebuilt consumer must not frighten anybody.
pub(crate) const NEWS: Duration = Duration::hours(24);

/// Messages' task ids are derived from booking, template, cause and channel.
const MESSAGES: Uuid = Uuid::from_u128(0x1e77_e26d_5d55_4f3b_a9c4_3b0a_77d1_0ff1);

/// Takes on the messages that events make us send.
pub struct News {
    pub(crate) office: Arc<Office>,
}

impl TakesOn for News {
    const CONSUMER: Consumer = CONSUMER;
    const PASSES_BY: &'static [&'static str] = &["HoldPlaced", "PaymentCompleted"];

    /// None: a message changes no booking. So it is not known here whether the customer has a phone.
    fn locks(&self, _: &Event) -> Option<BookingId> {
        None
    }

    fn take_on(&self, event: &Event, world: &mut World) {
        let Some(errand) = Errand::of(event) else {
            return;
        };
        let template = errand.template();
        let order = Order {
            errand,
            news_of: event.at,
        };
        for channel in self.office.channels().filter(|way| way.takes(template)) {
            if world.now - event.at > NEWS && !channel.at_least_once(template) {
                metrics::counter!(metric::OLD_NEWS).increment(1);
                continue;
            }
            // Plain data: this cannot fail.
            let Ok(detail) = serde_json::to_string(&order) else {
                continue;
            };
            world.add_task(Task {
                key: TaskKey {
                    kind: channel.task_kind(),
                    subject: subject(event.booking_id, errand, channel),
                    generation: 1,
                },
                booking: Some(event.booking_id),
                due_at: world.now,
                detail: Some(detail),
            });
        }
    }
}

fn subject(booking: BookingId, errand: Errand, channel: Channel) -> Uuid {
    let name = format!(
        "{booking}\n{}\n{}\n{}",
        errand.template().name(),
        errand.cause(),
        channel.name()
    );
    Uuid::new_v5(&MESSAGES, name.as_bytes())
}

#[cfg(test)]
mod tests {
    use boxoffice_saga::event::EventBody;
    use boxoffice_saga::identity::{PaymentId, ShowId};
    use boxoffice_saga::money::Money;
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn nobody_is_written_to_about_what_is_passed_by() {
        let amount = Money::new(100, "INR".parse().unwrap());
        let bodies = [
            EventBody::HoldPlaced {
                seats: vec!["A-1".into()],
                amount,
                expires_at: OffsetDateTime::UNIX_EPOCH,
            },
            EventBody::PaymentCompleted {
                payment_id: PaymentId::from(Uuid::nil()),
                gateway: "stripe".into(),
                gateway_payment_id: "pi_1".into(),
                amount,
                late: true,
            },
        ];
        assert_eq!(bodies.each_ref().map(EventBody::name), News::PASSES_BY);
        let show_id = ShowId::try_from(7_u64).unwrap();
        for body in bodies {
            let event = Event {
                booking_id: BookingId::pack(1, show_id, 1),
                show_id,
                sequence: 1,
                at: OffsetDateTime::UNIX_EPOCH,
                body,
            };
            assert_eq!(Errand::of(&event), None);
        }
    }
}
