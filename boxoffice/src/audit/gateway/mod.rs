//! `boxoffice audit --gateway`: our payments and refunds, one by one, against what their gateways say of them.
//!
//! A page of payments at a time, few of them at once ([`look`]). The reconciliation looks and compares in the same way.

pub mod compare;
pub mod look;

use std::collections::BTreeMap;

use boxoffice_gateways::Gateways;
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::identity::PaymentId;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::{Refund, RefundStanding};
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::finding::{Finding, Rule};
use compare::{Theirs, compare};
use look::{Look, settled};

/// Payments read at a time.
const PAGE: i64 = 200;
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
        for look in settled(store, gateways, &wanted).await? {
            comparison.add(look);
        }
        comparison.last = Some(last);
        step(comparison.compared);
    }
}

impl Comparison {
    fn add(&mut self, look: Look) {
        let (payment, refunds) = look.ours;
        let theirs = match look.theirs {
            Some(Ok(theirs)) => theirs,
            Some(Err(error)) => {
                self.unanswered.push(Unanswered {
                    payment: payment.id,
                    gateway_payment_id: payment.gateway_payment_id.unwrap_or_default(),
                    why: error.to_string(),
                });
                return;
            }
            None => {
                let account = payment.account.to_string();
                *self.cannot_be_asked.entry(account).or_default() += 1;
                return;
            }
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
            if row.standing == RefundStanding::Done && row.proof.is_none() && !theirs.only_told {
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
                "{count} payments of {account} cannot be asked for: no API is configured, or the gateway has no such call\n"
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
