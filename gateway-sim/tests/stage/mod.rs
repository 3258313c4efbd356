//! A simulator on a port of its own, a place that takes webhooks, and the real Stripe client.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use boxoffice_gateway_sim::{
    AdyenOptions, CashfreeOptions, Options, RazorpayOptions, SimError, Webhook, serve,
};
use boxoffice_gateways::{
    AccountConfig, ApiConfig, Attempt, CreatePayment, GatewayAccount, GatewayClient, Gateways,
    LineConfig, RefundOrder, SigningSecret,
};
use boxoffice_saga::identity::{BookingId, PaymentId, RefundId, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::CaptureMode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const SECRET: &str = "whsec_simulated";
pub const KEY: &str = "sk_test_simulated";

/// Our account at the simulated Razorpay.
pub const KEY_ID: &str = "rzp_test_simulated";
pub const KEY_SECRET: &str = "a_simulated_secret";
/// Our merchant account at the simulated Adyen, and what its webhooks are signed with.
pub const MERCHANT: &str = "SimulatedMerchant";
pub const HMAC_KEY: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";

pub struct Sim {
    pub base: String,
    pub gateways: Gateways,
    pub http: reqwest::Client,
    stop: CancellationToken,
    task: JoinHandle<Result<(), SimError>>,
}

impl Sim {
    pub async fn start() -> Self {
        Self::with(Options::new(KEY), 5_000).await
    }

    pub async fn with(options: Options, timeout_ms: u32) -> Self {
        Self::with_line(options, timeout_ms, LineConfig::default()).await
    }

    pub async fn with_line(mut options: Options, timeout_ms: u32, line: LineConfig) -> Self {
        options.razorpay.get_or_insert_with(|| razorpay(None));
        let at_cashfree = options.cashfree.get_or_insert_with(|| cashfree(None));
        let reserves = at_cashfree.reserves;
        options.adyen.get_or_insert_with(|| adyen(None));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, options, stop.clone()));
        let mut config = AccountConfig::new("stripe", SigningSecret::new(SECRET));
        config.api = Some(ApiConfig {
            base_url: base.clone(),
            user: None,
            merchant: None,
            client_version: None,
            api_key: KEY.into(),
            timeout_ms,
        });
        config.line = line;
        let mut razorpay = AccountConfig::new("razorpay", SigningSecret::new(SECRET));
        razorpay.api = Some(ApiConfig {
            base_url: format!("{base}/razorpay"),
            user: Some(KEY_ID.to_owned()),
            merchant: None,
            client_version: None,
            api_key: KEY_SECRET.into(),
            timeout_ms,
        });
        razorpay.line = config.line;
        let mut cashfree = AccountConfig::new("cashfree", SigningSecret::new(SECRET));
        if reserves {
            cashfree.capture = CaptureMode::AfterSeats;
        }
        cashfree.api = Some(ApiConfig {
            base_url: format!("{base}/cashfree"),
            user: Some(KEY_ID.to_owned()),
            merchant: None,
            client_version: None,
            api_key: KEY_SECRET.into(),
            timeout_ms,
        });
        let mut adyen = AccountConfig::new("adyen", SigningSecret::new(HMAC_KEY));
        adyen.api = Some(ApiConfig {
            base_url: format!("{base}/adyen"),
            user: None,
            merchant: Some(MERCHANT.to_owned()),
            client_version: None,
            api_key: KEY_SECRET.into(),
            timeout_ms,
        });
        let accounts = vec![config, razorpay, cashfree, adyen];
        let gateways = Gateways::new(accounts, vec![]).unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap();
        Self {
            base,
            gateways,
            http,
            stop,
            task,
        }
    }

    pub fn client(&self) -> &Arc<dyn GatewayClient> {
        self.gateways
            .client(&GatewayAccount::new("stripe", "default"))
            .unwrap()
    }

    pub fn razorpay(&self) -> &Arc<dyn GatewayClient> {
        self.gateways
            .client(&GatewayAccount::new("razorpay", "default"))
            .unwrap()
    }

    pub fn of(&self, gateway: &str) -> &Arc<dyn GatewayClient> {
        let account = GatewayAccount::new(gateway, "default");
        self.gateways.client(&account).unwrap()
    }

    /// The customer on the page of `gateway`.
    pub async fn pay_page(&self, gateway: &str, order: &str, told: Value) -> Value {
        self.post(&format!("/{gateway}/page/orders/{order}/pay"), told)
            .await
    }

    /// The customer on Razorpay's page: `card` or `declined`. Razorpay's payment, as it stands then.
    pub async fn pay_order(&self, order: &str, method: &str) -> Value {
        let path = format!("/razorpay/page/orders/{order}/pay");
        self.post(&path, json!({ "method": method })).await
    }

    pub async fn post(&self, path: &str, told: Value) -> Value {
        let answer = self
            .http
            .post(format!("{}{path}", self.base))
            .json(&told)
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_success(),
            "{path}: {}",
            answer.text().await.unwrap()
        );
        answer.json().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Value {
        let request = self
            .http
            .get(format!("{}{path}", self.base))
            .bearer_auth(KEY);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// As the browser does it: without our key.
    pub async fn confirm(&self, id: &str, secret: &str, card: &str) -> (u16, Value) {
        let url = format!("{}/v1/payment_intents/{id}/confirm", self.base);
        let form = [("client_secret", secret), ("payment_method", card)];
        let answer = self.http.post(url).form(&form).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Opened and paid.
    pub async fn paid(&self) -> (CreatePayment, String) {
        let order = order();
        let created = self.client().create_payment(&order).await.unwrap();
        let (status, _) = self
            .confirm(
                &created.gateway_payment_id,
                &created.client_secret.unwrap(),
                "pm_card_visa",
            )
            .await;
        assert_eq!(status, 200);
        (order, created.gateway_payment_id)
    }

    /// The books' page of one payment.
    pub async fn page(&self, payment: &str) -> Value {
        let books = self.get(&format!("/_sim/books?payment={payment}")).await;
        books["payments"][0].clone()
    }

    /// Ends the simulator; what is left is who called it.
    pub async fn stop(self) -> Gateways {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.gateways
    }
}

/// Our account at Razorpay, whose webhooks go there.
pub fn razorpay(webhook: Option<Webhook>) -> RazorpayOptions {
    RazorpayOptions {
        key_id: KEY_ID.to_owned(),
        key_secret: KEY_SECRET.to_owned(),
        webhook,
    }
}

/// Our account at Cashfree, whose webhooks go there.
pub fn cashfree(webhook: Option<Webhook>) -> CashfreeOptions {
    CashfreeOptions {
        client_id: KEY_ID.to_owned(),
        client_secret: KEY_SECRET.to_owned(),
        reserves: false,
        webhook,
    }
}

/// Our account at Adyen, whose webhooks go there.
pub fn adyen(webhook: Option<Webhook>) -> AdyenOptions {
    AdyenOptions {
        merchant: MERCHANT.to_owned(),
        api_key: KEY_SECRET.to_owned(),
        webhook: webhook.map(|webhook| Webhook {
            secret: HMAC_KEY.to_owned(),
            ..webhook
        }),
    }
}

pub fn order() -> CreatePayment {
    let payment = PaymentId::from(Uuid::new_v4());
    let show = ShowId::try_from(7_u64).unwrap();
    CreatePayment {
        payment,
        booking: BookingId::pack(1_700_000_000_000, show, payment.uuid().as_u64_pair().1),
        show,
        amount: Money::new(45_000, "INR".parse().unwrap()),
        capture: Default::default(),
        description: "Two seats & a café, 100%".into(),
    }
}

/// An attempt of nobody's in particular, under the gateway's id.
pub fn attempt(gateway_payment_id: &str) -> Attempt {
    attempt_of(&order(), gateway_payment_id)
}

pub fn attempt_of(order: &CreatePayment, gateway_payment_id: &str) -> Attempt {
    Attempt {
        payment: order.payment,
        booking: order.booking,
        gateway_payment_id: gateway_payment_id.into(),
        amount: order.amount,
    }
}

pub fn refund_of(order: &CreatePayment, gateway_payment_id: &str, generation: u32) -> RefundOrder {
    let refund = RefundId::of(order.payment, 1);
    RefundOrder {
        refund,
        generation,
        key: refund.gateway_key(generation),
        gateway_payment_id: gateway_payment_id.into(),
        amount: order.amount,
        booking: order.booking,
        payment: Some(order.payment),
        reason: "seats_lost".into(),
    }
}

/// Takes webhooks, answering with the statuses given first and 200 afterwards.
pub struct Receiver {
    pub webhook: Webhook,
    received: mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
}

struct Door {
    first: std::sync::Mutex<Vec<u16>>,
    received: mpsc::UnboundedSender<(HeaderMap, Bytes)>,
}

impl Receiver {
    pub async fn start(first: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/webhooks/stripe", listener.local_addr().unwrap());
        let (sender, received) = mpsc::unbounded_channel();
        let door = Door {
            first: std::sync::Mutex::new(first.iter().rev().copied().collect()),
            received: sender,
        };
        let router = Router::new()
            .route("/webhooks/stripe", post(take))
            .with_state(Arc::new(door));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            webhook: Webhook {
                url,
                secret: SECRET.into(),
            },
            received,
        }
    }

    pub async fn next(&mut self) -> (HeaderMap, Bytes) {
        tokio::time::timeout(Duration::from_secs(20), self.received.recv())
            .await
            .expect("no webhook")
            .unwrap()
    }

    pub async fn next_kind(&mut self) -> (String, String) {
        let (_, body) = self.next().await;
        let event: Value = serde_json::from_slice(&body).unwrap();
        (
            event["id"].as_str().unwrap().to_owned(),
            event["type"].as_str().unwrap().to_owned(),
        )
    }

    pub fn nothing_more(&mut self) {
        assert!(self.received.try_recv().is_err());
    }
}

async fn take(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    door.received.send((headers, body)).unwrap();
    let status = door.first.lock().unwrap().pop().unwrap_or(200);
    StatusCode::from_u16(status).unwrap()
}

pub fn calls(page: &Value, call: &str) -> Vec<Value> {
    page["calls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["call"] == json!(call))
        .cloned()
        .collect()
}

/// What the doors count by, for the simulator signs at the machine's time.
#[allow(
    clippy::disallowed_methods,
    reason = "the simulator signs at the machine's time"
)]
pub fn now() -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc()
}
