//! What has changed at Stripe within a window of time: three lists, one after the other.
//!
//! * Refunds made within the window, and payments made within it, as they stand now.
//! * Events of the window: what was made earlier and changed within it, as it stood then. Stripe keeps events for 30
//!   days; of an older window only what was made in it is known.
//!
//! All events, delivered or not: an answer of 200 says that somebody took a webhook, not that we have its news. No
//! event is needed to find a payment or a refund that is new, so the kinds of events that an account sends do not
//! matter for these.

use boxoffice_saga::fact::Fact;

use super::client::{PAGE, StripeClient, done};
use super::events;
use super::objects::{Listed, Page};
use crate::client::{CallError, ChangesPage, Window};
use crate::exchange::{decode, exchange, path_id};

/// The kinds of events that tell of a payment or a refund; Stripe takes twenty at most.
const KINDS: [&str; 15] = [
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.canceled",
    "payment_intent.amount_capturable_updated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
];

/// The lists, in the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    Refunds,
    PaymentIntents,
    Events,
}

impl List {
    const ALL: [Self; 3] = [Self::Refunds, Self::PaymentIntents, Self::Events];

    /// The last part of its address.
    const fn name(self) -> &'static str {
        match self {
            Self::Refunds => "refunds",
            Self::PaymentIntents => "payment_intents",
            Self::Events => "events",
        }
    }

    const fn next(self) -> Option<Self> {
        match self {
            Self::Refunds => Some(Self::PaymentIntents),
            Self::PaymentIntents => Some(Self::Events),
            Self::Events => None,
        }
    }
}

/// Where a page begins: `refunds`, or `refunds/re_…` behind that one.
fn place(page: Option<&str>) -> Result<(List, Option<&str>), CallError> {
    let Some(page) = page else {
        return Ok((List::Refunds, None));
    };
    let (name, after) = match page.split_once('/') {
        Some((name, after)) => (name, Some(path_id(after)?)),
        None => (page, None),
    };
    let list = List::ALL.into_iter().find(|list| list.name() == name);
    Ok((list.ok_or(CallError::NotFound)?, after))
}

impl StripeClient {
    pub(super) async fn changed(
        &self,
        window: &Window,
        page: Option<&str>,
    ) -> Result<ChangesPage, CallError> {
        let (list, after) = place(page)?;
        // Stripe counts whole seconds: a little more than the window rather than a little less.
        let since = window.since.unix_timestamp().to_string();
        let until = window.until.unix_timestamp().saturating_add(1).to_string();
        let mut query = vec![
            ("created[gte]", since.as_str()),
            ("created[lt]", until.as_str()),
            ("limit", PAGE),
        ];
        if list == List::Events {
            query.extend(KINDS.map(|kind| ("types[]", kind)));
        }
        query.extend(after.map(|id| ("starting_after", id)));
        let request = self.get(&format!("/v1/{}", list.name())).query(&query);
        let body = done(exchange(request).await?)?;
        let page: Page<'_> = decode(&body)?;
        let mut facts = Vec::with_capacity(page.data.len());
        let mut last = None;
        for raw in &page.data {
            let bytes = raw.get().as_bytes();
            let Listed { id } = decode(bytes)?;
            match self.told(list, bytes) {
                Ok(Fact::Nothing) => {}
                Ok(fact) => facts.push(fact),
                Err(why) => {
                    tracing::warn!(gateway = %self.account, %id, why, "listed, and cannot be read");
                }
            }
            last = Some(id);
        }
        let next = match last {
            Some(id) if page.has_more => Some(format!("{}/{}", list.name(), path_id(&id)?)),
            None if page.has_more => {
                return Err(CallError::unknown("an empty page that says there is more"));
            }
            _ => list.next().map(|list| list.name().to_owned()),
        };
        Ok(ChangesPage { facts, next })
    }

    fn told(&self, list: List, object: &[u8]) -> Result<Fact, String> {
        match list {
            // A refund without a payment intent is not of our making.
            List::Refunds => self
                .any_refund_fact(object)
                .map(|fact| fact.map_or(Fact::Nothing, Fact::Refund)),
            List::PaymentIntents => self.payment_fact(object).map(Fact::Payment),
            List::Events => {
                let reading = events::read(&self.account, self.live, object);
                return reading
                    .map(|reading| reading.fact)
                    .map_err(|error| error.to_string());
            }
        }
        .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_from_where_the_last_one_ended() {
        assert_eq!(place(None), Ok((List::Refunds, None)));
        assert_eq!(
            place(Some("payment_intents")),
            Ok((List::PaymentIntents, None))
        );
        assert_eq!(
            place(Some("events/evt_1")),
            Ok((List::Events, Some("evt_1")))
        );
        for nonsense in ["", "charges", "refunds/", "refunds/../x", "events/evt_1/2"] {
            assert_eq!(
                place(Some(nonsense)),
                Err(CallError::NotFound),
                "{nonsense}"
            );
        }
    }
}
