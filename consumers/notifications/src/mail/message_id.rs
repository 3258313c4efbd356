//! Message-IDs that stay the same when a letter is sent again.

use std::fmt;

use uuid::Uuid;

/// Which letter it is; part of its Message-ID, so a name must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Template {
    /// [`BookingConfirmed`](super::letters::BookingConfirmed): the ticket.
    BookingConfirmed,
    /// [`BookingFailedRefunding`](super::letters::BookingFailedRefunding): the money is on its way back.
    BookingFailedRefunding,
    /// [`Refunded`](super::letters::Refunded): the money is back.
    Refunded,
}

impl Template {
    /// The name in Message-IDs and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BookingConfirmed => "booking_confirmed",
            Self::BookingFailedRefunding => "booking_failed_refunding",
            Self::Refunded => "refunded",
        }
    }
}

/// The domain of a Message-ID has characters that no domain has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no domain name; give the domain that the letters come from, for example example.com"
)]
pub struct BadDomain(String);

/// A letter's Message-ID: the same for the same booking, template and cause, so that a mailbox that gets a
/// letter twice can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// `<cause.template.booking@domain>`. The cause is the id of the event that made us write.
    pub fn new(
        cause: Uuid,
        template: Template,
        booking: Uuid,
        domain: &str,
    ) -> Result<Self, BadDomain> {
        let label_fits = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if domain.len() > 253 || !domain.split('.').all(label_fits) {
            return Err(BadDomain(domain.to_owned()));
        }
        let template = template.name();
        Ok(Self(format!(
            "{}.{template}.{}@{domain}",
            cause.hyphenated(),
            booking.hyphenated()
        )))
    }

    /// Without the angle brackets. Letters, digits and `-_.@` only: safe as a file name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As it stands in the header: `<…>`.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_stable_and_only_takes_a_domain() {
        let id = |domain: &str| {
            MessageId::new(
                Uuid::from_u128(1),
                Template::Refunded,
                Uuid::from_u128(2),
                domain,
            )
        };
        assert_eq!(
            id("mail.example.com").unwrap().to_string(),
            "<00000000-0000-0000-0000-000000000001.refunded.00000000-0000-0000-0000-000000000002@mail.example.com>"
        );
        for domain in [
            "",
            "a..b",
            "a b",
            "a/../b",
            "a>\r\nBcc: x",
            "bücher.de",
            &"a".repeat(64),
        ] {
            assert!(id(domain).is_err(), "{domain}");
        }
    }
}
