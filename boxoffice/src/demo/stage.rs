//! Where the scenes are played: a running system, with shows of their own.

use std::sync::Arc;

use anyhow::Context as _;
use boxoffice_booking_api::shows::{NewShow, create_show, put_on_sale};
use boxoffice_saga::identity::ShowId;
use boxoffice_turn::postgres::PgStore;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::Notify;

use super::customer::Customer;
use super::evidence::KafkaWatch;

/// The running system.
#[derive(Clone, Debug)]
pub struct Target {
    /// Base URL of the booking API.
    pub api: String,
    /// Base URL of the webhook ingress.
    pub ingress: String,
    /// Base URL of the gateway simulator.
    pub simulator: String,
    /// The database's URL.
    pub database: String,
    /// `host:port` of a broker.
    pub kafka: String,
    /// The secret with which callers' tokens are signed (HS256).
    pub jwt_secret: String,
    /// The secret with which the simulator's webhooks are signed.
    pub webhook_secret: String,
}

/// A system that was reached.
pub struct Stage {
    /// Where everything is.
    pub target: Target,
    /// The database, to read the ledger and to make shows.
    pub database: PgPool,
    /// The same as a store, which knows how to read a show's books.
    store: PgStore,
    /// What is published from now on.
    pub events: KafkaWatch,
    /// For all HTTP.
    pub http: reqwest::Client,
}

/// The machine's clock: that of whoever issues tokens, and of gateways.
#[expect(
    clippy::disallowed_methods,
    reason = "of tokens and signatures, which other machines make"
)]
pub fn clock() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

impl Stage {
    /// Reaches the system.
    ///
    /// # Errors
    /// When the database, the broker or a door cannot be reached.
    pub async fn enter(target: Target) -> anyhow::Result<Arc<Self>> {
        let events = KafkaWatch::start(&target.kafka).context("the broker cannot be reached")?;
        Self::with(target, events).await
    }

    /// Reaches the system without reading what is published: nothing is seen on Kafka, and nothing is spent on it.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn unwatched(target: Target) -> anyhow::Result<Arc<Self>> {
        Self::with(target, KafkaWatch::blind()).await
    }

    async fn with(target: Target, events: KafkaWatch) -> anyhow::Result<Arc<Self>> {
        let database = PgPoolOptions::new()
            .max_connections(4)
            .connect(&target.database)
            .await
            .context("the database cannot be reached")?;
        let store = PgStore::new(target.database.parse()?, 1, Arc::new(Notify::new()));
        let http = reqwest::Client::builder()
            .timeout(std::time::Duration::from_secs(30))
            .build()
            .context("no HTTP client")?;
        Ok(Arc::new(Self {
            target,
            database,
            store,
            events,
            http,
        }))
    }

    /// A show on sale with two rows of five seats, whose holds live `hold_ms` and not a moment longer.
    ///
    /// # Errors
    /// When the show cannot be made.
    pub async fn show(&self, title: &str, hold_ms: i64) -> anyhow::Result<ShowId> {
        let now = self.now().await?;
        let mut show = NewShow::hall(
            title,
            now + time::Duration::days(7),
            "INR".parse()?,
            2,
            5,
            45_000,
        );
        show.terms.hold_ms = hold_ms;
        if hold_ms < 60_000 {
            show.terms.grace_ms = 0;
            show.terms.extension_ms = 0;
            show.terms.extension_limit_ms = 0;
            show.terms.warning_ms = 0;
        }
        let id = create_show(&self.database, &show).await?;
        put_on_sale(&self.database, id).await?;
        Ok(id)
    }

    /// The promises that are broken over a show, each with what is wrong.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn broken_promises(&self, show: ShowId) -> anyhow::Result<Vec<String>> {
        let violations = self.store.books(show).await?.violations();
        let broken = violations
            .iter()
            .map(|violation| format!("{}: {}", violation.promise, violation.what));
        Ok(broken.collect())
    }

    /// The database's clock.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&self) -> anyhow::Result<OffsetDateTime> {
        Ok(sqlx::query("select clock_timestamp()")
            .fetch_one(&self.database)
            .await?
            .try_get(0)?)
    }

    /// Stripe's signature of `body` at `at`, in Unix seconds.
    pub fn sign(&self, at: i64, body: &[u8]) -> String {
        // HMAC takes keys of any length.
        let mac = Hmac::<Sha256>::new_from_slice(self.target.webhook_secret.as_bytes());
        let signature = mac.map_or_else(
            |_| Vec::new(),
            |mut mac| {
                mac.update(format!("{at}.").as_bytes());
                mac.update(body);
                mac.finalize().into_bytes().to_vec()
            },
        );
        format!("t={at},v1={}", hex::encode(signature))
    }

    /// The ingress's clock, in Unix seconds: that of the machine, as the simulator tells it. The database's may
    /// be away.
    ///
    /// # Errors
    /// When the simulator does not answer.
    pub async fn machine_now(&self) -> anyhow::Result<i64> {
        let clock = format!("{}/_sim/clock", self.target.simulator);
        let clock: Value = self.http.get(clock).send().await?.json().await?;
        let at = OffsetDateTime::parse(clock["now"].as_str().unwrap_or_default(), &Rfc3339)?;
        Ok(at.unix_timestamp())
    }

    /// The body of a `payment_intent.succeeded` for `booking`, in INR, as Stripe would send it.
    pub fn payment_succeeded(booking: &str, gateway_payment_id: &str, minor: i64) -> String {
        let object = json!({
            "id": gateway_payment_id, "object": "payment_intent", "status": "succeeded", "livemode": false,
            "amount": minor, "amount_received": minor, "currency": "inr", "metadata": { "booking_id": booking },
        });
        json!({
            "id": format!("evt_{}", uuid::Uuid::new_v4().simple()), "object": "event",
            "type": "payment_intent.succeeded", "livemode": false, "data": { "object": object },
        })
        .to_string()
    }

    /// Posts `body` to the ingress as a webhook of `gateway`, with this signature or none.
    ///
    /// # Errors
    /// When the ingress gives no answer.
    pub async fn post_to_ingress(
        &self,
        gateway: &str,
        signature: Option<&str>,
        body: &str,
    ) -> anyhow::Result<reqwest::Response> {
        let mut request = self
            .http
            .post(format!("{}/webhooks/{gateway}", self.target.ingress))
            .body(body.to_owned());
        if let Some(signature) = signature {
            request = request.header("stripe-signature", signature);
        }
        Ok(request.send().await?)
    }

    /// Posts a genuine `payment_intent.succeeded` for `booking`, under any gateway payment id.
    ///
    /// # Errors
    /// When the ingress gives no answer.
    pub async fn post_webhook(
        &self,
        booking: &str,
        gateway_payment_id: &str,
        minor: i64,
    ) -> anyhow::Result<reqwest::Response> {
        let body = Self::payment_succeeded(booking, gateway_payment_id, minor);
        let signature = self.sign(self.machine_now().await?, body.as_bytes());
        self.post_to_ingress("stripe", Some(&signature), &body)
            .await
    }

    /// What lets the user of this name in for an hour from `now`.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(&self, user: &str, now: OffsetDateTime) -> anyhow::Result<String> {
        let expires = now + time::Duration::hours(1);
        let claims = json!({ "sub": user, "exp": expires.unix_timestamp() });
        let key = jsonwebtoken::EncodingKey::from_secret(self.target.jwt_secret.as_bytes());
        Ok(jsonwebtoken::encode(
            &jsonwebtoken::Header::default(),
            &claims,
            &key,
        )?)
    }

    /// Somebody who wants a seat.
    ///
    /// # Errors
    /// When the token cannot be made.
    pub async fn customer(self: &Arc<Self>, name: &str) -> anyhow::Result<Customer> {
        Customer::new(self.clone(), name).await
    }
}
