//! Where open things are found. Each query reads one partial index in its order, and stops after a page.

use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::PaymentStanding;
use boxoffice_saga::refund::RefundStanding;
use boxoffice_saga::task::TaskKind;
use boxoffice_turn::TurnError;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Place, Waiting, WaitingFor};
use crate::operators::read_money;
use crate::operators::story::words;

/// Which part of each source is wanted.
pub(super) struct Within<'a> {
    /// What has been open since then or longer.
    pub(super) until: OffsetDateTime,
    /// What was due then or earlier.
    pub(super) overdue: OffsetDateTime,
    /// After this place.
    pub(super) after: &'a Place,
    /// At most so many.
    pub(super) limit: i64,
}

/// The standings of payments that are not decided.
pub(super) const PAYMENTS: [PaymentStanding; 3] = [
    PaymentStanding::Open,
    PaymentStanding::Authorised,
    PaymentStanding::GivingUp,
];

/// The standings of refunds that are not done.
pub(super) const REFUNDS: [RefundStanding; 4] = [
    RefundStanding::Requested,
    RefundStanding::UnderWay,
    RefundStanding::Pending,
    RefundStanding::WithOperator,
];

fn corrupt(what: &dyn std::fmt::Display) -> TurnError {
    TurnError::Corrupt(what.to_string())
}

fn booking(id: Uuid) -> Result<BookingId, TurnError> {
    BookingId::try_from(id).map_err(|error| corrupt(&error))
}

fn entry(
    waiting_for: WaitingFor,
    what: &str,
    id: Uuid,
    booking: Option<BookingId>,
    amount: Option<Money>,
    since: OffsetDateTime,
    said: String,
) -> Waiting {
    Waiting {
        waiting_for,
        what: what.to_owned(),
        id,
        booking_id: booking,
        show_id: booking.map(BookingId::show),
        amount,
        since,
        seconds: 0,
        said,
        tasks: Vec::new(),
    }
}

/// Payments of which nobody has said how they ended, but for those that a person is called for.
pub(super) async fn payments(
    db: &mut PgConnection,
    within: &Within<'_>,
    standings: &[PaymentStanding],
) -> Result<Vec<Waiting>, TurnError> {
    let names: Vec<String> = standings.iter().map(|one| one.name().to_owned()).collect();
    let rows = sqlx::query!(
        "select p.payment_id, p.booking_id, p.standing, p.expected_minor, p.expected_currency, p.gateway, p.account,
                p.gateway_payment_id, p.opened_at
         from payments p
         where p.standing in ('OPEN', 'AUTHORISED', 'GIVING_UP') and p.standing = any($5) and p.opened_at <= $1
           and (p.opened_at, p.payment_id) > ($2, $3)
           and not exists (select from attention a where a.subject = p.payment_id and a.closed_at is null)
         order by p.opened_at, p.payment_id limit $4",
        within.until,
        within.after.since,
        within.after.id,
        within.limit,
        &names,
    )
    .fetch_all(db)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let standing = PaymentStanding::from_name(&row.standing)
            .ok_or_else(|| corrupt(&format!("payment standing {:?}", row.standing)))?;
        let Some(waiting_for) = WaitingFor::of_payment(standing) else {
            continue;
        };
        let known_as = row.gateway_payment_id.map_or_else(
            || "without an id of the gateway's".to_owned(),
            |id| format!("as {id}"),
        );
        found.push(entry(
            waiting_for,
            "payment",
            row.payment_id,
            Some(booking(row.booking_id)?),
            Some(read_money(row.expected_minor, &row.expected_currency)?),
            row.opened_at,
            format!(
                "payment {} at {}/{} {known_as}",
                standing.name(),
                row.gateway,
                row.account
            ),
        ));
    }
    Ok(found)
}

/// Refunds that are not done, but for those that a person is called for.
pub(super) async fn refunds(
    db: &mut PgConnection,
    within: &Within<'_>,
    standings: &[RefundStanding],
) -> Result<Vec<Waiting>, TurnError> {
    let names: Vec<String> = standings.iter().map(|one| one.name().to_owned()).collect();
    let rows = sqlx::query!(
        "select r.refund_id, r.booking_id, r.standing, r.amount_minor, r.currency, r.cause, r.generation,
                r.gateway_refund_id, r.requested_at
         from refunds r
         where r.standing not in ('DONE', 'WITHDRAWN') and r.standing = any($5) and r.requested_at <= $1
           and (r.requested_at, r.refund_id) > ($2, $3)
           and not exists (select from attention a where a.subject = r.refund_id and a.closed_at is null)
         order by r.requested_at, r.refund_id limit $4",
        within.until,
        within.after.since,
        within.after.id,
        within.limit,
        &names,
    )
    .fetch_all(db)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let standing = RefundStanding::from_name(&row.standing)
            .ok_or_else(|| corrupt(&format!("refund standing {:?}", row.standing)))?;
        let Some(waiting_for) = WaitingFor::of_refund(standing) else {
            continue;
        };
        let known_as = row
            .gateway_refund_id
            .map_or_else(String::new, |id| format!(" as {id}"));
        found.push(entry(
            waiting_for,
            "refund",
            row.refund_id,
            Some(booking(row.booking_id)?),
            Some(read_money(row.amount_minor, &row.currency)?),
            row.requested_at,
            format!(
                "refund {}{known_as} for {}, generation {}",
                standing.name(),
                row.cause,
                row.generation
            ),
        ));
    }
    Ok(found)
}

/// Items of the operators' list.
pub(super) async fn items(
    db: &mut PgConnection,
    within: &Within<'_>,
) -> Result<Vec<Waiting>, TurnError> {
    let rows = sqlx::query!(
        r#"select kind, subject, show_id, booking_id, amount_minor, currency, reason, opened_at from attention
           where closed_at is null and opened_at <= $1
             and (opened_at, subject, kind collate "C") > ($2, $3, $4)
           order by opened_at, subject, kind collate "C" limit $5"#,
        within.until,
        within.after.since,
        within.after.id,
        within.after.what,
        within.limit,
    )
    .fetch_all(db)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let amount = match (row.amount_minor, row.currency) {
            (Some(minor), Some(currency)) => Some(read_money(minor, &currency)?),
            _ => None,
        };
        let mut one = entry(
            WaitingFor::Person,
            &row.kind,
            row.subject,
            row.booking_id.map(booking).transpose()?,
            amount,
            row.opened_at,
            row.reason,
        );
        if let Some(show) = row.show_id {
            one.show_id = Some(ShowId::try_from(show).map_err(|error| corrupt(&error))?);
        }
        found.push(one);
    }
    Ok(found)
}

/// Messages that are not out.
pub(super) async fn messages(
    db: &mut PgConnection,
    within: &Within<'_>,
) -> Result<Vec<Waiting>, TurnError> {
    let rows = sqlx::query!(
        "select kind, subject, booking_id, created_at from tasks
         where kind in ('mail', 'sms', 'push') and created_at <= $1 and (created_at, subject) > ($2, $3)
         order by created_at, subject limit $4",
        within.until,
        within.after.since,
        within.after.id,
        within.limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            task(
                WaitingFor::Notification,
                &row.kind,
                row.subject,
                row.booking_id,
                row.created_at,
            )
        })
        .collect()
}

/// Timers, and work on cancelled shows, that were due and that nobody has in hand.
pub(super) async fn overdue(
    db: &mut PgConnection,
    within: &Within<'_>,
) -> Result<Vec<Waiting>, TurnError> {
    let rows = sqlx::query!(
        r#"select t.kind as "kind!", t.subject as "subject!", t.booking_id, t.due_at as "due_at!"
           from unnest($5::text[]) k (kind)
           cross join lateral (
               select t.kind, t.subject, t.booking_id, t.due_at from tasks t
               where t.kind = k.kind and t.due_at <= $1 and (t.due_at, t.subject) > ($2, $3)
                 and (t.lease_until is null or t.lease_until < clock_timestamp())
               order by t.due_at, t.subject limit $4
           ) t
           order by t.due_at, t.subject limit $4"#,
        within.overdue,
        within.after.since,
        within.after.id,
        within.limit,
        &overdue_kinds(),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            task(
                WaitingFor::Worker,
                &row.kind,
                row.subject,
                row.booking_id,
                row.due_at,
            )
        })
        .collect()
}

/// The kinds of tasks that are listed when nobody has taken them in time.
pub(super) fn overdue_kinds() -> Vec<String> {
    TaskKind::ALL
        .into_iter()
        .filter(|kind| WaitingFor::of_task(*kind) == Some(WaitingFor::Worker))
        .map(|kind| kind.name().to_owned())
        .collect()
}

fn task(
    waiting_for: WaitingFor,
    kind: &str,
    subject: Uuid,
    of: Option<Uuid>,
    since: OffsetDateTime,
) -> Result<Waiting, TurnError> {
    let to_do = TaskKind::from_name(kind).map_or("of a kind unknown to this build", words::task);
    Ok(entry(
        waiting_for,
        kind,
        subject,
        of.map(booking).transpose()?,
        None,
        since,
        to_do.to_owned(),
    ))
}
