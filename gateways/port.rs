//! The door of a gateway: how its webhooks are verified and read. Pure, without I/O and without a clock.

use http::{HeaderMap, HeaderName};

use crate::header;
use crate::readings::Readings;

/// The longest header value that a door looks at, in bytes. Genuine ones are a few hundred.
pub const LONGEST_HEADER: usize = 4_096;

/// Verifies and reads the webhooks of one gateway account.
///
/// Verification comes first, always: `read` may be called only with bytes that `verify` has accepted.
/// Neither panics, whatever it is given.
pub trait Door: Send + Sync {
    /// Whether these exact bytes come from the holder of one of our secrets.
    ///
    /// `headers` as received, `body` the exact bytes, `at` the time at which the webhook was received: the
    /// tolerance and each secret's `valid_until` are compared with it, and with no other clock.
    ///
    /// # Errors
    /// [`Refusal`], to be answered with 400.
    fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        at: time::OffsetDateTime,
    ) -> Result<(), Refusal>;

    /// What the verified bytes say: always the same items in the same order for the same bytes. A gateway that
    /// sends one item at a time gives that (`.into()`). An item that is [`Unreadable`] is genuine, but not to
    /// be understood: to be accepted (200) and handed to a person, for it may be money.
    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Readings;

    /// The headers, by lower-case name, that must be kept with the bytes so that `verify` and `read` can
    /// run again later.
    fn kept_headers(&self) -> &'static [&'static str];

    /// Those of `headers` that are kept: the ones that [`Door::kept_headers`] names. A door whose headers are
    /// configured names none there, and chooses here.
    fn keep(&self, headers: &HeaderMap) -> HeaderMap {
        let names: Vec<HeaderName> = self
            .kept_headers()
            .iter()
            .map(|name| HeaderName::from_static(name))
            .collect();
        header::copied(headers, &names)
    }

    /// Whether the signature covers the event id. Where it does not, the inbox key includes the body's hash.
    fn event_ids(&self) -> EventIds {
        EventIds::Signed
    }
}

/// Whether a gateway's signature covers its event ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventIds {
    /// The id is inside the signed bytes, or is derived from them.
    Signed,
    /// The id stands in a header that anybody could have changed (Razorpay).
    Unsigned,
}

/// Why a webhook is not believed. The names are stable: they label a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The signature header is missing or empty.
    #[error("the signature header is missing")]
    Missing,
    /// The signature header is not of the scheme's shape, is there twice, or is far too long.
    #[error("the signature header is malformed")]
    Malformed,
    /// Genuine, but signed longer ago than the tolerance allows.
    #[error("signed too long ago")]
    Stale,
    /// Genuine, but signed further in the future than the tolerance allows: somebody's clock is wrong.
    #[error("signed in the future")]
    Future,
    /// No secret of ours makes this signature.
    #[error("the signature does not match")]
    Mismatch,
    /// A secret of ours makes this signature, but it had been retired when the webhook was received.
    #[error("signed with a secret that is no longer valid")]
    RetiredSecret,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Missing,
        Self::Malformed,
        Self::Stale,
        Self::Future,
        Self::Mismatch,
        Self::RetiredSecret,
    ];

    /// The name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Mismatch => "mismatch",
            Self::RetiredSecret => "retired_secret",
        }
    }
}

/// Why a genuine webhook cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not the JSON that this gateway sends.
    #[error("not a body that this gateway sends: {why}")]
    Shape {
        /// What is wrong and where, without any of the body's content.
        why: String,
    },
    /// An amount, a currency or an id that cannot be.
    #[error("{what} cannot be")]
    Value {
        /// Which field.
        what: &'static str,
    },
    /// Test money at an account configured as live, or real money at one configured as test.
    #[error("sent in {} mode, which is not what the account is configured for", if *.live { "live" } else { "test" })]
    WrongMode {
        /// What the event says.
        live: bool,
    },
}

impl Unreadable {
    /// From serde's error, keeping kind and place. Its text may quote the body (personal data), so it goes.
    pub(crate) fn shape(error: &serde_json::Error) -> Self {
        Self::Shape {
            why: format!(
                "{:?} error at line {}, column {}",
                error.classify(),
                error.line(),
                error.column()
            ),
        }
    }
}
