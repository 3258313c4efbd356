//! What happened, read where it counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use boxoffice_producers::topics::BOOKINGS_EVENTS;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use super::stage::Stage;

/// How long evidence may take to turn up.
const PATIENCE: Duration = Duration::from_secs(20);

type Sequences = BTreeMap<String, BTreeMap<u64, String>>;

/// An outsider that reads the events' topic from now on, with a plain consumer.
pub struct EventWatch {
    seen: Arc<Mutex<Sequences>>,
    stop: Arc<AtomicBool>,
}

impl EventWatch {
    /// Starts reading at the present end of every partition.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn start(kafka: &str) -> anyhow::Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", kafka)
            .set("group.id", "boxoffice-demo-outsider")
            .set("enable.auto.commit", "false")
            // A broker that has just started may refuse an offset for a moment; nothing may be missed then.
            .set("auto.offset.reset", "earliest")
            .create()?;
        let metadata = consumer.fetch_metadata(Some(BOOKINGS_EVENTS), Duration::from_secs(10))?;
        let topic = metadata.topics().first().context("no such topic")?;
        let mut from = TopicPartitionList::new();
        for partition in topic.partitions() {
            let (_, end) = consumer.fetch_watermarks(
                BOOKINGS_EVENTS,
                partition.id(),
                Duration::from_secs(10),
            )?;
            from.add_partition_offset(BOOKINGS_EVENTS, partition.id(), Offset::Offset(end))?;
        }
        consumer.assign(&from)?;
        let seen = Arc::new(Mutex::new(Sequences::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (into, stopped) = (seen.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else {
                    continue;
                };
                let Some(event) = message
                    .payload()
                    .and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok())
                else {
                    continue;
                };
                note(&into, &event);
            }
        });
        Ok(Self { seen, stop })
    }

    /// The kinds of `booking`'s events in the order of their sequences, which must be gapless.
    pub fn of(&self, booking: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(events) = seen.get(booking) else {
            return Vec::new();
        };
        let gap = events
            .keys()
            .zip(1..)
            .any(|(sequence, expected)| *sequence != expected);
        let mut kinds: Vec<String> = events.values().cloned().collect();
        if gap {
            kinds.push(format!(
                "(with a gap: {:?})",
                events.keys().collect::<Vec<_>>()
            ));
        }
        kinds
    }
}

impl Drop for EventWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn note(seen: &Mutex<Sequences>, event: &Value) {
    let (Some(booking), Some(sequence), Some(kind)) = (
        event["booking_id"].as_str(),
        event["sequence"].as_u64(),
        event["type"].as_str(),
    ) else {
        return;
    };
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.entry(booking.to_owned())
        .or_default()
        .insert(sequence, kind.to_owned());
}

impl Stage {
    /// Waits until `look` gives `wanted`; returns what it gave last.
    pub async fn until<T: PartialEq>(
        &self,
        wanted: &T,
        mut look: impl AsyncFnMut() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = look().await?;
            if now == *wanted || Instant::now() > until {
                return Ok(now);
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Where the money of a booking is, by the ledger: the balance of each account that is not zero, and how
    /// many movements there were.
    pub async fn ledger(&self, booking: &str) -> anyhow::Result<Vec<(String, i64)>> {
        let rows = sqlx::query(
            "select account, sum(minor)::bigint from (
               select to_account as account, amount_minor as minor from ledger where booking_id = $1
               union all
               select from_account, -amount_minor from ledger where booking_id = $1
             ) as movements group by account having sum(minor) <> 0 order by account",
        )
        .bind(booking.parse::<Uuid>()?)
        .fetch_all(&self.database)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect()
    }

    /// What the gateway's books say of a booking: captured, refunded, and how many refunds there are.
    pub async fn books(&self, booking: &str) -> anyhow::Result<(i64, i64, usize)> {
        let url = format!("{}/_sim/books?payment={booking}", self.target.simulator);
        let books: Value = self
            .http
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let refunds = books["payments"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|payment| payment["refunds"].as_array().map_or(0, Vec::len))
            .sum();
        let amount = |field: &str| {
            books[field]
                .as_i64()
                .with_context(|| format!("no {field} in {books}"))
        };
        Ok((amount("captured")?, amount("refunded")?, refunds))
    }

    /// How many of the gateway's deliveries about a payment were answered with 200.
    pub async fn deliveries_taken(&self, gateway_payment_id: &str) -> anyhow::Result<usize> {
        let url = format!(
            "{}/_sim/deliveries?payment={gateway_payment_id}",
            self.target.simulator
        );
        let answer: Value = self
            .http
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let attempts = answer["deliveries"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|delivery| delivery["type"] == "payment_intent.succeeded")
            .flat_map(|delivery| delivery["attempts"].as_array().into_iter().flatten());
        Ok(attempts.filter(|attempt| attempt["status"] == 200).count())
    }

    /// Tells the simulator how to treat the payments of a booking.
    pub async fn tell_gateway(&self, booking: &str, behaviour: Value) -> anyhow::Result<()> {
        let url = format!("{}/_sim/payments/{booking}", self.target.simulator);
        self.http
            .post(url)
            .json(&behaviour)
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }
}
