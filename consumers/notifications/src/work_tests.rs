//! What a try's outcome does to its task, to the operators' list and to the delivery log.

use std::sync::Arc;

use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_saga::task::TaskKey;
use boxoffice_saga::world::World;
use boxoffice_tasks::{EarlierAttempt, Leased, Work};
use boxoffice_tickets::TicketKeys;
use boxoffice_turn::Appends;
use boxoffice_turn::postgres::PgStore;
use time::macros::datetime;
use time::{Duration, OffsetDateTime, UtcOffset};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{ByMail, ByPush, BySms, MOST_DOUBTFUL, Messages, Outcome, PATIENCE, Told, Way};
use crate::errand::{Errand, Order};
use crate::language::Language;
use crate::letters::Letterhead;
use crate::mail::{MailDomain, Postman};
use crate::office::Office;

const NOW: OffsetDateTime = datetime!(2026-01-02 12:00 UTC);
const CAUSE: Uuid = Uuid::from_u128(5);

const TICKET: Errand = Errand::BookingConfirmed { cause: CAUSE };
const REFUNDED: Errand = Errand::Refunded { cause: CAUSE };
const EXPIRING: Errand = Errand::HoldExpiring { cause: CAUSE };

fn booking() -> BookingId {
    BookingId::pack(1, ShowId::try_from(7_u64).unwrap(), 1)
}

/// Over a database that nobody reaches: no outcome needs one to be applied.
fn messages<W: Way>() -> Messages<W> {
    let nowhere = "postgres://nobody@127.0.0.1:1/none".parse().unwrap();
    let office = Office {
        postman: Postman::files("nowhere", "a@example.com").unwrap(),
        sms: None,
        push: None,
        letterhead: Letterhead {
            name: "Box office".into(),
            help: None,
        },
        domain: MailDomain::new("example.com").unwrap(),
        offset: UtcOffset::UTC,
        ticket_keys: TicketKeys::new("k1", "1O5y2/kTWErVttjx92n4rTr+fCjL8dT74Jeoj0R1WEI=").unwrap(),
        status_url: None,
    };
    Messages::new(
        PgStore::new(nowhere, 1, Arc::new(Notify::new())),
        Arc::new(office),
    )
}

fn task<W: Way>(errand: Errand, attempt: u32) -> Leased {
    let order = Order {
        errand,
        news_of: NOW,
    };
    Leased {
        key: TaskKey {
            kind: W::CHANNEL.task_kind(),
            subject: Uuid::from_u128(9),
            generation: 1,
        },
        booking: Some(booking()),
        attempt,
        lease: Uuid::nil(),
        deadline: NOW,
        now: NOW,
        detail: Some(serde_json::to_string(&order).unwrap()),
        earlier: Vec::new(),
    }
}

/// What is left of a task after an outcome.
#[derive(Debug, PartialEq)]
struct Left {
    removed: bool,
    /// Seconds until it is due again.
    again: Option<i64>,
    person: bool,
}

const DONE: Left = Left {
    removed: true,
    again: None,
    person: false,
};

fn apply<W: Way>(errand: Errand, attempt: u32, outcome: Outcome, held: bool) -> (Left, Appends) {
    let mut world = World::new(NOW);
    let mut appends = Appends::default();
    let told = Told {
        language: Some(Language::Hindi),
        outcome,
    };
    let task = task::<W>(errand, attempt);
    let recorded = messages::<W>().apply(&task, &told, held, &mut world, &mut appends);
    let changes = world.changes;
    let in_doubt = matches!(told.outcome, Outcome::Unknown(_));
    assert_eq!(recorded.starts_with("unknown"), in_doubt, "{recorded}");
    let left = Left {
        removed: !changes.tasks_removed.is_empty(),
        again: changes
            .tasks_postponed
            .first()
            .map(|(_, due_at)| (*due_at - NOW).whole_seconds()),
        person: !changes.attention.is_empty(),
    };
    (left, appends)
}

fn left<W: Way>(errand: Errand, outcome: Outcome) -> Left {
    apply::<W>(errand, 1, outcome, true).0
}

fn lost() -> Outcome {
    Outcome::Unknown("lost".into())
}

#[tokio::test]
async fn only_a_tickets_letter_is_sent_again_in_doubt() {
    assert!(left::<ByMail>(TICKET, lost()).again.is_some());
    assert_eq!(left::<ByMail>(REFUNDED, lost()), DONE);
    assert_eq!(left::<BySms>(TICKET, lost()), DONE);
    assert_eq!(left::<ByPush>(TICKET, lost()), DONE);
    // The process died before the answer could be written down.
    let earlier = EarlierAttempt {
        generation: 1,
        started_at: NOW,
        deadline: NOW,
        answer: None,
    };
    for errand in [TICKET, REFUNDED] {
        let mut task = task::<BySms>(errand, 2);
        task.earlier = vec![earlier.clone()];
        let told = messages::<BySms>().tell(&task).await;
        assert!(matches!(told.outcome, Outcome::Unknown(_)), "{told:?}");
    }
    let mut task = task::<ByMail>(REFUNDED, 2);
    task.earlier = vec![earlier];
    let told = messages::<ByMail>().tell(&task).await;
    assert!(matches!(told.outcome, Outcome::Unknown(_)), "{told:?}");
}

#[tokio::test]
async fn what_was_not_taken_is_tried_again_as_asked() {
    let later = |seconds: Option<u64>| {
        let pause = seconds.map(std::time::Duration::from_secs);
        Outcome::Later("busy".into(), pause)
    };
    let again = |seconds| left::<BySms>(REFUNDED, later(seconds)).again.unwrap();
    assert!(again(None) <= 1);
    assert_eq!(again(Some(7)), 7);
    assert_eq!(again(Some(u64::MAX)), 3_600, "no server stops us for ever");
    // Somebody else has the task.
    let (lost, _) = apply::<BySms>(REFUNDED, 1, later(None), false);
    assert_eq!(
        lost,
        Left {
            removed: false,
            ..DONE
        }
    );
}

#[tokio::test]
async fn a_person_is_called_for_letters_that_matter() {
    let refused = || Outcome::Refused("no such mailbox".into());
    let person = Left {
        person: true,
        ..DONE
    };
    assert_eq!(left::<ByMail>(TICKET, refused()), person);
    assert_eq!(left::<ByMail>(REFUNDED, refused()), person);
    assert_eq!(left::<ByMail>(EXPIRING, refused()), DONE);
    assert_eq!(left::<BySms>(TICKET, refused()), DONE);

    let away = || Outcome::Later("away".into(), None);
    assert!(!apply::<ByMail>(TICKET, PATIENCE - 1, away(), true).0.person);
    assert!(apply::<ByMail>(TICKET, PATIENCE, away(), true).0.person);
    assert!(!apply::<BySms>(TICKET, PATIENCE, away(), true).0.person);
    // The try of that number may have died with its process: a later one calls, too.
    assert!(apply::<ByMail>(TICKET, PATIENCE + 1, away(), true).0.person);
    // In doubt every time: not for ever, and not in silence.
    let doubtful = |attempt| apply::<ByMail>(TICKET, attempt, lost(), true).0;
    assert!(!doubtful(PATIENCE - 1).person);
    let called = doubtful(PATIENCE);
    assert!(called.person && called.again.is_some(), "{called:?}");
    assert_eq!(doubtful(MOST_DOUBTFUL), person);
    // Nothing left to tell, so nothing left to do for a person.
    let mut world = World::new(NOW);
    let told = Told {
        language: None,
        outcome: Outcome::NotSent("cancelled"),
    };
    let moot = task::<ByMail>(TICKET, PATIENCE + 1);
    messages::<ByMail>().apply(&moot, &told, true, &mut world, &mut Appends::default());
    assert_eq!(world.changes.attention_settled.len(), 1);
    // It has settled itself.
    let mut world = World::new(NOW);
    let told = Told {
        language: None,
        outcome: Outcome::Delivered,
    };
    let task = task::<ByMail>(TICKET, PATIENCE + 1);
    messages::<ByMail>().apply(&task, &told, true, &mut world, &mut Appends::default());
    assert_eq!(world.changes.attention_settled.len(), 1);
}

#[tokio::test]
async fn every_try_leaves_one_line_without_personal_data() {
    let (_, appends) = apply::<ByMail>(TICKET, 3, Outcome::Later("busy".into(), None), false);
    let [line] = appends.deliveries.as_slice() else {
        panic!("{:?}", appends.deliveries)
    };
    assert_eq!((line.booking, line.attempt, line.at), (booking(), 3, NOW));
    assert_eq!(
        [line.channel, line.template, line.outcome],
        ["email", "booking_confirmed", "later"]
    );
    assert_eq!(line.language, Some("hi"));
    assert_eq!(line.reason.as_deref(), Some("busy"));
    assert_eq!(
        line.message_id,
        format!("{CAUSE}.booking_confirmed.{}@example.com", booking())
    );
    let (_, appends) = apply::<BySms>(TICKET, 1, Outcome::Delivered, true);
    let line = &appends.deliveries[0];
    assert_eq!((line.channel, line.outcome), ("sms", "delivered"));
    assert_eq!(line.message_id, Uuid::from_u128(9).to_string());
    assert_eq!(line.reason, None);
}

#[tokio::test]
async fn a_telephone_does_not_ring_about_yesterday() {
    let mut task = task::<BySms>(REFUNDED, 1);
    task.now += Duration::hours(25);
    let told = messages::<BySms>().tell(&task).await;
    assert!(matches!(told.outcome, Outcome::NotSent(_)), "{told:?}");
}
