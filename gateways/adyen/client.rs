//! Calls to Adyen's Checkout API (JSON, pinned to one version of it).
//!
//! An attempt of ours is known by its payment link until the webhook of its payment has told that one's PSP reference,
//! and by that from then on. Of a link Adyen says how it stands; of a payment or a refund it says nothing when asked.

use std::borrow::Cow;
use std::time::Duration;

use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference, RefundFact, RefundState};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::CaptureMode;
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
    Answer, Attempt, CallError, CaptureAnswer, CreatePayment, Created, GatewayClient, RefundNews,
    RefundOrder, SaidBy, VoidAnswer,
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
struct Accepted<'a> {
    /// That of the request.
    #[serde(borrow)]
    psp_reference: Cow<'a, str>,
    #[serde(borrow)]
    payment_psp_reference: Cow<'a, str>,
    #[serde(borrow, default)]
    reference: Option<Cow<'a, str>>,
    /// A cancellation names none.
    #[serde(borrow, default)]
    amount: Option<Amount<'a>>,
    #[serde(borrow)]
    status: Cow<'a, str>,
}

/// What is to be done to a payment.
struct Wanted<'a> {
    /// The path's last part.
    what: &'static str,
    payment: &'a str,
    /// Ours, which the webhook bears.
    reference: String,
    amount: Option<Money>,
    key: Option<&'a str>,
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

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.http.post(self.url(path)).json(body)
    }

    /// Has something done to a payment. With the PSP reference of the request: Adyen says that it has received it, and its
    /// webhook says what became of it.
    async fn have_done(&self, wanted: &Wanted<'_>) -> Result<String, CallError> {
        let mut body = json!({
            "merchantAccount": self.merchant,
            "reference": wanted.reference,
        });
        if let Some(money) = wanted.amount {
            body["amount"] = amount(money);
        }
        let path = format!("/payments/{}/{}", wanted.payment, wanted.what);
        let mut request = self.post(&path, &body);
        if let Some(key) = wanted.key {
            request = request.header("idempotency-key", key);
        }
        let answer = ask(request).await?;
        let accepted: Accepted<'_> = decode(&answer)?;
        let amount = accepted.amount.map(|amount| amount.money()).transpose()?;
        let ours = accepted.payment_psp_reference == wanted.payment
            && accepted.reference.as_deref() == Some(wanted.reference.as_str())
            && accepted.status == "received"
            && (wanted.amount.is_none() || amount == wanted.amount);
        if !ours {
            return Err(CallError::unknown("the answer is about another request"));
        }
        Ok(name::id(&accepted.psp_reference)?.to_owned())
    }

    async fn create(&self, order: &CreatePayment) -> Result<Created, CallError> {
        let reference = name::of_payment(order.booking, order.payment, order.capture);
        let mut wanted = json!({
            "merchantAccount": self.merchant,
            "reference": reference,
            "amount": amount(order.amount),
            "description": order.description,
            "metadata": {
                "booking_id": order.booking.to_string(),
                "payment_id": order.payment.to_string(),
                "show_id": order.show.to_string(),
            },
        });
        // Whatever the account's own setting.
        match order.capture {
            // What is authorised counts as taken.
            CaptureMode::Automatic => wanted["captureDelayHours"] = 0.into(),
            CaptureMode::AfterSeats => wanted["manualCapture"] = true.into(),
        }
        let request = self
            .post("/paymentLinks", &wanted)
            .header("idempotency-key", order.payment.to_string());
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

    /// How a link stands. One that is paid is the payment, under the link's name until its own is told. Of a reservation
    /// it does not say what became of it.
    fn link_fact(&self, id: &str, body: &[u8]) -> Result<PaymentFact, CallError> {
        let link: Link<'_> = decode(body)?;
        if link.id != id {
            return Err(CallError::unknown("the answer is about another link"));
        }
        let whose = name::read(&link.reference);
        let state = match &*link.status {
            "active" => PaymentState::Open,
            "paymentPending" => PaymentState::Processing,
            "completed" | "paid" if whose.reserved => PaymentState::Authorised,
            "completed" | "paid" => PaymentState::Captured,
            "expired" => PaymentState::Cancelled,
            _ => return Err(CallError::unknown("a status that we do not know")),
        };
        Ok(PaymentFact {
            account: self.account.clone(),
            gateway_payment_id: id.to_owned(),
            opened_as: Some(id.to_owned()),
            reference: whose.reference,
            state,
            amount: link.amount.money()?,
            live: self.live,
            reason: (state == PaymentState::Cancelled).then(|| "expired".to_owned()),
        })
    }

    async fn void(&self, attempt: &Attempt) -> Result<VoidAnswer, CallError> {
        let id = name::id(&attempt.gateway_payment_id)?;
        if !name::is_link(id) {
            // Without a key: cancelling twice is harmless, and each request has an outcome of its own.
            let wanted = reserved("cancels", id, attempt);
            return self.have_done(&wanted).await.map(|_| VoidAnswer::UnderWay);
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
            PaymentState::Authorised => Err(reference_not_told(None)),
            PaymentState::Processing => Ok(VoidAnswer::NotPossible {
                why: "the bank is at work on it".into(),
            }),
            state => Err(CallError::unknown(format!(
                "asked to end it, and it is {state:?}"
            ))),
        }
    }

    async fn capture(&self, attempt: &Attempt) -> Result<CaptureAnswer, CallError> {
        let id = name::id(&attempt.gateway_payment_id)?;
        if name::is_link(id) {
            return Err(reference_not_told(None));
        }
        // Adyen keeps the keys of all calls together.
        let key = format!("{}-capture", attempt.payment);
        let wanted = Wanted {
            amount: Some(attempt.amount),
            key: Some(&key),
            ..reserved("captures", id, attempt)
        };
        self.have_done(&wanted)
            .await
            .map(|_| CaptureAnswer::UnderWay)
    }

    async fn make_refund(&self, order: &RefundOrder) -> Result<RefundFact, CallError> {
        let payment = name::id(&order.gateway_payment_id)?;
        if name::is_link(payment) {
            return Err(reference_not_told(Some(WEBHOOK_COMES)));
        }
        let wanted = Wanted {
            what: "refunds",
            payment,
            reference: name::of_refund(order.booking, &order.key),
            amount: Some(order.amount),
            key: Some(&order.key),
        };
        let gateway_refund_id = self.have_done(&wanted).await?;
        Ok(RefundFact {
            account: self.account.clone(),
            gateway_refund_id,
            gateway_payment_id: payment.to_owned(),
            reference: Reference::Booking {
                booking: order.booking,
                payment: order.payment,
            },
            refund: Some(order.refund),
            generation: Some(order.generation),
            state: RefundState::Pending,
            amount: order.amount,
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

    fn void_payment<'a>(&'a self, attempt: &'a Attempt) -> Answer<'a, VoidAnswer> {
        self.void(attempt).boxed()
    }

    fn capture_payment<'a>(&'a self, attempt: &'a Attempt) -> Answer<'a, CaptureAnswer> {
        self.capture(attempt).boxed()
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

/// What is done to a reservation: under the reference that says that it is one.
fn reserved<'a>(what: &'static str, payment: &'a str, attempt: &Attempt) -> Wanted<'a> {
    Wanted {
        what,
        payment,
        reference: name::of_payment(attempt.booking, attempt.payment, CaptureMode::AfterSeats),
        amount: None,
        key: None,
    }
}

/// Nothing can be done to a payment of which we know the link alone.
fn reference_not_told(after: Option<Duration>) -> CallError {
    CallError::RetryLater {
        after,
        why: "the payment's PSP reference comes with its AUTHORISATION webhook, which has not come yet"
            .into(),
        said_by: SaidBy::Gateway,
    }
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
