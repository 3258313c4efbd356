//! The seam between the books, which every gateway shares, and the form in which each speaks.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::Options;
use crate::answer::Answer;
use crate::behaviour::{Behaviour, Call, Refusal};
use crate::books::{Books, KEYS_LIVE_SECONDS, Refund};
use crate::form::Form;
use crate::{adyen, cashfree, razorpay, stripe};

/// Whose form: each payment, event and call has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wire {
    #[default]
    Stripe,
    Razorpay,
    Cashfree,
    Adyen,
}

impl Wire {
    pub(crate) fn speaks(self) -> &'static dyn Speaks {
        match self {
            Self::Stripe => &stripe::Stripe,
            Self::Razorpay => &razorpay::Razorpay,
            Self::Cashfree => &cashfree::Cashfree,
            Self::Adyen => &adyen::Adyen,
        }
    }
}

/// What a gateway does in its own way.
pub(crate) trait Speaks: Sync {
    /// The id of what a `Create` makes.
    fn fresh(&self) -> String;

    /// Whether the caller may do this.
    fn allows(&self, options: &Options, books: &Books, asked: &Asked) -> bool;

    /// Whether an idempotency key means anything to a call.
    fn takes_keys(&self, call: Call) -> bool;

    /// Whether an answer is kept under its key, and replayed.
    fn keeps(&self, answer: &Answer) -> bool;

    /// Does what is asked. `fresh` is the id of what a `Create` makes.
    fn act(
        &self,
        books: &mut Books,
        asked: &Asked,
        fresh: &str,
        behaviour: &Behaviour,
        now: OffsetDateTime,
    ) -> Acted;

    /// The answer to a call that comes to nothing.
    fn trouble(&self, trouble: Trouble) -> Answer;

    /// A refusal that the simulator was told of.
    fn refused(&self, refusal: &Refusal) -> Answer;

    /// The events that tell of `news` about a payment, as it stands in the books.
    fn events(&self, books: &Books, payment: &str, news: &News) -> Vec<Happened>;

    /// A refund as an answer shows it.
    fn refund(&self, refund: &Refund) -> Value;

    /// The whole body of a webhook.
    fn webhook(&self, id: &str, kind: &str, created: i64, object: &Value) -> Value;

    /// The headers of a webhook, signature included.
    fn headers(&self, secret: &str, event: &str, body: &[u8]) -> Vec<(&'static str, String)>;

    /// The body as it is sent: with its signature, where that stands inside.
    fn sealed(&self, _secret: &str, body: String) -> String {
        body
    }

    /// For how many seconds an idempotency key is remembered.
    fn keys_live(&self) -> i64 {
        KEYS_LIVE_SECONDS
    }

    /// For how long a webhook is repeated, where that is `longest` for the most patient.
    fn retries_for(&self, longest: std::time::Duration) -> std::time::Duration;
}

/// A call as it came in.
pub(crate) struct Asked {
    pub(crate) wire: Wire,
    pub(crate) call: Call,
    /// The id in the path, if there is one.
    pub(crate) id: Option<String>,
    /// Body or query.
    pub(crate) form: Form,
    pub(crate) idempotency_key: Option<String>,
    /// `key`, or `key:secret` where a gateway has both.
    pub(crate) api_key: Option<String>,
}

/// Why a call comes to nothing.
#[derive(Clone, Copy)]
pub(crate) enum Trouble {
    /// The key is not the one.
    Unauthorised,
    /// Another call with this idempotency key is under way.
    KeyInUse,
    /// The idempotency key was used with other parameters.
    OtherParameters,
    /// The gateway fails.
    Failed,
}

/// What has become of a payment.
pub(crate) enum News {
    Declined,
    Processing,
    Reserved,
    Captured,
    Cancelled,
    RefundMade { refund: String },
    RefundSettled { refund: String },
    Disputed { opened: bool },
}

/// An event to be told to the world.
pub(crate) struct Happened {
    pub(crate) kind: &'static str,
    pub(crate) payment: String,
    pub(crate) object: Value,
}

/// What a call came to.
pub(crate) struct Acted {
    pub(crate) answer: Answer,
    pub(crate) happened: Vec<Happened>,
}

impl Happened {
    pub(crate) fn new(kind: &'static str, payment: &str, object: Value) -> Self {
        Self {
            kind,
            payment: payment.to_owned(),
            object,
        }
    }
}

impl From<Answer> for Acted {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            happened: Vec::new(),
        }
    }
}

/// The events that tell of `news` about a payment, in its own gateway's form.
pub(crate) fn events(books: &Books, payment: &str, news: &News) -> Vec<Happened> {
    let wire = books.payments.get(payment).map(|payment| payment.wire);
    wire.map_or_else(Vec::new, |wire| wire.speaks().events(books, payment, news))
}
