//! Calls to Stripe's API (form encoded, pinned to one version of it).

use std::time::Duration;

use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference, RefundFact};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::payment::CaptureMode;
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::RequestBuilder;
use secrecy::ExposeSecret;

use super::answer::{ErrorBody, judge};
use super::objects::{Page, PaymentIntent, Refund};
use crate::client::{
    Answer, Attempt, CallError, CaptureAnswer, ChangesPage, CreatePayment, Created, GatewayClient,
    RefundOrder, VoidAnswer, Window,
};
use crate::config::ApiConfig;
use crate::exchange::{Reply, decode, exchange, http_client, path_id};

/// The version whose answers `objects.rs` was written for; the account's own default may change.
const API_VERSION: &str = "2024-06-20";
/// Objects of a list asked for at a time: Stripe's most.
pub(super) const PAGE: &str = "100";
/// More pages than a payment can have refunds for; a gateway that never ends a list is broken.
const MOST_PAGES: usize = 100;

/// Speaks to one Stripe account.
#[derive(Clone, Debug)]
pub struct StripeClient {
    pub(super) account: GatewayAccount,
    pub(super) live: bool,
    base_url: String,
    timeout: Duration,
    http: reqwest::Client,
}

type Form = Vec<(&'static str, String)>;

impl StripeClient {
    /// A client with a connection pool of its own.
    ///
    /// # Errors
    /// In words, when the key cannot stand in a header or the machine has no TLS roots.
    pub fn new(account: GatewayAccount, live: bool, api: &ApiConfig) -> Result<Self, String> {
        let mut key = HeaderValue::from_str(&format!("Bearer {}", api.api_key.expose_secret()))
            .map_err(|_| "`api_key` has characters that no header can hold".to_owned())?;
        key.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (header::AUTHORIZATION, key),
            (
                header::HeaderName::from_static("stripe-version"),
                HeaderValue::from_static(API_VERSION),
            ),
        ]);
        let http = http_client(api, headers)?;
        let base_url = api.base_url.trim_end_matches('/').to_owned();
        Ok(Self {
            account,
            live,
            base_url,
            timeout: api.timeout(),
            http,
        })
    }

    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.base_url))
    }

    fn post(&self, path: &str, form: &Form) -> RequestBuilder {
        self.http
            .post(format!("{}{path}", self.base_url))
            .form(form)
    }

    async fn create(&self, order: &CreatePayment) -> Result<Created, CallError> {
        let mut form = vec![
            ("amount", order.amount.minor.to_string()),
            (
                "currency",
                order.amount.currency.code().to_ascii_lowercase(),
            ),
            ("automatic_payment_methods[enabled]", "true".into()),
            ("description", order.description.clone()),
            ("metadata[booking_id]", order.booking.to_string()),
            ("metadata[payment_id]", order.payment.to_string()),
            ("metadata[show_id]", order.show.to_string()),
        ];
        if order.capture == CaptureMode::AfterSeats {
            form.push(("capture_method", "manual".into()));
        }
        let request = self
            .post("/v1/payment_intents", &form)
            .header("idempotency-key", order.payment.uuid().simple().to_string());
        let body = done(exchange(request).await?)?;
        let intent: PaymentIntent<'_> = decode(&body)?;
        let ours = Reference::Booking {
            booking: order.booking,
            payment: Some(order.payment),
        };
        if intent.reference() != ours {
            return Err(CallError::unknown("the answer is about another payment"));
        }
        self.same_mode(intent.livemode)?;
        Ok(Created {
            gateway_payment_id: intent.id.into_owned(),
            client_secret: intent.client_secret.map(std::borrow::Cow::into_owned),
            checkout_url: None,
        })
    }

    async fn fetch(&self, id: &str) -> Result<PaymentFact, CallError> {
        let request = self.get(&format!("/v1/payment_intents/{}", path_id(id)?));
        self.payment_fact(&done(exchange(request).await?)?)
    }

    async fn void(&self, id: &str) -> Result<VoidAnswer, CallError> {
        let form = vec![("cancellation_reason", "abandoned".into())];
        // Without a key: cancelling twice is harmless, while a replayed "not now" would be believed for a day.
        let request = self.post(
            &format!("/v1/payment_intents/{}/cancel", path_id(id)?),
            &form,
        );
        let reply = exchange(request).await?;
        let fact = if reply.status.is_success() {
            self.payment_fact(&reply.body)?
        } else {
            let Some(unexpected) = unexpected_state(&reply) else {
                return Err(judge(reply.status, &reply.headers, &reply.body));
            };
            match unexpected.and_then(|raw| self.payment_fact(raw.as_bytes()).ok()) {
                Some(fact) => fact,
                None => self.fetch(id).await?,
            }
        };
        if fact.gateway_payment_id != id {
            return Err(CallError::unknown("the answer is about another payment"));
        }
        match fact.state {
            PaymentState::Cancelled => Ok(VoidAnswer::Cancelled),
            PaymentState::Captured => Ok(VoidAnswer::AlreadyPaid(fact)),
            PaymentState::Processing => Ok(VoidAnswer::NotPossible {
                why: "the bank is at work on it".into(),
            }),
            state => Err(CallError::unknown(format!(
                "asked to cancel, and it is {state:?}"
            ))),
        }
    }

    async fn capture(&self, id: &str) -> Result<CaptureAnswer, CallError> {
        // Without a key: capturing twice is refused with the state it is in, while a replayed "not now" would be
        // believed for a day.
        let request = self.post(
            &format!("/v1/payment_intents/{}/capture", path_id(id)?),
            &Form::new(),
        );
        let reply = exchange(request).await?;
        let fact = if reply.status.is_success() {
            self.payment_fact(&reply.body)?
        } else {
            let Some(unexpected) = unexpected_state(&reply) else {
                return Err(judge(reply.status, &reply.headers, &reply.body));
            };
            match unexpected.and_then(|raw| self.payment_fact(raw.as_bytes()).ok()) {
                Some(fact) => fact,
                None => self.fetch(id).await?,
            }
        };
        if fact.gateway_payment_id != id {
            return Err(CallError::unknown("the answer is about another payment"));
        }
        match fact.state {
            PaymentState::Captured => Ok(CaptureAnswer::Taken(fact)),
            PaymentState::Cancelled => Err(CallError::Declined {
                code: "canceled".into(),
                message: "the reservation was given up or ran out".into(),
            }),
            state => Err(CallError::unknown(format!(
                "asked to take the money, and it is {state:?}"
            ))),
        }
    }

    async fn make_refund(&self, order: &RefundOrder) -> Result<RefundFact, CallError> {
        let mut form: Form = vec![
            ("payment_intent", order.gateway_payment_id.clone()),
            ("amount", order.amount.minor.to_string()),
            ("metadata[booking_id]", order.booking.to_string()),
            ("metadata[refund_id]", order.refund.to_string()),
            ("metadata[generation]", order.generation.to_string()),
            ("metadata[reason]", order.reason.clone()),
        ];
        if let Some(payment) = order.payment {
            form.push(("metadata[payment_id]", payment.to_string()));
        }
        let request = self
            .post("/v1/refunds", &form)
            .header("idempotency-key", &order.key);
        match exchange(request).await.and_then(done) {
            Ok(body) => {
                let fact = self.refund_fact(&body)?;
                if fact.refund != Some(order.refund)
                    || fact.gateway_payment_id != order.gateway_payment_id
                {
                    return Err(CallError::unknown("the answer is about another refund"));
                }
                Ok(fact)
            }
            Err(declined @ CallError::Declined { .. }) => {
                order.unless_made(declined, self.list(&order.gateway_payment_id).await)
            }
            Err(error) => Err(error),
        }
    }

    async fn list(&self, payment: &str) -> Result<Vec<RefundFact>, CallError> {
        path_id(payment)?;
        let mut refunds: Vec<RefundFact> = Vec::new();
        for _ in 0..MOST_PAGES {
            let mut query = vec![("payment_intent", payment), ("limit", PAGE)];
            if let Some(last) = refunds.last() {
                query.push(("starting_after", &last.gateway_refund_id));
            }
            let body = done(exchange(self.get("/v1/refunds").query(&query)).await?)?;
            let page: Page<'_> = decode(&body)?;
            let before = refunds.len();
            for raw in &page.data {
                let fact = self.refund_fact(raw.get().as_bytes())?;
                if fact.gateway_payment_id != payment {
                    return Err(CallError::unknown(
                        "the list holds another payment's refund",
                    ));
                }
                refunds.push(fact);
            }
            if !page.has_more {
                return Ok(refunds);
            }
            if refunds.len() == before {
                return Err(CallError::unknown("an empty page that says there is more"));
            }
        }
        Err(CallError::unknown("the list of refunds does not end"))
    }

    pub(super) fn payment_fact(&self, body: &[u8]) -> Result<PaymentFact, CallError> {
        let intent: PaymentIntent<'_> = decode(body)?;
        self.same_mode(intent.livemode)?;
        let state = intent
            .state()
            .ok_or_else(|| CallError::unknown("a status that we do not know"))?;
        intent
            .fact(&self.account, state, self.live)
            .map_err(|error| CallError::unknown(error.to_string()))
    }

    fn refund_fact(&self, body: &[u8]) -> Result<RefundFact, CallError> {
        self.any_refund_fact(body)?
            .ok_or_else(|| CallError::unknown("a refund that names no payment"))
    }

    /// None: it belongs to no payment intent.
    pub(super) fn any_refund_fact(&self, body: &[u8]) -> Result<Option<RefundFact>, CallError> {
        let refund: Refund<'_> = decode(body)?;
        refund
            .fact(&self.account, self.live)
            .map_err(|e| CallError::unknown(e.to_string()))
    }

    fn same_mode(&self, said: Option<bool>) -> Result<(), CallError> {
        match said {
            Some(said) if said != self.live => Err(CallError::unknown(
                "answered in another mode (live or test) than configured",
            )),
            _ => Ok(()),
        }
    }
}

impl GatewayClient for StripeClient {
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
        self.void(&attempt.gateway_payment_id).boxed()
    }

    fn capture_payment<'a>(&'a self, attempt: &'a Attempt) -> Answer<'a, CaptureAnswer> {
        self.capture(&attempt.gateway_payment_id).boxed()
    }

    fn refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, RefundFact> {
        self.make_refund(order).boxed()
    }

    fn fetch_refund<'a>(&'a self, gateway_refund_id: &'a str) -> Answer<'a, RefundFact> {
        async move {
            let request = self.get(&format!("/v1/refunds/{}", path_id(gateway_refund_id)?));
            self.refund_fact(&done(exchange(request).await?)?)
        }
        .boxed()
    }

    fn refunds_of<'a>(&'a self, gateway_payment_id: &'a str) -> Answer<'a, Vec<RefundFact>> {
        self.list(gateway_payment_id).boxed()
    }

    fn changes<'a>(&'a self, window: &'a Window, page: Option<&'a str>) -> Answer<'a, ChangesPage> {
        self.changed(window, page).boxed()
    }
}

pub(super) fn done(reply: Reply) -> Result<Vec<u8>, CallError> {
    if reply.status.is_success() {
        Ok(reply.body)
    } else {
        Err(judge(reply.status, &reply.headers, &reply.body))
    }
}

/// The payment inside "unexpected state". The outer None: another error; the inner: it is not inside.
fn unexpected_state(reply: &Reply) -> Option<Option<String>> {
    if reply.status != StatusCode::BAD_REQUEST {
        return None;
    }
    let ErrorBody { error } = serde_json::from_slice(&reply.body).ok()?;
    (error.code.as_deref() == Some("payment_intent_unexpected_state"))
        .then(|| error.payment_intent.map(|raw| raw.get().to_owned()))
}
