//! `boxoffice audit --gateway`: our payments and refunds, one by one, against what their gateways say of them.
//!
//! A page of payments at a time, few of them at once. What is on its way right now is no difference, so whatever
//! differs is looked at a second time, rows and gateway, after a pause.

pub mod compare;

use std::collections::BTreeMap;
use std::time::Duration;

use boxoffice_gateways::{CallError, GatewayClient, Gateways};
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::{BookingId, PaymentId};
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::{Refund, RefundStanding};
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use futures::StreamExt;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::finding::{Finding, Rule};
use compare::{Theirs, compare};

/// Payments read at a time.
const PAGE: i64 = 200;
/// Payments asked for at a time.
const AT_ONCE: usize = 4;
/// Before the second look.
const SETTLE: Duration = Duration::from_secs(3);
/// So often is a question asked that gets no usable answer.
const TRIES: u32 = 4;
/// The longest pause between two of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Which payments are compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope {
    /// Opened or decided since.
    pub since: Option<OffsetDateTime>,
    /// Behind this one, in the order of ids: to go on where an earlier run ended.
    pub after: Option<Uuid>,
}

/// What the comparison found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Comparison {
    /// Payments that were compared.
    pub compared: usize,
    /// Attempts that never got an id at their gateway, so that nobody can pay them.
    pub without_id: i64,
    /// Payments whose gateway account cannot be asked: no API is configured for it.
    pub cannot_be_asked: BTreeMap<String, usize>,
    /// Payments to which the gateway gave no usable answer, with why.
    pub unanswered: Vec<Unanswered>,
    /// Both books' sums over the payments that were compared, by currency.
    pub money: BTreeMap<String, Both>,
    /// The last payment that was looked at.
    pub last: Option<Uuid>,
    /// What differs.
    pub differences: Vec<Finding>,
}

/// A payment without an answer.
#[derive(Clone, Debug, Serialize)]
pub struct Unanswered {
    /// Which.
    pub payment: PaymentId,
    /// The gateway's id of it.
    pub gateway_payment_id: String,
    /// Why.
    pub why: String,
}

/// Sums in minor units, here and at the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Both {
    /// Captured, by our rows.
    pub captured_here: i64,
    /// Captured, says the gateway.
    pub captured_there: i64,
    /// Returned by the gateway, by our rows.
    pub refunded_here: i64,
    /// Returned, says the gateway.
    pub refunded_there: i64,
}

/// A payment with its refunds.
type Ours = (Payment, Vec<Refund>);

/// Compares. `step` hears how many payments are done.
///
/// # Errors
/// When the database cannot be read.
pub async fn run(
    store: &PgStore,
    gateways: &Gateways,
    scope: Scope,
    step: impl Fn(usize),
) -> Result<Comparison, TurnError> {
    let mut comparison = Comparison {
        without_id: sqlx::query_scalar!(
            r#"select count(*) as "count!" from payments
               where gateway_payment_id is null and ($1::timestamptz is null or opened_at >= $1)"#,
            scope.since
        )
        .fetch_one(store.pool())
        .await?,
        last: scope.after,
        ..Comparison::default()
    };
    loop {
        let page = sqlx::query!(
            "select payment_id, booking_id from payments
             where payment_id > $1 and gateway_payment_id is not null
               and ($2::timestamptz is null or opened_at >= $2 or decided_at >= $2)
             order by payment_id limit $3",
            comparison.last.unwrap_or(Uuid::nil()),
            scope.since,
            PAGE
        )
        .fetch_all(store.pool())
        .await?;
        let Some(last) = page.last().map(|row| row.payment_id) else {
            return Ok(comparison);
        };
        let wanted: BTreeMap<Uuid, Uuid> = page
            .into_iter()
            .map(|row| (row.payment_id, row.booking_id))
            .collect();
        let seen = look(store, gateways, &wanted).await?;
        let doubtful: BTreeMap<Uuid, Uuid> = seen
            .iter()
            .filter(|look| look.in_doubt())
            .map(|look| (look.ours.0.id.uuid(), look.ours.0.booking.uuid()))
            .collect();
        let mut settled: Vec<Look> = seen
            .into_iter()
            .filter(|look| !doubtful.contains_key(&look.ours.0.id.uuid()))
            .collect();
        if !doubtful.is_empty() {
            tokio::time::sleep(SETTLE).await;
            settled.extend(look(store, gateways, &doubtful).await?);
        }
        for look in settled {
            comparison.add(look);
        }
        comparison.last = Some(last);
        step(comparison.compared);
    }
}

/// One look at one payment.
struct Look {
    ours: Ours,
    /// `None`: nobody to ask.
    theirs: Option<Result<Theirs, CallError>>,
}

impl Look {
    fn in_doubt(&self) -> bool {
        let (payment, refunds) = &self.ours;
        matches!(&self.theirs, Some(Ok(theirs)) if !compare(payment, refunds, theirs).is_empty())
    }
}

async fn look(
    store: &PgStore,
    gateways: &Gateways,
    wanted: &BTreeMap<Uuid, Uuid>,
) -> Result<Vec<Look>, TurnError> {
    let mut bookings: Vec<BookingId> = Vec::with_capacity(wanted.len());
    for id in wanted.values() {
        let id = BookingId::try_from(*id)
            .map_err(|error| TurnError::Corrupt(format!("booking {id}: {error}")))?;
        bookings.push(id);
    }
    bookings.sort_unstable();
    bookings.dedup();
    let (_, cases) = store.cases(&bookings).await?;
    let ours = cases.into_values().flat_map(|case| {
        let refunds = case.refunds;
        case.payments.into_iter().map(move |payment| {
            let of = refunds.iter().filter(|row| row.payment == payment.id);
            let refunds = of.cloned().collect();
            (payment, refunds)
        })
    });
    let ours: Vec<Ours> = ours
        .filter(|(payment, _)| wanted.contains_key(&payment.id.uuid()))
        .collect();
    let looks = futures::stream::iter(ours).map(async |ours: Ours| {
        let client = gateways.client(&ours.0.account);
        let theirs = match (client, &ours.0.gateway_payment_id) {
            (Some(client), Some(id)) => Some(ask(client.as_ref(), id).await),
            _ => None,
        };
        Look { ours, theirs }
    });
    Ok(looks.buffer_unordered(AT_ONCE).collect().await)
}

async fn ask(client: &dyn GatewayClient, id: &str) -> Result<Theirs, CallError> {
    let payment = match patiently(async || client.fetch_payment(id).await).await {
        Ok(fact) => fact,
        Err(CallError::NotFound) => return Ok(Theirs::default()),
        Err(error) => return Err(error),
    };
    // What was never captured has nothing to return.
    let refunds = if payment.state == PaymentState::Captured {
        patiently(async || client.refunds_of(id).await).await?
    } else {
        Vec::new()
    };
    Ok(Theirs {
        payment: Some(payment),
        refunds,
    })
}

/// Asks again where the gateway is busy or says nothing, with growing pauses.
async fn patiently<T>(question: impl AsyncFn() -> Result<T, CallError>) -> Result<T, CallError> {
    let mut pause = Duration::from_secs(1);
    for _ in 1..TRIES {
        let wait = match question().await {
            Err(CallError::RetryLater { after, .. }) => after.unwrap_or(pause),
            Err(CallError::Unknown { .. }) => pause,
            answer => return answer,
        };
        tokio::time::sleep(wait.min(LONGEST_PAUSE)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    question().await
}

impl Comparison {
    fn add(&mut self, look: Look) {
        let (payment, refunds) = look.ours;
        let theirs = match look.theirs {
            None => {
                let account = payment.account.to_string();
                *self.cannot_be_asked.entry(account).or_default() += 1;
                return;
            }
            Some(Err(error)) => {
                self.unanswered.push(Unanswered {
                    payment: payment.id,
                    gateway_payment_id: payment.gateway_payment_id.unwrap_or_default(),
                    why: error.to_string(),
                });
                return;
            }
            Some(Ok(theirs)) => theirs,
        };
        self.compared += 1;
        self.sum(&payment, &refunds, &theirs);
        for differs in compare(&payment, &refunds, &theirs) {
            self.differences.push(Finding {
                promise: Rule::Gateway,
                booking: Some(payment.booking),
                what: differs.what,
                look: differs.then.to_owned(),
            });
        }
    }

    fn sum(&mut self, payment: &Payment, refunds: &[Refund], theirs: &Theirs) {
        let mut add = |currency: String, count: &dyn Fn(&mut Both)| {
            count(self.money.entry(currency).or_default());
        };
        if let Some(captured) = payment.captured {
            add(captured.currency.to_string(), &|both| {
                both.captured_here += captured.minor;
            });
        }
        for row in refunds {
            // What a person returned elsewhere the gateway does not know of.
            if row.standing == RefundStanding::Done && row.proof.is_none() {
                add(row.amount.currency.to_string(), &|both| {
                    both.refunded_here += row.amount.minor;
                });
            }
        }
        if let Some(fact) = &theirs.payment
            && fact.state == PaymentState::Captured
        {
            add(fact.amount.currency.to_string(), &|both| {
                both.captured_there += fact.amount.minor;
            });
        }
        for fact in &theirs.refunds {
            if fact.state == RefundState::Succeeded {
                add(fact.amount.currency.to_string(), &|both| {
                    both.refunded_there += fact.amount.minor;
                });
            }
        }
    }

    /// Whether both books say the same of everything that can be asked for.
    pub const fn balances(&self) -> bool {
        self.differences.is_empty() && self.unanswered.is_empty()
    }

    /// For a person at a terminal.
    pub fn in_words(&self) -> String {
        let mut text = format!("gateways: {} payments compared\n", self.compared);
        for (currency, both) in &self.money {
            text.push_str(&format!(
                "{currency}, minor units, here and there: captured {} and {}, refunded {} and {}\n",
                both.captured_here, both.captured_there, both.refunded_here, both.refunded_there
            ));
        }
        if self.without_id > 0 {
            text.push_str(&format!(
                "{} attempts never got an id at their gateway\n",
                self.without_id
            ));
        }
        for (account, count) in &self.cannot_be_asked {
            text.push_str(&format!(
                "{count} payments of {account} cannot be asked for: no API is configured\n"
            ));
        }
        for unanswered in &self.unanswered {
            text.push_str(&format!(
                "NO ANSWER payment {} ({}): {}\n",
                unanswered.payment, unanswered.gateway_payment_id, unanswered.why
            ));
        }
        for finding in &self.differences {
            text.push_str(&format!(
                "DIFFERS {}\n  then: {}\n",
                finding.what, finding.look
            ));
        }
        if self.balances() {
            text.push_str("the books balance\n");
        }
        text
    }
}
