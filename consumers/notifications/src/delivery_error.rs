//! What can become of a message that was not delivered.

use std::time::Duration;

/// Why a message was not delivered, sorted by what to do next.
///
/// The reasons are for people, and never hold the customer's address or number: they are kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It will never be delivered like this: a bad address, or the server refuses this recipient or this
    /// content. Not to be repeated; a ticket needs a person.
    #[error("cannot be delivered: {reason}")]
    Permanent {
        /// What was refused, and why.
        reason: String,
    },
    /// Nothing was delivered and a later attempt may succeed: the server is away, busy, or refuses *us* (login,
    /// sender, TLS), which is no fault of the message.
    #[error("not delivered, try again later: {reason}")]
    Transient {
        /// What went wrong.
        reason: String,
        /// Not before this long, if the server says so.
        after: Option<Duration>,
    },
    /// The message was handed over and the answer was lost: it may have been delivered or not. A ticket's
    /// letter is sent again under the same Message-ID; anything else is not.
    #[error("handed over, and the answer was lost: {reason}")]
    Unknown {
        /// What happened instead of an answer.
        reason: String,
    },
}

impl DeliveryError {
    /// Not delivered; the server does not say when to try again.
    pub(crate) const fn later(reason: String) -> Self {
        Self::Transient {
            reason,
            after: None,
        }
    }
}
