//! The port through which short messages leave: SMS, and push.
//!
//! One trait, [`Provider`], and one implementation, [`HttpProvider`]: it posts a small JSON document to an
//! address of one's choice. A provider that takes another document is reached by a few lines of program at that
//! address, which translate; or by another implementation of the trait.

mod http;

pub use http::{HttpProvider, ProviderSettingsError};

use futures::future::BoxFuture;
use serde::Serialize;

use crate::delivery_error::DeliveryError;

/// A short message, as it is handed over. As JSON: `{"to", "text", "message_id", "kind"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShortMessage {
    /// To whom. SMS: the number as the customer gave it, digits and a leading `+` only; without the `+` it may
    /// lack its country code. Push: the user's id; which devices that means is the provider's to know.
    pub to: String,
    /// The text, one line; at most [`MOST_SEGMENTS`](crate::letters::MOST_SEGMENTS) segments as SMS.
    pub text: String,
    /// The same for every try of the same message, and for no other: a UUID. To be used as the provider's
    /// idempotency key.
    pub message_id: String,
    /// Which message it is, as [`Template::name`](crate::Template::name) has it. Some networks want texts to be
    /// registered beforehand; by this the registered one is found.
    pub kind: &'static str,
}

/// Whoever carries short messages.
pub trait Provider: Send + Sync {
    /// Hands one message over, within a time limit of its own that is under half the lease of a task. It never
    /// repeats by itself: repeating is the executor's, which first writes each attempt down.
    ///
    /// `Ok`: the provider has taken responsibility. The error says what to do next: where in doubt whether the
    /// message is on its way, it must be [`DeliveryError::Unknown`], for then it is not sent again.
    fn send<'a>(&'a self, message: &'a ShortMessage) -> BoxFuture<'a, Result<(), DeliveryError>>;
}
