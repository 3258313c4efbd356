//! What each call does to the books, and what it answers.

use serde_json::Value;
use time::OffsetDateTime;

use super::answer::{invalid, missing};
use super::{objects, payments, refunds};
use crate::answer::Answer;
use crate::behaviour::{Behaviour, Call};
use crate::books::Books;
use crate::form::Form;
use crate::wire::{Acted, Asked, Wire};

/// Does what is asked. `fresh` is the id of the payment that a `Create` makes.
pub(super) fn act(
    books: &mut Books,
    asked: &Asked,
    fresh: &str,
    behaviour: &Behaviour,
    now: OffsetDateTime,
) -> Acted {
    let id = asked.id.as_deref().unwrap_or_default();
    match asked.call {
        Call::Create => payments::create(books, asked, fresh, now),
        Call::Fetch => payments::fetch(books, id),
        Call::Confirm => payments::confirm(books, asked, id, behaviour),
        Call::Cancel => payments::cancel(books, asked, id),
        Call::Capture => payments::take(books, id, behaviour),
        Call::Refund => refunds::create(books, asked, behaviour, now),
        Call::FetchRefund => refunds::fetch(books, id),
        Call::List => {
            let upto = match asked.form.get("starting_after") {
                None => books.payment_order.len(),
                Some(after) => match books.payments.get(after) {
                    Some(payment) => payment.place,
                    None => return missing("payment_intent", after).into(),
                },
            };
            let ids = books.payment_order.get(..upto).unwrap_or_default();
            let payments = ids
                .iter()
                .rev()
                .filter_map(|id| books.payments.get(id))
                .filter(|payment| payment.wire == Wire::Stripe);
            list(
                &asked.form,
                "/v1/payment_intents",
                payments.map(|p| (p.created, p)),
                objects::payment,
            )
        }
        Call::ListRefunds => {
            let of = asked.form.get("payment_intent");
            // By payment, as callers mostly ask, without a walk through everything.
            let ids = match of.map(|id| books.payments.get(id)) {
                None => &books.refund_order,
                Some(Some(payment)) => &payment.refunds,
                Some(None) => {
                    return missing("payment_intent", of.unwrap_or_default()).into();
                }
            };
            let upto = match asked.form.get("starting_after") {
                None => ids.len(),
                Some(after) => match (of, books.refunds.get(after)) {
                    (None, Some(refund)) => refund.place,
                    (Some(_), Some(_)) => ids.iter().position(|id| id == after).unwrap_or(0),
                    (_, None) => return missing("refund", after).into(),
                },
            };
            let ids = ids.get(..upto).unwrap_or_default();
            let refunds = ids
                .iter()
                .rev()
                .filter_map(|id| books.refunds.get(id))
                .filter(|refund| books.wire_of(&refund.payment) == Wire::Stripe);
            list(
                &asked.form,
                "/v1/refunds",
                refunds.map(|r| (r.created, r)),
                objects::refund,
            )
        }
        // Razorpay's calls.
        Call::FetchOrder | Call::ListOrders | Call::ListOrderPayments => {
            missing("route", id).into()
        }
        Call::ListEvents => {
            let mut kinds = asked.form.list("types");
            kinds.extend(asked.form.get("type").map(str::to_owned));
            let delivered = asked
                .form
                .get("delivery_success")
                .map(|wanted| wanted == "true");
            let upto = match asked.form.get("starting_after") {
                None => books.events.len(),
                Some(after) => match books.events.iter().rposition(|event| event.id == after) {
                    Some(place) => place,
                    None => return missing("event", after).into(),
                },
            };
            let events = books
                .events
                .get(..upto)
                .unwrap_or_default()
                .iter()
                .rev()
                .filter(|event| {
                    event.wire == Wire::Stripe
                        && (kinds.is_empty() || kinds.contains(&event.kind))
                        && delivered.is_none_or(|wanted| wanted == books.delivered(event))
                });
            list(
                &asked.form,
                "/v1/events",
                events.map(|e| (e.created, e)),
                |event| event.body.clone(),
            )
        }
    }
}

/// A page of `items` (created, object): newest first, and already behind `starting_after`.
fn list<'a, T: 'a>(
    form: &Form,
    url: &str,
    items: impl Iterator<Item = (i64, &'a T)>,
    render: impl Fn(&T) -> Value,
) -> Acted {
    let limit = match form.get("limit").map(str::parse::<usize>) {
        None => 10,
        Some(Ok(limit)) if (1..=100).contains(&limit) => limit,
        Some(_) => return invalid(None, "Invalid limit: it must be from 1 to 100").into(),
    };
    let mut bounds = Vec::new();
    for (name, value) in form.map("created") {
        match (name.as_str(), value.parse::<i64>()) {
            ("gte" | "gt" | "lte" | "lt", Ok(bound)) => bounds.push((name, bound)),
            _ => return invalid(None, "Invalid created").into(),
        }
    }
    let mut page = Vec::new();
    let mut more = false;
    for (created, object) in items {
        let inside = bounds.iter().all(|(name, bound)| match name.as_str() {
            "gte" => created >= *bound,
            "gt" => created > *bound,
            "lte" => created <= *bound,
            _ => created < *bound,
        });
        if !inside {
            continue;
        }
        if page.len() == limit {
            more = true;
            break;
        }
        page.push(render(object));
    }
    Answer::ok(objects::list(url, &page, more)).into()
}
