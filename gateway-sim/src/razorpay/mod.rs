//! Razorpay's form: orders and their payments, JSON calls under Basic auth, its errors, its webhooks.

mod act;
mod objects;
pub(crate) mod routes;

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use crate::Options;
use crate::answer::Answer;
use crate::behaviour::{Behaviour, Call, Refusal};
use crate::books::{Books, Refund, RefundStatus, fresh_id};
use crate::wire::{Acted, Asked, Happened, News, Speaks, Trouble};

/// Razorpay repeats a webhook for a day, then switches it off.
const RETRIES_FOR: Duration = Duration::from_secs(24 * 3_600);

pub(crate) struct Razorpay;

impl Speaks for Razorpay {
    fn fresh(&self) -> String {
        fresh_id("order")
    }

    /// Key id and secret. What the customer does on Razorpay's page needs neither.
    fn allows(&self, options: &Options, _books: &Books, asked: &Asked) -> bool {
        let Some(account) = &options.razorpay else {
            return false;
        };
        if asked.call == Call::Confirm {
            return true;
        }
        let right = format!("{}:{}", account.key_id, account.key_secret);
        let key = asked.api_key.as_deref().unwrap_or_default();
        bool::from(key.as_bytes().ct_eq(right.as_bytes()))
    }

    fn takes_keys(&self, call: Call) -> bool {
        call == Call::Refund
    }

    /// What was refused or has failed is done anew.
    fn keeps(&self, answer: &Answer) -> bool {
        answer.status == 200
    }

    fn act(
        &self,
        books: &mut Books,
        asked: &Asked,
        fresh: &str,
        behaviour: &Behaviour,
        now: OffsetDateTime,
    ) -> Acted {
        act::act(books, asked, fresh, behaviour, now)
    }

    fn trouble(&self, trouble: Trouble) -> Answer {
        match trouble {
            Trouble::Unauthorised => act::error(401, "BAD_REQUEST_ERROR", "Authentication failed"),
            Trouble::KeyInUse => act::error(
                409,
                "BAD_REQUEST_ERROR",
                "A request with the same idempotency key is already being processed.",
            ),
            Trouble::OtherParameters => act::bad_request(
                "Different request with the same idempotency key has already been processed.",
            ),
            Trouble::Failed => act::error(
                500,
                "SERVER_ERROR",
                "We are facing some trouble completing your request at the moment.",
            ),
        }
    }

    fn refused(&self, refusal: &Refusal) -> Answer {
        let code = match refusal.status {
            400..500 => "BAD_REQUEST_ERROR",
            _ => "SERVER_ERROR",
        };
        // Here only the description tells one refusal from another.
        let said = refusal.code.as_deref();
        let said = said.unwrap_or("The simulator was told to refuse this.");
        Answer {
            retry_after: refusal.retry_after,
            ..act::error(refusal.status, code, said)
        }
    }

    fn events(&self, books: &Books, id: &str, news: &News) -> Vec<Happened> {
        let Some(row) = books.payments.get(id) else {
            return Vec::new();
        };
        let payment = || ("payment", objects::payment(books, row));
        let happened = |kind, entities: &[(&str, Value)]| {
            vec![Happened::new(kind, id, objects::payload(entities))]
        };
        let of_refund = |kind, refund: &str| match books.refunds.get(refund) {
            Some(refund) => happened(kind, &[("refund", objects::refund(refund)), payment()]),
            None => Vec::new(),
        };
        match news {
            News::Declined => happened("payment.failed", &[payment()]),
            // It tells of neither.
            News::Processing | News::Cancelled => Vec::new(),
            News::Reserved => happened("payment.authorized", &[payment()]),
            News::Captured => {
                let mut told = happened("payment.captured", &[payment()]);
                let order = row.order.as_ref().and_then(|order| books.orders.get(order));
                if let Some(order) = order {
                    let order = ("order", objects::order(books, order));
                    told.extend(happened("order.paid", &[payment(), order]));
                }
                told
            }
            News::RefundMade { refund } => {
                let mut told = of_refund("refund.created", refund);
                let done = books.refunds.get(refund);
                if done.is_some_and(|refund| refund.status == RefundStatus::Succeeded) {
                    told.extend(of_refund("refund.processed", refund));
                }
                told
            }
            News::RefundSettled { refund } => {
                let failed = books
                    .refunds
                    .get(refund)
                    .is_some_and(|refund| refund.status == RefundStatus::Failed);
                of_refund(
                    if failed {
                        "refund.failed"
                    } else {
                        "refund.processed"
                    },
                    refund,
                )
            }
            News::Disputed { opened } => {
                let Some(dispute) = row.disputes.first() else {
                    return Vec::new();
                };
                let object = objects::dispute(row, dispute);
                let kind = match object["status"].as_str() {
                    _ if *opened => "payment.dispute.created",
                    Some("won") => "payment.dispute.won",
                    Some("lost") => "payment.dispute.lost",
                    _ => "payment.dispute.under_review",
                };
                happened(kind, &[payment(), ("dispute", object)])
            }
        }
    }

    fn refund(&self, refund: &Refund) -> Value {
        objects::refund(refund)
    }

    fn webhook(&self, _id: &str, kind: &str, created: i64, object: &Value) -> Value {
        objects::event(kind, created, object)
    }

    fn headers(&self, secret: &str, event: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        // HMAC takes keys of any length; were it not so, the empty MAC would be refused by the other side.
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map(|mut mac| {
            mac.update(body);
            hex::encode(mac.finalize().into_bytes())
        });
        vec![
            ("x-razorpay-signature", mac.unwrap_or_default()),
            ("x-razorpay-event-id", event.to_owned()),
            (
                "user-agent",
                "Razorpay-Webhook/v1 (boxoffice gateway-sim)".to_owned(),
            ),
        ]
    }

    fn retries_for(&self, longest: Duration) -> Duration {
        longest.min(RETRIES_FOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_razorpay_does() {
        // From the test of Razorpay's own Python library.
        let headers = Razorpay.headers("123456", "evt_1", br#"{"a":1,"b":2,"c":{"d":3}}"#);
        let right = "2fe04e22977002e6c7cb553adab8b460cb9e2a4970d5953cb27a8472752e3bbc";
        assert_eq!(headers[0], ("x-razorpay-signature", right.to_owned()));
    }
}
