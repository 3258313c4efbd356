//! The client of a gateway: what we ask it to do. The heart is in the answers: *unknown* is never confused
//! with *failed*.

use std::time::Duration;

use boxoffice_saga::fact::{Fact, PaymentFact, RefundFact, RefundState};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, RefundId, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::{CaptureMode, Payment};
use futures::FutureExt;
use futures::future::BoxFuture;
use time::OffsetDateTime;

/// What a call comes to.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, CallError>>;

/// Calls to one gateway account. No call repeats itself: retries are the caller's, who first writes each
/// attempt down. Every call ends within the account's configured timeout ([`GatewayClient::timeout`]).
///
/// What [`Gateways`](crate::Gateways) hands out is a client behind its [line](crate::line).
pub trait GatewayClient: Send + Sync {
    /// The account that this client speaks for.
    fn account(&self) -> &GatewayAccount;

    /// The longest that one HTTP exchange takes. A look-up may need several (one per page).
    fn timeout(&self) -> Duration;

    /// Opens a payment that the customer can then pay. The idempotency key is the payment id, so repeating
    /// it within the gateway's memory (Stripe: 24 h) gives the same payment.
    fn create_payment<'a>(&'a self, order: &'a CreatePayment) -> Answer<'a, Created>;

    /// How the payment stands now.
    fn fetch_payment<'a>(&'a self, gateway_payment_id: &'a str) -> Answer<'a, PaymentFact>;

    /// Cancels a payment that has not been captured, a reservation included.
    fn void_payment<'a>(&'a self, attempt: &'a Attempt) -> Answer<'a, VoidAnswer>;

    /// Takes the whole of a reserved payment. Asking twice is asking once: what is taken is told as taken. A decline
    /// means that nothing is taken and nothing will be.
    fn capture_payment<'a>(&'a self, attempt: &'a Attempt) -> Answer<'a, CaptureAnswer>;

    /// Returns money. A decline is believed only after a look at the payment's refunds has shown that
    /// this refund is not among them; one that is found is the answer.
    fn refund<'a>(&'a self, order: &'a RefundOrder) -> Answer<'a, RefundFact>;

    /// How a refund stands now.
    fn fetch_refund<'a>(&'a self, gateway_refund_id: &'a str) -> Answer<'a, RefundFact>;

    /// Every refund of the payment that the gateway has, whoever made it; all pages. A gateway that lists none
    /// [cannot be asked](CallError::cannot_be_asked).
    fn refunds_of<'a>(&'a self, gateway_payment_id: &'a str) -> Answer<'a, Vec<RefundFact>>;

    /// Those of our refund's goes up to the `latest` that the gateway has: what is asked where an earlier request may have
    /// made it. Empty only if the gateway says that it has none of them.
    ///
    /// A gateway without a list of refunds is asked for each by its key ([`RefundId::gateway_key`]).
    fn goes_at<'a>(
        &'a self,
        gateway_payment_id: &'a str,
        refund: RefundId,
        _latest: u32,
    ) -> Answer<'a, Vec<RefundFact>> {
        async move {
            let mut there = self.refunds_of(gateway_payment_id).await?;
            there.retain(|fact| fact.refund == Some(refund));
            Ok(there)
        }
        .boxed()
    }

    /// How one learns what became of a refund here.
    fn refund_news(&self) -> RefundNews {
        RefundNews::Asked
    }

    /// What was made or changed at the gateway within a window of time, a page at a time: `page` is `None` first
    /// and then the last page's [`next`](ChangesPage::next).
    ///
    /// Every payment, and every refund, that was made or changed within the window is told at least once on its
    /// pages, whoever made it. How it is told is how it stood at some moment of the window or later, and the order
    /// says nothing: whoever finds that it differs from what he knows asks for its present state before he
    /// believes anything. Something that cannot be read is passed over, with a line in the log. More than was
    /// asked for may be told.
    ///
    /// An adapter whose gateway has no such listing leaves this as it is: [`CallError::no_listing`].
    fn changes<'a>(
        &'a self,
        _window: &'a Window,
        _page: Option<&'a str>,
    ) -> Answer<'a, ChangesPage> {
        async { Err(CallError::no_listing()) }.boxed()
    }
}

/// How one learns what became of a refund at a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundNews {
    /// It can be asked: [`GatewayClient::fetch_refund`], [`GatewayClient::goes_at`].
    Asked,
    /// It cannot be asked, and tells by webhook. Where an answer was lost, the same order under the same key is
    /// answered as the first time.
    Told {
        /// For so long after the first try. An older key would be a new refund.
        key_lives: Duration,
    },
}

/// A stretch of time, by the gateway's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From here on, inclusively.
    pub since: OffsetDateTime,
    /// Up to here, exclusively.
    pub until: OffsetDateTime,
}

/// A page of what has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangesPage {
    /// Payments, refunds and disputes.
    pub facts: Vec<Fact>,
    /// What to ask for the next page with; `None`: this was the last. Of use only to the client that gave it, and only
    /// with the same window.
    pub next: Option<String>,
}

/// A payment to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatePayment {
    /// Our attempt; the idempotency key.
    pub payment: PaymentId,
    /// What it pays for. Travels in the metadata and comes back with every webhook.
    pub booking: BookingId,
    /// The booking's show.
    pub show: ShowId,
    /// How much.
    pub amount: Money,
    /// When the money is to be taken.
    pub capture: CaptureMode,
    /// What the customer reads at the gateway. No personal data.
    pub description: String,
}

impl CreatePayment {
    /// The order for an attempt: always the same for the same attempt, whoever asks, because gateways refuse a
    /// repeated idempotency key with other parameters.
    pub fn new(
        payment: PaymentId,
        booking: BookingId,
        amount: Money,
        capture: CaptureMode,
    ) -> Self {
        Self {
            payment,
            booking,
            show: booking.show(),
            amount,
            capture,
            description: format!("Booking {booking}"),
        }
    }
}

/// A payment that the gateway has opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The gateway's id of it.
    pub gateway_payment_id: String,
    /// What the browser needs to pay with the gateway's own script, if that is how it is done.
    pub client_secret: Option<String>,
    /// Where the browser goes to pay, if that is how it is done.
    pub checkout_url: Option<String>,
}

/// A payment that is open or reserved at the gateway, as our books know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Our attempt.
    pub payment: PaymentId,
    /// What it pays for.
    pub booking: BookingId,
    /// The gateway's id of it.
    pub gateway_payment_id: String,
    /// How much it is for: what was asked for when it was opened, and what is reserved.
    pub amount: Money,
}

impl Attempt {
    /// From our row; `gateway_payment_id` is the gateway's id of it, which the row may not have yet.
    pub fn of(row: &Payment, gateway_payment_id: String) -> Self {
        Self {
            payment: row.id,
            booking: row.booking,
            gateway_payment_id,
            amount: row.expected,
        }
    }
}

/// How a request to take a reserved payment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureAnswer {
    /// It is taken, now or before: a captured fact.
    Taken(PaymentFact),
    /// The gateway has accepted the request, and its webhook tells what becomes of it: neither taken nor refused.
    UnderWay,
}

/// How a request to cancel a payment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoidAnswer {
    /// Cancelled, now or before. Nothing was taken and nothing will be.
    Cancelled,
    /// Too late: the money is taken.
    AlreadyPaid(PaymentFact),
    /// The gateway has accepted the request, and its webhook tells what becomes of it.
    UnderWay,
    /// This gateway cannot cancel it in the state it is in. Money may still come.
    NotPossible {
        /// Why, for people.
        why: String,
    },
}

/// A refund to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundOrder {
    /// Our refund; travels in the metadata, and a look-up finds it by that.
    pub refund: RefundId,
    /// Which go at it, from 1. For the gateway's records.
    pub generation: u32,
    /// The idempotency key: [`RefundId::gateway_key`] of `generation`.
    pub key: String,
    /// The gateway's id of the payment whose money it returns.
    pub gateway_payment_id: String,
    /// How much.
    pub amount: Money,
    /// The booking, for the metadata.
    pub booking: BookingId,
    /// Our attempt, for the metadata.
    pub payment: Option<PaymentId>,
    /// Why, as a code, for the gateway's records.
    pub reason: String,
}

impl RefundOrder {
    /// What a declined order comes to once the payment's refunds were looked through: "nothing left", or "exists", may
    /// well be our own earlier try, whose key the gateway has forgotten. Where they could not be looked through, nobody
    /// knows.
    pub(crate) fn unless_made(
        &self,
        declined: CallError,
        all: Result<Vec<RefundFact>, CallError>,
    ) -> Result<RefundFact, CallError> {
        let ours = |fact: &RefundFact| {
            fact.refund == Some(self.refund) && fact.state != RefundState::Failed
        };
        match all {
            Ok(refunds) => refunds.into_iter().find(ours).ok_or(declined),
            Err(error) => Err(declined.not_looked_up(&error)),
        }
    }
}

/// A call without the answer that was hoped for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It did not happen, and asked again in the same way it will not.
    #[error("declined ({code}): {message}")]
    Declined {
        /// The gateway's code.
        code: String,
        /// The gateway's words, cut to 200 characters.
        message: String,
    },
    /// This call did nothing; it is safe to repeat with the same key. (An *earlier* call with that key may
    /// still be running.)
    #[error("not now: {why}")]
    RetryLater {
        /// Not before this long, where that is known.
        after: Option<Duration>,
        /// Why, for people.
        why: String,
        /// Who says so.
        said_by: SaidBy,
    },
    /// The gateway knows no such payment or refund.
    #[error("the gateway knows no such thing")]
    NotFound,
    /// It may have happened: no answer in time, connection lost, a 5xx, an answer that makes no sense.
    /// To be looked up before it is repeated.
    #[error("may have happened: {why}")]
    Unknown {
        /// Why, for people.
        why: String,
    },
}

/// Who says that a call did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidBy {
    /// The gateway: too many requests, a lock, a key that it refuses.
    Gateway,
    /// Nobody: no connection came about.
    Nobody,
    /// Our own [line](crate::line) to the gateway, which was not asked at all.
    OurLine,
}

impl CallError {
    /// The code of [`CallError::no_listing`].
    const NO_LISTING: &'static str = "no_listing";

    /// What a client answers whose gateway cannot be asked what has changed.
    pub fn no_listing() -> Self {
        Self::Declined {
            code: Self::NO_LISTING.to_owned(),
            message: "this gateway is asked about one payment at a time".to_owned(),
        }
    }

    /// The code of [`CallError::cannot_be_asked`].
    const NOT_POSSIBLE: &'static str = "not_possible";

    /// What a client answers whose gateway has no such call: nobody was asked, and asking again is no different.
    pub fn cannot_be_asked(why: impl Into<String>) -> Self {
        Self::Declined {
            code: Self::NOT_POSSIBLE.to_owned(),
            message: why.into(),
        }
    }

    /// Whether the gateway has no such call.
    pub fn is_cannot_be_asked(&self) -> bool {
        matches!(self, Self::Declined { code, .. } if code == Self::NOT_POSSIBLE)
    }

    /// Whether the gateway cannot be asked what has changed at all.
    pub fn is_no_listing(&self) -> bool {
        matches!(self, Self::Declined { code, .. } if code == Self::NO_LISTING)
    }

    /// After how long to come again, if this call was never made because our own line held it back. It is no
    /// try then.
    pub fn held_back(&self) -> Option<Duration> {
        match self {
            Self::RetryLater {
                after,
                said_by: SaidBy::OurLine,
                ..
            } => Some(after.unwrap_or_default()),
            _ => None,
        }
    }

    /// A decline that would have to be looked up to be believed, where that did not work.
    pub(crate) fn not_looked_up(&self, why: &Self) -> Self {
        Self::unknown(format!("{self}; and looking it up did not work: {why}"))
    }

    /// It may have happened.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into() }
    }
}
