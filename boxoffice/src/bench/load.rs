//! The load: customers who hold two seats, gateways that tell of their payments, and the wait for `CONFIRMED`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use boxoffice_booking_api::shows::{NewShow, create_show, put_on_sale};
use boxoffice_saga::identity::ShowId;
use futures::{StreamExt, TryStreamExt};
use hdrhistogram::Histogram;
use tokio::sync::RwLock;

use super::connection::Connection;
use crate::demo::{Stage, clock};

/// Shows on sale at the same time.
pub const SHOWS: usize = 100;
/// Rows of a show, and seats in each.
const ROWS: u16 = 100;
const SEATS: u16 = 100;
/// Pairs of seats in a show.
const PAIRS: usize = ROWS as usize * SEATS as usize / 2;
/// What a seat costs, in paise.
pub const PRICE: i64 = 45_000;
/// Holds last longer than any measurement.
pub const HOLD_MS: i64 = 3_600_000;

/// Seats for sale: a hundred shows at a time, and another hundred when these are full.
pub struct Halls {
    shows: RwLock<Vec<ShowId>>,
    /// Every show's, row by row.
    names: Vec<String>,
    hold_ms: i64,
    at_a_time: usize,
    given: AtomicUsize,
}

impl Halls {
    /// No seats yet. Holds last longer than any measurement.
    ///
    /// # Errors
    /// Never.
    pub fn new() -> anyhow::Result<Self> {
        Self::of_holds(HOLD_MS, SHOWS)
    }

    /// The same, with holds that last so many milliseconds and not a moment longer, and so many shows at a time.
    ///
    /// # Errors
    /// Never.
    pub fn of_holds(hold_ms: i64, at_a_time: usize) -> anyhow::Result<Self> {
        let names = evening("", time::OffsetDateTime::UNIX_EPOCH, hold_ms)?.seats;
        Ok(Self {
            shows: RwLock::default(),
            names: names.into_iter().map(|seat| seat.seat).collect(),
            given: AtomicUsize::new(0),
            hold_ms,
            at_a_time: at_a_time.max(1),
        })
    }

    /// Puts shows on sale until `pairs` more pairs of seats are there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn make(&self, stage: &Stage, pairs: usize) -> anyhow::Result<()> {
        let given = self.given.load(Ordering::Relaxed);
        let have = self.shows.read().await.len() * PAIRS;
        let missing = (given + pairs).saturating_sub(have);
        let starts_at = stage.now().await? + time::Duration::days(7);
        for hundred in 0..missing.div_ceil(self.at_a_time * PAIRS) {
            let shows = (0..self.at_a_time).map(|nth| async move {
                let title = format!("Evening {hundred}-{nth}");
                let id = create_show(&stage.database, &evening(&title, starts_at, self.hold_ms)?)
                    .await?;
                put_on_sale(&stage.database, id).await?;
                anyhow::Ok(id)
            });
            let made: Vec<ShowId> = futures::stream::iter(shows)
                .buffered(3)
                .try_collect()
                .await?;
            self.shows.write().await.extend(made);
        }
        Ok(())
    }

    /// The next pair, of another show than the last one's.
    ///
    /// # Errors
    /// When all seats are gone.
    pub async fn next(&self) -> anyhow::Result<(ShowId, [String; 2])> {
        let nth = self.given.fetch_add(1, Ordering::Relaxed);
        let hundred = nth / (self.at_a_time * PAIRS);
        let show = hundred * self.at_a_time + nth % self.at_a_time;
        let pair = nth % (self.at_a_time * PAIRS) / self.at_a_time;
        let shows = self.shows.read().await;
        let show = *shows.get(show).context("all seats are sold")?;
        // Neighbours, as people sit: each row has an even number of seats.
        let seats = self.names.get(2 * pair..2 * pair + 2);
        let [one, other] = seats.context("a show has fewer seats than that")? else {
            bail!("two seats are two");
        };
        Ok((show, [one.clone(), other.clone()]))
    }
}

fn evening(title: &str, starts_at: time::OffsetDateTime, hold_ms: i64) -> anyhow::Result<NewShow> {
    let mut show = NewShow::hall(title, starts_at, "INR".parse()?, ROWS, SEATS, PRICE);
    show.terms.hold_ms = hold_ms;
    if hold_ms < HOLD_MS {
        show.terms.grace_ms = 0;
        show.terms.extension_ms = 0;
        show.terms.extension_limit_ms = 0;
        show.terms.warning_ms = 0;
    }
    Ok(show)
}

/// The pause of a client who was told to come back.
const COME_BACK: Duration = Duration::from_millis(200);

/// What was measured of bookings, in microseconds.
#[derive(Clone, Debug)]
pub struct Times {
    /// From asking for seats to having them.
    pub hold: Histogram<u64>,
    /// From sending the webhook to its acknowledgement.
    pub ack: Histogram<u64>,
    /// From sending the webhook to seeing `CONFIRMED`.
    pub confirmed: Histogram<u64>,
}

impl Times {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never.
    pub fn new() -> anyhow::Result<Self> {
        let empty = empty()?;
        Ok(Self {
            hold: empty.clone(),
            ack: empty.clone(),
            confirmed: empty,
        })
    }

    /// Those of several together.
    ///
    /// # Errors
    /// Never.
    pub fn of_all(all: &[Self]) -> anyhow::Result<Self> {
        let mut times = Self::new()?;
        for one in all {
            times.hold.add(&one.hold)?;
            times.ack.add(&one.ack)?;
            times.confirmed.add(&one.confirmed)?;
        }
        Ok(times)
    }
}

/// Nothing yet: microseconds, in three digits, up to a minute.
///
/// # Errors
/// Never.
pub fn empty() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

/// Those of several together.
///
/// # Errors
/// Never.
pub fn together(all: &[Histogram<u64>]) -> anyhow::Result<Histogram<u64>> {
    let mut times = empty()?;
    for one in all {
        times.add(one)?;
    }
    Ok(times)
}

/// In microseconds, and at least one.
pub fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

/// Unlike any other client's, of this run or an earlier one on the same servers.
pub fn fresh_id(nth: usize) -> u64 {
    u64::from(rand::random::<u16>()) * 1_000 + nth as u64 % 1_000
}

/// One booking's times.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    pub hold: Duration,
    pub ack: Duration,
    pub confirmed: Duration,
}

impl Took {
    /// Writes them down, each `late` longer: so late was it begun.
    pub fn record(&self, times: &mut Times, late: Duration) {
        times.hold.saturating_record(us(self.hold + late));
        times.ack.saturating_record(us(self.ack + late));
        times.confirmed.saturating_record(us(self.confirmed + late));
    }
}

/// Somebody's browser and the gateway's sender, each with a connection that stays.
pub struct Client {
    stage: Arc<Stage>,
    api: Connection,
    ingress: Connection,
    /// The tag of a booking's document while it is held; the same for all of them.
    held: Option<String>,
    nth: u64,
    id: u64,
}

/// A booking that is held.
pub struct Held {
    pub booking: String,
    /// The path of its status, with the token that opens it.
    pub status: String,
    /// Whose it is.
    user: String,
    /// The end of the gateway's ids of its payment: a webhook that is sent again is about the same one.
    payment: String,
}

/// `host:port` of a base address.
pub fn host(base: &str) -> &str {
    base.trim_start_matches("http://")
}

impl Client {
    /// Connects. `id` is unlike every other client's of this run.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(stage: &Arc<Stage>, id: u64) -> anyhow::Result<Self> {
        Ok(Self {
            api: Connection::open(host(&stage.target.api)).await?,
            ingress: Connection::open(host(&stage.target.ingress)).await?,
            held: None,
            nth: 0,
            id,
            stage: stage.clone(),
        })
    }

    /// Holds these seats, as a user who was never here before.
    ///
    /// # Errors
    /// When that is refused.
    pub async fn hold(&mut self, show: ShowId, seats: &[String]) -> anyhow::Result<Held> {
        self.nth += 1;
        let user = format!("u{}-{}", self.id, self.nth);
        let token = self.stage.token(&user, clock())?;
        let headers = format!("authorization: Bearer {token}\r\n");
        let seats = seats.join(r#"",""#);
        let body = format!(r#"{{"seats":["{seats}"],"contact":{{"email":"anna@example.com"}}}}"#);
        let path = format!("/v1/shows/{show}/holds");
        let answer = self
            .api
            .ask("POST", &path, &headers, body.as_bytes())
            .await?
            .expect(201)?;
        let text = |name: &str| {
            answer
                .text(name)
                .map(str::to_owned)
                .context("no such field")
        };
        let (booking, address) = (text("booking_id")?, text("status_url")?);
        let payment = format!("{:08}{:010}", self.id, self.nth);
        let status = address.find("/v1/").map(|at| address[at..].to_owned());
        Ok(Held {
            booking,
            status: status.context("no status address")?,
            user,
            payment,
        })
    }

    /// Its owner gives the booking up.
    ///
    /// # Errors
    /// When that is refused.
    pub async fn release(&mut self, held: &Held) -> anyhow::Result<()> {
        let token = self.stage.token(&held.user, clock())?;
        let headers = format!("authorization: Bearer {token}\r\n");
        let path = format!("/v1/bookings/{}/release", held.booking);
        self.api
            .ask("POST", &path, &headers, b"{}")
            .await?
            .expect(200)?;
        Ok(())
    }

    /// The gateway tells that the booking is paid.
    ///
    /// # Errors
    /// When the webhook is not taken.
    pub async fn webhook(&mut self, held: &Held, minor: i64) -> anyhow::Result<()> {
        let body = paid(&held.booking, &held.payment, minor);
        let now = clock().unix_timestamp();
        let signature = self.stage.sign(now, body.as_bytes());
        let headers =
            format!("stripe-signature: {signature}\r\ncontent-type: application/json\r\n");
        self.ingress
            .ask("POST", "/webhooks/stripe", &headers, body.as_bytes())
            .await?
            .expect(200)?;
        Ok(())
    }

    /// Waits in long polls until the booking has this status. Whoever is told to come back does, as a browser would; what
    /// that takes counts.
    ///
    /// # Errors
    /// When it does not come within a minute.
    pub async fn wait_for(&mut self, held: &Held, status: &str) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        let path = format!("{}&wait=25", held.status);
        let mut known = self.held.clone();
        loop {
            let headers = known
                .as_ref()
                .map_or_else(String::new, |tag| format!("if-none-match: {tag}\r\n"));
            let answer = self.api.ask("GET", &path, &headers, b"").await?;
            let (code, tag) = (answer.status, answer.tag.map(str::to_owned));
            let now = answer.text("status").map(str::to_owned);
            if code == 503 && Instant::now() < until {
                tokio::time::sleep(COME_BACK).await;
                continue;
            }
            if code != 200 && code != 304 {
                answer.expect(200)?;
            }
            if now.as_deref() == Some(status) {
                return Ok(());
            }
            if now.as_deref() == Some("HELD") {
                self.held.clone_from(&tag);
            }
            known = tag.or(known);
            if Instant::now() > until {
                bail!("{} is {now:?}, and not {status}", held.booking);
            }
        }
    }

    /// One booking, from nothing to `CONFIRMED`.
    ///
    /// # Errors
    /// When anything on the way is refused.
    pub async fn book(&mut self, halls: &Halls) -> anyhow::Result<Took> {
        let (show, seats) = halls.next().await?;
        self.book_these(show, &seats).await
    }

    /// One booking of these seats.
    ///
    /// # Errors
    /// When anything on the way is refused.
    pub async fn book_these(&mut self, show: ShowId, seats: &[String]) -> anyhow::Result<Took> {
        let begun = Instant::now();
        let held = self.hold(show, seats).await?;
        let sent = Instant::now();
        self.webhook(&held, 2 * PRICE).await?;
        let acked = Instant::now();
        self.wait_for(&held, "CONFIRMED").await?;
        Ok(Took {
            hold: sent - begun,
            ack: acked - sent,
            confirmed: sent.elapsed(),
        })
    }
}

/// A `payment_intent.succeeded` with the fields that Stripe sends, about a kilobyte.
pub fn paid(booking: &str, payment: &str, minor: i64) -> String {
    format!(
        r#"{{"id":"evt_{payment}","object":"event","api_version":"2024-06-20","created":1732147200,"data":{{"object":{{"id":"pi_{payment}","object":"payment_intent","amount":{minor},"amount_capturable":0,"amount_details":{{"tip":{{}}}},"amount_received":{minor},"application":null,"application_fee_amount":null,"automatic_payment_methods":{{"enabled":true}},"canceled_at":null,"cancellation_reason":null,"capture_method":"automatic","client_secret":"pi_{payment}_secret","confirmation_method":"automatic","created":1732147190,"currency":"inr","customer":null,"description":null,"invoice":null,"last_payment_error":null,"latest_charge":"ch_{payment}","livemode":false,"metadata":{{"booking_id":"{booking}"}},"next_action":null,"payment_method":"pm_{payment}","payment_method_types":["card"],"processing":null,"receipt_email":null,"review":null,"setup_future_usage":null,"shipping":null,"statement_descriptor":null,"status":"succeeded","transfer_group":null}}}},"livemode":false,"pending_webhooks":1,"request":{{"id":null,"idempotency_key":null}},"type":"payment_intent.succeeded"}}"#
    )
}
