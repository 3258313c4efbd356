//! What is open: waiting for whom, how long, how much money.
//!
//! Read from the rows that are open themselves, by indexes that hold nothing else: a task that was lost hides
//! nothing, and millions of finished bookings cost nothing. Each amount is counted once: what is on the operators'
//! list waits for a person, and for nobody else.

mod sources;
mod sums;

use boxoffice_saga::identity::{BookingId, ShowId};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::PaymentStanding;
use boxoffice_saga::refund::RefundStanding;
use boxoffice_saga::task::TaskKind;
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::page::{Limit, Page};
use super::tasks::{self, OpenTask};

pub use sums::{Sum, sums};

/// For whom something waits.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// The customer or their bank: a payment of which nobody has said how it ended, or a refund that the gateway
    /// has accepted and not finished.
    Bank,
    /// The gateway: a refund that it was asked for, or will be as soon as it listens; reserved money that it takes or
    /// gives up.
    Gateway,
    /// The refund worker: a refund that is decided, and that no worker has taken on.
    Refund,
    /// A person: an item of the operators' list.
    Person,
    /// The mail server or the provider: a message that is not out.
    Notification,
    /// The coordinator: something was due more than a minute ago, and nobody has done it.
    Worker,
}

impl WaitingFor {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Bank,
        Self::Gateway,
        Self::Refund,
        Self::Person,
        Self::Notification,
        Self::Worker,
    ];

    /// The name on the wire and at the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bank => "bank",
            Self::Gateway => "gateway",
            Self::Refund => "refund",
            Self::Person => "person",
            Self::Notification => "notification",
            Self::Worker => "worker",
        }
    }

    /// For whom a payment of this standing waits, if for anybody.
    const fn of_payment(standing: PaymentStanding) -> Option<Self> {
        match standing {
            PaymentStanding::Open => Some(Self::Bank),
            PaymentStanding::Authorised | PaymentStanding::GivingUp => Some(Self::Gateway),
            PaymentStanding::Declined | PaymentStanding::Closed | PaymentStanding::Captured => None,
        }
    }

    /// For whom a refund of this standing waits, if for anybody.
    const fn of_refund(standing: RefundStanding) -> Option<Self> {
        match standing {
            RefundStanding::Requested => Some(Self::Refund),
            RefundStanding::UnderWay => Some(Self::Gateway),
            RefundStanding::Pending => Some(Self::Bank),
            RefundStanding::WithOperator => Some(Self::Person),
            RefundStanding::Done | RefundStanding::Withdrawn => None,
        }
    }

    /// For whom a task of this kind waits by itself. What most tasks are about is listed as what it is: a payment,
    /// a refund, a parked record.
    const fn of_task(kind: TaskKind) -> Option<Self> {
        match kind {
            TaskKind::Mail | TaskKind::Sms | TaskKind::Push => Some(Self::Notification),
            TaskKind::HoldTimer | TaskKind::CancelShow | TaskKind::CancelBooking => {
                Some(Self::Worker)
            }
            TaskKind::Verify
            | TaskKind::Void
            | TaskKind::Capture
            | TaskKind::Trace
            | TaskKind::Refund
            | TaskKind::MassRefund => None,
        }
    }
}

/// Reads how long something must have waited: a whole number and `s`, `m`, `h` or `d`, for example `10m`; at most a
/// hundred years.
///
/// # Errors
/// What to write instead.
pub fn stuck(text: &str) -> Result<Duration, String> {
    let unit = match text.as_bytes().last() {
        Some(b's') => Duration::SECOND,
        Some(b'm') => Duration::MINUTE,
        Some(b'h') => Duration::HOUR,
        Some(b'd') => Duration::DAY,
        _ => Duration::ZERO,
    };
    text.get(..text.len().saturating_sub(1))
        .filter(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
        .and_then(|number| number.parse::<i32>().ok())
        .and_then(|number| unit.checked_mul(number))
        .filter(|span| !unit.is_zero() && *span <= LONGEST)
        .ok_or_else(|| "write a time like 90s, 10m, 2h or 1d".to_owned())
}

const LONGEST: Duration = Duration::days(36_500);

impl std::str::FromStr for WaitingFor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|one| one.name() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("name one of {names}")
            })
    }
}

/// Something that is open.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Waiting {
    /// For whom.
    pub waiting_for: WaitingFor,
    /// What waits: `payment`, `refund`, a kind of item on the operators' list, or a kind of task.
    pub what: String,
    /// Its id.
    pub id: Uuid,
    /// The booking, if one is known.
    #[schema(required)]
    pub booking_id: Option<BookingId>,
    /// The show, if one is known.
    #[schema(required)]
    pub show_id: Option<ShowId>,
    /// How much money waits with it, if any does.
    #[schema(required)]
    pub amount: Option<Money>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// How long that is, in seconds.
    pub seconds: i64,
    /// In words.
    pub said: String,
    /// What is to be done about it, in the order in which it is due.
    pub tasks: Vec<OpenTask>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Only what waits for these; `None`: for anybody.
    pub waiting_for: Option<WaitingFor>,
    /// Only what has waited at least so long.
    pub stuck: Duration,
}

impl Wanted {
    fn wants(self, waiting_for: WaitingFor) -> bool {
        self.waiting_for.is_none_or(|wanted| wanted == waiting_for)
    }
}

/// A place in the list: after this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    id: Uuid,
    what: String,
}

impl Place {
    fn beginning() -> Self {
        Self {
            since: OffsetDateTime::UNIX_EPOCH,
            id: Uuid::nil(),
            what: String::new(),
        }
    }
}

impl From<&Waiting> for Place {
    fn from(waiting: &Waiting) -> Self {
        Self {
            since: waiting.since,
            id: waiting.id,
            what: waiting.what.clone(),
        }
    }
}

/// Reads a page of what is open, what has waited longest first.
///
/// # Errors
/// [`TurnError`]; reading again is safe.
pub async fn list(
    store: &PgStore,
    wanted: Wanted,
    after: Option<&Place>,
    limit: Limit,
) -> Result<Page<Waiting, Place>, TurnError> {
    let mut db = store.pool().acquire().await?;
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(&mut *db)
        .await?;
    let beginning = Place::beginning();
    let within = sources::Within {
        until: now - wanted.stuck,
        overdue: now - wanted.stuck.max(OVERDUE),
        after: after.unwrap_or(&beginning),
        limit: limit.and_one(),
    };
    let mut found = Vec::new();
    let wants = |waiting: Option<WaitingFor>| waiting.is_some_and(|one| wanted.wants(one));
    let standings: Vec<_> = sources::PAYMENTS
        .into_iter()
        .filter(|standing| wants(WaitingFor::of_payment(*standing)))
        .collect();
    if !standings.is_empty() {
        found.extend(sources::payments(&mut db, &within, &standings).await?);
    }
    let standings: Vec<_> = sources::REFUNDS
        .into_iter()
        .filter(|standing| wants(WaitingFor::of_refund(*standing)))
        .collect();
    if !standings.is_empty() {
        found.extend(sources::refunds(&mut db, &within, &standings).await?);
    }
    if wanted.wants(WaitingFor::Person) {
        found.extend(sources::items(&mut db, &within).await?);
    }
    if wanted.wants(WaitingFor::Notification) {
        found.extend(sources::messages(&mut db, &within).await?);
    }
    if wanted.wants(WaitingFor::Worker) {
        found.extend(sources::overdue(&mut db, &within).await?);
    }
    found.sort_by_key(|one: &Waiting| Place::from(one));
    let mut page = Page::of(found, limit, |last| Place::from(last));
    for one in &mut page.entries {
        one.seconds = (now - one.since).whole_seconds();
    }
    with_tasks(&mut db, &mut page.entries).await?;
    Ok(page)
}

/// A task that was due so long ago and is in nobody's hands is not just about to be taken.
const OVERDUE: Duration = Duration::minutes(1);

/// Adds to each what is to be done about it.
async fn with_tasks(db: &mut sqlx::PgConnection, entries: &mut [Waiting]) -> Result<(), TurnError> {
    let mut bookings: Vec<BookingId> = entries.iter().filter_map(|one| one.booking_id).collect();
    bookings.sort_unstable();
    bookings.dedup();
    let open = tasks::of_bookings(db, &bookings).await?;
    for one in entries {
        let about = |task: &&OpenTask| task.subject == one.id;
        one.tasks = open.iter().filter(about).cloned().collect();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The queries name kinds and standings in their text, for the planner proves by it that an index will do.
    #[test]
    fn the_queries_name_what_waits() {
        let messages: Vec<_> = TaskKind::ALL
            .into_iter()
            .filter(|kind| WaitingFor::of_task(*kind) == Some(WaitingFor::Notification))
            .map(TaskKind::name)
            .collect();
        assert_eq!(messages, ["mail", "sms", "push"]);
        for standing in sources::PAYMENTS {
            assert!(WaitingFor::of_payment(standing).is_some());
        }
        for standing in sources::REFUNDS {
            assert!(WaitingFor::of_refund(standing).is_some());
        }
    }

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(stuck("0s"), Ok(Duration::ZERO));
        assert_eq!(stuck("90s"), Ok(Duration::seconds(90)));
        assert_eq!(stuck("10m"), Ok(Duration::minutes(10)));
        assert_eq!(stuck("2h"), Ok(Duration::hours(2)));
        assert_eq!(stuck("36500d"), Ok(LONGEST));
        for nonsense in [
            "",
            "m",
            "10",
            "-1m",
            "+1m",
            "1.5h",
            "10 m",
            "1w",
            "1é",
            "36501d",
            "99999999999d",
        ] {
            assert!(stuck(nonsense).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn each_is_known_by_its_name() {
        for one in WaitingFor::ALL {
            assert_eq!(one.name().parse(), Ok(one));
            assert_eq!(serde_json::to_value(one).unwrap(), one.name());
        }
        let error = "godot".parse::<WaitingFor>().unwrap_err();
        assert!(error.contains("bank, gateway"), "{error}");
    }
}
