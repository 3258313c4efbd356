//! How far the refunds of a cancelled show are.

use boxoffice_saga::identity::ShowId;
use boxoffice_saga::money::Money;
use boxoffice_turn::TurnError;
use serde::Serialize;
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};

/// The refunds of a cancelled show, as of one moment.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct RefundProgress {
    /// The show's number.
    pub show_id: ShowId,
    /// As of when, by the database's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// When the show was cancelled; none: it is not, and nothing goes back.
    #[serde(with = "time::serde::rfc3339::option")]
    pub cancelled_at: Option<OffsetDateTime>,
    /// Whether an operator has paused them, and who.
    pub paused: Option<Pause>,
    /// Each state, in the order in which a refund goes through them.
    pub states: Vec<InState>,
    /// How many were done a second over the last minute, or since the cancellation if that is less.
    pub done_per_second: f64,
    /// When the last one will be asked for at this rate. None while they are paused, while none gets done, and when
    /// none is left to ask for.
    #[serde(with = "time::serde::rfc3339::option")]
    pub estimated_end: Option<OffsetDateTime>,
}

/// An operator's pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RefundPause)]
pub struct Pause {
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// By whom.
    pub by: String,
    /// Why, in their words.
    pub why: String,
}

/// What is in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RefundsInState)]
pub struct InState {
    /// Which.
    pub state: MassRefundState,
    /// How many refunds.
    pub refunds: i64,
    /// How much money, by currency; nothing where there are none.
    pub amounts: Vec<Money>,
}

/// The way of a refund of a cancelled show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MassRefundState {
    /// The booking is paid and not cancelled yet: the refund will come with that.
    ToBeNamed,
    /// Decided, and the money reserved.
    Requested,
    /// The worker has it; it waits for its turn at the gateway, or was asked for.
    UnderWay,
    /// The gateway has accepted it and is not finished.
    Pending,
    /// The money is back.
    Done,
    /// It cannot be finished without a person.
    WithOperator,
    /// Given up, because the customer has the money by another way.
    Withdrawn,
}

impl MassRefundState {
    /// All of them, in order.
    const ALL: [Self; 7] = [
        Self::ToBeNamed,
        Self::Requested,
        Self::UnderWay,
        Self::Pending,
        Self::Done,
        Self::WithOperator,
        Self::Withdrawn,
    ];

    /// Its name in the database and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ToBeNamed => "TO_BE_NAMED",
            Self::Requested => "REQUESTED",
            Self::UnderWay => "UNDER_WAY",
            Self::Pending => "PENDING",
            Self::Done => "DONE",
            Self::WithOperator => "WITH_OPERATOR",
            Self::Withdrawn => "WITHDRAWN",
        }
    }

    /// Whether the gateway is still to be asked for it.
    const fn to_ask_for(self) -> bool {
        matches!(self, Self::ToBeNamed | Self::Requested | Self::UnderWay)
    }
}

/// Reads how far the refunds of a show are; `None`: there is no such show. All counts are as of one moment.
///
/// # Errors
/// [`TurnError`]; reading again is safe.
pub async fn refund_progress(
    db: &PgPool,
    show: ShowId,
) -> Result<Option<RefundProgress>, TurnError> {
    let number = show.as_i64();
    let head = sqlx::query!(
        r#"select clock_timestamp() as "at!", s.cancelled_at, p.paused_at as "paused_at?",
                  p.paused_by as "paused_by?", p.why as "why?"
           from shows s left join refund_pauses p using (show_id)
           where s.show_id = $1"#,
        number,
    )
    .fetch_optional(db)
    .await?;
    let Some(head) = head else {
        return Ok(None);
    };
    let rows = sqlx::query!(
        r#"select standing as "state!", currency as "currency!", count(*) as "refunds!",
                  sum(amount_minor)::bigint as "minor!",
                  count(*) filter (where done_at > clock_timestamp() - interval '1 minute') as "lately!"
           from refunds
           where show_id = $1 and cause = 'SHOW_CANCELLED'
           group by standing, currency
           union all
           select 'TO_BE_NAMED', currency, count(*), sum(amount_minor)::bigint, 0
           from bookings
           where show_id = $1 and state = 'CONFIRMED' and $2
           group by currency
           order by 2"#,
        number,
        head.cancelled_at.is_some(),
    )
    .fetch_all(db)
    .await?;
    let mut states: Vec<InState> = MassRefundState::ALL.map(InState::empty).into();
    let mut lately = 0;
    for row in rows {
        let known = states
            .iter_mut()
            .find(|known| known.state.name() == row.state);
        let known = known
            .ok_or_else(|| TurnError::Corrupt(format!("the refund standing {:?}", row.state)))?;
        let currency = row
            .currency
            .parse()
            .map_err(|_| TurnError::Corrupt(format!("the currency {:?}", row.currency)))?;
        known.refunds += row.refunds;
        known.amounts.push(Money::new(row.minor, currency));
        lately += row.lately;
    }
    let since = head.cancelled_at.map(|cancelled| head.at - cancelled);
    let done_per_second = rate(lately, since.unwrap_or(Duration::MINUTE));
    let left: i64 = states
        .iter()
        .filter(|state| state.state.to_ask_for())
        .map(|state| state.refunds)
        .sum();
    let paused = match (head.paused_at, head.paused_by, head.why) {
        (Some(since), Some(by), Some(why)) => Some(Pause { since, by, why }),
        _ => None,
    };
    let estimated_end = match paused {
        Some(_) => None,
        None => end(head.at, left, done_per_second),
    };
    Ok(Some(RefundProgress {
        show_id: show,
        at: head.at,
        cancelled_at: head.cancelled_at,
        paused,
        states,
        done_per_second,
        estimated_end,
    }))
}

impl InState {
    const fn empty(state: MassRefundState) -> Self {
        Self {
            state,
            refunds: 0,
            amounts: Vec::new(),
        }
    }
}

/// So many within the last minute, or within less if it began later.
fn rate(lately: i64, since: Duration) -> f64 {
    let within = since.clamp(Duration::SECOND, Duration::MINUTE);
    // Far below where whole numbers stop being exact.
    let lately = u32::try_from(lately).map_or(f64::MAX, f64::from);
    lately / within.as_seconds_f64()
}

fn end(now: OffsetDateTime, left: i64, per_second: f64) -> Option<OffsetDateTime> {
    let left = u32::try_from(left).ok().filter(|left| *left > 0)?;
    if per_second <= 0.0 {
        return None;
    }
    let seconds = Duration::checked_seconds_f64((f64::from(left) / per_second).ceil())?;
    now.checked_add(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_follows_from_the_rate() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let fast = rate(1_200, Duration::HOUR);
        assert!((fast - 20.0).abs() < f64::EPSILON);
        assert_eq!(
            end(now, 100_000, fast),
            Some(now + Duration::seconds(5_000))
        );
        let young = rate(40, Duration::seconds(2));
        assert!(
            (young - 20.0).abs() < f64::EPSILON,
            "it has only just begun"
        );
        assert_eq!(end(now, 0, fast), None, "nothing left");
        assert_eq!(end(now, 5, rate(0, Duration::HOUR)), None, "nobody can say");
    }
}
