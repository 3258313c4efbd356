//! Keeps the customer's address out of what is kept.

use crate::delivery_error::DeliveryError;

/// What stands in an address's place.
const HIDDEN: &str = "(address)";

/// Servers' words often repeat the address, whole or only its first part; it stays out of logs, of the
/// attempts and of the delivery log.
pub(super) fn without_address(mut error: DeliveryError, address: &str) -> DeliveryError {
    let (DeliveryError::Permanent { reason }
    | DeliveryError::Transient { reason, .. }
    | DeliveryError::Unknown { reason }) = &mut error;
    *reason = hidden(reason, address.trim());
    error
}

fn hidden(words: &str, address: &str) -> String {
    let local = address.split('@').next().unwrap_or_default().to_lowercase();
    let part_of_an_address = |c: char| c.is_alphanumeric() || "@.!#$%&'*+-/=?^_`{|}~".contains(c);
    let mut shown = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(start) = rest.find(part_of_an_address) {
        shown.push_str(&rest[..start]);
        let word = &rest[start..];
        let end = word.find(|c| !part_of_an_address(c)).unwrap_or(word.len());
        let bare = word[..end].trim_matches(|c: char| !c.is_alphanumeric() && c != '@');
        let is_one = bare.contains('@') || (!local.is_empty() && bare.to_lowercase() == local);
        shown.push_str(if is_one { HIDDEN } else { &word[..end] });
        rest = &word[end..];
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_hidden_however_it_is_spelt() {
        for (said, shown) in [
            ("550 <asha@example.com> unknown", "550 <(address)> unknown"),
            ("550 Asha@EXAMPLE.com: unknown", "550 (address): unknown"),
            ("mailbox 'asha' is full", "mailbox (address) is full"),
            ("sent on to asha+x@other.example.", "sent on to (address)"),
            ("asha: no such user", "(address): no such user"),
            ("ashamed of nothing, 5.1.1", "ashamed of nothing, 5.1.1"),
            ("दीपा@example.com", "(address)"),
            ("", ""),
        ] {
            assert_eq!(hidden(said, "asha@example.com"), shown, "{said}");
        }
        assert_eq!(hidden("never. Not now", ""), "never. Not now");
    }
}
