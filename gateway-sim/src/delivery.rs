//! Webhooks: signed, and repeated until they are taken.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use crate::behaviour::WebhookBehaviour;
use crate::books::{Attempt, Books, Delivery, Event, fresh_id};
use crate::sim::Sim;
use crate::wire::Happened;

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// How long a webhook is held back for the next event to go first, in real time.
const HELD_BACK: Duration = Duration::from_secs(2);

/// Writes an event into the books and sends it as the payment's behaviour says.
pub(crate) fn publish(
    sim: &Arc<Sim>,
    books: &mut Books,
    event: Happened,
    behaviour: &WebhookBehaviour,
) {
    let now = sim.now();
    let id = fresh_id("evt");
    let behaviour = behaviour.for_kind(event.kind);
    let wire = books.wire_of(&event.payment);
    let lost = behaviour.lose || sim.options.webhook_of(wire).is_none();
    let due = now
        + time::Duration::milliseconds(i64::try_from(behaviour.delay_ms).unwrap_or(i64::MAX / 2));
    let place = books.events.len();
    let times = if lost { 1 } else { 1 + behaviour.duplicates };
    let numbers: Vec<usize> = (0..times)
        .map(|_| {
            books.deliveries.push(Delivery {
                event: place,
                due,
                lost,
                over: lost,
                attempts: Vec::new(),
            });
            books.deliveries.len() - 1
        })
        .collect();
    books.events.push(Event {
        body: wire
            .speaks()
            .webhook(&id, event.kind, now.unix_timestamp(), &event.object),
        id,
        wire,
        kind: event.kind.to_owned(),
        payment: event.payment.clone(),
        created: now.unix_timestamp(),
        deliveries: numbers.clone(),
    });
    if lost {
        return;
    }
    let mut held_back = sim.held_back.lock().unwrap_or_else(PoisonError::into_inner);
    let waiting = held_back.remove(&event.payment).unwrap_or_default();
    if waiting.is_empty() && behaviour.reorder {
        held_back.insert(event.payment.clone(), numbers);
        drop(held_back);
        let sim = Arc::clone(sim);
        tokio::spawn(async move {
            tokio::time::sleep(HELD_BACK).await;
            let late = sim
                .held_back
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&event.payment);
            start(&sim, late.unwrap_or_default(), Vec::new());
        });
        return;
    }
    drop(held_back);
    start(sim, numbers, waiting);
}

/// Takes up what a restart interrupted.
pub(crate) fn resume(sim: &Arc<Sim>) {
    let open: Vec<usize> = {
        let books = sim.books();
        (0..books.deliveries.len())
            .filter(|&n| books.deliveries.get(n).is_some_and(|d| !d.over))
            .collect()
    };
    start(sim, open, Vec::new());
}

/// Sends `first`, each by itself, and when one of them has been tried once, sends `then`.
fn start(sim: &Arc<Sim>, first: Vec<usize>, mut then: Vec<usize>) {
    for number in first {
        let sim = Arc::clone(sim);
        let then = std::mem::take(&mut then);
        tokio::spawn(async move {
            let patient = Arc::clone(&sim);
            tokio::select! {
                () = deliver(&sim, number, then) => {}
                () = patient.shutdown.cancelled() => {}
            }
        });
    }
}

async fn deliver(sim: &Arc<Sim>, number: usize, mut then: Vec<usize>) {
    if sim.options.unordered {
        tokio::time::sleep(sim.options.retry_base.mul_f64(rand::random())).await;
    }
    loop {
        let Some(due) = sim
            .books()
            .deliveries
            .get(number)
            .map(|delivery| delivery.due)
        else {
            return;
        };
        sim.clock.sleep_until(due).await;
        let status = attempt(sim, number).await;
        let over = record(sim, number, status);
        sim.dirty.notify_one();
        start(sim, std::mem::take(&mut then), Vec::new());
        if over {
            return;
        }
    }
}

async fn attempt(sim: &Sim, number: usize) -> Option<u16> {
    let (wire, id, body) = {
        let books = sim.books();
        let event = books.events.get(books.deliveries.get(number)?.event)?;
        (event.wire, event.id.clone(), event.body.to_string())
    };
    let webhook = sim.options.webhook_of(wire)?;
    let body = wire.speaks().sealed(&webhook.secret, body);
    let _slot = sim.sending.acquire().await.ok()?;
    let mut request = sim
        .http
        .post(&webhook.url)
        .header("content-type", "application/json; charset=utf-8");
    let headers = wire.speaks().headers(&webhook.secret, &id, body.as_bytes());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(body);
    match request.send().await {
        Ok(response) => Some(response.status().as_u16()),
        Err(error) => {
            tracing::debug!(error = %error.without_url(), "a webhook was not answered");
            None
        }
    }
}

/// Writes an attempt down. Whether the delivery is over.
fn record(sim: &Sim, number: usize, status: Option<u16>) -> bool {
    let now = sim.now();
    let mut books = sim.books();
    let books = &mut *books;
    let Some(delivery) = books.deliveries.get_mut(number) else {
        return true;
    };
    let wire = books.events.get(delivery.event).map(|event| event.wire);
    let retries_for = wire
        .unwrap_or_default()
        .speaks()
        .retries_for(sim.options.retry_for);
    delivery.attempts.push(Attempt { at: now, status });
    let taken = status.is_some_and(|status| (200..300).contains(&status));
    let first = delivery.attempts.first().map_or(now, |attempt| attempt.at);
    delivery.due = next(now, delivery.attempts.len(), sim.options.retry_base);
    delivery.over = taken || delivery.due - first > retries_for;
    delivery.over
}

/// The base doubled each time, up to an hour, give or take a quarter.
fn next(now: OffsetDateTime, attempts: usize, base: Duration) -> OffsetDateTime {
    let doublings = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(u32::MAX)
        .min(20);
    let plain = base.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    now + plain.mul_f64(0.75 + rand::random::<f64>() / 2.0)
}
