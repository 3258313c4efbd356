//! Calls to PhonePe's API, v2, Standard Checkout. (developer.phonepe.com, Standard Checkout: Initiate Payment, Check Order
//! Status, Refund; PhonePe/phonepe-pg-sdk-python: `standard_checkout_client.py`, `standard_checkout_constants.py`)
//!
//! Everything is asked for by *our* ids: an order by the attempt's, a refund by its idempotency key. Nothing is listed, and
//! nothing can be cancelled: an order ends by itself.

use std::time::Duration;

use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference, RefundFact};
use boxoffice_saga::identity::{GatewayAccount, RefundId};
use boxoffice_saga::payment::CaptureMode;
use futures::FutureExt;
use http::{HeaderMap, StatusCode, header};
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::json;

use super::answer::{self, CURRENCY, judge};
use super::token::Tokens;
use crate::client::{
    Answer, Attempt, CallError, CaptureAnswer, CreatePayment, Created, GatewayClient, RefundOrder,
    VoidAnswer,
};
use crate::config::{AccountConfig, ApiConfig};
use crate::exchange::{Reply, decode, exchange, http_client};
use crate::speaker::Speaker;

/// The longest id of ours that PhonePe takes, in characters.
const LONGEST_ID: usize = 63;

/// Speaks to one PhonePe account.
#[derive(Debug)]
pub struct PhonePeClient {
    speaker: Speaker,
    base_url: String,
    /// Where customers go from PhonePe's page.
    return_url: String,
    timeout: Duration,
    http: reqwest::Client,
    tokens: Tokens,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opened {
    redirect_url: String,
}

impl PhonePeClient {
    /// A client with a connection pool of its own. What is configured is taken as
    /// [validated](AccountConfig::validate).
    ///
    /// # Errors
    /// In words, when the machine has no TLS roots.
    pub fn new(config: &AccountConfig, api: &ApiConfig) -> Result<Self, String> {
        let base_url = api.base_url.trim_end_matches('/').to_owned();
        let http = http_client(api, HeaderMap::new())?;
        Ok(Self {
            speaker: Speaker::new(config),
            return_url: config.return_url.clone().unwrap_or_default(),
            timeout: api.timeout(),
            tokens: Tokens::new(http.clone(), &base_url, api),
            http,
            base_url,
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    async fn create(&self, order: &CreatePayment) -> Result<Created, CallError> {
        if order.capture == CaptureMode::AfterSeats {
            return Err(CallError::Declined {
                code: "capture_after_seats".into(),
                message: "payments at PhonePe are captured at once".into(),
            });
        }
        if order.amount.currency.code() != CURRENCY {
            return Err(CallError::Declined {
                code: "currency".into(),
                message: "PhonePe takes rupees only".into(),
            });
        }
        let id = order.payment.to_string();
        let wanted = json!({
            "merchantOrderId": id,
            "amount": order.amount.minor,
            "metaInfo": {
                "udf1": order.booking,
                "udf2": order.payment,
                "udf3": order.show.to_string(),
            },
            "paymentFlow": {
                "type": "PG_CHECKOUT",
                "message": order.description,
                "merchantUrls": { "redirectUrl": self.return_url },
            },
        });
        let request = self.http.post(self.url("/checkout/v2/pay")).json(&wanted);
        let opened: Opened = decode(&self.ask(request).await?)?;
        Ok(Created {
            gateway_payment_id: id,
            client_secret: None,
            checkout_url: Some(opened.redirect_url),
        })
    }

    async fn fetch(&self, id: &str) -> Result<PaymentFact, CallError> {
        let id = our_id(id)?;
        let url = self.url(&format!("/checkout/v2/order/{id}/status"));
        // With all tries: an earlier one may be the one that the bank is at work on.
        let request = self.http.get(url).query(&[("details", "true")]);
        answer::order(&self.speaker, id, &self.ask(request).await?)
    }

    async fn void(&self, id: &str) -> Result<VoidAnswer, CallError> {
        let fact = self.fetch(id).await?;
        Ok(match fact.state {
            PaymentState::Captured => VoidAnswer::AlreadyPaid(fact),
            PaymentState::Cancelled => VoidAnswer::Cancelled,
            _ => VoidAnswer::NotPossible {
                why: "an order at PhonePe cannot be cancelled: it ends by itself".into(),
            },
        })
    }

    async fn make_refund(&self, order: &RefundOrder) -> Result<RefundFact, CallError> {
        let payment = our_id(&order.gateway_payment_id)?;
        let key = our_id(&order.key)?;
        if order.amount.currency.code() != CURRENCY {
            return Err(CallError::Declined {
                code: "currency".into(),
                message: "PhonePe returns rupees only".into(),
            });
        }
        let wanted = json!({
            "merchantRefundId": key,
            "originalMerchantOrderId": payment,
            "amount": order.amount.minor,
        });
        let request = self
            .http
            .post(self.url("/payments/v2/refund"))
            .json(&wanted);
        let fact = match self.ask(request).await {
            Ok(body) => answer::refund(&self.speaker, key, Some(payment), &body)?,
            // "Exists" or "more than is left" may well be our own earlier try.
            Err(refused @ (CallError::Declined { .. } | CallError::NotFound)) => {
                match self.refund_now(key, Some(payment)).await {
                    Ok(fact) => fact,
                    Err(CallError::NotFound) => return Err(refused),
                    Err(error) => return Err(refused.not_looked_up(&error)),
                }
            }
            Err(error) => return Err(error),
        };
        if fact.amount != order.amount {
            return Err(CallError::unknown(
                "the refund of this id is over another amount",
            ));
        }
        Ok(RefundFact {
            reference: Reference::Booking {
                booking: order.booking,
                payment: order.payment,
            },
            ..fact
        })
    }

    /// How the refund of this key stands. `of`: the order that it must be of.
    async fn refund_now(&self, key: &str, of: Option<&str>) -> Result<RefundFact, CallError> {
        let key = our_id(key)?;
        let url = self.url(&format!("/payments/v2/refund/{key}/status"));
        answer::refund(&self.speaker, key, of, &self.ask(self.http.get(url)).await?)
    }

    async fn goes(
        &self,
        payment: &str,
        refund: RefundId,
        latest: u32,
    ) -> Result<Vec<RefundFact>, CallError> {
        let payment = our_id(payment)?;
        let mut there = Vec::new();
        for generation in 1..=latest {
            let key = refund.gateway_key(generation);
            match self.refund_now(&key, Some(payment)).await {
                Ok(fact) => there.push(fact),
                Err(CallError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(there)
    }

    /// The body of a good answer.
    async fn ask(&self, request: RequestBuilder) -> Result<Vec<u8>, CallError> {
        let token = self.tokens.current().await?;
        let request = request.header(header::AUTHORIZATION, token.clone());
        let Reply {
            status,
            headers,
            body,
        } = exchange(request).await?;
        if status.is_success() {
            return Ok(body);
        }
        if status == StatusCode::UNAUTHORIZED {
            self.tokens.forget(&token).await;
        }
        Err(judge(status, &headers, &body))
    }
}

impl GatewayClient for PhonePeClient {
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
        // The configuration allows no reservations here.
        async {
            Err(CallError::cannot_be_asked(
                "payments at PhonePe are captured at once",
            ))
        }
        .boxed()
    }

    fn refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, RefundFact> {
        self.make_refund(order).boxed()
    }

    fn fetch_refund<'a>(&'a self, gateway_refund_id: &'a str) -> Answer<'a, RefundFact> {
        self.refund_now(gateway_refund_id, None).boxed()
    }

    fn refunds_of<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<RefundFact>> {
        // What somebody returned at the dashboard would not be among what could be said here.
        async {
            Err(CallError::cannot_be_asked(
                "PhonePe lists no refunds: it says how one stands whose id is known",
            ))
        }
        .boxed()
    }

    fn goes_at<'a>(
        &'a self,
        gateway_payment_id: &'a str,
        refund: RefundId,
        latest: u32,
    ) -> Answer<'a, Vec<RefundFact>> {
        self.goes(gateway_payment_id, refund, latest).boxed()
    }
}

/// An id of ours, as PhonePe takes it: letters, digits, `_` and `-`. They may stand in a path.
fn our_id(id: &str) -> Result<&str, CallError> {
    let fits = (1..=LONGEST_ID).contains(&id.len())
        && id
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-');
    if fits {
        Ok(id)
    } else {
        Err(CallError::NotFound)
    }
}
