//! Shows with an audience: everybody holds one seat and pays for it. And what the gateway saw of all of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice::demo::{Customer, Stage};
use boxoffice_booking_api::shows::{NewShow, create_show, put_on_sale};
use boxoffice_saga::identity::ShowId;
use futures::StreamExt;
use serde_json::{Value, json};

/// What each of them pays.
pub const PRICE: i64 = 45_000;
const PATIENCE: Duration = Duration::from_secs(60);

/// A booking, and whose it is.
pub type Booked = (Customer, String);

/// A show on sale for so many people, in rows of 20.
pub async fn show_for(stage: &Stage, title: &str, people: usize) -> (ShowId, Vec<String>) {
    let starts_at = stage.now().await.expect("a clock") + time::Duration::days(7);
    let rupees = "INR".parse().expect("a currency");
    let rows = u16::try_from(people.div_ceil(20)).expect("a hall");
    let new = NewShow::hall(title, starts_at, rupees, rows, 20, PRICE);
    let show = create_show(&stage.database, &new).await.expect("a show");
    put_on_sale(&stage.database, show).await.expect("on sale");
    let seats = new.seats.iter().take(people);
    (show, seats.map(|seat| seat.seat.clone()).collect())
}

/// Everybody holds one of `seats` and pays for it, a few at a time.
pub async fn pays(stage: &Arc<Stage>, show: ShowId, seats: &[String]) -> Vec<Booked> {
    futures::stream::iter(seats)
        .map(|seat| async move {
            let customer = stage.customer("guest").await.expect("a customer");
            let booking = customer
                .hold_when_free(show, &[seat])
                .await
                .expect("a hold");
            let attempt = customer.open_payment(&booking).await.expect("an attempt");
            customer.pay(&attempt).await.expect("the gateway takes it");
            (customer, booking)
        })
        .buffer_unordered(4)
        .collect()
        .await
}

/// Tells the simulator something.
pub async fn tell_simulator(stage: &Stage, what: &str, told: Value) {
    let url = format!("{}/_sim/{what}", stage.target.simulator);
    let answer = stage.http.post(url).json(&told).send().await;
    let answer = answer.expect("the simulator listens");
    assert!(answer.status().is_success(), "{what}: {}", answer.status());
}

/// Answers every call to the gateway with this status and does nothing; `None` ends that.
pub async fn outage(stage: &Stage, status: Option<u16>) {
    tell_simulator(stage, "outage", json!({ "status": status })).await;
}

/// The gateway's books of everything.
pub async fn all_books(stage: &Stage) -> Value {
    let url = format!("{}/_sim/books", stage.target.simulator);
    let answer = stage.http.get(url).send().await;
    let answer = answer.expect("the simulator listens");
    answer.json().await.expect("books")
}

/// What the gateway was asked about refunds: the call, its time, and the status of the answer.
pub async fn refund_calls(stage: &Stage) -> Vec<(String, time::OffsetDateTime, u64)> {
    let books = all_books(stage).await;
    let payments = books["payments"].as_array().expect("payments");
    let calls = payments
        .iter()
        .flat_map(|payment| payment["calls"].as_array().expect("calls"));
    let mut calls: Vec<_> = calls
        .filter_map(|call| {
            let name = call["call"].as_str()?;
            let at = time::OffsetDateTime::parse(
                call["at"].as_str()?,
                &time::format_description::well_known::Rfc3339,
            );
            let refunds = ["refund", "list_refunds", "fetch_refund"].contains(&name);
            refunds.then(|| {
                let at = at.expect("a time");
                (name.to_owned(), at, call["status"].as_u64().unwrap_or(0))
            })
        })
        .collect();
    calls.sort_by_key(|(_, at, _)| *at);
    calls
}

/// Of the bookings, those of which the gateway's books do not say: taken once, returned once.
pub async fn not_returned_once<'a>(stage: &Stage, bookings: &'a [Booked]) -> Vec<&'a str> {
    let books = all_books(stage).await;
    let payments = books["payments"].as_array().expect("payments");
    let once = |booking: &str| {
        let mut of = payments
            .iter()
            .filter(|payment| payment["metadata"]["booking_id"] == booking);
        let (Some(payment), None) = (of.next(), of.next()) else {
            return false;
        };
        let refunds = payment["refunds"].as_array().map_or(0, Vec::len);
        refunds == 1 && payment["captured"] == payment["refunded"]
    };
    let bookings = bookings.iter().map(|(_, booking)| booking.as_str());
    bookings.filter(|booking| !once(booking)).collect()
}

/// Waits until `look` says yes; or else what it said last.
pub async fn comes_true(what: &str, mut look: impl AsyncFnMut() -> Result<(), String>) {
    let until = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(()) => return,
            Err(now) => assert!(Instant::now() < until, "never: {what}; {now}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// One number from the database.
pub async fn count(stage: &Stage, query: &'static str) -> i64 {
    sqlx::query_scalar(query)
        .fetch_one(&stage.database)
        .await
        .expect("a count")
}
