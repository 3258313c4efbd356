//! Dead letters: what cannot be read or applied keeps its bytes, its reason and a person's attention.

use boxoffice_failpoints::Role;
use boxoffice_saga::attention::{Attention, AttentionKind};
use boxoffice_saga::identity::ShowId;
use boxoffice_saga::world::World;
use boxoffice_stream::{Record, Run, TurnFailed};
use boxoffice_turn::claim::DeadLetter;
use boxoffice_turn::outgoing::LARGEST_PAYLOAD;
use boxoffice_turn::{Appends, Claim, Claimed, Held, Outgoing, Plan, Store, Wanted};
use uuid::Uuid;

use crate::{Consumer, failed, position};

/// Dead letters' ids are derived from where the record stood.
const LETTERS: Uuid = Uuid::from_u128(0x0b0c_5b5e_3a04_4c36_9d02_7f1f_52ab_dead);

/// Writes a dead letter into a turn: the row, the record for the consumer's dead-letter topic (unless it is larger
/// than anything that we publish), and an item on the operators' list, for it may be money.
pub fn letter(
    consumer: Consumer,
    kind: AttentionKind,
    run: &Run,
    record: &Record,
    reason: &str,
    world: &mut World,
    appends: &mut Appends,
) {
    // The database's texts have no zero bytes, and what stands in a record may quote anything.
    let reason = &*reason.replace('\0', "\u{fffd}");
    let place = format!("{}/{}", run.partition, record.offset);
    let id = Uuid::new_v5(&LETTERS, format!("{}/{place}", consumer.name).as_bytes());
    let why_and_where = [
        ("dead_letter_reason", reason.as_bytes()),
        ("dead_letter_place", place.as_bytes()),
    ];
    let headers = record.headers().chain(why_and_where);
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .collect();
    // A show's number routes; any other key only has to stay together.
    let key = record.key().map_or_else(String::new, |key| {
        String::from_utf8_lossy(key).replace('\0', "\u{fffd}")
    });
    let show = key.parse::<ShowId>().ok();
    // Nothing of ours is larger. What is must not stop the partition: its bytes are in the database.
    if record.payload().len() <= LARGEST_PAYLOAD {
        appends.outgoing.push(Outgoing {
            id,
            topic: consumer.dead_letters.to_owned(),
            key,
            kind: "dead_letter".to_owned(),
            booking: None,
            sequence: None,
            at: world.now,
            headers: Some(headers.clone()),
            payload: record.payload().to_vec(),
        });
    }
    appends.dead_letters.push(DeadLetter {
        id,
        consumer: consumer.name.to_owned(),
        topic: run.partition.topic.to_string(),
        partition: run.partition.number,
        offset: record.offset,
        key: record.key().map(<[u8]>::to_vec),
        headers,
        payload: record.payload().to_vec(),
        reason: reason.to_owned(),
    });
    world.call_person(Attention {
        kind,
        subject: id,
        booking: None,
        payment: None,
        amount: None,
        reason: format!(
            "{} could not use the record {place} (show {}): {reason}; its bytes are kept in the dead letters",
            consumer.name,
            show.map_or_else(|| "unknown".to_owned(), |show| show.to_string()),
        ),
        at: world.now,
    });
}

/// A turn of its own for a record that the database refuses: it becomes a dead letter and the position moves
/// past it.
///
/// # Errors
/// See [`TurnFailed`].
pub async fn bury<S: Store>(
    store: &S,
    consumer: Consumer,
    run: &Run,
    reason: &str,
) -> Result<(), TurnFailed> {
    boxoffice_turn::run(
        store,
        &Burial {
            consumer,
            run,
            reason,
        },
    )
    .await
    .map_err(failed)
}

struct Burial<'a> {
    consumer: Consumer,
    run: &'a Run,
    reason: &'a str,
}

impl Plan for Burial<'_> {
    type Answer = ();

    fn role(&self) -> Role {
        self.consumer.role
    }

    fn claim(&self) -> Claim {
        Claim {
            positions: vec![position(self.consumer.name, self.run)],
            ..Claim::default()
        }
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        Wanted::default()
    }

    fn decide(&self, _: &Claimed, _: &Held, world: &mut World, appends: &mut Appends) {
        for record in &self.run.records {
            letter(
                self.consumer,
                AttentionKind::DeadLetter,
                self.run,
                record,
                self.reason,
                world,
                appends,
            );
        }
    }
}
