//! What becomes of a payment, at whatever gateway: the bank agrees or does not, the money is taken, disputed.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::behaviour::Behaviour;
use crate::books::{Books, Dispute, DisputeStatus, Payment, PaymentStatus, fresh_id};
use crate::wire::{Happened, News, Wire, events};

/// A try at paying an order. None: there is no such order.
pub(crate) fn begin(
    books: &mut Books,
    order: &str,
    id: String,
    wire: Wire,
    now: OffsetDateTime,
) -> Option<()> {
    let order = books.orders.get_mut(order)?;
    order.payments.push(id.clone());
    let row = Payment {
        id: id.clone(),
        wire,
        order: Some(order.id.clone()),
        own_notes: BTreeMap::new(),
        place: books.payment_order.len(),
        amount: order.amount,
        received: 0,
        currency: order.currency.clone(),
        status: PaymentStatus::RequiresPaymentMethod,
        metadata: order.notes.clone(),
        description: None,
        client_secret: String::new(),
        created: now.unix_timestamp(),
        declined: false,
        cancellation_reason: None,
        charge: None,
        manual: order.manual,
        disputes: Vec::new(),
        refunds: Vec::new(),
        calls: Vec::new(),
    };
    books.payment_order.push(id.clone());
    books.payments.insert(id, row);
    Some(())
}

/// The customer has pressed the button: the bank agrees, declines, or takes its time.
pub(crate) fn press(
    books: &mut Books,
    id: &str,
    declined: bool,
    behaviour: &Behaviour,
) -> Vec<Happened> {
    if declined {
        return decline(books, id);
    }
    if !behaviour.bank_is_slow {
        return agree(books, id, behaviour);
    }
    if let Some(payment) = books.payments.get_mut(id) {
        payment.status = PaymentStatus::Processing;
    }
    events(books, id, &News::Processing)
}

/// The bank agrees: the money is taken, or only reserved.
pub(crate) fn agree(books: &mut Books, id: &str, behaviour: &Behaviour) -> Vec<Happened> {
    let Some(payment) = books.payments.get_mut(id) else {
        return Vec::new();
    };
    payment.declined = false;
    let (wire, manual) = (payment.wire, payment.manual);
    let mut happened = Vec::new();
    // Razorpay always tells of the reservation first.
    if manual || wire == Wire::Razorpay {
        payment.status = PaymentStatus::RequiresCapture;
        happened.extend(events(books, id, &News::Reserved));
    }
    if !manual {
        happened.extend(capture(books, id, behaviour));
    }
    happened
}

/// The money is taken.
pub(crate) fn capture(books: &mut Books, id: &str, behaviour: &Behaviour) -> Vec<Happened> {
    let Some(payment) = books.payments.get_mut(id) else {
        return Vec::new();
    };
    take(payment, behaviour);
    events(books, id, &News::Captured)
}

fn take(payment: &mut Payment, behaviour: &Behaviour) {
    payment.status = PaymentStatus::Succeeded;
    let taken = behaviour.amount_received.unwrap_or(payment.amount);
    payment.received = (taken + behaviour.amount_off_by).max(1);
    if let Some(currency) = &behaviour.currency_received {
        payment.currency.clone_from(currency);
    }
    payment.charge = Some(fresh_id("ch"));
}

/// The bank does not agree. The customer may try again.
pub(crate) fn decline(books: &mut Books, id: &str) -> Vec<Happened> {
    let Some(payment) = books.payments.get_mut(id) else {
        return Vec::new();
    };
    payment.status = PaymentStatus::RequiresPaymentMethod;
    payment.declined = true;
    events(books, id, &News::Declined)
}

/// The bank has finished with a payment that was processing; at Razorpay it may also agree late, to one that had failed.
pub(crate) fn settle(
    books: &mut Books,
    id: &str,
    succeeded: bool,
    behaviour: &Behaviour,
) -> Vec<Happened> {
    let Some(payment) = books.payments.get(id) else {
        return Vec::new();
    };
    let late = payment.wire == Wire::Razorpay && payment.declined && succeeded;
    match payment.status {
        PaymentStatus::Processing if !succeeded => decline(books, id),
        PaymentStatus::Processing => agree(books, id, behaviour),
        PaymentStatus::RequiresPaymentMethod if late => agree(books, id, behaviour),
        _ => Vec::new(),
    }
}

/// The customer's bank disputes a payment, or has decided. A dispute that is decided may be decided again.
pub(crate) fn dispute(
    books: &mut Books,
    id: &str,
    status: DisputeStatus,
    amount: Option<i64>,
    now: OffsetDateTime,
) -> Vec<Happened> {
    let Some(payment) = books.payments.get_mut(id) else {
        return Vec::new();
    };
    if payment.status != PaymentStatus::Succeeded {
        return Vec::new();
    }
    let opened = match (payment.disputes.first_mut(), status) {
        (None, _) => {
            payment.disputes.push(Dispute {
                id: fresh_id("dp"),
                amount: amount.unwrap_or(payment.received),
                status,
                created: now.unix_timestamp(),
            });
            true
        }
        (Some(dispute), status) if dispute.status != status => {
            dispute.status = status;
            false
        }
        (Some(_), _) => return Vec::new(),
    };
    events(books, id, &News::Disputed { opened })
}
