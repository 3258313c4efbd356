//! A batch of holds as one turn.

use std::sync::Arc;

use boxoffice_failpoints::Role;
use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::money::Money;
use boxoffice_saga::seat::SeatKey;
use boxoffice_saga::world::World;
use boxoffice_turn::claim::KeptAnswer;
use boxoffice_turn::{Appends, Claim, Claimed, Held, KeyState, Plan, Wanted};
use serde::Serialize;
use time::OffsetDateTime;

use super::{HoldAnswer, HoldRequest};
use crate::addresses::Addresses;
use crate::clock;
use crate::idempotency::Reply;

/// The requests of a batch, each with the id that its booking would have.
pub(super) struct HoldTurn {
    requests: Vec<(BookingId, HoldRequest)>,
    addresses: Arc<Addresses>,
}

/// A hold that was placed.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Hold)]
pub(super) struct Placed<'a> {
    booking_id: BookingId,
    show_id: ShowId,
    seats: &'a [String],
    /// What they cost together.
    amount: Money,
    /// Always `HELD`.
    status: &'static str,
    /// The promised end.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// Where the status is, with a token that opens it without a login.
    status_url: String,
}

impl HoldTurn {
    /// A turn for these requests; the answers come in their order. Ids are drawn here, once, so that a turn
    /// that has lost a race decides the same again.
    pub(super) fn new(
        requests: impl Iterator<Item = HoldRequest>,
        addresses: Arc<Addresses>,
    ) -> Self {
        let now = clock::unix_ms();
        let requests = requests
            .map(|request| (BookingId::pack(now, request.show, rand::random()), request))
            .collect();
        Self {
            requests,
            addresses,
        }
    }

    /// The requests, each with the state of its key; without a key every request is fresh.
    fn with_keys<'a>(
        &'a self,
        claimed: &'a Claimed,
    ) -> impl Iterator<Item = (BookingId, &'a HoldRequest, &'a KeyState)> {
        let mut keys = claimed.keys.iter();
        self.requests.iter().map(move |(id, request)| {
            let state = match request.key {
                Some(_) => keys.next().unwrap_or(&KeyState::Fresh),
                None => &KeyState::Fresh,
            };
            (*id, request, state)
        })
    }

    fn place(
        &self,
        id: BookingId,
        request: &HoldRequest,
        world: &mut World,
        appends: &mut Appends,
    ) -> HoldAnswer {
        let input = Input::Hold {
            user: request.user.clone(),
            seats: request.seats.clone(),
            contact: request.contact.clone(),
            terms: (*request.terms).clone(),
        };
        if let Outcome::Refused(refusal) = world.apply(id, input) {
            return HoldAnswer::Refused(refusal);
        }
        let Some(booking) = world.bookings.get(&id) else {
            return HoldAnswer::Internal;
        };
        let body = self.placed(booking);
        if let Some(key) = &request.key {
            appends.answers.push((
                key.clone(),
                KeptAnswer::Answer {
                    status: 201,
                    body: body.clone(),
                },
            ));
        }
        HoldAnswer::Reply(Reply::first(201, body))
    }

    fn placed(&self, booking: &Booking) -> Vec<u8> {
        let placed = Placed {
            booking_id: booking.id,
            show_id: booking.show(),
            seats: &booking.seats,
            amount: booking.amount,
            status: "HELD",
            expires_at: booking.expires_at,
            status_url: self.addresses.status(booking),
        };
        // Numbers, strings and a time that the database gave: this cannot fail.
        serde_json::to_vec(&placed).unwrap_or_default()
    }
}

impl Plan for HoldTurn {
    type Answer = Vec<HoldAnswer>;

    fn role(&self) -> Role {
        Role::HoldDesk
    }

    fn claim(&self) -> Claim {
        let keys = self
            .requests
            .iter()
            .filter_map(|(_, request)| request.key.clone())
            .collect();
        Claim {
            keys,
            ..Claim::default()
        }
    }

    fn wanted(&self, claimed: &Claimed) -> Wanted {
        let mut wanted = Wanted::default();
        for (id, request, _) in self
            .with_keys(claimed)
            .filter(|(_, _, key)| **key == KeyState::Fresh)
        {
            // The first of a user's requests names a new slot; a later one in the same batch changes it.
            wanted
                .slots
                .entry((request.show, request.user.clone()))
                .or_insert(id);
            let key = |seat: &String| SeatKey {
                show: request.show,
                seat: seat.clone(),
            };
            wanted.seats.extend(request.seats.iter().map(key));
        }
        wanted
    }

    fn decide(
        &self,
        claimed: &Claimed,
        _: &Held,
        world: &mut World,
        appends: &mut Appends,
    ) -> Vec<HoldAnswer> {
        self.with_keys(claimed)
            .map(|(id, request, key)| match key {
                KeyState::Fresh => self.place(id, request, world, appends),
                KeyState::Answered { status, body } => {
                    HoldAnswer::Reply(Reply::again(*status, body.clone()))
                }
                // A hold is never begun without its answer, so such a key is another request's.
                KeyState::OtherRequest | KeyState::Begun { .. } => HoldAnswer::OtherRequest,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use boxoffice_saga::booking::BookingState;
    use boxoffice_saga::input::Refusal;
    use boxoffice_saga::seat::SeatState;
    use boxoffice_tickets::StatusTokens;
    use boxoffice_turn::memory::MemoryStore;
    use time::Duration;

    use super::super::scene::{request, seat, under_key};
    use super::*;

    async fn store(seats: u32) -> MemoryStore {
        let store = MemoryStore::default();
        store
            .set_now(OffsetDateTime::UNIX_EPOCH + Duration::days(20_000))
            .await;
        let mut tables = store.tables().await;
        for number in 1..=seats {
            let seat = seat(&format!("A-{number}"), SeatState::Available);
            tables.seats.insert(seat.key.clone(), seat);
        }
        drop(tables);
        store
    }

    async fn run(store: &MemoryStore, requests: Vec<HoldRequest>) -> Vec<HoldAnswer> {
        let tokens = StatusTokens::new(&[7; 32]).unwrap();
        let addresses = Arc::new(Addresses::new("", tokens, Duration::days(1)));
        boxoffice_turn::run(store, &HoldTurn::new(requests.into_iter(), addresses))
            .await
            .unwrap()
    }

    fn placed(answer: &HoldAnswer) -> bool {
        matches!(
            answer,
            HoldAnswer::Reply(Reply {
                status: 201,
                replayed: false,
                ..
            })
        )
    }

    #[tokio::test]
    async fn one_batch_gives_each_seat_once_and_everybody_an_answer() {
        let store = store(3).await;
        let answers = run(
            &store,
            vec![
                request("a", &["A-1", "A-2"]),
                request("b", &["A-2", "A-3"]),
                request("c", &["A-3"]),
                request("d", &["A-9"]),
            ],
        )
        .await;
        assert!(placed(&answers[0]) && placed(&answers[2]));
        assert_eq!(
            answers[1],
            HoldAnswer::Refused(Refusal::SeatsTaken {
                seats: vec!["A-2".into()]
            })
        );
        assert_eq!(
            answers[3],
            HoldAnswer::Refused(Refusal::UnknownSeats {
                seats: vec!["A-9".into()]
            })
        );
        assert_eq!(store.tables().await.books().violations(), []);
    }

    #[tokio::test]
    async fn a_users_second_request_in_a_batch_replaces_the_first() {
        let store = store(3).await;
        let answers = run(
            &store,
            vec![request("a", &["A-1", "A-2"]), request("a", &["A-2", "A-3"])],
        )
        .await;
        assert!(answers.iter().all(placed));
        let tables = store.tables().await;
        let states: Vec<_> = tables
            .bookings
            .values()
            .map(|booking| booking.state)
            .collect();
        assert!(states.contains(&BookingState::Held) && states.contains(&BookingState::Replaced));
        assert_eq!(
            tables
                .seats
                .values()
                .filter(|seat| seat.state == SeatState::Available)
                .count(),
            1
        );
        let slot = tables.slots.values().next().unwrap();
        assert_eq!(tables.bookings[slot].state, BookingState::Held);
        assert_eq!(tables.books().violations(), []);
    }

    #[tokio::test]
    async fn a_key_gives_the_same_answer_again_and_refuses_another_request() {
        let store = store(3).await;
        let first = run(&store, vec![under_key(request("a", &["A-1"]), "k")]).await;
        let HoldAnswer::Reply(reply) = &first[0] else {
            panic!("{first:?}")
        };
        let again = run(
            &store,
            vec![
                under_key(request("a", &["A-1"]), "k"),
                under_key(request("b", &["A-1"]), "k"),
                under_key(request("a", &["A-2"]), "k"),
            ],
        )
        .await;
        assert_eq!(
            again[0],
            HoldAnswer::Reply(Reply::again(201, reply.body.clone()))
        );
        assert!(matches!(
            again[1],
            HoldAnswer::Refused(Refusal::SeatsTaken { .. })
        ));
        assert_eq!(again[2], HoldAnswer::OtherRequest);
        assert_eq!(store.tables().await.keys.len(), 1);
    }
}
