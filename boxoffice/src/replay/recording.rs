//! What is replayed of one show: its seats, what operators did to them, and its journal.

use std::collections::BTreeSet;

use boxoffice_saga::identity::{BookingId, SeatName, ShowId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::seat::SeatState;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::difference::Difference;
use super::hall::{Hall, SeatAct};

/// What a show's bookings were decided on, beside the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Beginning {
    /// The show.
    pub show: ShowId,
    /// Its seats with their prices, in minor units.
    pub seats: Vec<(SeatName, i64)>,
    /// What operators did to them, in order.
    pub acts: Vec<SeatAct>,
}

/// An entry of the journal, as it is written there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Its number.
    pub entry: i64,
    /// The booking.
    pub booking: BookingId,
    /// The turn's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What happened.
    pub input: Value,
    /// What came of it.
    pub outcome: Value,
}

impl Line {
    /// Applies it again. What this build makes of it, if that is something else.
    pub fn replay(&self, hall: &mut Hall, show: ShowId) -> Option<Difference> {
        let what = self.input["input"].as_str().unwrap_or("?").to_owned();
        let differs = |what: String, replayed: String| Difference {
            show,
            booking: Some(self.booking),
            entry: Some(self.entry),
            what,
            recorded: self.outcome.to_string(),
            replayed,
        };
        let input = match serde_json::from_value::<Input>(self.input.clone()) {
            Ok(input) => input,
            Err(error) => {
                return Some(differs(
                    what,
                    format!("this build cannot read the input: {error}"),
                ));
            }
        };
        let made = hall.apply(self.booking, self.at, input);
        match serde_json::from_value::<Outcome>(self.outcome.clone()) {
            Ok(recorded) if recorded == made => None,
            Ok(_) => {
                let made = serde_json::to_string(&made).unwrap_or_default();
                Some(differs(what, made))
            }
            Err(error) => Some(differs(
                what,
                format!("this build cannot read the outcome: {error}"),
            )),
        }
    }
}

/// The answers of the acts that change seats, as they are recorded.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    changed: BTreeSet<SeatName>,
    #[serde(default)]
    before: bool,
}

impl Beginning {
    /// Reads a show's. None: its seats were removed, so nothing of it can be replayed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn read(db: &mut PgConnection, show: ShowId) -> Result<Option<Self>, sqlx::Error> {
        let id = show.as_i64();
        let row = sqlx::query!(
            "select cancelled_at, removed_at from shows where show_id = $1",
            id
        )
        .fetch_optional(&mut *db)
        .await?;
        if row.as_ref().is_none_or(|row| row.removed_at.is_some()) {
            return Ok(None);
        }
        let seats = sqlx::query!(
            "select seat, price_minor from show_seats where show_id = $1 order by seat",
            id
        )
        .fetch_all(&mut *db)
        .await?
        .into_iter()
        .map(|row| (row.seat, row.price_minor))
        .collect();
        let rows = sqlx::query!(
            "select at, what, outcome from operator_acts
             where subject = $1 and what in ('show.block', 'show.unblock', 'show.cancel') order by act",
            show.kafka_key()
        )
        .fetch_all(db)
        .await?;
        let mut acts: Vec<SeatAct> = Vec::new();
        for row in rows {
            let Ok(answer) = serde_json::from_str::<Answer>(&row.outcome) else {
                continue;
            };
            let (seats, into) = match row.what.as_str() {
                "show.block" => (Some(answer.changed), SeatState::Blocked),
                "show.unblock" => (Some(answer.changed), SeatState::Available),
                _ if answer.before => continue,
                _ => (None, SeatState::Cancelled),
            };
            acts.push(SeatAct {
                at: row.at,
                seats,
                into,
            });
        }
        acts.sort_by_key(|act| act.at);
        Ok(Some(Self { show, seats, acts }))
    }

    /// The hall before the first entry.
    pub fn hall(&self) -> Hall {
        Hall::new(self.show, &self.seats, self.acts.clone())
    }
}
