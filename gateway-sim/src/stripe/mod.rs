//! Stripe's form: payment intents, form-encoded calls, its errors, its webhooks.

mod act;
mod answer;
mod objects;
mod payments;
mod refunds;
pub(crate) mod routes;
mod signing;

use std::time::Duration;

use serde_json::Value;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use crate::Options;
use crate::answer::Answer;
use crate::behaviour::{Behaviour, Call, Refusal};
use crate::books::{Books, Refund, RefundStatus, fresh_id};
use crate::clock::Clock;
use crate::wire::{Acted, Asked, Happened, News, Speaks, Trouble};

pub(crate) struct Stripe;

impl Speaks for Stripe {
    fn fresh(&self) -> String {
        fresh_id("pi")
    }

    /// The secret key, or for what the browser does, the payment's own client secret.
    fn allows(&self, options: &Options, books: &Books, asked: &Asked) -> bool {
        let same = |a: &str, b: &str| bool::from(a.as_bytes().ct_eq(b.as_bytes()));
        // As the user of a pair Stripe takes it too.
        let key = asked.api_key.as_deref();
        let key = key.map(|key| key.split(':').next().unwrap_or_default());
        if key.is_some_and(|key| same(key, &options.api_key)) {
            return true;
        }
        let browser = matches!(asked.call, Call::Confirm | Call::Fetch);
        let secret = asked.form.get("client_secret").filter(|_| browser);
        let payment = asked.id.as_deref().and_then(|id| books.payments.get(id));
        matches!((secret, payment), (Some(secret), Some(payment)) if same(secret, &payment.client_secret))
    }

    /// Only POSTs take keys.
    fn takes_keys(&self, call: Call) -> bool {
        matches!(
            call,
            Call::Create | Call::Confirm | Call::Cancel | Call::Capture | Call::Refund
        )
    }

    fn keeps(&self, answer: &Answer) -> bool {
        answer::kept(answer)
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
            Trouble::Unauthorised => answer::error(
                401,
                "invalid_request_error",
                None,
                "Invalid API Key provided.",
            ),
            Trouble::KeyInUse => answer::error(
                409,
                "idempotency_error",
                Some("idempotency_key_in_use"),
                "There is currently another in-progress request using this Idempotent Key.",
            ),
            Trouble::OtherParameters => answer::error(
                400,
                "idempotency_error",
                None,
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
            ),
            Trouble::Failed => answer::error(500, "api_error", None, "An unknown error occurred."),
        }
    }

    fn refused(&self, refusal: &Refusal) -> Answer {
        answer::refused(refusal)
    }

    fn events(&self, books: &Books, id: &str, news: &News) -> Vec<Happened> {
        let Some(payment) = books.payments.get(id) else {
            return Vec::new();
        };
        let of_payment = |kind| vec![Happened::new(kind, id, objects::payment(payment))];
        let of_refund = |kind, refund: &str| {
            let refund = books.refunds.get(refund);
            refund.map(|refund| Happened::new(kind, id, objects::refund(refund)))
        };
        match news {
            News::Declined => of_payment("payment_intent.payment_failed"),
            News::Processing => of_payment("payment_intent.processing"),
            News::Reserved => of_payment("payment_intent.amount_capturable_updated"),
            News::Captured => of_payment("payment_intent.succeeded"),
            News::Cancelled => of_payment("payment_intent.canceled"),
            News::RefundMade { refund } => {
                let charge = objects::charge(payment, books.refunded(payment));
                let mut told: Vec<_> = of_refund("refund.created", refund).into_iter().collect();
                told.push(Happened::new("charge.refunded", id, charge));
                told
            }
            News::RefundSettled { refund } => {
                let failed = books
                    .refunds
                    .get(refund)
                    .is_some_and(|refund| refund.status == RefundStatus::Failed);
                let kind = if failed {
                    "refund.failed"
                } else {
                    "refund.updated"
                };
                of_refund(kind, refund).into_iter().collect()
            }
            News::Disputed { opened } => {
                let kind = if *opened {
                    "charge.dispute.created"
                } else {
                    "charge.dispute.closed"
                };
                let dispute = payment.disputes.first();
                let object = dispute.map(|dispute| objects::dispute(payment, dispute));
                object
                    .map(|object| Happened::new(kind, id, object))
                    .into_iter()
                    .collect()
            }
        }
    }

    fn refund(&self, refund: &Refund) -> Value {
        objects::refund(refund)
    }

    fn webhook(&self, id: &str, kind: &str, created: i64, object: &Value) -> Value {
        objects::event(id, kind, created, object)
    }

    fn headers(&self, secret: &str, _event: &str, body: &[u8]) -> Vec<(&'static str, String)> {
        let signature = signing::header(secret, Clock::machine().unix_timestamp(), body);
        vec![
            ("stripe-signature", signature),
            (
                "user-agent",
                "Stripe/1.0 (boxoffice gateway-sim)".to_owned(),
            ),
        ]
    }

    fn retries_for(&self, longest: Duration) -> Duration {
        longest
    }
}
