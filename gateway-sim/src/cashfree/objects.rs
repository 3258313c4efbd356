//! Cashfree's objects as JSON.

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::books::{Books, Order, Payment, PaymentStatus, Refund, RefundStatus};
use crate::major::number;

pub(super) fn time(unix: i64) -> String {
    OffsetDateTime::from_unix_timestamp(unix).map_or_else(|_| String::new(), super::rfc3339)
}

pub(super) fn order(books: &Books, order: &Order) -> Value {
    let paid = order
        .payments
        .iter()
        .filter_map(|id| books.payments.get(id))
        .any(|payment| {
            matches!(
                payment.status,
                PaymentStatus::Succeeded | PaymentStatus::RequiresCapture
            )
        });
    json!({
        "cf_order_id": format!("22{}", order.created),
        "order_id": order.id,
        "entity": "order",
        "order_amount": number(order.amount),
        "order_currency": order.currency,
        "order_status": match (paid, order.ended) {
            (true, _) => "PAID",
            (false, true) => "TERMINATED",
            (false, false) => "ACTIVE",
        },
        "order_tags": order.notes,
        "payment_session_id": format!("session_{}", order.id),
        "created_at": time(order.created),
    })
}

pub(super) fn payment(payment: &Payment) -> Value {
    let (reserved, taken) = (
        payment.status == PaymentStatus::RequiresCapture,
        payment.status == PaymentStatus::Succeeded,
    );
    let action = match payment.status {
        PaymentStatus::Succeeded => Some("CAPTURE"),
        PaymentStatus::Canceled => Some("VOID"),
        _ => None,
    };
    let authorization = action.filter(|_| payment.manual).map(|action| {
        json!({ "action": action, "status": "SUCCESS", "captured_amount": number(payment.received) })
    });
    json!({
        // As a number, as older versions write it.
        "cf_payment_id": payment.id.parse::<u64>().ok(),
        "order_id": payment.order,
        "entity": "payment",
        "payment_status": match payment.status {
            _ if reserved || taken => "SUCCESS",
            PaymentStatus::Canceled => "VOID",
            PaymentStatus::Processing => "PENDING",
            _ if payment.declined => "FAILED",
            _ => "NOT_ATTEMPTED",
        },
        "is_captured": taken,
        "authorization": authorization,
        "payment_amount": number(if taken { payment.received } else { payment.amount }),
        "payment_currency": payment.currency,
        "payment_time": time(payment.created),
        "payment_group": "credit_card",
    })
}

pub(super) fn refund(books: &Books, refund: &Refund) -> Value {
    let id = refund.receipt.as_deref().unwrap_or(&refund.id);
    let order = books
        .payments
        .get(&refund.payment)
        .and_then(|payment| payment.order.as_deref());
    refund_of(refund, id, order.unwrap_or_default())
}

pub(super) fn refund_of(refund: &Refund, id: &str, order: &str) -> Value {
    json!({
        "cf_refund_id": refund.id,
        "cf_payment_id": refund.payment.parse::<u64>().ok(),
        "order_id": order,
        "refund_id": id,
        "entity": "refund",
        "refund_amount": number(refund.amount),
        "refund_currency": refund.currency,
        "refund_note": refund.reason,
        "refund_status": match refund.status {
            RefundStatus::Pending => "PENDING",
            RefundStatus::Succeeded => "SUCCESS",
            RefundStatus::Failed => "CANCELLED",
        },
        "created_at": time(refund.created),
    })
}
