//! Message-IDs that stay the same when a letter is sent again.

use std::fmt;

use uuid::Uuid;

use crate::template::Template;

/// The domain of a Message-ID has characters that no domain has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no domain name; give the domain that the letters come from, for example example.com"
)]
pub struct BadDomain(String);

/// The domain that letters come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailDomain(String);

impl MailDomain {
    /// A domain of ASCII letters, digits and hyphens.
    ///
    /// # Errors
    /// For anything else.
    pub fn new(domain: &str) -> Result<Self, BadDomain> {
        let label_fits = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if domain.len() > 253 || !domain.split('.').all(label_fits) {
            return Err(BadDomain(domain.to_owned()));
        }
        Ok(Self(domain.to_owned()))
    }
}

/// A letter's Message-ID: the same for the same booking, template and cause, so that a mailbox that gets a
/// letter twice can tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    text: String,
    booking: Uuid,
}

impl MessageId {
    /// `<cause.template.booking@domain>`. The cause is the id of what made us write: a payment, a refund, an
    /// event.
    pub fn new(cause: Uuid, template: Template, booking: Uuid, domain: &MailDomain) -> Self {
        let template = template.name();
        let text = format!(
            "{}.{template}.{}@{}",
            cause.hyphenated(),
            booking.hyphenated(),
            domain.0
        );
        Self { text, booking }
    }

    /// Without the angle brackets. Letters, digits and `-_.@` only: safe as a file name.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The booking that it is about.
    pub const fn booking(&self) -> Uuid {
        self.booking
    }
}

/// As it stands in the header: `<…>`.
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_stable_and_only_takes_a_domain() {
        let domain = MailDomain::new("mail.example.com").unwrap();
        let (cause, booking) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(
            MessageId::new(cause, Template::Refunded, booking, &domain).to_string(),
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
            assert!(MailDomain::new(domain).is_err(), "{domain}");
        }
    }
}
