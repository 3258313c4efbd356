//! What can become of a letter that was not delivered.

/// Why a letter was not delivered, sorted by what to do next.
///
/// The reasons name the step and hold the server's words, with the customer's address taken out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It will never be delivered like this: a bad address, or the server refuses this recipient or this
    /// content (5xx). Not to be repeated; a ticket needs a person.
    #[error("cannot be delivered: {reason}")]
    Permanent {
        /// What was refused, and why.
        reason: String,
    },
    /// Nothing was delivered and a later attempt may succeed: the server is away, busy (4xx), or refuses
    /// *us* (login, sender, TLS), which is no fault of the letter.
    #[error("not delivered, try again later: {reason}")]
    Transient {
        /// What went wrong.
        reason: String,
    },
    /// The letter was handed over and the answer was lost: it may have been delivered or not. A ticket is
    /// sent again under the same Message-ID; anything else is not.
    #[error("handed over, and the answer was lost: {reason}")]
    Unknown {
        /// What happened instead of an answer.
        reason: String,
    },
}
