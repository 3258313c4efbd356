//! Cashfree's form: orders under the caller's ids and their payments, JSON calls with client id and secret, amounts in
//! decimal major units, its webhooks.

mod act;
mod objects;
pub(crate) mod routes;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Options;
use crate::answer::Answer;
use crate::behaviour::{Behaviour, Call, Refusal};
use crate::books::{Books, DisputeStatus, Refund, RefundStatus, fresh_id};
use crate::clock::Clock;
use crate::wire::{Acted, Asked, Happened, News, Speaks, Trouble};

pub(crate) struct Cashfree;

impl Speaks for Cashfree {
    /// Of no use: the caller names its orders.
    fn fresh(&self) -> String {
        fresh_id("order")
    }

    /// Client id and secret. What the customer does on Cashfree's page needs neither.
    fn allows(&self, options: &Options, _books: &Books, asked: &Asked) -> bool {
        let Some(account) = &options.cashfree else {
            return false;
        };
        if asked.call == Call::Confirm {
            return true;
        }
        let right = format!("{}:{}", account.client_id, account.client_secret);
        let key = asked.api_key.as_deref().unwrap_or_default();
        bool::from(key.as_bytes().ct_eq(right.as_bytes()))
    }

    fn takes_keys(&self, call: Call) -> bool {
        matches!(call, Call::Create | Call::Refund)
    }

    /// A 500 too.
    fn keeps(&self, answer: &Answer) -> bool {
        !matches!(answer.status, 401 | 409 | 429)
    }

    fn act(
        &self,
        books: &mut Books,
        asked: &Asked,
        _fresh: &str,
        behaviour: &Behaviour,
        now: OffsetDateTime,
    ) -> Acted {
        act::act(books, asked, behaviour, now)
    }

    fn trouble(&self, trouble: Trouble) -> Answer {
        match trouble {
            Trouble::Unauthorised => error(401, "authentication_error", "request_failed"),
            Trouble::KeyInUse => error(409, "idempotency_error", "request_in_progress"),
            Trouble::OtherParameters => error(422, "idempotency_error", "request_invalid"),
            Trouble::Failed => error(500, "api_error", "internal_error"),
        }
    }

    fn refused(&self, refusal: &Refusal) -> Answer {
        let (kind, code) = match refusal.status {
            429 => ("rate_limit_error", "request_failed"),
            400..500 => ("invalid_request_error", "request_failed"),
            _ => ("api_error", "internal_error"),
        };
        Answer {
            retry_after: refusal.retry_after,
            ..error(
                refusal.status,
                kind,
                refusal.code.as_deref().unwrap_or(code),
            )
        }
    }

    fn events(&self, books: &Books, id: &str, news: &News) -> Vec<Happened> {
        let Some(row) = books.payments.get(id) else {
            return Vec::new();
        };
        let order = row.order.as_ref().and_then(|order| books.orders.get(order));
        let Some(order) = order else {
            return Vec::new();
        };
        let told = |kind, data| vec![Happened::new(kind, id, data)];
        let paid = |kind| {
            let data = json!({
                "order": {
                    "order_id": order.id,
                    "order_amount": crate::major::number(order.amount),
                    "order_currency": order.currency,
                    "order_tags": order.notes,
                },
                "payment": objects::payment(row),
                "error_details": row.declined.then(|| json!({ "error_code": "TRANSACTION_DECLINED" })),
            });
            told(kind, data)
        };
        let refund = |refund: &str, unless: Option<RefundStatus>| match books.refunds.get(refund) {
            Some(refund) if Some(refund.status) != unless => {
                let data = json!({ "refund": objects::refund(books, refund) });
                told("REFUND_STATUS_WEBHOOK", data)
            }
            _ => Vec::new(),
        };
        match news {
            News::Declined => paid("PAYMENT_FAILED_WEBHOOK"),
            News::Reserved | News::Captured => paid("PAYMENT_SUCCESS_WEBHOOK"),
            News::Processing | News::Cancelled => Vec::new(),
            // It tells of the end, not of the beginning.
            News::RefundMade { refund: id } => refund(id, Some(RefundStatus::Pending)),
            News::RefundSettled { refund: id } => refund(id, None),
            News::Disputed { opened } => {
                let Some(dispute) = row.disputes.first() else {
                    return Vec::new();
                };
                let status = match dispute.status {
                    DisputeStatus::NeedsResponse => "CHARGEBACK_CREATED",
                    DisputeStatus::Won => "CHARGEBACK_MERCHANT_WON",
                    DisputeStatus::Lost => "CHARGEBACK_MERCHANT_LOST",
                };
                let data = json!({
                    "dispute": {
                        "dispute_id": dispute.id,
                        "dispute_type": "CHARGEBACK",
                        "reason_code": "4855",
                        "dispute_amount": crate::major::number(dispute.amount),
                        "dispute_amount_currency": row.currency,
                        "dispute_status": status,
                    },
                    "order_details": { "order_id": order.id, "cf_payment_id": row.id },
                });
                told(
                    if *opened {
                        "DISPUTE_CREATED"
                    } else {
                        "DISPUTE_CLOSED"
                    },
                    data,
                )
            }
        }
    }

    fn refund(&self, refund: &Refund) -> Value {
        objects::refund_of(refund, refund.receipt.as_deref().unwrap_or(&refund.id), "")
    }

    fn webhook(&self, _id: &str, kind: &str, created: i64, object: &Value) -> Value {
        json!({ "data": object, "event_time": objects::time(created), "type": kind })
    }

    fn headers(&self, secret: &str, _event: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        let at = (Clock::machine().unix_timestamp_nanos() / 1_000_000).to_string();
        // HMAC takes keys of any length; were it not so, the empty MAC would be refused by the other side.
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map(|mut mac| {
            mac.update(at.as_bytes());
            mac.update(body);
            STANDARD.encode(mac.finalize().into_bytes())
        });
        vec![
            ("x-webhook-signature", mac.unwrap_or_default()),
            ("x-webhook-timestamp", at),
            ("x-webhook-version", "2025-01-01".to_owned()),
        ]
    }

    fn retries_for(&self, longest: Duration) -> Duration {
        longest
    }
}

fn error(status: u16, kind: &str, code: &str) -> Answer {
    Answer {
        status,
        body: json!({ "message": "The simulator says no.", "code": code, "type": kind }),
        retry_after: None,
    }
}

fn refused(status: u16, code: &str) -> Answer {
    error(status, "invalid_request_error", code)
}

fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}
