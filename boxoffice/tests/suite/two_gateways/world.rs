//! Two gateways behind one boxoffice, and the customers who pay there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boxoffice::demo::{Customer, Stage};
use boxoffice_saga::identity::ShowId;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::fate::{Door, Fate, Pays};
use super::{A_SECOND, BURST};
use crate::audience::PRICE;
use crate::system::System;

/// Two simulators behind one boxoffice.
pub struct World {
    pub system: System,
    pub stage: Arc<Stage>,
    /// Stripe's, Razorpay's.
    pub simulators: [String; 2],
    pub patience: Duration,
    /// Between two looks: the simulators' books grow with the bookings.
    pub pause: Duration,
}

/// An attempt as the gateway knows it: its id, and what Stripe's page must know besides.
type Opened = (String, String);

impl World {
    /// Waits until `look` gives something; or else what it said last.
    pub async fn eventually<T>(
        &self,
        what: &str,
        mut look: impl AsyncFnMut() -> Result<T, String>,
    ) -> T {
        let until = Instant::now() + self.patience;
        loop {
            match look().await {
                Ok(found) => return found,
                Err(now) => assert!(
                    Instant::now() < until,
                    "never: {what}; {now}\n{}",
                    self.system.log()
                ),
            }
            tokio::time::sleep(self.pause).await;
        }
    }

    async fn tell(&self, door: Door, what: &str, told: &Value) {
        let url = format!("{}/_sim/{what}", self.simulators[door as usize]);
        let answer = self.stage.http.post(url).json(told).send().await;
        let answer = answer.expect("the simulator listens");
        let status = answer.status();
        assert!(
            status.is_success(),
            "{what}: {status} {}",
            answer.text().await.unwrap_or_default()
        );
    }

    async fn books(&self, door: Door) -> Value {
        let url = format!("{}/_sim/books", self.simulators[door as usize]);
        let answer = self.stage.http.get(url).send().await;
        let answer = answer.expect("the simulator listens");
        answer.json().await.expect("books")
    }

    /// An attempt, as soon as the API can give one.
    async fn opens(&self, customer: &Customer, booking: &str, door: Door) -> Opened {
        let url = format!("{}/v1/bookings/{booking}/payments", self.stage.target.api);
        let (gateway, account) = door.account();
        let body = json!({ "gateway": gateway, "account": account });
        self.eventually("an attempt is opened", async || {
            let request = self.stage.http.post(&url).bearer_auth(customer.token());
            let answer = request.json(&body).send().await;
            let answer = answer.map_err(|error| error.to_string())?;
            let status = answer.status();
            let text = answer.text().await.map_err(|error| error.to_string())?;
            if !status.is_success() {
                assert!(
                    status.is_server_error() || status == 429,
                    "{booking}: {status} {text}"
                );
                return Err(format!("{status} {text}"));
            }
            let attempt: Value = serde_json::from_str(&text).expect("JSON");
            let id = attempt["gateway_payment_id"].as_str().ok_or(text.clone())?;
            let secret = attempt["client_secret"].as_str().unwrap_or_default();
            Ok((id.to_owned(), secret.to_owned()))
        })
        .await
    }

    /// What the gateway says to a card: the payment's id and its status, or the error's code.
    async fn card(&self, door: Door, attempt: &Opened, good: bool) -> (String, String) {
        let (id, secret) = attempt;
        let simulator = &self.simulators[door as usize];
        let request = match door {
            Door::Stripe => {
                let card = if good {
                    "pm_card_visa"
                } else {
                    "pm_card_chargeDeclined"
                };
                let form = [("payment_method", card), ("client_secret", secret)];
                let url = format!("{simulator}/v1/payment_intents/{id}/confirm");
                self.stage.http.post(url).form(&form)
            }
            Door::Razorpay => {
                let method = json!({ "method": if good { "card" } else { "declined" } });
                let url = format!("{simulator}/razorpay/page/orders/{id}/pay");
                self.stage.http.post(url).json(&method)
            }
        };
        self.eventually("the gateway answers the customer", async || {
            let request = request.try_clone().expect("a body that can be sent again");
            let answer = request.send().await;
            let answer = answer.map_err(|error| error.to_string())?;
            if answer.status().is_server_error() {
                return Err(answer.status().to_string());
            }
            let said: Value = answer.json().await.map_err(|error| error.to_string())?;
            let code = said["error"]["code"].as_str().or(said["status"].as_str());
            let payment = said["id"].as_str().unwrap_or(id);
            code.map(|code| (payment.to_owned(), code.to_owned()))
                .ok_or(said.to_string())
        })
        .await
    }

    /// One customer, from the hold to whatever they do last.
    pub async fn plays(&self, show: ShowId, seat: &str, fate: &Fate) {
        let customer = self.stage.customer("guest").await.expect("a customer");
        let hold = customer.hold_when_free(show, &[seat]).await;
        let booking = hold.expect("a hold");
        let about = format!("payments/{booking}");
        self.tell(fate.door, &about, &fate.behaviour).await;
        let attempt = self.opens(&customer, &booking, fate.door).await;
        let (declined, slow, good) = match fate.door {
            Door::Stripe => ("card_declined", "processing", "succeeded"),
            Door::Razorpay => ("failed", "created", "captured"),
        };
        if matches!(fate.pays, Pays::AtTheSecondTry | Pays::Never) {
            let (_, said) = self.card(fate.door, &attempt, false).await;
            assert_eq!(said, declined, "{booking}");
        }
        let mut payment = attempt.0.clone();
        if fate.pays != Pays::Never {
            let (id, said) = self.card(fate.door, &attempt, true).await;
            let slowly = matches!(fate.pays, Pays::Slowly(_));
            let wanted = if slowly { slow } else { good };
            assert_eq!(said, wanted, "{booking} {fate:?}");
            payment = id;
        }
        let of_it = |what: &str| format!("payments/{payment}/{what}");
        match fate.pays {
            Pays::Slowly(succeeds) => {
                let outcome = if succeeds { "succeeded" } else { "failed" };
                let outcome = json!({ "outcome": outcome });
                self.tell(fate.door, &of_it("settle"), &outcome).await;
            }
            Pays::Twice => {
                let second = match fate.door {
                    Door::Stripe => self.elsewhere(&booking).await,
                    Door::Razorpay => attempt,
                };
                let (_, said) = self.card(fate.door, &second, true).await;
                assert_eq!(said, good, "{booking}");
            }
            _ => {}
        }
        if matches!(fate.pays, Pays::Never | Pays::Slowly(false)) {
            // Gives up, if the system lets go: money may be on its way, as far as it knows.
            let _ = customer.release(&booking).await;
        }
        if fate.dashboard {
            self.tell(fate.door, &of_it("refund"), &json!({ "amount": 100 }))
                .await;
        }
    }

    /// A payment of the booking at Stripe that we did not open.
    async fn elsewhere(&self, booking: &str) -> Opened {
        let url = format!("{}/v1/payment_intents", self.simulators[0]);
        let price = PRICE.to_string();
        let form = [
            ("amount", price.as_str()),
            ("currency", "inr"),
            ("metadata[booking_id]", booking),
        ];
        self.eventually("a payment is opened elsewhere", async || {
            let request = self.stage.http.post(&url).bearer_auth("sk_test_key");
            let answer = request.form(&form).send().await;
            let answer = answer.map_err(|error| error.to_string())?;
            let said: Value = answer.json().await.map_err(|error| error.to_string())?;
            let field = |name: &str| said[name].as_str().map(str::to_owned);
            field("id")
                .zip(field("client_secret"))
                .ok_or(said.to_string())
        })
        .await
    }

    /// Both gateways are away until their circuits have opened, and then for `seconds`.
    pub async fn outage(&self, seconds: u64) {
        let away = json!({ "status": 503 });
        for door in Door::BOTH {
            self.tell(door, "outage", &away).await;
        }
        let metrics = format!("{}/metrics", self.stage.target.api);
        self.eventually("both circuits open", async || {
            let page = self.stage.http.get(&metrics).send().await;
            let page = page.map_err(|error| error.to_string())?.text().await;
            let page = page.map_err(|error| error.to_string())?;
            let opened = Door::BOTH.iter().all(|door| {
                let (gateway, account) = door.account();
                let line = format!(
                    "boxoffice_gateway_circuit_opened_total{{gateway=\"{gateway}/{account}\"}} "
                );
                page.lines()
                    .filter_map(|text| text.strip_prefix(&line))
                    .any(|count| count != "0")
            });
            opened.then_some(()).ok_or("not opened".to_owned())
        })
        .await;
        let until = Instant::now() + Duration::from_secs(seconds);
        self.eventually("the outage is over", async || {
            let left = until.saturating_duration_since(Instant::now());
            left.is_zero().then_some(()).ok_or(format!("{left:?}"))
        })
        .await;
        for door in Door::BOTH {
            self.tell(door, "outage", &json!({ "status": null })).await;
        }
    }

    /// The bank ends the refunds that it has kept pending.
    pub async fn settle_refunds(&self) {
        for door in Door::BOTH {
            let books = self.books(door).await;
            let payments = books["payments"].as_array().expect("payments");
            let refunds = payments
                .iter()
                .flat_map(|payment| payment["refunds"].as_array().expect("refunds"));
            for refund in refunds.filter(|refund| refund["status"] == "pending") {
                let id = refund["id"].as_str().expect("an id");
                self.tell(
                    door,
                    &format!("refunds/{id}"),
                    &json!({ "status": "succeeded" }),
                )
                .await;
            }
        }
    }

    /// No more calls of a kind within any second than the line permits, by the gateway's clock. A second and a half's
    /// worth of them, for calls do not all travel for the same time.
    pub async fn at_the_permitted_rate(&self, door: Door) {
        let books = self.books(door).await;
        let calls = ["payments", "orders"]
            .into_iter()
            .flat_map(|kind| books[kind].as_array().expect("a list"))
            .flat_map(|row| row["calls"].as_array().expect("calls"))
            .chain(books["other_calls"].as_array().expect("calls"));
        let mut times: BTreeMap<&str, Vec<OffsetDateTime>> = BTreeMap::new();
        for call in calls {
            let kind = call["call"].as_str().expect("a kind");
            if ["create", "cancel", "refund"].contains(&kind) {
                let at = call["at"].as_str().expect("a time");
                let at = OffsetDateTime::parse(at, &Rfc3339).expect("a time");
                times.entry(kind).or_default().push(at);
            }
        }
        for (kind, mut times) in times {
            times.sort();
            let most = A_SECOND * 3 / 2 + BURST;
            for (nth, at) in times.iter().enumerate() {
                let within = times[nth..]
                    .iter()
                    .take_while(|other| **other - *at < time::Duration::SECOND)
                    .count();
                assert!(
                    within <= most,
                    "{within} calls of {kind} within a second at {at}, of {}",
                    times.len()
                );
            }
        }
    }
}
