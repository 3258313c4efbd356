//! Calls to Cashfree's API (JSON, pinned to one version of it).
//!
//! An attempt of ours is known by its order until a payment of it bears money, and by that payment from then on: every
//! call takes either.

use std::time::Duration;

use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference, RefundFact};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::CaptureMode;
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::RequestBuilder;
use secrecy::ExposeSecret;
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::judge;
use super::name::{self, Name};
use super::objects::{Order, Payment, Refund};
use super::orders::{Act, Customer, NewOrder, NewRefund, Tags};
use super::{Speaker, changes};
use crate::amount;
use crate::client::{
    Answer, Attempt, CallError, CaptureAnswer, ChangesPage, CreatePayment, Created, GatewayClient,
    RefundOrder, VoidAnswer, Window,
};
use crate::config::ApiConfig;
use crate::exchange::{Reply, decode, exchange, http_client};

/// The version whose answers `objects.rs` was written for.
const API_VERSION: &str = "2025-01-01";
/// Cashfree wants a telephone number of every customer, and we know of none.
const NO_TELEPHONE: &str = "9999999999";

/// Speaks to one Cashfree account.
#[derive(Clone, Debug)]
pub struct CashfreeClient {
    pub(super) speaker: Speaker,
    base_url: String,
    timeout: Duration,
    http: reqwest::Client,
}

/// An order as it stands, with the payment of it that says how.
struct Stands {
    fact: PaymentFact,
    /// How many of its payments were captured.
    captured: usize,
}

impl CashfreeClient {
    /// A client with a connection pool of its own.
    ///
    /// # Errors
    /// In words, when a key cannot stand in a header or the machine has no TLS roots.
    pub fn new(
        account: GatewayAccount,
        live: bool,
        capture: CaptureMode,
        api: &ApiConfig,
    ) -> Result<Self, String> {
        let value = |text: &str, what: &str| {
            HeaderValue::from_str(text)
                .map_err(|_| format!("`{what}` has characters that no header can hold"))
        };
        let id = value(api.user.as_deref().unwrap_or_default(), "user")?;
        let mut key = value(api.api_key.expose_secret(), "api_key")?;
        key.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("x-client-id"), id),
            (HeaderName::from_static("x-client-secret"), key),
            (
                HeaderName::from_static("x-api-version"),
                HeaderValue::from_static(API_VERSION),
            ),
        ]);
        Ok(Self {
            speaker: Speaker {
                account,
                live,
                capture,
            },
            base_url: api.base_url.trim_end_matches('/').to_owned(),
            timeout: api.timeout(),
            http: http_client(api, headers)?,
        })
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}/pg{path}", self.base_url))
    }

    pub(super) fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}/pg{path}", self.base_url))
    }

    async fn create(&self, order: &CreatePayment) -> Result<Created, CallError> {
        let amount = number(order.amount)?;
        let id = name::order_of(order.payment);
        let wanted = NewOrder {
            order_id: &id,
            order_amount: &amount,
            order_currency: order.amount.currency.code(),
            order_note: &order.description,
            customer_details: Customer {
                customer_id: &id,
                customer_phone: NO_TELEPHONE,
            },
            order_tags: Tags {
                booking_id: order.booking.to_string(),
                payment_id: order.payment.to_string(),
                show_id: order.show.to_string(),
            },
        };
        let request = self
            .post("/orders")
            .header("x-idempotency-key", order.payment.to_string())
            .json(&wanted);
        let body = match ask(request).await {
            // Ours of before, whose idempotency key the gateway has forgotten: the id is of our making.
            Err(CallError::Declined { code, .. }) if code.ends_with("_exists") => {
                ask(self.get(&format!("/orders/{id}"))).await?
            }
            answer => answer?,
        };
        let made: Order<'_> = decode(&body)?;
        let ours = Reference::Booking {
            booking: order.booking,
            payment: Some(order.payment),
        };
        if made.order_id != id || made.reference() != ours {
            return Err(CallError::unknown("the answer is about another order"));
        }
        Ok(Created {
            gateway_payment_id: id,
            client_secret: made.payment_session_id.map(std::borrow::Cow::into_owned),
            checkout_url: None,
        })
    }

    /// How an order stands, or one payment of it. An order stands as the first of its payments that was captured, else
    /// as one that is reserved, else as one that the bank is at work on.
    async fn stands(&self, name: Name<'_>) -> Result<Stands, CallError> {
        let order = ask(self.get(&format!("/orders/{}", name.order))).await?;
        let order: Order<'_> = decode(&order)?;
        let payments = ask(self.get(&format!("/orders/{}/payments", name.order))).await?;
        let payments: Vec<&RawValue> = decode(&payments)?;
        if order.order_id != name.order {
            return Err(CallError::unknown("the answer is about another order"));
        }
        let mut best: Option<(u8, (usize, String), PaymentFact)> = None;
        let mut captured = 0;
        for raw in payments {
            let payment: Payment<'_> = decode(raw.get().as_bytes())?;
            let fact = self.payment_fact(&payment, &order)?;
            captured += usize::from(fact.state == PaymentState::Captured);
            let id = payment.id().map_err(unreadable)?.into_owned();
            if name.part.is_some_and(|wanted| wanted != id) {
                continue;
            }
            let rank = match fact.state {
                PaymentState::Captured => 0,
                PaymentState::Authorised => 1,
                PaymentState::Processing => 2,
                // A try that came to nothing says little about the order, and all about itself.
                _ if name.part.is_none() => 3,
                _ => 4,
            };
            // Ids are numbers that grow.
            let age = (id.len(), id);
            let better = match &best {
                Some((before, first, _)) => (rank, &age) < (*before, first),
                None => true,
            };
            if better {
                best = Some((rank, age, fact));
            }
        }
        let fact = match best {
            Some((0..=2 | 4, _, fact)) => fact,
            _ if name.part.is_some() => return Err(CallError::NotFound),
            tried => self.unpaid(&order, tried.is_some())?,
        };
        Ok(Stands { fact, captured })
    }

    fn unpaid(&self, order: &Order<'_>, tried: bool) -> Result<PaymentFact, CallError> {
        let state = match order.order_status.as_deref() {
            Some("ACTIVE" | "TERMINATION_REQUESTED") if tried => PaymentState::Failed,
            Some("ACTIVE" | "TERMINATION_REQUESTED") => PaymentState::Open,
            Some("EXPIRED" | "TERMINATED") => PaymentState::Cancelled,
            Some("PAID") => {
                return Err(CallError::unknown(
                    "a paid order without the payment that paid it",
                ));
            }
            _ => return Err(CallError::unknown("a status that we do not know")),
        };
        order.unpaid(&self.speaker, state).map_err(unreadable)
    }

    async fn void(&self, id: &str) -> Result<VoidAnswer, CallError> {
        let name = Name::parse(id)?;
        let request = self
            .http
            .patch(format!("{}/pg/orders/{}", self.base_url, name.order))
            .json(&json!({ "order_status": "TERMINATED" }));
        let refused = match ask(request).await {
            Ok(body) => {
                let order: Order<'_> = decode(&body)?;
                if order.order_id == name.order
                    && order.order_status.as_deref() == Some("TERMINATED")
                {
                    return Ok(VoidAnswer::Cancelled);
                }
                None
            }
            Err(refused @ CallError::Declined { .. }) => Some(refused),
            Err(error) => return Err(error),
        };
        let fact = self.stands(name).await?.fact;
        match fact.state {
            PaymentState::Cancelled => Ok(VoidAnswer::Cancelled),
            PaymentState::Captured => Ok(VoidAnswer::AlreadyPaid(fact)),
            PaymentState::Authorised => self.give_up(name, &fact).await,
            PaymentState::Processing => Ok(VoidAnswer::NotPossible {
                why: "the bank is at work on it".into(),
            }),
            PaymentState::Open | PaymentState::Failed => match refused {
                Some(refused) => Ok(VoidAnswer::NotPossible {
                    why: refused.to_string(),
                }),
                None => Err(CallError::unknown("the order is not ended yet")),
            },
        }
    }

    /// Gives a reservation up.
    async fn give_up(
        &self,
        name: Name<'_>,
        reserved: &PaymentFact,
    ) -> Result<VoidAnswer, CallError> {
        let act = Act {
            action: "VOID",
            amount: None,
        };
        let answer = self.authorization(name, &act).await;
        match (answer, self.again(reserved).await?) {
            (_, fact) if fact.state == PaymentState::Cancelled => Ok(VoidAnswer::Cancelled),
            (_, fact) if fact.state == PaymentState::Captured => Ok(VoidAnswer::AlreadyPaid(fact)),
            (Err(CallError::Declined { code, message }), _) => Ok(VoidAnswer::NotPossible {
                why: format!("{code}: {message}"),
            }),
            (Err(error), _) => Err(error),
            (Ok(_), fact) => Err(CallError::unknown(format!(
                "asked to give it up, and it is {:?}",
                fact.state
            ))),
        }
    }

    async fn capture(&self, id: &str) -> Result<CaptureAnswer, CallError> {
        let name = Name::parse(id)?;
        let before = self.stands(name).await?.fact;
        match before.state {
            PaymentState::Captured => return Ok(CaptureAnswer::Taken(before)),
            PaymentState::Authorised => {}
            PaymentState::Cancelled | PaymentState::Failed => {
                return Err(CallError::Declined {
                    code: "not_reserved".into(),
                    message: "the reservation was given up or ran out".into(),
                });
            }
            state => {
                return Err(CallError::unknown(format!(
                    "asked to take the money, and it is {state:?}"
                )));
            }
        }
        let amount = number(before.amount)?;
        let act = Act {
            action: "CAPTURE",
            amount: Some(&amount),
        };
        let answer = self.authorization(name, &act).await;
        // Taking it twice is refused, and so is taking what was given up: how it stands now is the answer.
        let after = self.again(&before).await?;
        match (answer, after.state) {
            (_, PaymentState::Captured) => Ok(CaptureAnswer::Taken(after)),
            (_, PaymentState::Cancelled) => Err(CallError::Declined {
                code: "not_reserved".into(),
                message: "the reservation was given up or ran out".into(),
            }),
            (Err(error), _) => Err(error),
            (Ok(_), state) => Err(CallError::unknown(format!(
                "asked to take the money, and it is {state:?}"
            ))),
        }
    }

    async fn authorization(&self, name: Name<'_>, act: &Act<'_>) -> Result<Vec<u8>, CallError> {
        let path = format!("/orders/{}/authorization", name.order);
        ask(self.post(&path).json(act)).await
    }

    /// The same payment as it stands by now.
    async fn again(&self, fact: &PaymentFact) -> Result<PaymentFact, CallError> {
        Ok(self
            .stands(Name::parse(&fact.gateway_payment_id)?)
            .await?
            .fact)
    }

    /// Cashfree returns the money of an *order*: where that has several captured payments, nobody can say of which, and
    /// a person must do it there.
    async fn make_refund(&self, order: &RefundOrder) -> Result<RefundFact, CallError> {
        let name = Name::parse(&order.gateway_payment_id)?;
        let stands = self.stands(name).await?;
        if stands.captured > 1 {
            return Err(CallError::Declined {
                code: "several_payments".into(),
                message: format!(
                    "order {} has {} captured payments, and Cashfree refunds by order: return {} at its dashboard",
                    name.order, stands.captured, order.gateway_payment_id
                ),
            });
        }
        let amount = number(order.amount)?;
        let id = name::refund_of(order.refund, order.generation);
        let wanted = NewRefund {
            refund_id: &id,
            refund_amount: &amount,
            refund_note: format!("booking {}: {}", order.booking, order.reason),
        };
        let request = self
            .post(&format!("/orders/{}/refunds", name.order))
            .header("x-idempotency-key", &order.key)
            .json(&wanted);
        match ask(request).await {
            Ok(body) => {
                let fact = self.refund_fact(&body)?;
                if fact.refund != Some(order.refund)
                    || fact.generation != Some(order.generation)
                    || fact.gateway_payment_id != stands.fact.gateway_payment_id
                {
                    return Err(CallError::unknown("the answer is about another refund"));
                }
                Ok(fact)
            }
            Err(declined @ CallError::Declined { .. }) => {
                order.unless_made(declined, self.list(name).await)
            }
            Err(error) => Err(error),
        }
    }

    async fn refund_now(&self, id: &str) -> Result<RefundFact, CallError> {
        let Name {
            order,
            part: Some(refund),
        } = Name::parse(id)?
        else {
            return Err(CallError::NotFound);
        };
        self.refund_fact(&ask(self.get(&format!("/orders/{order}/refunds/{refund}"))).await?)
    }

    /// The refunds of a payment, or of all payments of an order. Cashfree lists them on one page.
    async fn list(&self, name: Name<'_>) -> Result<Vec<RefundFact>, CallError> {
        let body = ask(self.get(&format!("/orders/{}/refunds", name.order))).await?;
        let list: Vec<&RawValue> = decode(&body)?;
        let mut refunds = Vec::new();
        for raw in list {
            let fact = self.refund_fact(raw.get().as_bytes())?;
            let of = Name::parse(&fact.gateway_payment_id)?;
            if of.order != name.order {
                return Err(CallError::unknown("the list holds another order's refund"));
            }
            if name.part.is_none_or(|wanted| of.part == Some(wanted)) {
                refunds.push(fact);
            }
        }
        Ok(refunds)
    }

    fn payment_fact(
        &self,
        payment: &Payment<'_>,
        order: &Order<'_>,
    ) -> Result<PaymentFact, CallError> {
        let state = payment
            .state(self.speaker.capture)
            .ok_or_else(|| CallError::unknown("a status that we do not know"))?;
        payment
            .fact(&self.speaker, order, state, None)
            .map_err(unreadable)
    }

    fn refund_fact(&self, body: &[u8]) -> Result<RefundFact, CallError> {
        let refund: Refund<'_> = decode(body)?;
        refund.fact(&self.speaker).map_err(unreadable)
    }
}

impl GatewayClient for CashfreeClient {
    fn account(&self) -> &GatewayAccount {
        &self.speaker.account
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }

    fn create_payment<'a>(&'a self, order: &'a CreatePayment) -> Answer<'a, Created> {
        self.create(order).boxed()
    }

    fn fetch_payment<'a>(&'a self, gateway_payment_id: &'a str) -> Answer<'a, PaymentFact> {
        async move { Ok(self.stands(Name::parse(gateway_payment_id)?).await?.fact) }.boxed()
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
        self.refund_now(gateway_refund_id).boxed()
    }

    fn refunds_of<'a>(&'a self, gateway_payment_id: &'a str) -> Answer<'a, Vec<RefundFact>> {
        async move { self.list(Name::parse(gateway_payment_id)?).await }.boxed()
    }

    fn changes<'a>(&'a self, window: &'a Window, page: Option<&'a str>) -> Answer<'a, ChangesPage> {
        changes::page(self, window, page).boxed()
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

fn number(amount: Money) -> Result<Box<RawValue>, CallError> {
    amount::number(amount).ok_or_else(|| CallError::unknown("an amount that cannot be written"))
}

fn unreadable(error: crate::port::Unreadable) -> CallError {
    CallError::unknown(error.to_string())
}
