//! Razorpay's entities as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::books::{
    Books, Dispute, DisputeStatus, Order, Payment, PaymentStatus, Refund, RefundStatus,
};

pub(super) const ACCOUNT: &str = "acc_simulated00";

/// Empty notes are a list, as PHP writes them.
fn notes(notes: &BTreeMap<String, String>) -> Value {
    if notes.is_empty() {
        json!([])
    } else {
        json!(notes)
    }
}

pub(super) fn order(books: &Books, order: &Order) -> Value {
    let payments = || {
        order
            .payments
            .iter()
            .filter_map(|id| books.payments.get(id))
    };
    let paid: i64 = payments().map(|payment| payment.received).sum();
    let status = match order.payments.len() {
        _ if paid > 0 => "paid",
        0 => "created",
        _ => "attempted",
    };
    json!({
        "id": order.id,
        "entity": "order",
        "amount": order.amount,
        "amount_paid": paid,
        "amount_due": (order.amount - paid).max(0),
        "attempts": order.payments.len(),
        "created_at": order.created,
        "currency": order.currency,
        "notes": notes(&order.notes),
        "offer_id": null,
        "receipt": order.receipt,
        "status": status,
    })
}

pub(super) fn payment(books: &Books, payment: &Payment) -> Value {
    let refunded = books.refunded(payment);
    let captured = payment.status == PaymentStatus::Succeeded;
    let status = match payment.status {
        PaymentStatus::Succeeded if refunded >= payment.received => "refunded",
        PaymentStatus::Succeeded => "captured",
        PaymentStatus::RequiresCapture => "authorized",
        PaymentStatus::RequiresPaymentMethod if payment.declined => "failed",
        _ => "created",
    };
    let error = |text: &'static str| payment.declined.then_some(text);
    json!({
        "id": payment.id,
        "entity": "payment",
        "amount": if captured { payment.received } else { payment.amount },
        "amount_refunded": refunded,
        "captured": captured,
        "created_at": payment.created,
        "currency": payment.currency,
        "description": payment.description,
        "error_code": error("BAD_REQUEST_ERROR"),
        "error_description": error("Payment failed"),
        "error_reason": error("payment_failed"),
        "error_source": error("bank"),
        "international": false,
        "invoice_id": null,
        "method": "card",
        "notes": notes(&payment.own_notes),
        "order_id": payment.order,
        "refund_status": match refunded {
            0 => None,
            all if all >= payment.received => Some("full"),
            _ => Some("partial"),
        },
        "status": status,
    })
}

pub(super) fn refund(refund: &Refund) -> Value {
    json!({
        "id": refund.id,
        "entity": "refund",
        "amount": refund.amount,
        "created_at": refund.created,
        "currency": refund.currency,
        "notes": notes(&refund.metadata),
        "payment_id": refund.payment,
        "receipt": refund.receipt,
        "speed_processed": "normal",
        "speed_requested": "normal",
        "status": match refund.status {
            RefundStatus::Pending => "pending",
            RefundStatus::Succeeded => "processed",
            RefundStatus::Failed => "failed",
        },
    })
}

pub(super) fn dispute(payment: &Payment, dispute: &Dispute) -> Value {
    json!({
        "id": dispute.id,
        "entity": "dispute",
        "amount": dispute.amount,
        "amount_deducted": if dispute.status == DisputeStatus::Lost { dispute.amount } else { 0 },
        "created_at": dispute.created,
        "currency": payment.currency,
        "payment_id": payment.id,
        "phase": "chargeback",
        "reason_code": "goods_or_services_not_received_or_partially_received",
        "status": match dispute.status {
            DisputeStatus::NeedsResponse => "open",
            DisputeStatus::Won => "won",
            DisputeStatus::Lost => "lost",
        },
    })
}

pub(super) fn collection(items: &[Value]) -> Value {
    json!({ "entity": "collection", "count": items.len(), "items": items })
}

/// A payload that holds these entities.
pub(super) fn payload(entities: &[(&str, Value)]) -> Value {
    let held = entities
        .iter()
        .map(|(name, entity)| ((*name).to_owned(), json!({ "entity": entity })));
    Value::Object(held.collect())
}

pub(super) fn event(kind: &str, created: i64, payload: &Value) -> Value {
    let contains: Vec<&String> = payload
        .as_object()
        .into_iter()
        .flat_map(|all| all.keys())
        .collect();
    json!({
        "entity": "event",
        "account_id": ACCOUNT,
        "contains": contains,
        "created_at": created,
        "event": kind,
        "payload": payload,
    })
}
