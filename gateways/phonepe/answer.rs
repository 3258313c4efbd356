//! What PhonePe answers: orders, refunds, and why it does nothing. (developer.phonepe.com, Check Order Status, Refund and
//! Refund Status, Errors Code; PhonePe/phonepe-pg-sdk-python: `models/response`, `exceptions.py`)

use std::borrow::Cow;
use std::time::Duration;

use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference, RefundFact, RefundState};
use boxoffice_saga::money::Money;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::token::KEY_REFUSED;
use crate::amount;
use crate::client::{CallError, SaidBy};
use crate::exchange::{decode, retry_after};
use crate::legible;
use crate::reference::{Loose, Metadata, our_refund};
use crate::speaker::Speaker;

/// The only currency that PhonePe knows. Amounts are paise.
pub(super) const CURRENCY: &str = "INR";
/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 100;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order<'a> {
    /// Not always there.
    #[serde(borrow, default)]
    merchant_order_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    amount: i64,
    #[serde(borrow, default)]
    error_code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    meta_info: Option<MetaInfo<'a>>,
    /// The customer's tries.
    #[serde(borrow, default)]
    payment_details: Option<Vec<Try<'a>>>,
}

#[derive(Deserialize)]
struct MetaInfo<'a> {
    /// Our booking.
    #[serde(borrow, default)]
    udf1: Loose<'a>,
    /// Our attempt.
    #[serde(borrow, default)]
    udf2: Loose<'a>,
}

#[derive(Deserialize)]
struct Try<'a> {
    #[serde(borrow)]
    state: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refund<'a> {
    /// Not always there.
    #[serde(borrow, default)]
    merchant_refund_id: Option<Cow<'a, str>>,
    /// Not there in the answer to the request for it.
    #[serde(borrow, default)]
    original_merchant_order_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    amount: i64,
    #[serde(borrow, default)]
    error_code: Option<Cow<'a, str>>,
}

/// The order of that id of ours, as the answer to the question for it says.
///
/// # Errors
/// [`CallError::Unknown`]: it makes no sense.
pub(super) fn order(speaker: &Speaker, id: &str, body: &[u8]) -> Result<PaymentFact, CallError> {
    let order: Order<'_> = decode(body)?;
    if order
        .merchant_order_id
        .as_deref()
        .is_some_and(|said| said != id)
    {
        return Err(CallError::unknown("the answer is about another order"));
    }
    let tries = order.payment_details.as_deref().unwrap_or_default();
    let any = |state: &str| tries.iter().any(|one| one.state == state);
    let state = match &*order.state {
        "COMPLETED" => PaymentState::Captured,
        _ if any("COMPLETED") => {
            return Err(CallError::unknown(
                "an open order with a payment that is done",
            ));
        }
        "PENDING" | "FAILED" if any("PENDING") => PaymentState::Processing,
        "PENDING" => PaymentState::Open,
        // It is over: what is pending is to be asked for until it is completed or failed, and no longer. (Check Order
        // Status; Check Status API, Reconciliation)
        "FAILED" => PaymentState::Cancelled,
        _ => return Err(CallError::unknown("a state that we do not know")),
    };
    // An order that is paid may still bear the code of a try that failed before.
    let why = (state == PaymentState::Cancelled)
        .then_some(order.error_code)
        .flatten();
    Ok(PaymentFact {
        account: speaker.account.clone(),
        gateway_payment_id: id.to_owned(),
        opened_as: None,
        reference: order.meta_info.map_or(Reference::Absent, |info| {
            Metadata {
                payment: info.udf2,
                ..Metadata::of_booking(&info.udf1.if_ours())
            }
            .reference()
        }),
        state,
        amount: paise(order.amount)?,
        live: speaker.live,
        reason: reason(why.as_deref()),
    })
}

/// The refund of that id of ours. `of`: the order that it returns, where the question said so.
///
/// # Errors
/// [`CallError::Unknown`]: it makes no sense, or it is another order's.
pub(super) fn refund(
    speaker: &Speaker,
    id: &str,
    of: Option<&str>,
    body: &[u8],
) -> Result<RefundFact, CallError> {
    let another = || CallError::unknown("the answer is about another refund");
    let refund: Refund<'_> = decode(body)?;
    let said = refund.original_merchant_order_id.as_deref();
    if refund
        .merchant_refund_id
        .as_deref()
        .is_some_and(|said| said != id)
        || said.zip(of).is_some_and(|(said, of)| said != of)
    {
        return Err(another());
    }
    let payment = said.or(of).ok_or_else(another)?;
    let state = match &*refund.state {
        // Confirmed: accepted, and on its way.
        "PENDING" | "CONFIRMED" => RefundState::Pending,
        "COMPLETED" => RefundState::Succeeded,
        "FAILED" => RefundState::Failed,
        _ => return Err(CallError::unknown("a state that we do not know")),
    };
    let ours = our_refund(id);
    Ok(RefundFact {
        account: speaker.account.clone(),
        gateway_refund_id: id.to_owned(),
        gateway_payment_id: legible::id(payment, "the refund's order")
            .map_err(|error| CallError::unknown(error.to_string()))?,
        reference: Reference::Absent,
        refund: ours.map(|(refund, _)| refund),
        generation: ours.map(|(_, generation)| generation),
        state,
        amount: paise(refund.amount)?,
        live: speaker.live,
        reason: reason(refund.error_code.as_deref()),
    })
}

fn paise(minor: i64) -> Result<Money, CallError> {
    amount::whole(minor, CURRENCY).map_err(|error| CallError::unknown(error.to_string()))
}

fn reason(code: Option<&str>) -> Option<String> {
    code.filter(|code| !code.is_empty())
        .map(|code| legible::words(code, LONGEST_REASON))
}

/// Why PhonePe has not done something, in its own words.
pub(super) struct Problem {
    /// At most 64 characters.
    pub(super) code: String,
    message: String,
}

impl Problem {
    /// None where it is not PhonePe that says it, or not of the call.
    pub(super) fn of(status: StatusCode, body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Said<'a> {
            #[serde(borrow, default)]
            code: Loose<'a>,
            /// Where tokens come from it is the finer one.
            #[serde(borrow, default)]
            error_code: Loose<'a>,
            #[serde(borrow, default)]
            message: Loose<'a>,
        }
        let said: Said<'_> = serde_json::from_slice(body).ok()?;
        let code = said.code.text().or(said.error_code.text())?;
        (status.is_client_error() && !code.is_empty()).then(|| Self {
            code: legible::words(code, 64),
            message: legible::words(said.message.text().unwrap_or_default(), 200),
        })
    }
}

/// What an answer that is not 2xx means for the call that it answers.
pub(super) fn judge(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> CallError {
    let later = |at_least: Option<Duration>, why: &str| CallError::RetryLater {
        after: retry_after(headers).max(at_least),
        why: why.to_owned(),
        said_by: SaidBy::Gateway,
    };
    if status == StatusCode::TOO_MANY_REQUESTS {
        return later(None, "too many requests");
    }
    let Some(Problem { code, message }) = Problem::of(status, body) else {
        return CallError::unknown(format!("status {status}"));
    };
    // What answers for addresses that it does not know says this, and it says nothing about the thing that we asked for.
    if code == "404" {
        return CallError::unknown(format!("{message}: is `api.base_url` right?"));
    }
    match status {
        // The next call gets a new one.
        StatusCode::UNAUTHORIZED => later(None, "the gateway refuses our token"),
        StatusCode::FORBIDDEN => later(Some(KEY_REFUSED), "the gateway refuses our client"),
        StatusCode::NOT_FOUND => CallError::NotFound,
        // Something of this id is there or under way: what comes of that, this answer does not say.
        StatusCode::CONFLICT => CallError::unknown(format!("conflict ({code}): {message}")),
        // The older API documents this code, under 400 as well.
        _ if code == "TRANSACTION_NOT_FOUND" => CallError::NotFound,
        _ => CallError::Declined { code, message },
    }
}
