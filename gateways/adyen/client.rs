//! Calls to Adyen's Checkout API (JSON, pinned to one version of it).
//!
//! An attempt of ours is known by its payment link until the webhook of its payment has told that one's PSP reference,
//! and by that from then on. Of a link Adyen says how it stands; of a payment or a refund it says nothing when asked.

use std::borrow::Cow;
use std::time::Duration;

use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference, RefundFact, RefundState};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::money::Money;
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::RequestBuilder;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::judge;
use super::name;
use crate::amount;
use crate::client::{
    Answer, CallError, CreatePayment, Created, GatewayClient, RefundNews, RefundOrder, SaidBy,
    VoidAnswer,
};
use crate::config::ApiConfig;
use crate::exchange::{Reply, decode, exchange, http_client};

/// The version whose answers this was written for.
const VERSION: &str = "v71";
/// Adyen keeps idempotency keys for seven days at least; an hour of it is for clocks and for calls on their way.
const KEY_LIVES: Duration = Duration::from_secs((7 * 24 - 1) * 3_600);
/// How long to wait for the webhook that tells a payment's PSP reference.
const WEBHOOK_COMES: Duration = Duration::from_secs(300);

/// Speaks to one Adyen merchant account.
#[derive(Clone, Debug)]
pub struct AdyenClient {
    account: GatewayAccount,
    live: bool,
    merchant: String,
    base_url: String,
    timeout: Duration,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Amount<'a> {
    value: i64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
}

impl Amount<'_> {
    fn money(&self) -> Result<Money, CallError> {
        amount::whole(self.value, &self.currency)
            .map_err(|error| CallError::unknown(error.to_string()))
    }
}

#[derive(Deserialize)]
struct Link<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    reference: Cow<'a, str>,
    #[serde(borrow)]
    amount: Amount<'a>,
    #[serde(borrow, default)]
    url: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundTaken<'a> {
    #[serde(borrow)]
    psp_reference: Cow<'a, str>,
    #[serde(borrow)]
    payment_psp_reference: Cow<'a, str>,
    #[serde(borrow, default)]
    reference: Option<Cow<'a, str>>,
    #[serde(borrow)]
    amount: Amount<'a>,
    #[serde(borrow)]
    status: Cow<'a, str>,
}

impl AdyenClient {
    /// A client with a connection pool of its own.
    ///
    /// # Errors
    /// In words, when the key cannot stand in a header or the machine has no TLS roots.
    pub fn new(account: GatewayAccount, live: bool, api: &ApiConfig) -> Result<Self, String> {
        let mut key = HeaderValue::from_str(api.api_key.expose_secret())
            .map_err(|_| "`api_key` has characters that no header can hold".to_owned())?;
        key.set_sensitive(true);
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-api-key"), key)]);
        Ok(Self {
            account,
            live,
            merchant: api.merchant.clone().unwrap_or_default(),
            base_url: api.base_url.trim_end_matches('/').to_owned(),
            timeout: api.timeout(),
            http: http_client(api, headers)?,
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{VERSION}{path}", self.base_url)
    }

    fn post(&self, path: &str, key: &str, body: &Value) -> RequestBuilder {
        self.http
            .post(self.url(path))
            .header("idempotency-key", key)
            .json(body)
    }

    async fn create(&self, order: &CreatePayment) -> Result<Created, CallError> {
        let reference = name::of_payment(order.booking, order.payment);
        let wanted = json!({
            "merchantAccount": self.merchant,
            "reference": reference,
            "amount": amount(order.amount),
            "description": order.description,
            // Whatever the account's own delay: what is authorised counts as taken.
            "captureDelayHours": 0,
            "metadata": {
                "booking_id": order.booking.to_string(),
                "payment_id": order.payment.to_string(),
                "show_id": order.show.to_string(),
            },
        });
        let request = self.post("/paymentLinks", &order.payment.to_string(), &wanted);
        let body = ask(request).await?;
        let link: Link<'_> = decode(&body)?;
        if link.reference != reference || !name::is_link(&link.id) {
            return Err(CallError::unknown("the answer is about another link"));
        }
        Ok(Created {
            gateway_payment_id: name::id(&link.id)?.to_owned(),
            client_secret: None,
            checkout_url: link.url.map(Cow::into_owned),
        })
    }

    async fn fetch(&self, id: &str) -> Result<PaymentFact, CallError> {
        let id = name::id(id)?;
        if !name::is_link(id) {
            return Err(not_asked("how a payment stands"));
        }
        let body = ask(self.http.get(self.url(&format!("/paymentLinks/{id}")))).await?;
        self.link_fact(id, &body)
    }

    /// How a link stands. One that is paid is the payment, under the link's name until its own is told.
    fn link_fact(&self, id: &str, body: &[u8]) -> Result<PaymentFact, CallError> {
        let link: Link<'_> = decode(body)?;
        if link.id != id {
            return Err(CallError::unknown("the answer is about another link"));
        }
        let state = match &*link.status {
            "active" => PaymentState::Open,
            "paymentPending" => PaymentState::Processing,
            "completed" | "paid" => PaymentState::Captured,
            "expired" => PaymentState::Cancelled,
            _ => return Err(CallError::unknown("a status that we do not know")),
        };
        Ok(PaymentFact {
            account: self.account.clone(),
            gateway_payment_id: id.to_owned(),
            opened_as: Some(id.to_owned()),
            reference: name::read(&link.reference).reference,
            state,
            amount: link.amount.money()?,
            live: self.live,
            reason: (state == PaymentState::Cancelled).then(|| "expired".to_owned()),
        })
    }

    async fn void(&self, id: &str) -> Result<VoidAnswer, CallError> {
        let id = name::id(id)?;
        if !name::is_link(id) {
            return Ok(VoidAnswer::NotPossible {
                why: "a payment that has a PSP reference has been taken".into(),
            });
        }
        let request = self
            .http
            .patch(self.url(&format!("/paymentLinks/{id}")))
            .json(&json!({ "status": "expired" }));
        let fact = match ask(request).await {
            Ok(body) => self.link_fact(id, &body)?,
            // Paid or expired already.
            Err(CallError::Declined { .. }) => self.fetch(id).await?,
            Err(error) => return Err(error),
        };
        match fact.state {
            PaymentState::Cancelled => Ok(VoidAnswer::Cancelled),
            PaymentState::Captured => Ok(VoidAnswer::AlreadyPaid(fact)),
            PaymentState::Processing => Ok(VoidAnswer::NotPossible {
                why: "the bank is at work on it".into(),
            }),
            state => Err(CallError::unknown(format!(
                "asked to end it, and it is {state:?}"
            ))),
        }
    }

    async fn make_refund(&self, order: &RefundOrder) -> Result<RefundFact, CallError> {
        let payment = name::id(&order.gateway_payment_id)?;
        if name::is_link(payment) {
            return Err(CallError::RetryLater {
                after: Some(WEBHOOK_COMES),
                why: "the payment's PSP reference comes with its AUTHORISATION webhook, which has not come yet"
                    .into(),
                said_by: SaidBy::Gateway,
            });
        }
        let reference = name::of_refund(order.booking, &order.key);
        let wanted = json!({
            "merchantAccount": self.merchant,
            "amount": amount(order.amount),
            "reference": reference,
            "merchantRefundReason": "OTHER",
        });
        let path = format!("/payments/{payment}/refunds");
        let body = ask(self.post(&path, &order.key, &wanted)).await?;
        let taken: RefundTaken<'_> = decode(&body)?;
        let amount = taken.amount.money()?;
        let ours = taken.payment_psp_reference == payment
            && taken.reference.as_deref() == Some(reference.as_str())
            && taken.status == "received"
            && amount == order.amount;
        if !ours {
            return Err(CallError::unknown("the answer is about another refund"));
        }
        Ok(RefundFact {
            account: self.account.clone(),
            gateway_refund_id: name::id(&taken.psp_reference)?.to_owned(),
            gateway_payment_id: payment.to_owned(),
            reference: Reference::Booking {
                booking: order.booking,
                payment: order.payment,
            },
            refund: Some(order.refund),
            generation: Some(order.generation),
            state: RefundState::Pending,
            amount,
            live: self.live,
            reason: None,
        })
    }
}

impl GatewayClient for AdyenClient {
    fn account(&self) -> &GatewayAccount {
        &self.account
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn create_payment<'a>(&'a self, order: &'a CreatePayment) -> Answer<'a, Created> {
        self.create(order).boxed()
    }

    fn fetch_payment<'a>(&'a self, gateway_payment_id: &'a str) -> Answer<'a, PaymentFact> {
        self.fetch(gateway_payment_id).boxed()
    }

    fn void_payment<'a>(&'a self, gateway_payment_id: &'a str) -> Answer<'a, VoidAnswer> {
        self.void(gateway_payment_id).boxed()
    }

    fn capture_payment<'a>(&'a self, _gateway_payment_id: &'a str) -> Answer<'a, PaymentFact> {
        // The configuration allows no reservations here.
        async { Err(not_asked("the money of a reservation")) }.boxed()
    }

    fn refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, RefundFact> {
        self.make_refund(order).boxed()
    }

    fn fetch_refund<'a>(&'a self, _gateway_refund_id: &'a str) -> Answer<'a, RefundFact> {
        async { Err(not_asked("how a refund stands")) }.boxed()
    }

    fn refunds_of<'a>(&'a self, _gateway_payment_id: &'a str) -> Answer<'a, Vec<RefundFact>> {
        async { Err(not_asked("the refunds of a payment")) }.boxed()
    }

    fn refund_news(&self) -> RefundNews {
        RefundNews::Told {
            key_lives: KEY_LIVES,
        }
    }
}

fn amount(money: Money) -> Value {
    json!({ "value": money.minor, "currency": money.currency.code() })
}

/// What Adyen cannot be asked.
fn not_asked(what: &str) -> CallError {
    CallError::cannot_be_asked(format!(
        "Adyen cannot be asked for {what}: its webhooks and its reports say it"
    ))
}

/// The body of a good answer.
async fn ask(request: RequestBuilder) -> Result<Vec<u8>, CallError> {
    let Reply {
        status,
        headers,
        body,
    } = exchange(request).await?;
    if status.is_success() {
        Ok(body)
    } else {
        Err(judge(status, &headers, &body))
    }
}
