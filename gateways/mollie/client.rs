//! Calls to Mollie's API. (docs.mollie.com/reference/create-payment, …/get-payment, …/cancel-payment, …/create-refund,
//! …/list-refunds, …/handling-errors)
//!
//! A refund is known there only below its payment, so our name of one is both: `tr_…:re_…`.

use std::time::Duration;

use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, RefundFact};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::payment::CaptureMode;
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::RequestBuilder;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::events;
use crate::amount;
use crate::client::{
    Answer, Attempt, CallError, CaptureAnswer, CreatePayment, Created, GatewayClient, RefundOrder,
    SaidBy, VoidAnswer,
};
use crate::config::{AccountConfig, ApiConfig};
use crate::exchange::{Reply, decode, exchange, http_client, path_id, retry_after};
use crate::legible;
use crate::speaker::Speaker;

/// How long to wait when our key is refused: a person must put it right first.
const KEY_REFUSED: Duration = Duration::from_secs(60);
/// Refunds asked for at a time: Mollie's most, and more than a payment can sensibly have.
const PAGE: &str = "250";

/// Speaks to one Mollie account.
#[derive(Clone, Debug)]
pub struct MollieClient {
    speaker: Speaker,
    base_url: String,
    /// Where customers go from Mollie's page.
    return_url: String,
    /// Where Mollie posts to; none: where the dashboard says.
    webhook_url: Option<String>,
    timeout: Duration,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Opened {
    id: String,
    #[serde(default, rename = "_links")]
    links: Links,
}

#[derive(Default, Deserialize)]
struct Links {
    #[serde(default)]
    checkout: Option<Link>,
    #[serde(default)]
    next: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, rename = "_embedded")]
    embedded: Refunds<'a>,
    #[serde(default, rename = "_links")]
    links: Links,
}

#[derive(Deserialize)]
struct Refunds<'a> {
    #[serde(borrow)]
    refunds: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Problem {
    title: String,
    #[serde(default)]
    detail: String,
}

impl MollieClient {
    /// A client with a connection pool of its own.
    ///
    /// # Errors
    /// In words, when the key is of the other mode or cannot stand in a header, when there is no `return_url`, or when the
    /// machine has no TLS roots.
    pub fn new(config: &AccountConfig, api: &ApiConfig) -> Result<Self, String> {
        let key = api.api_key.expose_secret();
        let prefix = if config.live { "live_" } else { "test_" };
        if !key.starts_with(prefix) {
            return Err(format!(
                "`api_key` does not begin with {prefix}: it is of the other mode"
            ));
        }
        let mut key = HeaderValue::from_str(&format!("Bearer {key}"))
            .map_err(|_| "`api_key` has characters that no header can hold".to_owned())?;
        key.set_sensitive(true);
        let return_url = config.return_url.clone().ok_or(
            "Mollie's customers pay on its page and are sent back: set `return_url` to where",
        )?;
        Ok(Self {
            speaker: Speaker::new(config),
            base_url: api.base_url.trim_end_matches('/').to_owned(),
            return_url,
            webhook_url: config.webhook_url.clone(),
            timeout: api.timeout(),
            http: http_client(api, HeaderMap::from_iter([(header::AUTHORIZATION, key)]))?,
        })
    }

    fn at(&self, path: &str) -> String {
        format!("{}/v2/payments{path}", self.base_url)
    }

    async fn create(&self, order: &CreatePayment) -> Result<Created, CallError> {
        if order.capture == CaptureMode::AfterSeats {
            return Err(CallError::Declined {
                code: "capture_after_seats".into(),
                message: "payments at Mollie are captured at once here".into(),
            });
        }
        let mut wanted = json!({
            "amount": { "currency": order.amount.currency, "value": decimal(order.amount)? },
            "description": order.description,
            "redirectUrl": self.return_url,
            "metadata": {
                "booking_id": order.booking,
                "payment_id": order.payment,
                "show_id": order.show.to_string(),
            },
        });
        if let Some(url) = &self.webhook_url {
            wanted["webhookUrl"] = json!(url);
        }
        let request = self
            .http
            .post(self.at(""))
            .header("Idempotency-Key", order.payment.to_string())
            .json(&wanted);
        let opened: Opened = decode(&ask(request).await?)?;
        Ok(Created {
            gateway_payment_id: path_id(&opened.id)?.to_owned(),
            client_secret: None,
            checkout_url: opened.links.checkout.map(|link| link.href),
        })
    }

    async fn fetch(&self, id: &str) -> Result<PaymentFact, CallError> {
        let path = format!("/{}", path_id(id)?);
        let fact = self.payment(&ask(self.http.get(self.at(&path))).await?)?;
        if fact.gateway_payment_id != id {
            return Err(CallError::unknown("the answer is about another payment"));
        }
        Ok(fact)
    }

    async fn void(&self, id: &str) -> Result<VoidAnswer, CallError> {
        let path = format!("/{}", path_id(id)?);
        let refused = match ask(self.http.delete(self.at(&path))).await {
            Ok(_) => None,
            Err(CallError::Declined { message, .. }) => Some(message),
            Err(error) => return Err(error),
        };
        // Whatever was said: how it stands now is the answer.
        let fact = self.fetch(id).await?;
        Ok(match fact.state {
            // Neither can be paid any more at Mollie: another try is another payment.
            PaymentState::Cancelled | PaymentState::Failed => VoidAnswer::Cancelled,
            PaymentState::Captured => VoidAnswer::AlreadyPaid(fact),
            _ => VoidAnswer::NotPossible {
                why: refused.unwrap_or_else(|| "it is not cancelled yet".to_owned()),
            },
        })
    }

    async fn make_refund(&self, order: &RefundOrder) -> Result<RefundFact, CallError> {
        let id = path_id(&order.gateway_payment_id)?;
        let wanted = json!({
            "amount": { "currency": order.amount.currency, "value": decimal(order.amount)? },
            "description": format!("Booking {}", order.booking),
            "metadata": {
                "booking_id": order.booking,
                "payment_id": order.payment,
                "refund_id": order.refund,
                "generation": order.generation.to_string(),
            },
        });
        let request = self
            .http
            .post(self.at(&format!("/{id}/refunds")))
            .header("Idempotency-Key", &order.key)
            .json(&wanted);
        match ask(request).await {
            Ok(body) => self.refund(&body),
            Err(declined @ CallError::Declined { .. }) => {
                order.unless_made(declined, self.list(id).await)
            }
            Err(error) => Err(error),
        }
    }

    async fn list(&self, id: &str) -> Result<Vec<RefundFact>, CallError> {
        let path = format!("/{}/refunds", path_id(id)?);
        let body = ask(self.http.get(self.at(&path)).query(&[("limit", PAGE)])).await?;
        let list: List<'_> = decode(&body)?;
        if list.links.next.is_some() {
            return Err(CallError::unknown(
                "a payment with more than 250 refunds cannot be looked through",
            ));
        }
        list.embedded
            .refunds
            .into_iter()
            .map(|refund| self.refund(refund.get().as_bytes()))
            .collect()
    }

    async fn refund_now(&self, name: &str) -> Result<RefundFact, CallError> {
        let (payment, refund) = name.split_once(':').ok_or(CallError::NotFound)?;
        let path = format!("/{}/refunds/{}", path_id(payment)?, path_id(refund)?);
        self.refund(&ask(self.http.get(self.at(&path))).await?)
    }

    fn payment(&self, body: &[u8]) -> Result<PaymentFact, CallError> {
        match self.entity(body)? {
            Fact::Payment(fact) => Ok(fact),
            _ => Err(CallError::unknown(
                "the answer is no payment, or of an unknown status",
            )),
        }
    }

    fn refund(&self, body: &[u8]) -> Result<RefundFact, CallError> {
        match self.entity(body)? {
            Fact::Refund(fact) => Ok(fact),
            _ => Err(CallError::unknown(
                "the answer is no refund, or of an unknown status",
            )),
        }
    }

    fn entity(&self, body: &[u8]) -> Result<Fact, CallError> {
        let json = std::str::from_utf8(body)
            .map_err(|_| CallError::unknown("an answer that is not UTF-8"))?;
        events::entity(&self.speaker, json).map_err(|error| CallError::unknown(error.to_string()))
    }
}

impl GatewayClient for MollieClient {
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
        self.fetch(gateway_payment_id).boxed()
    }

    fn void_payment<'a>(&'a self, attempt: &'a Attempt) -> Answer<'a, VoidAnswer> {
        self.void(&attempt.gateway_payment_id).boxed()
    }

    fn capture_payment<'a>(&'a self, _: &'a Attempt) -> Answer<'a, CaptureAnswer> {
        async {
            Err(CallError::unknown(
                "payments at Mollie are captured at once here",
            ))
        }
        .boxed()
    }

    fn refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, RefundFact> {
        self.make_refund(order).boxed()
    }

    fn fetch_refund<'a>(&'a self, gateway_refund_id: &'a str) -> Answer<'a, RefundFact> {
        self.refund_now(gateway_refund_id).boxed()
    }

    fn refunds_of<'a>(&'a self, gateway_payment_id: &'a str) -> Answer<'a, Vec<RefundFact>> {
        self.list(gateway_payment_id).boxed()
    }
}

fn decimal(amount: boxoffice_saga::money::Money) -> Result<String, CallError> {
    amount::number(amount)
        .map(|number| number.get().to_owned())
        .ok_or_else(|| CallError::unknown("an amount that cannot be written"))
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

/// What an answer that is not 2xx means for the call that it answers.
fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> CallError {
    let later = |at_least: Option<Duration>, why: &str| CallError::RetryLater {
        after: retry_after(headers).max(at_least),
        why: why.to_owned(),
        said_by: SaidBy::Gateway,
    };
    if status == StatusCode::TOO_MANY_REQUESTS {
        return later(None, "too many requests");
    }
    let problem: Option<Problem> = serde_json::from_slice(body).ok();
    let Some(problem) = problem.filter(|_| status.is_client_error()) else {
        return CallError::unknown(format!("status {status}"));
    };
    let message = legible::words(&problem.detail, 200);
    match status {
        // The key is wrong or lacks a permission. Nothing was done, and the order is still right.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            later(Some(KEY_REFUSED), "the gateway refuses our API key")
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => CallError::NotFound,
        // The same key is under way: what comes of that call, nobody here knows.
        StatusCode::CONFLICT => CallError::unknown(format!("conflict: {message}")),
        _ => CallError::Declined {
            code: legible::words(&problem.title, 64),
            message,
        },
    }
}
