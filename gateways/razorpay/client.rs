//! Calls to Razorpay's API (JSON, Basic auth with key id and secret).
//!
//! An attempt of ours is known by its order (`order_…`) until a payment (`pay_…`) of it bears money, and by that from
//! then on: every call takes either.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference, RefundFact};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::payment::CaptureMode;
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, header};
use reqwest::RequestBuilder;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::answer::judge;
use super::objects::{Collection, Order, Payment, Refund};
use crate::client::{
    Answer, Attempt, CallError, CaptureAnswer, ChangesPage, CreatePayment, Created, GatewayClient,
    RefundOrder, VoidAnswer, Window,
};
use crate::config::ApiConfig;
use crate::exchange::{Reply, decode, exchange, http_client, path_id};

/// Items asked for at a time: Razorpay's most.
pub(super) const PAGE: usize = 100;
/// More pages than a payment can have refunds for; a gateway that never ends a list is broken.
const MOST_PAGES: usize = 100;
/// What the id of an order begins with.
const ORDER: &str = "order_";

/// Speaks to one Razorpay account.
#[derive(Clone, Debug)]
pub struct RazorpayClient {
    pub(super) account: GatewayAccount,
    pub(super) live: bool,
    base_url: String,
    key_id: String,
    timeout: Duration,
    http: reqwest::Client,
}

impl RazorpayClient {
    /// A client with a connection pool of its own.
    ///
    /// # Errors
    /// In words, when the machine has no TLS roots.
    pub fn new(account: GatewayAccount, live: bool, api: &ApiConfig) -> Result<Self, String> {
        let key_id = api.user.clone().unwrap_or_default();
        let pair = format!("{key_id}:{}", api.api_key.expose_secret());
        let mut key = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
            .map_err(|_| "`api_key` has characters that no header can hold".to_owned())?;
        key.set_sensitive(true);
        Ok(Self {
            account,
            live,
            base_url: api.base_url.trim_end_matches('/').to_owned(),
            key_id,
            timeout: api.timeout(),
            http: http_client(api, HeaderMap::from_iter([(header::AUTHORIZATION, key)]))?,
        })
    }

    pub(super) fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.base_url))
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.http
            .post(format!("{}{path}", self.base_url))
            .json(body)
    }

    /// Razorpay has no idempotency for orders. So that asking again gives the same one, it is looked for by its receipt,
    /// our attempt's id, before it is made.
    async fn create(&self, order: &CreatePayment) -> Result<Created, CallError> {
        let receipt = order.payment.uuid().simple().to_string();
        let ours = Reference::Booking {
            booking: order.booking,
            payment: Some(order.payment),
        };
        let query = [("receipt", receipt.as_str()), ("count", "10")];
        let body = ask(self.get("/v1/orders").query(&query)).await?;
        let list: Collection<'_> = decode(&body)?;
        for raw in &list.items {
            let made: Order<'_> = decode(raw.get().as_bytes())?;
            if made.receipt.as_deref() == Some(&receipt) && made.reference() == ours {
                return Ok(self.created(&made));
            }
        }
        let wanted = json!({
            "amount": order.amount.minor,
            "currency": order.amount.currency.code(),
            "receipt": receipt,
            "payment_capture": u8::from(order.capture == CaptureMode::Automatic),
            "notes": {
                "booking_id": order.booking.to_string(),
                "payment_id": order.payment.to_string(),
                "show_id": order.show.to_string(),
            },
        });
        let body = ask(self.post("/v1/orders", &wanted)).await?;
        let made: Order<'_> = decode(&body)?;
        if made.reference() != ours {
            return Err(CallError::unknown("the answer is about another order"));
        }
        Ok(self.created(&made))
    }

    fn created(&self, order: &Order<'_>) -> Created {
        Created {
            gateway_payment_id: order.id.clone().into_owned(),
            // No secret: Razorpay's script wants the key's id beside the order's.
            client_secret: Some(self.key_id.clone()),
            checkout_url: None,
        }
    }

    async fn fetch(&self, id: &str) -> Result<PaymentFact, CallError> {
        if id.starts_with(ORDER) {
            self.attempt(id).await
        } else {
            self.payment(id).await
        }
    }

    /// A payment. Where it does not say whose it is, its order does.
    async fn payment(&self, id: &str) -> Result<PaymentFact, CallError> {
        let body = ask(self.get(&format!("/v1/payments/{}", path_id(id)?))).await?;
        let payment: Payment<'_> = decode(&body)?;
        if payment.id != id {
            return Err(CallError::unknown("the answer is about another payment"));
        }
        let of_order = match (payment.reference(), &payment.order_id) {
            (Reference::Absent, Some(order)) => {
                let body = ask(self.get(&format!("/v1/orders/{}", path_id(order)?))).await?;
                decode::<Order<'_>>(&body)?.reference()
            }
            _ => Reference::Absent,
        };
        self.payment_fact(&payment, of_order)
    }

    /// How an order stands: by the payment of it that was captured first, else by one that is reserved, else by the
    /// last try.
    async fn attempt(&self, id: &str) -> Result<PaymentFact, CallError> {
        let body = ask(self.get(&format!("/v1/orders/{}", path_id(id)?))).await?;
        let order: Order<'_> = decode(&body)?;
        if order.id != id {
            return Err(CallError::unknown("the answer is about another order"));
        }
        let reference = order.reference();
        let mut best: Option<(u8, i64, PaymentFact)> = None;
        let (mut last_failed, mut passed_over) = (None, false);
        let payments = match &*order.status {
            // Nobody has tried yet.
            "created" => Vec::new(),
            _ => ask(self.get(&format!("/v1/orders/{id}/payments"))).await?,
        };
        let payments: Collection<'_> = match payments.as_slice() {
            [] => Collection { items: Vec::new() },
            body => decode(body)?,
        };
        for raw in &payments.items {
            let payment: Payment<'_> = decode(raw.get().as_bytes())?;
            let fact = self.payment_fact(&payment, reference.clone())?;
            // Its notes name another booking, and its webhooks do so too: it is decided there.
            if !same_booking(&fact.reference, &reference) {
                passed_over = true;
                continue;
            }
            let rank = match fact.state {
                PaymentState::Captured => 0,
                PaymentState::Authorised => 1,
                state => {
                    let failed = state == PaymentState::Failed;
                    last_failed = last_failed.max(Some((payment.created_at, failed)));
                    continue;
                }
            };
            let before = best.as_ref().map(|(rank, at, _)| (*rank, *at));
            if before.is_none_or(|before| (rank, payment.created_at) < before) {
                best = Some((rank, payment.created_at, fact));
            }
        }
        match best {
            Some((_, _, fact)) => Ok(fact),
            None if order.status == "paid" && !passed_over => Err(CallError::unknown(
                "a paid order without the payment that paid it",
            )),
            None => {
                let state = match last_failed {
                    Some((_, true)) => PaymentState::Failed,
                    _ => PaymentState::Open,
                };
                order
                    .unpaid(&self.account, state, self.live)
                    .map_err(|error| CallError::unknown(error.to_string()))
            }
        }
    }

    /// Nothing can be cancelled here. An order never expires, and a reservation only lapses, some days later.
    async fn void(&self, id: &str) -> Result<VoidAnswer, CallError> {
        let fact = self.fetch(id).await?;
        Ok(match fact.state {
            PaymentState::Captured => VoidAnswer::AlreadyPaid(fact),
            PaymentState::Cancelled => VoidAnswer::Cancelled,
            PaymentState::Authorised => VoidAnswer::NotPossible {
                why:
                    "a reservation cannot be given up here: it goes back to the customer by itself"
                        .into(),
            },
            _ => VoidAnswer::NotPossible {
                why: "orders never expire here and cannot be cancelled".into(),
            },
        })
    }

    async fn capture(&self, attempt: &Attempt) -> Result<CaptureAnswer, CallError> {
        let id = attempt.gateway_payment_id.as_str();
        // Razorpay wants to hear the amount, and takes the whole or nothing.
        let wanted = json!({
            "amount": attempt.amount.minor,
            "currency": attempt.amount.currency.code(),
        });
        let path = format!("/v1/payments/{}/capture", path_id(id)?);
        let fact = match ask(self.post(&path, &wanted)).await {
            Ok(body) => {
                let ours = Reference::Booking {
                    booking: attempt.booking,
                    payment: Some(attempt.payment),
                };
                self.payment_fact(&decode::<Payment<'_>>(&body)?, ours)?
            }
            // "Already captured" may well be our own earlier try.
            Err(declined @ CallError::Declined { .. }) => match self.fetch(id).await {
                Ok(fact) if fact.gateway_payment_id == id => {
                    if fact.state == PaymentState::Authorised {
                        return Err(declined);
                    }
                    fact
                }
                Ok(_) => return Err(CallError::unknown("asked to take what is no payment")),
                Err(error) => {
                    return Err(CallError::unknown(format!(
                        "{declined}; and looking it up did not work: {error}"
                    )));
                }
            },
            Err(error) => return Err(error),
        };
        if fact.gateway_payment_id != id {
            return Err(CallError::unknown("the answer is about another payment"));
        }
        match fact.state {
            PaymentState::Captured => Ok(CaptureAnswer::Taken(fact)),
            PaymentState::Cancelled | PaymentState::Failed => Err(CallError::Declined {
                code: "not_authorized".into(),
                message: "the reservation lapsed, or the bank took it back".into(),
            }),
            state => Err(CallError::unknown(format!(
                "asked to take the money, and it is {state:?}"
            ))),
        }
    }

    async fn make_refund(&self, order: &RefundOrder) -> Result<RefundFact, CallError> {
        let mut notes = json!({
            "booking_id": order.booking.to_string(),
            "refund_id": order.refund.to_string(),
            "generation": order.generation.to_string(),
            "reason": order.reason,
        });
        if let Some(payment) = order.payment {
            notes["payment_id"] = payment.to_string().into();
        }
        let wanted = json!({
            "amount": order.amount.minor, "speed": "normal", "receipt": order.key, "notes": notes,
        });
        let path = format!(
            "/v1/payments/{}/refund",
            path_id(&order.gateway_payment_id)?
        );
        let request = self
            .post(&path, &wanted)
            .header("x-refund-idempotency", &order.key);
        match ask(request).await {
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
        let path = format!("/v1/payments/{}/refunds", path_id(payment)?);
        let mut refunds: Vec<RefundFact> = Vec::new();
        for _ in 0..MOST_PAGES {
            let query = [("count", PAGE), ("skip", refunds.len())];
            let body = ask(self.get(&path).query(&query)).await?;
            let page: Collection<'_> = decode(&body)?;
            for raw in &page.items {
                let fact = self.refund_fact(raw.get().as_bytes())?;
                if fact.gateway_payment_id != payment {
                    return Err(CallError::unknown(
                        "the list holds another payment's refund",
                    ));
                }
                // One that was made meanwhile moves the others on, and a page repeats what the last one ended with.
                if !refunds
                    .iter()
                    .any(|known| known.gateway_refund_id == fact.gateway_refund_id)
                {
                    refunds.push(fact);
                }
            }
            if page.items.len() < PAGE {
                return Ok(refunds);
            }
        }
        Err(CallError::unknown("the list of refunds does not end"))
    }

    pub(super) fn payment_fact(
        &self,
        payment: &Payment<'_>,
        order: Reference,
    ) -> Result<PaymentFact, CallError> {
        let state = payment
            .state()
            .ok_or_else(|| CallError::unknown("a status that we do not know"))?;
        payment
            .fact(&self.account, state, order, self.live)
            .map_err(|error| CallError::unknown(error.to_string()))
    }

    pub(super) fn refund_fact(&self, body: &[u8]) -> Result<RefundFact, CallError> {
        let refund: Refund<'_> = decode(body)?;
        refund
            .fact(&self.account, self.live)
            .map_err(|error| CallError::unknown(error.to_string()))
    }
}

impl GatewayClient for RazorpayClient {
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
        self.capture(attempt).boxed()
    }

    fn refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, RefundFact> {
        self.make_refund(order).boxed()
    }

    fn fetch_refund<'a>(&'a self, gateway_refund_id: &'a str) -> Answer<'a, RefundFact> {
        async move {
            let request = self.get(&format!("/v1/refunds/{}", path_id(gateway_refund_id)?));
            self.refund_fact(&ask(request).await?)
        }
        .boxed()
    }

    fn refunds_of<'a>(&'a self, gateway_payment_id: &'a str) -> Answer<'a, Vec<RefundFact>> {
        self.list(gateway_payment_id).boxed()
    }

    fn changes<'a>(&'a self, window: &'a Window, page: Option<&'a str>) -> Answer<'a, ChangesPage> {
        self.page(window, page).boxed()
    }
}

/// The body of a good answer.
pub(super) async fn ask(request: RequestBuilder) -> Result<Vec<u8>, CallError> {
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

/// Whether a payment belongs to the booking that its order is for.
fn same_booking(payment: &Reference, order: &Reference) -> bool {
    match (payment, order) {
        (
            Reference::Booking { booking, .. },
            Reference::Booking {
                booking: ordered, ..
            },
        ) => booking == ordered,
        _ => true,
    }
}
