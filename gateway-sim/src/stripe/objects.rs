//! Stripe's objects as JSON.

use serde_json::{Value, json};

use crate::books::{Dispute, Payment, PaymentStatus, Refund, RefundStatus};

/// The API version that the objects are shaped after.
pub(super) const API_VERSION: &str = "2024-06-20";

pub(super) fn payment(payment: &Payment) -> Value {
    let error = payment.declined.then(|| {
        json!({
            "type": "card_error",
            "code": "card_declined",
            "decline_code": "generic_decline",
            "message": "Your card was declined.",
        })
    });
    json!({
        "id": payment.id,
        "object": "payment_intent",
        "amount": payment.amount,
        "amount_capturable": if payment.status == PaymentStatus::RequiresCapture { payment.amount } else { 0 },
        "amount_received": payment.received,
        "cancellation_reason": payment.cancellation_reason,
        "capture_method": if payment.manual { "manual" } else { "automatic" },
        "client_secret": payment.client_secret,
        "created": payment.created,
        "currency": payment.currency,
        "description": payment.description,
        "last_payment_error": error,
        "latest_charge": payment.charge,
        "livemode": false,
        "metadata": payment.metadata,
        "payment_method_types": ["card"],
        "status": payment.status,
    })
}

pub(super) fn refund(refund: &Refund) -> Value {
    let mut body = json!({
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "charge": refund.charge,
        "created": refund.created,
        "currency": refund.currency,
        "metadata": refund.metadata,
        "payment_intent": refund.payment,
        "reason": refund.reason,
        "status": refund.status,
    });
    match refund.status {
        RefundStatus::Pending => body["pending_reason"] = "processing".into(),
        RefundStatus::Failed => body["failure_reason"] = "expired_or_canceled_card".into(),
        RefundStatus::Succeeded => {}
    }
    body
}

pub(super) fn dispute(payment: &Payment, dispute: &Dispute) -> Value {
    json!({
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "charge": payment.charge,
        "created": dispute.created,
        "currency": payment.currency,
        "livemode": false,
        "metadata": {},
        "payment_intent": payment.id,
        "reason": "fraudulent",
        "status": dispute.status,
    })
}

/// A charge, as far as `charge.refunded` needs one.
pub(super) fn charge(payment: &Payment, refunded: i64) -> Value {
    json!({
        "id": payment.charge,
        "object": "charge",
        "amount": payment.amount,
        "amount_captured": payment.received,
        "amount_refunded": refunded,
        "created": payment.created,
        "currency": payment.currency,
        "livemode": false,
        "metadata": {},
        "payment_intent": payment.id,
        "refunded": refunded == payment.received,
        "status": "succeeded",
    })
}

pub(super) fn event(id: &str, kind: &str, created: i64, object: &Value) -> Value {
    json!({
        "id": id,
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": { "object": object },
        "livemode": false,
        "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null },
        "type": kind,
    })
}

pub(super) fn list(url: &str, data: &[Value], has_more: bool) -> Value {
    json!({ "object": "list", "url": url, "has_more": has_more, "data": data })
}
