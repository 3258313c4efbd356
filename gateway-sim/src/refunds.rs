//! Refunds: made, and what the bank makes of them.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::adyen;
use crate::behaviour::{Behaviour, RefundFate};
use crate::books::{Books, PaymentStatus, Refund, RefundStatus, fresh_id};
use crate::wire::{Happened, News, Wire, events};

/// A refund to be made, whoever asks: an API call, or somebody at the dashboard.
pub(crate) struct Wanted {
    pub(crate) payment: String,
    /// In minor units; without: all that is left.
    pub(crate) amount: Option<i64>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) reason: Option<String>,
    pub(crate) receipt: Option<String>,
}

/// Why there is no refund.
pub(crate) enum NoRefund {
    NoPayment,
    NotCaptured,
    NothingLeft { charge: String },
    NotPositive,
    TooMuch { amount: i64, left: i64 },
}

/// Makes a refund. With its id, and what is told of it.
pub(crate) fn make(
    books: &mut Books,
    wanted: Wanted,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Result<(String, Vec<Happened>), NoRefund> {
    let payment = books
        .payments
        .get(&wanted.payment)
        .ok_or(NoRefund::NoPayment)?;
    let (PaymentStatus::Succeeded, Some(charge)) = (payment.status, payment.charge.clone()) else {
        return Err(NoRefund::NotCaptured);
    };
    let left = payment.received - books.refunded(payment);
    if left <= 0 {
        return Err(NoRefund::NothingLeft { charge });
    }
    let amount = wanted.amount.unwrap_or(left);
    if amount <= 0 {
        return Err(NoRefund::NotPositive);
    }
    if amount > left {
        return Err(NoRefund::TooMuch { amount, left });
    }
    let status = match behaviour.refund {
        RefundFate::Succeeds => RefundStatus::Succeeded,
        RefundFate::Pending | RefundFate::Fails => RefundStatus::Pending,
    };
    let id = match payment.wire {
        Wire::Stripe => fresh_id("re"),
        Wire::Razorpay => fresh_id("rfnd"),
        Wire::Cashfree => fresh_id("cfr"),
        Wire::Adyen => adyen::psp_reference(),
    };
    let refund = Refund {
        id: id.clone(),
        place: books.refund_order.len(),
        payment: wanted.payment.clone(),
        charge,
        amount,
        currency: payment.currency.clone(),
        status,
        metadata: wanted.metadata,
        reason: wanted.reason,
        receipt: wanted.receipt,
        created: now.unix_timestamp(),
    };
    books.refund_order.push(id.clone());
    books.refunds.insert(id.clone(), refund);
    if let Some(payment) = books.payments.get_mut(&wanted.payment) {
        payment.refunds.push(id.clone());
    }
    let made = News::RefundMade { refund: id.clone() };
    let mut happened = events(books, &wanted.payment, &made);
    if behaviour.refund == RefundFate::Fails {
        happened.extend(settle(books, &id, RefundStatus::Failed));
    }
    Ok((id, happened))
}

/// The bank has finished with a refund, or it has come back after all.
pub(crate) fn settle(books: &mut Books, id: &str, status: RefundStatus) -> Vec<Happened> {
    let Some(refund) = books.refunds.get_mut(id) else {
        return Vec::new();
    };
    // A failed refund stays failed.
    if refund.status == RefundStatus::Failed || refund.status == status {
        return Vec::new();
    }
    refund.status = status;
    let (payment, refund) = (refund.payment.clone(), refund.id.clone());
    events(books, &payment, &News::RefundSettled { refund })
}
