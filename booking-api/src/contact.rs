//! How to reach the customer, as it comes with a hold.

use boxoffice_saga::booking::Contact;
use serde::Deserialize;

use crate::problem::{Code, Problem};

const LONGEST_EMAIL: usize = 254;
const LONGEST_PHONE: usize = 32;
const LONGEST_LANGUAGE: usize = 35;

/// How to reach the customer.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = Contact)]
pub struct ContactBody {
    /// Where the ticket goes: an e-mail address, of any script.
    #[schema(
        max_length = 254,
        pattern = r"^[^\s@<>,;\x00-\x1f\x7f-\x9f]+@[^\s@<>,;.\x00-\x1f\x7f-\x9f]([^\s@<>,;\x00-\x1f\x7f-\x9f]*[^\s@<>,;.\x00-\x1f\x7f-\x9f])?$"
    )]
    email: String,
    /// For text messages, with the country code.
    #[serde(default)]
    #[schema(max_length = 32, pattern = r"^[0-9 +().\/-]*$")]
    phone: Option<String>,
    /// A BCP 47 tag, for example `en` or `hi-IN`.
    #[serde(default)]
    #[schema(max_length = 35, pattern = "^([A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*)?$")]
    language: Option<String>,
}

impl ContactBody {
    /// Checks it. Whether an address works only a letter can tell; what is refused here could never be sent.
    ///
    /// # Errors
    /// `contact_invalid`, with the part that is wrong.
    pub fn check(self) -> Result<Contact, Problem> {
        let email = self.email.trim();
        if !plausible_email(email) {
            return Err(wrong(
                "`contact.email` must be an e-mail address, for example name@example.org.",
            ));
        }
        let phone = self
            .phone
            .as_deref()
            .map(str::trim)
            .filter(|phone| !phone.is_empty());
        if phone
            .is_some_and(|phone| phone.len() > LONGEST_PHONE || !phone.chars().all(phone_character))
        {
            return Err(wrong(
                "`contact.phone` may have up to 32 digits, spaces and +-()./ characters.",
            ));
        }
        let language = self
            .language
            .as_deref()
            .filter(|language| !language.is_empty());
        if language.is_some_and(|language| !plausible_language(language)) {
            return Err(wrong(
                "`contact.language` must be a BCP 47 tag, for example `en` or `hi-IN`.",
            ));
        }
        Ok(Contact {
            email: email.into(),
            phone: phone.map(Into::into),
            language: language.map(Into::into),
        })
    }
}

fn wrong(detail: &str) -> Problem {
    Problem::new(Code::ContactInvalid, detail)
}

fn plausible_email(email: &str) -> bool {
    let Some((local, domain)) = email.split_once('@') else {
        return false;
    };
    email.len() <= LONGEST_EMAIL
        && !local.is_empty()
        && !domain.contains('@')
        && !domain.starts_with('.')
        && !domain.ends_with('.')
        && !domain.is_empty()
        && !email
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';'))
}

fn phone_character(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '(' | ')' | '.' | '/')
}

fn plausible_language(tag: &str) -> bool {
    tag.len() <= LONGEST_LANGUAGE
        && tag.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_alphanumeric())
        })
        && tag
            .split('-')
            .next()
            .is_some_and(|first| first.bytes().all(|c| c.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(email: &str, phone: Option<&str>, language: Option<&str>) -> bool {
        let (phone, language) = (phone.map(Into::into), language.map(Into::into));
        ContactBody {
            email: email.into(),
            phone,
            language,
        }
        .check()
        .is_ok()
    }

    #[test]
    fn plausible_contacts_pass_and_others_do_not() {
        assert!(check("a@b", None, None));
        assert!(check(
            " name+tag@example.org ",
            Some("+91 (22) 555-0100"),
            Some("hi-IN")
        ));
        assert!(check("पता@उदाहरण.भारत", None, Some("zh-Hant-TW")));
        for email in [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a@b\r\nBcc: x@y",
            "a@.b",
            "<a@b>",
            "a@b\0",
        ] {
            assert!(!check(email, None, None), "{email:?}");
        }
        assert!(!check(&format!("{}@b.c", "x".repeat(251)), None, None));
        assert!(!check("a@b", Some("call me"), None));
        assert!(!check("a@b", Some(&"1".repeat(33)), None));
        for language in ["e n", "-", "en-", "toolonglanguage", "1n", "é"] {
            assert!(!check("a@b", None, Some(language)), "{language}");
        }
    }
}
