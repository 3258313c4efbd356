//! What has changed at Razorpay in a window of time.
//!
//! Its lists go by the time at which something was *made*, and nothing lists what changed later. So the window begins
//! earlier than asked for, by as long as a payment or a refund may take to come to its end.

use boxoffice_saga::fact::{Fact, Reference};
use time::Duration;

use super::client::{PAGE, RazorpayClient, ask};
use super::objects::{Collection, Payment};
use crate::client::{CallError, ChangesPage, Window};
use crate::exchange::decode;

/// How long after its making a payment may still become authorised, or be captured or given back. Razorpay asks the
/// bank for up to five days.
const PAYMENTS_MOVE: Duration = Duration::days(5);
/// The same for refunds: five to seven working days, and a holiday.
const REFUNDS_MOVE: Duration = Duration::days(14);

/// Which of the two lists, and how much of it was told already.
struct Place {
    refunds: bool,
    skip: usize,
}

impl Place {
    fn parse(text: Option<&str>) -> Option<Self> {
        let Some(text) = text else {
            return Some(Self {
                refunds: false,
                skip: 0,
            });
        };
        let (list, skip) = text.split_once(':')?;
        Some(Self {
            refunds: match list {
                "payments" => false,
                "refunds" => true,
                _ => return None,
            },
            skip: skip.parse().ok()?,
        })
    }

    fn text(refunds: bool, skip: usize) -> String {
        let list = if refunds { "refunds" } else { "payments" };
        format!("{list}:{skip}")
    }
}

impl RazorpayClient {
    /// One page: first all payments, then all refunds, newest first.
    pub(super) async fn page(
        &self,
        window: &Window,
        page: Option<&str>,
    ) -> Result<ChangesPage, CallError> {
        let Place { refunds, skip } = Place::parse(page)
            .ok_or_else(|| CallError::unknown("a page that was never given out"))?;
        let (path, earlier) = if refunds {
            ("/v1/refunds", REFUNDS_MOVE)
        } else {
            ("/v1/payments", PAYMENTS_MOVE)
        };
        let query = [
            ("from", (window.since - earlier).unix_timestamp().max(0)),
            // Their `to` may or may not count itself.
            ("to", window.until.unix_timestamp()),
            ("count", i64::try_from(PAGE).unwrap_or(100)),
            ("skip", i64::try_from(skip).unwrap_or(i64::MAX)),
        ];
        let body = ask(self.get(path).query(&query)).await?;
        let list: Collection<'_> = decode(&body)?;
        let mut facts = Vec::with_capacity(list.items.len());
        for raw in &list.items {
            let told = if refunds {
                self.refund_told(raw.get()).await
            } else {
                self.payment_told(raw.get())
            };
            match told {
                Ok(fact) => facts.extend(fact),
                Err(error @ CallError::RetryLater { .. }) => return Err(error),
                Err(error) => tracing::warn!(account = %self.account, %error, path,
                    "something in the gateway's list cannot be read, and is passed over"),
            }
        }
        let told = list.items.len();
        // What is made meanwhile moves the others on, so that some are told twice and none is left out.
        let next = if told == PAGE {
            Some(Place::text(refunds, skip + told))
        } else {
            (!refunds).then(|| Place::text(true, 0))
        };
        Ok(ChangesPage { facts, next })
    }

    fn payment_told(&self, raw: &str) -> Result<Option<Fact>, CallError> {
        let payment: Payment<'_> = decode(raw.as_bytes())?;
        let fact = self.payment_fact(&payment, Reference::Absent)?;
        Ok(Some(Fact::Payment(fact)))
    }

    /// A refund that is not of our making may be Razorpay's own, of a payment that nobody captured: no money of ours.
    async fn refund_told(&self, raw: &str) -> Result<Option<Fact>, CallError> {
        let fact = self.refund_fact(raw.as_bytes())?;
        if fact.refund.is_none() && self.gave_back_by_itself(&fact.gateway_payment_id).await? {
            return Ok(None);
        }
        Ok(Some(Fact::Refund(fact)))
    }

    async fn gave_back_by_itself(&self, payment: &str) -> Result<bool, CallError> {
        let path = format!("/v1/payments/{}", crate::exchange::path_id(payment)?);
        let body = ask(self.get(&path)).await?;
        Ok(decode::<Payment<'_>>(&body)?.never_captured())
    }
}
