//! How much is open in all.

use std::collections::BTreeMap;

use boxoffice_saga::money::Money;
use boxoffice_saga::payment::PaymentStanding;
use boxoffice_saga::refund::RefundStanding;
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use serde::Serialize;
use time::OffsetDateTime;

use super::{OVERDUE, WaitingFor, Wanted, sources};
use crate::operators::read_money;

/// How much waits for somebody.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = WaitingSum)]
pub struct Sum {
    /// For whom.
    pub waiting_for: WaitingFor,
    /// How many things.
    pub count: i64,
    /// Since when the oldest of them.
    #[serde(with = "time::serde::rfc3339")]
    pub oldest: OffsetDateTime,
    /// How much money waits with them, by currency.
    pub money: Vec<Money>,
}

struct Row {
    name: String,
    currency: Option<String>,
    count: i64,
    minor: i64,
    oldest: OffsetDateTime,
}

/// What waits for one of them, as it is added up.
#[derive(Default)]
struct Adding {
    count: i64,
    oldest: Option<OffsetDateTime>,
    money: BTreeMap<String, i64>,
}

#[derive(Default)]
struct Sums(BTreeMap<WaitingFor, Adding>);

impl Sums {
    fn add(&mut self, waiting_for: WaitingFor, row: Row) {
        let sum = self.0.entry(waiting_for).or_default();
        sum.count += row.count;
        sum.oldest = Some(
            sum.oldest
                .map_or(row.oldest, |oldest| oldest.min(row.oldest)),
        );
        if let Some(currency) = row.currency {
            let money = sum.money.entry(currency).or_default();
            *money = money.saturating_add(row.minor);
        }
    }
}

/// Sums up all that is wanted. Reads every open row, so it takes longer the more is open.
///
/// # Errors
/// [`TurnError`]; reading again is safe.
pub async fn sums(store: &PgStore, wanted: Wanted) -> Result<Vec<Sum>, TurnError> {
    let mut db = store.pool().acquire().await?;
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(&mut *db)
        .await?;
    let until = now - wanted.stuck;
    let mut sums = Sums::default();
    let payments = sqlx::query_as!(
        Row,
        r#"select p.standing as name, p.expected_currency as currency, count(*) as "count!",
                  sum(p.expected_minor)::bigint as "minor!", min(p.opened_at) as "oldest!"
           from payments p
           where p.standing in ('OPEN', 'AUTHORISED', 'GIVING_UP') and p.opened_at <= $1
             and not exists (select from attention a where a.subject = p.payment_id and a.closed_at is null)
           group by p.standing, p.expected_currency"#,
        until,
    )
    .fetch_all(&mut *db)
    .await?;
    for row in payments {
        let standing = PaymentStanding::from_name(&row.name);
        if let Some(waiting_for) = standing.and_then(WaitingFor::of_payment) {
            sums.add(waiting_for, row);
        }
    }
    let refunds = sqlx::query_as!(
        Row,
        r#"select r.standing as name, r.currency, count(*) as "count!", sum(r.amount_minor)::bigint as "minor!",
                  min(r.requested_at) as "oldest!"
           from refunds r
           where r.standing not in ('DONE', 'WITHDRAWN') and r.requested_at <= $1
             and not exists (select from attention a where a.subject = r.refund_id and a.closed_at is null)
           group by r.standing, r.currency"#,
        until,
    )
    .fetch_all(&mut *db)
    .await?;
    for row in refunds {
        let standing = RefundStanding::from_name(&row.name);
        if let Some(waiting_for) = standing.and_then(WaitingFor::of_refund) {
            sums.add(waiting_for, row);
        }
    }
    let items = sqlx::query_as!(
        Row,
        r#"select '' as "name!", currency, count(*) as "count!", coalesce(sum(amount_minor), 0)::bigint as "minor!",
                  min(opened_at) as "oldest!"
           from attention where closed_at is null and opened_at <= $1 group by currency"#,
        until,
    )
    .fetch_all(&mut *db)
    .await?;
    for row in items {
        sums.add(WaitingFor::Person, row);
    }
    let messages = sqlx::query_as!(
        Row,
        r#"select '' as "name!", null as currency, count(*) as "count!", 0::bigint as "minor!",
                  min(created_at) as "oldest!"
           from tasks where kind in ('mail', 'sms', 'push') and created_at <= $1 having count(*) > 0"#,
        until,
    )
    .fetch_all(&mut *db)
    .await?;
    for row in messages {
        sums.add(WaitingFor::Notification, row);
    }
    let overdue = sqlx::query_as!(
        Row,
        r#"select '' as "name!", null as currency, count(*) as "count!", 0::bigint as "minor!",
                  min(due_at) as "oldest!"
           from tasks where kind = any($2) and due_at <= $1
             and (lease_until is null or lease_until < clock_timestamp())
           having count(*) > 0"#,
        now - wanted.stuck.max(OVERDUE),
        &sources::overdue_kinds(),
    )
    .fetch_all(&mut *db)
    .await?;
    for row in overdue {
        sums.add(WaitingFor::Worker, row);
    }
    sums.0
        .into_iter()
        .filter(|(waiting_for, _)| wanted.wants(*waiting_for))
        .map(|(waiting_for, sum)| {
            let money = sum
                .money
                .into_iter()
                .map(|(currency, minor)| read_money(minor, &currency))
                .collect::<Result<_, _>>()?;
            Ok(Sum {
                waiting_for,
                count: sum.count,
                oldest: sum.oldest.unwrap_or(now),
                money,
            })
        })
        .collect()
}
