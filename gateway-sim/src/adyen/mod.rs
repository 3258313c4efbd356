//! Adyen's form: payment links, and payments by them of which only webhooks tell; refunds that are taken and told later.

mod act;
pub(crate) mod routes;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rand::RngExt;
use serde_json::{Value, json};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Options;
use crate::answer::Answer;
use crate::behaviour::{Behaviour, Call, Refusal};
use crate::books::{Books, DisputeStatus, Refund, RefundStatus};
use crate::wire::{Acted, Asked, Happened, News, Speaks, Trouble};

/// Adyen keeps idempotency keys for seven days at least; here no longer.
const KEYS_LIVE_SECONDS: i64 = 7 * 24 * 3_600;

pub(crate) struct Adyen;

/// A fresh reference: sixteen letters and digits.
pub(crate) fn psp_reference() -> String {
    random(16)
}

fn random(length: usize) -> String {
    const OF: &[u8] = b"BCDFGHJKLMNPQRSTVWXYZ23456789";
    let mut random = rand::rng();
    (0..length)
        .filter_map(|_| OF.get(random.random_range(0..OF.len())).copied())
        .map(char::from)
        .collect()
}

impl Speaks for Adyen {
    fn fresh(&self) -> String {
        format!("PL{}", random(16))
    }

    /// What the shopper does on Adyen's page needs no key.
    fn allows(&self, options: &Options, _books: &Books, asked: &Asked) -> bool {
        let Some(account) = &options.adyen else {
            return false;
        };
        if asked.call == Call::Confirm {
            return true;
        }
        let key = asked.api_key.as_deref().unwrap_or_default();
        let named = asked.form.get("merchantAccount");
        bool::from(key.as_bytes().ct_eq(account.api_key.as_bytes()))
            && named.is_none_or(|named| named == account.merchant)
    }

    fn takes_keys(&self, call: Call) -> bool {
        matches!(
            call,
            Call::Create | Call::Refund | Call::Capture | Call::Cancel
        )
    }

    fn keeps(&self, answer: &Answer) -> bool {
        answer.status == 201
    }

    fn keys_live(&self) -> i64 {
        KEYS_LIVE_SECONDS
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
            Trouble::Unauthorised => error(401, "000", "HTTP Status Response - Unauthorized"),
            Trouble::KeyInUse | Trouble::OtherParameters => {
                error(422, "704", "request already processed or in progress")
            }
            Trouble::Failed => error(500, "905", "Payment details are not supported"),
        }
    }

    fn refused(&self, refusal: &Refusal) -> Answer {
        let code = refusal.code.as_deref().unwrap_or("702");
        Answer {
            retry_after: refusal.retry_after,
            ..error(
                refusal.status,
                code,
                "The simulator was told to refuse this.",
            )
        }
    }

    fn events(&self, books: &Books, id: &str, news: &News) -> Vec<Happened> {
        let Some(row) = books.payments.get(id) else {
            return Vec::new();
        };
        let link = row.order.as_ref().and_then(|link| books.orders.get(link));
        let Some(link) = link else {
            return Vec::new();
        };
        let reference = link.receipt.as_deref().unwrap_or_default();
        let item = |kind, own: &str, amount, reference: &str, success| {
            let told = Told {
                kind,
                own,
                amount,
                reference,
                success,
            };
            told.about(books, id)
        };
        let refund = |kind, refund: &str, unless: Option<RefundStatus>| {
            let Some(refund) = books.refunds.get(refund) else {
                return Vec::new();
            };
            if Some(refund.status) == unless {
                return Vec::new();
            }
            let reference = refund.receipt.as_deref().unwrap_or(reference);
            item(kind, &refund.id, refund.amount, reference, true)
        };
        match news {
            // The call that took it tells of it, under a reference of its own.
            News::Captured if row.manual => Vec::new(),
            News::Captured => item("AUTHORISATION", id, row.received, reference, true),
            News::Declined => item("AUTHORISATION", id, row.amount, reference, false),
            News::Reserved => item("AUTHORISATION", id, row.amount, reference, true),
            News::Processing | News::Cancelled => Vec::new(),
            News::RefundMade { refund: id } => refund("REFUND", id, Some(RefundStatus::Pending)),
            News::RefundSettled { refund: id } => {
                let failed = books
                    .refunds
                    .get(id)
                    .is_some_and(|refund| refund.status == RefundStatus::Failed);
                refund(if failed { "REFUND_FAILED" } else { "REFUND" }, id, None)
            }
            News::Disputed { opened } => {
                let Some(dispute) = row.disputes.first() else {
                    return Vec::new();
                };
                let kind = match dispute.status {
                    _ if *opened => "CHARGEBACK",
                    DisputeStatus::NeedsResponse => "CHARGEBACK",
                    DisputeStatus::Won => "CHARGEBACK_REVERSED",
                    DisputeStatus::Lost => "SECOND_CHARGEBACK",
                };
                // Its references are letters and digits only.
                let own = dispute.id.replace('_', "");
                item(kind, &own, dispute.amount, reference, true)
            }
        }
    }

    fn refund(&self, refund: &Refund) -> Value {
        json!({ "id": refund.id, "amount": refund.amount, "status": refund.status })
    }

    fn webhook(&self, _id: &str, _kind: &str, created: i64, object: &Value) -> Value {
        let mut item = object.clone();
        let at = OffsetDateTime::from_unix_timestamp(created);
        item["eventDate"] = json!(at.ok().and_then(|at| at.format(&Rfc3339).ok()));
        json!({ "live": "false", "notificationItems": [{ "NotificationRequestItem": item }] })
    }

    /// The signatures are in the body.
    fn headers(&self, _secret: &str, _event: &str, _body: &[u8]) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn sealed(&self, secret: &str, body: String) -> String {
        let Ok(mut request) = serde_json::from_str::<Value>(&body) else {
            return body;
        };
        let items = request["notificationItems"].as_array_mut();
        for wrapped in items.into_iter().flatten() {
            let item = &mut wrapped["NotificationRequestItem"];
            let mac = signature(secret, item);
            item["additionalData"]["hmacSignature"] = mac.into();
        }
        request.to_string()
    }

    fn retries_for(&self, longest: Duration) -> Duration {
        longest
    }
}

/// What an item tells of a payment.
struct Told<'a> {
    kind: &'static str,
    /// The PSP reference of what was done to it, or its own.
    own: &'a str,
    amount: i64,
    reference: &'a str,
    success: bool,
}

impl Told<'_> {
    fn about(&self, books: &Books, payment: &str) -> Vec<Happened> {
        let row = books.payments.get(payment);
        let link = row.and_then(|row| books.orders.get(row.order.as_ref()?));
        let (Some(row), Some(link)) = (row, link) else {
            return Vec::new();
        };
        let is_itself = self.own == payment;
        let mut item = json!({
            "additionalData": {},
            "amount": { "value": self.amount, "currency": row.currency },
            "eventCode": self.kind,
            "merchantAccountCode": link.notes.get(MERCHANT),
            "merchantReference": self.reference,
            "originalReference": if is_itself { "" } else { payment },
            "paymentMethod": "visa",
            "pspReference": self.own,
            "reason": if self.success { "" } else { "Refused" },
            "success": self.success.to_string(),
        });
        if is_itself {
            item["additionalData"]["paymentLinkId"] = json!(link.id);
        }
        vec![Happened::new(self.kind, payment, item)]
    }
}

/// Where the merchant account is kept among a link's metadata.
const MERCHANT: &str = "simulated.merchantAccount";

fn signature(secret: &str, item: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let signed = [
        &item["pspReference"],
        &item["originalReference"],
        &item["merchantAccountCode"],
        &item["merchantReference"],
        &item["amount"]["value"],
        &item["amount"]["currency"],
        &item["eventCode"],
        &item["success"],
    ]
    .map(text)
    .join(":");
    let key = hex::decode(secret).unwrap_or_default();
    // HMAC takes keys of any length; were it not so, the empty MAC would be refused by the other side.
    let mac = Hmac::<Sha256>::new_from_slice(&key).map(|mut mac| {
        mac.update(signed.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    });
    mac.unwrap_or_default()
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer {
        status,
        body: json!({
            "status": status, "errorCode": code, "message": message, "errorType": "validation",
        }),
        retry_after: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_adyen_does() {
        // From the tests of Adyen's own libraries.
        let item = json!({
            "pspReference": "7914073381342284", "merchantAccountCode": "TestMerchant",
            "merchantReference": "TestPayment-1407325143704",
            "amount": { "value": 1130, "currency": "EUR" }, "eventCode": "AUTHORISATION", "success": "true",
        });
        let key = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";
        let right = "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=";
        assert_eq!(signature(key, &item), right);
    }
}
