//! What orders, payments and refunds are called: to Cashfree, and in our books.

use boxoffice_saga::identity::{PaymentId, RefundId};

use crate::client::CallError;
use crate::legible;
use crate::port::Unreadable;

/// Between an order's id and that of its payment or refund. It occurs in none of them.
const BETWEEN: char = ':';
/// Between the refund and its generation: Cashfree takes letters and digits only.
const GENERATION: char = 'g';

/// An order, or a payment or refund of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    pub(super) order: &'a str,
    /// Of the payment or refund.
    pub(super) part: Option<&'a str>,
}

impl<'a> Name<'a> {
    /// The name that stands in our books.
    ///
    /// # Errors
    /// [`CallError::NotFound`]: it cannot be one of Cashfree's.
    pub(super) fn parse(text: &'a str) -> Result<Self, CallError> {
        let (order, part) = match text.split_once(BETWEEN) {
            Some((order, part)) => (order, Some(part)),
            None => (text, None),
        };
        if fits(order) && part.is_none_or(fits) {
            Ok(Self { order, part })
        } else {
            Err(CallError::NotFound)
        }
    }
}

/// The name of a payment or a refund of `order`.
///
/// # Errors
/// [`Unreadable::Value`]: such ids cannot be.
pub(super) fn of(order: &str, part: &str, what: &'static str) -> Result<String, Unreadable> {
    if fits(order) && fits(part) {
        legible::id(&format!("{order}{BETWEEN}{part}"), what)
    } else {
        Err(Unreadable::Value { what })
    }
}

/// The order's name, as it came.
///
/// # Errors
/// [`Unreadable::Value`]: such an id cannot be.
pub(super) fn of_order(order: &str) -> Result<String, Unreadable> {
    let what = "the order's id";
    if fits(order) {
        legible::id(order, what)
    } else {
        Err(Unreadable::Value { what })
    }
}

/// Letters, digits, `_` and `-`: they may stand in a path.
fn fits(id: &str) -> bool {
    (1..=100).contains(&id.len())
        && id
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || c == b'_' || c == b'-')
}

/// The id of the order that an attempt is: always the same, and a repeated creation finds it.
pub(super) fn order_of(payment: PaymentId) -> String {
    payment.uuid().simple().to_string()
}

/// The id that we give a go at a refund: it is made once under it, for ever.
pub(super) fn refund_of(refund: RefundId, generation: u32) -> String {
    format!("{}{GENERATION}{generation}", refund.uuid().simple())
}

/// The go at a refund of ours that bears this id.
pub(super) fn our_refund(id: &str) -> Option<(RefundId, u32)> {
    let (refund, generation) = id.split_once(GENERATION)?;
    if refund.len() != 32 {
        return None;
    }
    let parsed: (RefundId, u32) = (refund.parse().ok()?, generation.parse().ok()?);
    // Nobody else's spelling of it.
    (refund_of(parsed.0, parsed.1) == id).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were() {
        let refund: RefundId = "0190b5a0-0000-7000-8000-00000000002a".parse().unwrap();
        let id = refund_of(refund, 3);
        assert!((3..=40).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric()));
        assert_eq!(our_refund(&id), Some((refund, 3)));
        for other in [
            "",
            "refund_1",
            "g1",
            "0190b5a000007000800000000000002ag",
            &format!("{id}x"),
        ] {
            assert_eq!(our_refund(other), None, "{other}");
        }
        let name = of("order-1", "77", "a payment's id").unwrap();
        assert_eq!(
            Name::parse(&name),
            Ok(Name {
                order: "order-1",
                part: Some("77")
            })
        );
        assert_eq!(
            Name::parse("order_1"),
            Ok(Name {
                order: "order_1",
                part: None
            })
        );
        for bad in ["", ":1", "a:", "a:b:c", "a/b", "a b", "../x", "é"] {
            assert_eq!(Name::parse(bad), Err(CallError::NotFound), "{bad}");
        }
        assert!(of("a/b", "1", "x").is_err() && of("a", "1:2", "x").is_err());
    }
}
