//! What happened, read where it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use boxoffice_producers::topics::{BOOKINGS_EVENTS, PAYMENTS_WEBHOOKS};
use boxoffice_saga::identity::ShowId;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;

use super::stage::Stage;

/// How long evidence may take to turn up.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the broker may take to say where its topics end.
const BROKER_WITHIN: Duration = Duration::from_secs(10);

/// What was seen on Kafka.
#[derive(Default)]
struct Seen {
    /// Booking events: by booking and sequence.
    events: BTreeMap<String, BTreeMap<u64, Value>>,
    /// Bookings of which a later event came first.
    out_of_order: BTreeSet<String>,
    /// The kinds of webhooks, by record key, which is the show's number.
    webhooks: BTreeMap<String, Vec<String>>,
}

/// An outsider that reads both topics from now on, with a plain consumer.
pub struct KafkaWatch {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
}

impl KafkaWatch {
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
        let mut from = TopicPartitionList::new();
        for topic in [BOOKINGS_EVENTS, PAYMENTS_WEBHOOKS] {
            let metadata = consumer.fetch_metadata(Some(topic), BROKER_WITHIN)?;
            let found = metadata.topics().first().context("no such topic")?;
            for partition in found.partitions() {
                let (_, end) = consumer.fetch_watermarks(topic, partition.id(), BROKER_WITHIN)?;
                from.add_partition_offset(topic, partition.id(), Offset::Offset(end))?;
            }
        }
        consumer.assign(&from)?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (into, stopped) = (seen.clone(), stop.clone());
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                    into.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .note(&message);
                }
            }
        });
        Ok(Self { seen, stop })
    }

    /// Sees nothing.
    pub fn blind() -> Self {
        Self {
            seen: Arc::default(),
            stop: Arc::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The kinds of `booking`'s events in the order of their sequences, which must be gapless, and the order in
    /// which they came at first.
    pub fn of(&self, booking: &str) -> Vec<String> {
        let seen = self.seen();
        let Some(events) = seen.events.get(booking) else {
            return Vec::new();
        };
        let gap = events
            .keys()
            .zip(1..)
            .any(|(sequence, expected)| *sequence != expected);
        let mut kinds: Vec<String> = events.values().map(kind).collect();
        if gap {
            kinds.push(format!(
                "(with a gap: {:?})",
                events.keys().collect::<Vec<_>>()
            ));
        }
        if seen.out_of_order.contains(booking) {
            kinds.push("(not in this order)".to_owned());
        }
        kinds
    }

    /// The reasons in `booking`'s events of this kind, in order.
    pub fn reasons(&self, booking: &str, of: &str) -> Vec<String> {
        let seen = self.seen();
        let events = seen
            .events
            .get(booking)
            .into_iter()
            .flat_map(BTreeMap::values);
        events
            .filter(|event| kind(event) == of)
            .map(|event| event["reason"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// The kinds of the webhooks about a show that are on their topic, in its order.
    pub fn webhooks(&self, show: ShowId) -> Vec<String> {
        let seen = self.seen();
        seen.webhooks
            .get(&show.to_string())
            .cloned()
            .unwrap_or_default()
    }
}

impl Drop for KafkaWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Seen {
    fn note(&mut self, message: &BorrowedMessage<'_>) {
        let record: Value = message
            .payload()
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or_default();
        if message.topic() == PAYMENTS_WEBHOOKS {
            let key = String::from_utf8_lossy(message.key().unwrap_or_default());
            let kinds = self.webhooks.entry(key.into_owned()).or_default();
            kinds.push(kind(&record));
        } else if let (Some(booking), Some(sequence)) =
            (record["booking_id"].as_str(), record["sequence"].as_u64())
        {
            let booking = booking.to_owned();
            let events = self.events.entry(booking.clone()).or_default();
            if events.keys().any(|known| *known > sequence) && !events.contains_key(&sequence) {
                self.out_of_order.insert(booking);
            }
            events.insert(sequence, record);
        }
    }
}

fn kind(record: &Value) -> String {
    record["type"]
        .as_str()
        .unwrap_or("without a type")
        .to_owned()
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

    /// Where the money of a booking is, by the ledger: the balance of each account that is not zero.
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

    /// What the gateway's books say of a booking, and of each of its payments.
    pub async fn gateway_books(&self, booking: &str) -> anyhow::Result<Value> {
        let url = format!("{}/_sim/books?payment={booking}", self.target.simulator);
        let answer = self.http.get(url).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// What the gateway's books say of a booking: captured, refunded, and how many refunds there are.
    pub async fn books(&self, booking: &str) -> anyhow::Result<(i64, i64, usize)> {
        let books = self.gateway_books(booking).await?;
        let amount = |field: &str| {
            books[field]
                .as_i64()
                .with_context(|| format!("no {field} in {books}"))
        };
        let refunds = refunds(&books).count();
        Ok((amount("captured")?, amount("refunded")?, refunds))
    }

    /// The bank ends the refunds of a booking that it has kept pending: the money is back.
    pub async fn settle_refunds(&self, booking: &str) -> anyhow::Result<()> {
        let books = self.gateway_books(booking).await?;
        for refund in refunds(&books).filter(|refund| refund["status"] == "pending") {
            let id = refund["id"].as_str().context("a refund without an id")?;
            self.tell_simulator(&format!("refunds/{id}"), json!({ "status": "succeeded" }))
                .await?;
        }
        Ok(())
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
        self.tell_simulator(&format!("payments/{booking}"), behaviour)
            .await
    }

    /// Opens or closes the simulator's mail server.
    pub async fn open_mail_server(&self, open: bool) -> anyhow::Result<()> {
        self.tell_simulator("mail", json!({ "open": open })).await
    }

    async fn tell_simulator(&self, what: &str, told: Value) -> anyhow::Result<()> {
        let url = format!("{}/_sim/{what}", self.target.simulator);
        let answer = self.http.post(url).json(&told).send().await?;
        let status = answer.status();
        if !status.is_success() {
            anyhow::bail!("the simulator answered {status}: {}", answer.text().await?);
        }
        Ok(())
    }

    /// How many tickets the simulator's mail server has taken for a booking, each by its Message-ID once.
    pub async fn tickets_mailed(&self, booking: &str) -> anyhow::Result<usize> {
        let url = format!("{}/_sim/mail?about={booking}", self.target.simulator);
        let answer = self.http.get(url).send().await?;
        let status = answer.status();
        let told: Value = answer.json().await?;
        let letters = told["letters"]
            .as_array()
            .with_context(|| format!("the simulator's mail server answered {status}: {told}"))?;
        let ids = letters
            .iter()
            .filter_map(|letter| letter["message_id"].as_str());
        let tickets: BTreeSet<&str> = ids.filter(|id| id.contains("booking_confirmed")).collect();
        Ok(tickets.len())
    }

    /// How often a letter about a booking was tried and not taken.
    pub async fn letters_not_taken(&self, booking: &str) -> anyhow::Result<i64> {
        let count = "select count(*) from deliveries
                     where channel = 'email' and booking_id = $1 and outcome in ('later', 'unknown')";
        let count = sqlx::query_scalar(count).bind(booking.parse::<Uuid>()?);
        Ok(count.fetch_one(&self.database).await?)
    }

    /// The seats of a show that anybody can hold, by the public seat map.
    pub async fn seats_available(&self, show: ShowId) -> anyhow::Result<Vec<String>> {
        let url = format!("{}/v1/shows/{show}/seats", self.target.api);
        let answer = self.http.get(url).send().await?.error_for_status()?;
        let map: Value = answer.json().await?;
        let seats = map["seats"].as_array().context("a map without seats")?;
        let available = seats.iter().filter(|seat| seat["status"] == "AVAILABLE");
        Ok(available
            .filter_map(|seat| seat["seat"].as_str().map(str::to_owned))
            .collect())
    }
}

fn refunds(books: &Value) -> impl Iterator<Item = &Value> {
    let payments = books["payments"].as_array().into_iter().flatten();
    payments.flat_map(|payment| payment["refunds"].as_array().into_iter().flatten())
}
