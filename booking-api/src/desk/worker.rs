//! The desk's worker: takes a batch, refuses the losers, runs the turn, answers.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use boxoffice_saga::identity::{SeatName, ShowId};
use boxoffice_saga::input::Refusal;
use boxoffice_turn::{KeyClaim, TurnError, breath};
use tokio::time::{Instant, timeout};

use super::turn::HoldTurn;
use super::{HoldAnswer, HoldRequest, Waiting, Window, glance};
use crate::{deadline, metric};

/// How long an idle worker stays before it ends.
const IDLE: Duration = Duration::from_secs(30);
/// While those who wait want the same few seats, so many batches are glanced at together.
const BATCHES_AT_A_GLANCE: usize = 10;
/// More than so many seats per request of a batch are not the same few.
const SEATS_PER_REQUEST: usize = 2;

/// Works until nobody has come for a while. A request that comes after that starts another worker.
pub(super) async fn run(desk: Arc<Window>) {
    // Requests that come next, ahead of the queue.
    let mut ahead = Vec::new();
    let mut rested: Option<Instant> = None;
    loop {
        if let Some(rested) = rested
            && !desk.is_full()
        {
            tokio::time::sleep_until(rested).await;
        }
        let batch = desk.next(std::mem::take(&mut ahead));
        if batch.is_empty() {
            // Whoever arrives is noted, even between the look and the wait.
            if timeout(IDLE, desk.arrived.notified()).await.is_err() && desk.close() {
                return;
            }
            continue;
        }
        let (batch, twins) = without_twins(batch);
        metrics::histogram!(metric::DESK_BATCH).record(batch.len() as f64);
        let begun = Instant::now();
        // A task of its own: a bug in one batch must not end the desk. Its requests see a closed channel.
        match tokio::spawn(serve(desk.clone(), batch)).await {
            Ok(later) => ahead = later,
            Err(_) => tracing::error!(
                "a batch of holds panicked; its requests were told of an internal error"
            ),
        }
        ahead.extend(twins);
        rested = Some(Instant::now() + breath(begun.elapsed()));
    }
}

impl Window {
    /// Its name in metrics.
    const fn name(&self) -> &'static str {
        if self.hot { "hot" } else { "usual" }
    }

    /// Whether those who wait should be told at a glance first, who is sure to lose.
    fn glances_at(&self, batch: &[Waiting]) -> bool {
        let crowd = || self.lost.load(Ordering::Relaxed) || is_contested(batch);
        !batch.is_empty() && (self.hot || batch.len() >= self.glance_from && crowd())
    }

    /// Whether those who wait are a batch already.
    fn is_full(&self) -> bool {
        self.queue().requests.len() >= self.batch
    }

    /// The next batch, `ahead` first; more than a batch if it is about few seats, for then most are refused at
    /// a glance. Whoever has gone away meanwhile is left out.
    fn next(&self, ahead: Vec<Waiting>) -> Vec<Waiting> {
        let mut batch = ahead;
        batch.retain(|waiting| !waiting.answer.is_closed());
        let mut seats: HashSet<(ShowId, SeatName)> = batch.iter().flat_map(seats_of).collect();
        let mut queue = self.queue();
        while batch.len() < self.batch
            || batch.len() < self.batch * BATCHES_AT_A_GLANCE
                && seats.len() < self.batch * SEATS_PER_REQUEST
        {
            let more = queue.requests.take(self.batch);
            if more.is_empty() {
                break;
            }
            let more = more
                .into_iter()
                .filter(|waiting| !waiting.answer.is_closed());
            let known = batch.len();
            batch.extend(more);
            seats.extend(batch[known..].iter().flat_map(seats_of));
        }
        metrics::gauge!(metric::DESK_QUEUE, "window" => self.name())
            .set(queue.requests.len() as f64);
        batch
    }

    /// Ends the worker, unless somebody has come after all.
    fn close(&self) -> bool {
        let mut queue = self.queue();
        queue.open = queue.requests.len() > 0;
        !queue.open
    }

    /// The database is away: nobody who waits now will be served in time, so all are told at once.
    fn send_everybody_away(&self) {
        let waiting = {
            let mut queue = self.queue();
            let all = queue.requests.len();
            queue.requests.take(all)
        };
        answer(
            waiting
                .into_iter()
                .map(|waiting| (waiting, HoldAnswer::Unavailable)),
        );
    }
}

/// Parts requests whose key another request of the batch has already: two of them in one claim would both
/// be told that the key is fresh.
fn without_twins(batch: Vec<Waiting>) -> (Vec<Waiting>, Vec<Waiting>) {
    let mut seen: HashSet<KeyClaim> = HashSet::new();
    batch
        .into_iter()
        .partition(|waiting| match &waiting.request.key {
            // The hash is no part of what makes a key one.
            Some(key) => seen.insert(KeyClaim {
                request_hash: Vec::new(),
                ..key.clone()
            }),
            None => true,
        })
}

fn seats_of(waiting: &Waiting) -> impl Iterator<Item = (ShowId, SeatName)> {
    waiting
        .request
        .seats
        .iter()
        .map(|seat| (waiting.request.show, seat.clone()))
}

/// Whether two in a batch want the same seat.
fn is_contested(batch: &[Waiting]) -> bool {
    let mut wanted = HashSet::new();
    !batch
        .iter()
        .flat_map(seats_of)
        .all(|seat| wanted.insert(seat))
}

/// Serves a batch. Gives back those who come next.
async fn serve(desk: Arc<Window>, mut batch: Vec<Waiting>) -> Vec<Waiting> {
    let mut later = Vec::new();
    let everybody = batch.len();
    if desk.glances_at(&batch) {
        let requests: Vec<&HoldRequest> = batch.iter().map(|waiting| &waiting.request).collect();
        let began = std::time::Instant::now();
        match deadline::read(glance::losers(desk.store.pool(), &requests)).await {
            Ok((lost, held)) => {
                desk.taken.seen(held, began);
                let rest = refuse(batch, lost);
                desk.lost.store(rest.len() < everybody, Ordering::Relaxed);
                (batch, later) = one_per_seat(rest, desk.batch);
            }
            Err(TurnError::Unavailable(_)) => {
                answer(
                    batch
                        .into_iter()
                        .map(|waiting| (waiting, HoldAnswer::Unavailable)),
                );
                desk.send_everybody_away();
                return later;
            }
            // The glance may only refuse; without it the turn decides.
            Err(error) => tracing::warn!(%error, "could not glance at the seats"),
        }
    }
    if batch.len() > desk.batch {
        later.splice(0..0, batch.split_off(desk.batch));
    }
    if !batch.is_empty() {
        hold(&desk, batch).await;
    }
    later
}

/// The first who wants each seat, up to `most`; and the others, who come next: if the first has got the seat
/// they are refused at a glance.
fn one_per_seat(batch: Vec<Waiting>, most: usize) -> (Vec<Waiting>, Vec<Waiting>) {
    let mut wanted: HashSet<(ShowId, SeatName)> = HashSet::new();
    let mut chosen = 0;
    batch.into_iter().partition(|waiting| {
        let now = chosen < most && seats_of(waiting).all(|seat| !wanted.contains(&seat));
        if now {
            chosen += 1;
            wanted.extend(seats_of(waiting));
        }
        now
    })
}

/// Answers the losers; gives back the rest.
fn refuse(batch: Vec<Waiting>, lost: Vec<Vec<String>>) -> Vec<Waiting> {
    let mut rest = Vec::with_capacity(batch.len());
    let mut losers = Vec::new();
    for (waiting, seats) in batch.into_iter().zip(lost) {
        if seats.is_empty() {
            rest.push(waiting);
        } else {
            losers.push((waiting, HoldAnswer::Refused(Refusal::SeatsTaken { seats })));
        }
    }
    metrics::counter!(metric::HOLD_CONFLICTS_AT_A_GLANCE).increment(losers.len() as u64);
    answer(losers.into_iter());
    rest
}

/// Runs the batch as one turn. If its data is at fault, each half is tried by itself, until the request that
/// is guilty stands alone.
async fn hold(desk: &Window, batch: Vec<Waiting>) {
    // A request alone whose new id belongs to another booking gets one more draw.
    let mut parts = vec![(batch, 2_u32)];
    while let Some((mut part, tries)) = parts.pop() {
        let requests = part.iter().map(|waiting| waiting.request.clone());
        let turn = HoldTurn::new(requests, desk.addresses.clone());
        match deadline::turn(&desk.store, &turn).await {
            Ok(answers) => {
                let mut again = Vec::new();
                let mut answered = Vec::with_capacity(part.len());
                let lost = |told: &HoldAnswer| {
                    matches!(told, HoldAnswer::Refused(Refusal::SeatsTaken { .. }))
                };
                if answers.iter().any(lost) {
                    desk.lost.store(true, Ordering::Relaxed);
                }
                for (waiting, told) in part.into_iter().zip(answers) {
                    match told {
                        HoldAnswer::Refused(Refusal::IdTaken) => again.push(waiting),
                        told => answered.push((waiting, told)),
                    }
                }
                answer(answered.into_iter());
                if !again.is_empty() {
                    parts.push((again, tries));
                }
            }
            Err(TurnError::Data(_) | TurnError::Corrupt(_)) if part.len() > 1 => {
                let half = part.split_off(part.len() / 2);
                parts.push((half, tries));
                parts.push((part, tries));
            }
            Err(TurnError::Data(_)) if tries > 1 => parts.push((part, tries - 1)),
            Err(error) => {
                let told = failed(&error);
                // A batch that waited too long may have met one locked seat; that is no outage for all others.
                let away = told == HoldAnswer::Unavailable && !deadline::passed(&error);
                answer(part.into_iter().map(|waiting| (waiting, told.clone())));
                if away {
                    let rest = parts.drain(..).flat_map(|(part, _)| part);
                    answer(rest.map(|waiting| (waiting, HoldAnswer::Unavailable)));
                    desk.send_everybody_away();
                }
            }
        }
    }
}

fn failed(error: &TurnError) -> HoldAnswer {
    match error {
        TurnError::Busy(_) => {
            tracing::warn!(%error, "a batch of holds lost too many races");
            HoldAnswer::HighDemand
        }
        TurnError::Unavailable(source) => {
            tracing::warn!(
                error = source as &dyn std::error::Error,
                "holds could not be written"
            );
            HoldAnswer::Unavailable
        }
        TurnError::Data(_) | TurnError::Corrupt(_) | TurnError::PositionLost { .. } => {
            tracing::error!(%error, "a hold could not be written");
            HoldAnswer::Internal
        }
    }
}

/// Tells each what came of it, and counts.
fn answer(answers: impl Iterator<Item = (Waiting, HoldAnswer)>) {
    let (mut placed, mut seats, mut conflicts, mut away, mut failures) =
        (0_u64, 0_u64, 0_u64, 0_u64, 0_u64);
    for (waiting, told) in answers {
        match &told {
            HoldAnswer::Reply(reply) if !reply.replayed => {
                placed += 1;
                seats += waiting.request.seats.len() as u64;
            }
            HoldAnswer::Refused(Refusal::SeatsTaken { .. }) => conflicts += 1,
            HoldAnswer::HighDemand => away += 1,
            HoldAnswer::Unavailable | HoldAnswer::Internal => failures += 1,
            HoldAnswer::Reply(_) | HoldAnswer::Refused(_) | HoldAnswer::OtherRequest => {}
        }
        // Whoever has gone away needs no answer.
        let _ = waiting.answer.send(told);
    }
    metrics::counter!(metric::BOOKINGS_CREATED).increment(placed);
    metrics::counter!(metric::SEATS_LOCKED).increment(seats);
    metrics::counter!(metric::HOLD_CONFLICTS).increment(conflicts);
    metrics::counter!(metric::HOLDS_TURNED_AWAY).increment(away);
    metrics::counter!(metric::HOLD_FAILURES).increment(failures);
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::super::scene::{request, under_key};
    use super::*;

    fn waiting(user: &str, seats: &[&str], key: Option<&str>) -> Waiting {
        let request = request(user, seats);
        Waiting {
            request: match key {
                Some(key) => under_key(request, key),
                None => request,
            },
            answer: oneshot::channel().0,
        }
    }

    fn users(waiting: &[Waiting]) -> Vec<&str> {
        waiting
            .iter()
            .map(|waiting| waiting.request.user.0.as_str())
            .collect()
    }

    #[test]
    fn the_first_who_wants_a_seat_goes_first_and_the_others_keep_their_order() {
        let batch = vec![
            waiting("a", &["A-1", "A-2"], None),
            waiting("b", &["A-2", "A-3"], None),
            waiting("c", &["A-3"], None),
            waiting("d", &["A-1"], None),
            waiting("e", &["B-1"], None),
        ];
        let (now, later) = one_per_seat(batch, 2);
        assert_eq!(
            (users(&now), users(&later)),
            (vec!["a", "c"], vec!["b", "d", "e"])
        );
    }

    #[test]
    fn a_seat_that_two_want_is_contested() {
        let (one, other) = (
            waiting("a", &["A-1", "A-2"], None),
            waiting("b", &["A-3"], None),
        );
        let third = waiting("c", &["B-1", "A-2"], None);
        let batch = vec![one, other];
        assert!(!is_contested(&batch));
        assert!(is_contested(
            &batch.into_iter().chain([third]).collect::<Vec<_>>()
        ));
    }

    #[test]
    fn of_two_with_one_key_the_second_waits_whatever_it_asks_for() {
        let batch = vec![
            waiting("a", &["A-1"], Some("k")),
            waiting("b", &["A-1"], Some("k")),
            waiting("a", &["A-2"], Some("k")),
            waiting("a", &["A-3"], None),
        ];
        let (now, later) = without_twins(batch);
        assert_eq!(
            (users(&now), users(&later)),
            (vec!["a", "b", "a"], vec!["a"])
        );
        assert_eq!(later[0].request.seats, ["A-2"]);
    }

    #[test]
    fn losers_are_told_and_the_rest_goes_on() {
        let (answer, mut answered) = oneshot::channel();
        let mut loser = waiting("a", &["A-1"], None);
        loser.answer = answer;
        let rest = refuse(
            vec![loser, waiting("b", &["A-2"], None)],
            vec![vec!["A-1".into()], Vec::new()],
        );
        assert_eq!(users(&rest), ["b"]);
        let told = answered.try_recv().unwrap();
        assert_eq!(
            told,
            HoldAnswer::Refused(Refusal::SeatsTaken {
                seats: vec!["A-1".into()]
            })
        );
    }
}
