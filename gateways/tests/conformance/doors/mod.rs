//! The table. Each file is the other side of one gateway.

mod adyen;
mod cashfree;
mod checkout_com;
mod configured;
mod generic;
mod mollie;
mod payu_india;
mod phonepe;
mod razorpay;
mod square;
mod standard_webhooks;
mod stripe;

use hmac::{Hmac, KeyInit, Mac};

use crate::door::Tested;

/// Every door there is.
pub fn all() -> Vec<Tested> {
    vec![
        stripe::tested(),
        razorpay::tested(),
        generic::tested(),
        standard_webhooks::symmetric(),
        standard_webhooks::asymmetric(),
        square::tested(),
        checkout_com::tested(),
        mollie::signed(),
        mollie::unsigned(),
        phonepe::tested(),
        payu_india::tested(),
        cashfree::tested(),
        adyen::tested(),
        configured::elaborate(),
        configured::plain(),
    ]
}

/// HMAC-SHA256, for whoever signs with it.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// The secrets of gateways that take any text for one.
pub fn any_text() -> [String; 2] {
    ["a first secret".to_owned(), "another secret".to_owned()]
}

/// Where a value stands in a body.
pub fn place(before: &str, value: impl ToString) -> Option<(String, String)> {
    Some((before.to_owned(), value.to_string()))
}
