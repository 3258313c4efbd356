//! Our references at Adyen: the one text of ours that its signatures cover. Eighty characters at most.
//!
//! A payment's is `<booking>_<payment>`, that of one which is only reserved `<booking>_<payment>_auth`, and a refund's
//! `<booking>_<refund, without hyphens>-<generation>`. So what an event says of a reservation is told from what it says of
//! money, by a field that is signed, whatever is configured by then.

use boxoffice_saga::fact::Reference;
use boxoffice_saga::identity::{BookingId, PaymentId, RefundId};
use boxoffice_saga::payment::CaptureMode;

use crate::client::CallError;
use crate::legible;
use crate::reference::our_refund;

/// What the id of a payment link begins with.
const LINK: &str = "PL";
/// Characters of an id with its hyphens.
const ID: usize = 36;
/// What the reference of a reservation ends with.
const RESERVED: &str = "_auth";

/// Whose an item is, as its reference says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    pub(super) reference: Reference,
    /// The go at our refund, where it is one.
    pub(super) refund: Option<(RefundId, u32)>,
    /// Whether the payment is taken by a call of its own.
    pub(super) reserved: bool,
}

pub(super) fn of_payment(booking: BookingId, payment: PaymentId, capture: CaptureMode) -> String {
    match capture {
        CaptureMode::Automatic => format!("{booking}_{payment}"),
        CaptureMode::AfterSeats => format!("{booking}_{payment}{RESERVED}"),
    }
}

/// `key` is the refund's idempotency key, which names it and its generation.
pub(super) fn of_refund(booking: BookingId, key: &str) -> String {
    format!("{booking}_{key}")
}

/// Reads a reference. Anybody may have written it.
pub(super) fn read(text: &str) -> Whose {
    let nobody = Whose {
        reference: Reference::Absent,
        refund: None,
        reserved: false,
    };
    let Some((booking, rest)) = text.split_once('_') else {
        return nobody;
    };
    let (rest, reserved) = match rest.strip_suffix(RESERVED) {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (payment, refund) = (rest.parse::<PaymentId>().ok(), our_refund(rest));
    let named = match refund {
        Some(_) => !reserved,
        None => payment.is_some() && rest.len() == ID,
    };
    if booking.len() != ID || !named {
        return nobody;
    }
    let reference = match booking.parse::<BookingId>() {
        Ok(booking) => Reference::Booking {
            booking,
            payment: payment.filter(|_| refund.is_none()),
        },
        Err(_) => Reference::Malformed {
            found: legible::words(booking, 64),
        },
    };
    Whose {
        reference,
        refund,
        reserved,
    }
}

/// Whether it is a payment link, and not a payment.
pub(super) fn is_link(id: &str) -> bool {
    // A payment's reference has 16 characters and may begin so too; a link's has 18.
    id.starts_with(LINK) && id.len() > 16
}

/// An id of Adyen's: letters and digits. They may stand in a path.
pub(super) fn id(id: &str) -> Result<&str, CallError> {
    if (1..=64).contains(&id.len()) && id.bytes().all(|c| c.is_ascii_alphanumeric()) {
        Ok(id)
    } else {
        Err(CallError::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use boxoffice_saga::identity::ShowId;

    use super::*;

    #[test]
    fn our_references_come_back_and_others_are_nobodys() {
        let booking = BookingId::pack(1_700_000_000_000, ShowId::try_from(7_u64).unwrap(), 9);
        let payment: PaymentId = "0190b5a0-0000-7000-8000-00000000002a".parse().unwrap();
        let refund = RefundId::of(payment, 1);
        let paid = of_payment(booking, payment, CaptureMode::Automatic);
        let reserved = of_payment(booking, payment, CaptureMode::AfterSeats);
        for (text, reserved) in [(&paid, false), (&reserved, true)] {
            let ours = Whose {
                reference: Reference::Booking {
                    booking,
                    payment: Some(payment),
                },
                refund: None,
                reserved,
            };
            assert_eq!(read(text), ours);
        }
        let returned = of_refund(booking, &refund.gateway_key(u32::MAX));
        assert_eq!(
            read(&returned),
            Whose {
                reference: Reference::Booking {
                    booking,
                    payment: None
                },
                refund: Some((refund, u32::MAX)),
                reserved: false,
            }
        );
        assert!(reserved.len() <= 80 && returned.len() <= 80);
        for other in [
            "",
            "_",
            "order_17",
            "TestPayment-1407325143704",
            &paid[1..],
            &format!("{paid}x"),
            &format!("{reserved}_auth"),
            &format!("{returned}_auth"),
        ] {
            assert_eq!(read(other).reference, Reference::Absent, "{other}");
        }
        let nearly = format!("{payment}_{payment}");
        assert!(matches!(
            read(&nearly).reference,
            Reference::Malformed { .. }
        ));
    }

    #[test]
    fn a_link_is_told_from_a_payment() {
        assert!(is_link("PL6DB3157D27FFBBCF"));
        assert!(!is_link("PLKJHGFDSAPOIUYT") && !is_link("QFQTPCQ8HXSKGK82"));
        assert!(id("a/b").is_err() && id("").is_err());
    }
}
