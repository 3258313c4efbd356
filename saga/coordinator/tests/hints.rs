//! Webhooks that nobody signed: a reason to ask, once, and nothing else.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::sync::Arc;

use boxoffice_coordinator::batch::Webhooks;
use boxoffice_coordinator::{CONSUMER, WEBHOOKS};
use boxoffice_gateways::{AccountConfig, GatewayAccount, Gateways, SigningSecret, WebhookRecord};
use boxoffice_saga::booking::{Contact, Terms};
use boxoffice_saga::identity::{BookingId, PaymentId, SeatName, ShowId, UserId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::payment::CaptureMode;
use boxoffice_saga::seat::{Seat, SeatKey, SeatState};
use boxoffice_saga::task::{TaskKey, TaskKind};
use boxoffice_saga::world::World;
use boxoffice_stream::{Assignment, Batch, Handler, Partition, Record, Run};
use boxoffice_turn::memory::MemoryStore;
use bytes::Bytes;
use http::HeaderMap;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
const OURS: &str = "tr_ours";

struct Hall {
    store: MemoryStore,
    gateways: Arc<Gateways>,
    account: GatewayAccount,
    payment: PaymentId,
    offset: i64,
}

impl Hall {
    /// A hold with an open attempt at Mollie, which knows it as [`OURS`].
    async fn opened() -> Self {
        let show = ShowId::try_from(7_u64).unwrap();
        let booking = BookingId::pack(1, show, 1);
        let payment = PaymentId::from(Uuid::from_u128(99));
        let account = GatewayAccount::new("mollie", GatewayAccount::DEFAULT);
        let terms = Terms::usual("EUR".parse().unwrap());
        let seat: SeatName = "A-1".parse().unwrap();
        let key = SeatKey {
            show,
            seat: seat.clone(),
        };
        let mut world = World::new(NOW);
        world.seats.insert(
            key.clone(),
            Seat {
                key,
                state: SeatState::Available,
                booking: None,
                reclaim_at: None,
                price_minor: 45_000,
            },
        );
        for input in [
            Input::Hold {
                user: UserId("ann".to_owned()),
                seats: vec![seat],
                contact: Contact::default(),
                terms: terms.clone(),
            },
            Input::OpenAttempt {
                payment,
                account: account.clone(),
                terms,
                capture: CaptureMode::Automatic,
            },
            Input::AttemptCreated {
                payment,
                gateway_payment_id: OURS.to_owned(),
            },
        ] {
            let outcome = world.apply(booking, input);
            assert!(!matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
        }
        let store = MemoryStore::default();
        store.set_now(NOW).await;
        let mut tables = store.tables().await;
        tables.bookings = world.bookings;
        tables.payments = world.payments;
        tables.seats = world.seats;
        drop(tables);
        let config = AccountConfig::new("mollie", SigningSecret::new("secret"));
        Self {
            store,
            gateways: Arc::new(Gateways::new(vec![config], vec![]).unwrap()),
            account,
            payment,
            offset: 0,
        }
    }

    /// The form arrives, `after` seconds from the beginning, and the coordinator reads it from Kafka.
    async fn hinted(&mut self, id: &str, after: i64) {
        let at = NOW + Duration::seconds(after);
        self.store.set_now(at).await;
        let door = self.gateways.door(&self.account).unwrap();
        let (headers, body) = (HeaderMap::new(), Bytes::from(format!("id={id}")));
        door.verify(&headers, &body, at).unwrap();
        let item = door.read(&headers, &body).only();
        let account = self.account.clone();
        let (record, key) = WebhookRecord::received(account, door, &headers, body, (0, &item), at);
        let (key, headers) = (key.as_bytes(), record.to_headers());
        let record = Record::new(self.offset, None, Some(key), &headers, &record.body);
        let partition = Partition::new(WEBHOOKS, 0);
        let from = (self.offset > 0).then_some(self.offset);
        let place = (CONSUMER.name.to_owned(), WEBHOOKS.to_owned(), 0);
        self.store.tables().await.positions.insert(place, (1, from));
        let run = Run::new(partition, Assignment::new(1), 1, from, vec![record]).unwrap();
        self.offset += 1;
        let handler = Webhooks::new(self.store.clone(), Arc::clone(&self.gateways));
        handler.turn(&Batch { runs: vec![run] }).await.unwrap();
    }

    /// When each question about our payment is to be asked, in seconds from the beginning, and how many entries the
    /// journal, the inbox, the parked records and the outbox have.
    async fn left(&self) -> (Vec<i64>, [usize; 4]) {
        let tables = self.store.tables().await;
        let of_ours =
            |key: &TaskKey| key.kind == TaskKind::Verify && key.subject == self.payment.uuid();
        let mut questions: Vec<i64> = tables
            .tasks
            .iter()
            .filter(|(key, _)| of_ours(key))
            .map(|(_, row)| (row.task.due_at - NOW).whole_seconds())
            .collect();
        questions.sort_unstable();
        let entries = [
            tables.journal.len(),
            tables.inbox.len(),
            tables.parked.len(),
            tables.outbox.len(),
        ];
        (questions, entries)
    }
}

#[tokio::test]
async fn a_hint_has_the_gateway_asked_at_once_and_leaves_money_and_seats_alone() {
    let mut hall = Hall::opened().await;
    let before = hall.store.tables().await.clone();
    // Its record lies in another partition than its show's: that is of no matter.
    hall.hinted(OURS, 5).await;
    assert_eq!(hall.left().await, (vec![5], [1, 0, 0, 0]));
    let after = hall.store.tables().await.clone();
    assert_eq!(
        (after.payments, after.seats),
        (before.payments, before.seats)
    );
}

#[tokio::test]
async fn however_many_hints_come_one_question_is_asked_in_ten_seconds() {
    let mut hall = Hall::opened().await;
    for after in 5..36 {
        for _ in 0..3 {
            hall.hinted(OURS, after).await;
        }
    }
    assert_eq!(hall.left().await, (vec![5, 15, 25, 35], [4, 0, 0, 0]));
}

#[tokio::test]
async fn a_hint_about_a_payment_that_is_not_ours_leaves_no_trace() {
    let mut hall = Hall::opened().await;
    for nth in 0..50 {
        hall.hinted(&format!("tr_{nth}"), 5).await;
    }
    hall.hinted("ord_1", 6).await;
    let (questions, [journal, inbox, parked, outgoing]) = hall.left().await;
    assert!(questions.is_empty());
    assert_eq!((journal, inbox, parked, outgoing), (0, 0, 0, 0));
}
