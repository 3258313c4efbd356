//! A customer with a browser: holds, pays at the gateway, polls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use boxoffice_saga::identity::ShowId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::stage::Stage;

/// How long a customer waits for a status before the scene is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who wants a seat.
pub struct Customer {
    stage: Arc<Stage>,
    token: String,
}

/// A payment that the customer can make at the gateway.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Our id of it.
    pub payment_id: String,
    /// The gateway's.
    pub gateway_payment_id: String,
    client_secret: String,
}

impl Customer {
    /// A customer called `name`, unlike all others of that name.
    pub(super) async fn new(stage: Arc<Stage>, name: &str) -> anyhow::Result<Self> {
        let now = stage.now().await?;
        let token = stage.token(&format!("{name}-{}", Uuid::new_v4().simple()), now)?;
        Ok(Self { stage, token })
    }

    /// Holds seats. Returns the booking's id.
    pub async fn hold(&self, show: ShowId, seats: &[&str]) -> anyhow::Result<String> {
        self.hold_as(show, seats, &json!({ "email": "anna@example.com" }))
            .await
    }

    /// Holds seats, to be told under `contact` what becomes of them. Returns the booking's id.
    pub async fn hold_as(
        &self,
        show: ShowId,
        seats: &[&str],
        contact: &Value,
    ) -> anyhow::Result<String> {
        let url = format!("{}/v1/shows/{show}/holds", self.stage.target.api);
        let body = json!({ "seats": seats, "contact": contact });
        let answer = self.post(&url, &body).await?;
        text(&answer, "booking_id")
    }

    /// Asks for seats once, and returns whatever is answered.
    pub async fn try_hold(
        &self,
        show: ShowId,
        seats: &[&str],
    ) -> anyhow::Result<reqwest::Response> {
        let url = format!("{}/v1/shows/{show}/holds", self.stage.target.api);
        let body = json!({ "seats": seats, "contact": { "email": "bob@example.com" } });
        Ok(self
            .stage
            .http
            .post(url)
            .bearer_auth(&self.token)
            .json(&body)
            .send()
            .await?)
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Holds seats as soon as they can be had.
    pub async fn hold_when_free(&self, show: ShowId, seats: &[&str]) -> anyhow::Result<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.hold(show, seats).await {
                Ok(booking) => return Ok(booking),
                Err(error) if Instant::now() > until => {
                    return Err(error.context("the seats never became free"));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Starts a payment at Stripe.
    pub async fn open_payment(&self, booking: &str) -> anyhow::Result<Attempt> {
        self.open_payment_at(booking, "stripe").await
    }

    /// Starts a payment at the gateway of that name.
    pub async fn open_payment_at(&self, booking: &str, gateway: &str) -> anyhow::Result<Attempt> {
        let url = format!("{}/v1/bookings/{booking}/payments", self.stage.target.api);
        let answer = self.post(&url, &json!({ "gateway": gateway })).await?;
        Ok(Attempt {
            payment_id: text(&answer, "payment_id")?,
            gateway_payment_id: text(&answer, "gateway_payment_id")?,
            // Adyen's links have none.
            client_secret: text(&answer, "client_secret").unwrap_or_default(),
        })
    }

    /// Pays at the gateway, with a card that works, as the browser does.
    pub async fn pay(&self, attempt: &Attempt) -> anyhow::Result<()> {
        let (status, answer) = self.pay_with(attempt, "pm_card_visa").await?;
        // Taken, or reserved where we take it ourselves.
        let paid = answer["status"] == "succeeded" || answer["status"] == "requires_capture";
        if !status.is_success() || !paid {
            bail!("the gateway did not take the payment: {status} {answer}");
        }
        Ok(())
    }

    /// Tries to pay at the gateway with a card, by Stripe's name of it; returns what the gateway says.
    pub async fn pay_with(
        &self,
        attempt: &Attempt,
        card: &str,
    ) -> anyhow::Result<(reqwest::StatusCode, Value)> {
        let url = format!(
            "{}/v1/payment_intents/{}/confirm",
            self.stage.target.simulator, attempt.gateway_payment_id
        );
        let form = [
            ("payment_method", card),
            ("client_secret", attempt.client_secret.as_str()),
        ];
        let answer = self.stage.http.post(url).form(&form).send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    /// Tries to pay an order on Razorpay's page: `card`, or `declined`. Returns Razorpay's payment, as it stands then.
    pub async fn pay_order(&self, attempt: &Attempt, method: &str) -> anyhow::Result<Value> {
        let url = format!(
            "{}/razorpay/page/orders/{}/pay",
            self.stage.target.simulator, attempt.gateway_payment_id
        );
        let tried = self.stage.http.post(url).json(&json!({ "method": method }));
        Ok(tried.send().await?.error_for_status()?.json().await?)
    }

    /// Does on the page of `gateway` what `told` says: `{"method": "card" | "declined"}`, with `"again": true` also where
    /// the page is closed already. Returns what the gateway says.
    pub async fn pay_page(
        &self,
        gateway: &str,
        attempt: &Attempt,
        told: &Value,
    ) -> anyhow::Result<Value> {
        let url = format!(
            "{}/{gateway}/page/orders/{}/pay",
            self.stage.target.simulator, attempt.gateway_payment_id
        );
        let tried = self.stage.http.post(url).json(told);
        Ok(tried.send().await?.error_for_status()?.json().await?)
    }

    /// Fetches the ticket; returns the status of the answer.
    pub async fn ticket(&self, booking: &str) -> anyhow::Result<u16> {
        let url = format!("{}/v1/bookings/{booking}/ticket", self.stage.target.api);
        let request = self.stage.http.get(url).bearer_auth(&self.token);
        Ok(request.send().await?.status().as_u16())
    }

    /// Gives the hold up.
    pub async fn release(&self, booking: &str) -> anyhow::Result<()> {
        let url = format!("{}/v1/bookings/{booking}/release", self.stage.target.api);
        self.post(&url, &json!({})).await?;
        Ok(())
    }

    /// Asks once to start a payment, and returns whatever is answered.
    pub async fn try_open_payment(&self, booking: &str) -> anyhow::Result<reqwest::Response> {
        let url = format!("{}/v1/bookings/{booking}/payments", self.stage.target.api);
        let request = self.stage.http.post(url).bearer_auth(&self.token);
        Ok(request.json(&json!({ "gateway": "stripe" })).send().await?)
    }

    /// The status document now.
    pub async fn status(&self, booking: &str) -> anyhow::Result<Value> {
        let answer = self.poll(booking, None).await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// The status once more: at once, or with the tag of what is `known`, as soon as there is another document,
    /// 304 after five seconds.
    pub async fn poll(
        &self,
        booking: &str,
        known: Option<&str>,
    ) -> anyhow::Result<reqwest::Response> {
        let url = format!("{}/v1/bookings/{booking}?wait=5", self.stage.target.api);
        let mut request = self.stage.http.get(url).bearer_auth(&self.token);
        if let Some(tag) = known {
            request = request.header("if-none-match", tag);
        }
        Ok(request.send().await?)
    }

    /// Long-polls until the status is `wanted`, and returns that document.
    pub async fn wait_for(&self, booking: &str, wanted: &str) -> anyhow::Result<Value> {
        let until = Instant::now() + PATIENCE;
        let mut known: Option<String> = None;
        let mut last = Value::Null;
        while Instant::now() < until {
            let answer = match self.poll(booking, known.as_deref()).await {
                Ok(answer) if answer.status() == 304 => continue,
                Ok(answer) if answer.status().is_success() => answer,
                // Away, as every system is now and then.
                Ok(answer) if !answer.status().is_server_error() => {
                    bail!("the status answered {}", answer.status())
                }
                _ => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            known = tag(&answer);
            let Ok(document) = answer.json().await else {
                continue;
            };
            last = document;
            if last["status"] == wanted {
                return Ok(last);
            }
        }
        bail!("the status never became {wanted}; the last one was {last}")
    }

    /// Posts, and again under the same idempotency key while the system is away: that is what the key is for.
    async fn post(&self, url: &str, body: &Value) -> anyhow::Result<Value> {
        let key = Uuid::new_v4().to_string();
        let until = Instant::now() + PATIENCE;
        loop {
            let request = self
                .stage
                .http
                .post(url)
                .bearer_auth(&self.token)
                .header("idempotency-key", &key);
            let failure = match request.json(body).send().await {
                Ok(answer) if answer.status() == 503 => anyhow::anyhow!("{url} answered 503"),
                Ok(answer) => {
                    let status = answer.status();
                    match answer.json::<Value>().await {
                        Ok(answer) if status.is_success() => return Ok(answer),
                        Ok(answer) => bail!("{url} answered {status}: {answer}"),
                        Err(error) => error.into(),
                    }
                }
                Err(error) => error.into(),
            };
            if Instant::now() > until {
                return Err(failure);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The tag of a document.
pub(super) fn tag(answer: &reqwest::Response) -> Option<String> {
    let tag = answer.headers().get("etag")?;
    tag.to_str().ok().map(str::to_owned)
}

fn text(answer: &Value, field: &str) -> anyhow::Result<String> {
    let text = answer[field]
        .as_str()
        .with_context(|| format!("no {field} in {answer}"))?;
    Ok(text.to_owned())
}
