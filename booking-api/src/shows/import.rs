//! Importing shows: each is created, changed, or found to be as it should be, by the owner's name for it. So the
//! same document may be imported again and again.

use std::collections::BTreeMap;

use boxoffice_saga::identity::ShowId;
use boxoffice_saga::world::World;
use boxoffice_turn::Appends;
use boxoffice_turn::postgres::PgStore;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::catalogue::{Show, ShowStatus};
use super::change::rewrite;
use super::create::{Plan, insert};
use super::error::ShowError;
use super::new_show::{NewSeat, NewShow};
use super::row;
use crate::operators::{Act, Acted, Order, act};

/// What is to be imported: one show, or many.
#[derive(Clone, Debug)]
pub struct Import(pub Vec<NewShow>);

#[derive(Deserialize)]
#[serde(transparent)]
struct Many(Vec<NewShow>);

impl Import {
    /// Reads JSON: a show, or an array of shows.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    pub fn of_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        // Not an untagged enum, which would forget where the error stands.
        let many = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        if many {
            serde_json::from_slice(bytes).map(|Many(shows)| Self(shows))
        } else {
            serde_json::from_slice(bytes).map(|show| Self(vec![show]))
        }
    }

    /// Checks all shows, so that a document with a mistake in it changes nothing.
    ///
    /// # Errors
    /// The show that is wrong, by its place and name, and what is wrong with it.
    pub fn check(&self) -> Result<(), (String, ShowError)> {
        for (nth, show) in self.0.iter().enumerate() {
            let checked = match show.external_ref {
                None => Err(ShowError::Nameless),
                Some(_) => show.check().map_err(ShowError::from),
            };
            checked.map_err(|error| {
                let name = show.external_ref.as_deref().unwrap_or(&show.title);
                (format!("show {} ({name:?})", nth + 1), error)
            })?;
        }
        Ok(())
    }
}

/// What came of importing one show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ImportedShow)]
pub struct Imported {
    /// The owner's name for it.
    pub external_ref: Option<String>,
    /// Its number, if there is such a show now.
    pub show_id: Option<ShowId>,
    /// `created`, `updated`, `unchanged` or `refused`.
    pub outcome: &'static str,
    /// Why it was refused.
    pub why: Option<String>,
}

/// Imports shows one after another, each wholly or not at all. What cannot be done to one does not stop the
/// others.
///
/// # Errors
/// [`ShowError::Database`]; importing the same again is safe and goes on.
pub async fn import(
    store: &PgStore,
    order: &Order,
    shows: &Import,
) -> Result<Vec<Imported>, ShowError> {
    let mut all = Vec::with_capacity(shows.0.len());
    for show in &shows.0 {
        all.push(match act(store, order, None, &ImportShow(show)).await {
            Ok(Acted::Now(imported, _)) => imported,
            // Without an idempotency key there is no other answer.
            Ok(Acted::Before { .. } | Acted::OtherRequest) => continue,
            Err(error @ ShowError::Database(_)) => return Err(error),
            Err(error) => Imported {
                external_ref: show.external_ref.clone(),
                show_id: None,
                outcome: "refused",
                why: Some(error.to_string()),
            },
        });
    }
    Ok(all)
}

struct ImportShow<'a>(&'a NewShow);

impl Act for ImportShow<'_> {
    type Done = Imported;
    type Error = ShowError;

    fn what(&self) -> &'static str {
        "show.import"
    }

    fn subject(&self, done: &Imported) -> String {
        done.show_id.map(|id| id.to_string()).unwrap_or_default()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        _: &mut World,
        _: &mut Appends,
    ) -> Result<Imported, ShowError> {
        let new = self.0;
        new.check()?;
        let Some(external_ref) = &new.external_ref else {
            return Err(ShowError::Nameless);
        };
        let known = sqlx::query_scalar!(
            "select show_id from shows where external_ref = $1",
            external_ref
        )
        .fetch_optional(&mut *db)
        .await?
        .and_then(|id| ShowId::try_from(id).ok());
        let (id, outcome) = match known {
            None => (insert(db, new).await?, "created"),
            Some(id) if new.show.is_some_and(|wanted| wanted != id) => {
                return Err(ShowError::Taken("external_ref"));
            }
            Some(id) => (id, update(db, id, new).await?),
        };
        Ok(Imported {
            external_ref: new.external_ref.clone(),
            show_id: Some(id),
            outcome,
            why: None,
        })
    }
}

/// Makes a show that is there what it should be, as far as its state allows.
async fn update(
    db: &mut PgConnection,
    id: ShowId,
    new: &NewShow,
) -> Result<&'static str, ShowError> {
    let show = row::lock(db, id).await?;
    let same_text = show.title == new.title && show.starts_at == new.starts_at;
    let same_rules = *show.terms == new.terms && same_plan(db, id, &new.seats).await?;
    if same_text && same_rules {
        return Ok("unchanged");
    }
    show.open()?;
    if !same_rules {
        if show.status == ShowStatus::OnSale {
            return Err(ShowError::OnSale(id));
        }
        replace(db, &show, new).await?;
    }
    rewrite(db, id, &new.title, new.starts_at).await?;
    Ok("updated")
}

async fn same_plan(
    db: &mut PgConnection,
    id: ShowId,
    seats: &[NewSeat],
) -> Result<bool, ShowError> {
    let rows = sqlx::query!(
        "select seat, row_name, number, section, price_minor from seat_plans where show_id = $1",
        id.as_i64()
    )
    .fetch_all(db)
    .await?;
    let new: BTreeMap<_, _> = seats.iter().map(|seat| (&seat.seat, seat)).collect();
    Ok(rows.len() == new.len()
        && rows.iter().all(|row| {
            new.get(&row.seat).is_some_and(|seat| {
                seat.row == row.row_name
                    && seat.number == row.number
                    && seat.section == row.section
                    && seat.price_minor == row.price_minor
            })
        }))
}

/// Gives a draft other rules and another plan.
async fn replace(db: &mut PgConnection, show: &Show, new: &NewShow) -> Result<(), ShowError> {
    let id = show.id.as_i64();
    let terms = &new.terms;
    sqlx::query!(
        "update shows set currency = $2, hold_ms = $3, grace_ms = $4, extension_ms = $5,
             extension_limit_ms = $6, warning_ms = $7, seat_limit = $8, cancel_until_ms = $9,
             cancel_fee_bp = $10
         where show_id = $1",
        id,
        terms.currency.code(),
        terms.hold_ms,
        terms.grace_ms,
        terms.extension_ms,
        terms.extension_limit_ms,
        terms.warning_ms,
        i32::from(terms.seat_limit),
        terms.cancel_until_ms,
        i32::from(terms.cancel_fee_bp),
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("delete from seat_plans where show_id = $1", id)
        .execute(&mut *db)
        .await?;
    let plan = Plan::of(&new.seats);
    sqlx::query!(
        "insert into seat_plans (show_id, seat, row_name, number, section, price_minor)
         select $1, * from unnest($2::text[], $3::text[], $4::int[], $5::text[], $6::bigint[])",
        id,
        &plan.names,
        &plan.rows,
        &plan.numbers,
        &plan.sections,
        &plan.prices,
    )
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOW: &str = r#"{"external_ref": "a", "title": "A show", "starts_at": "2030-01-01T20:00:00Z",
        "terms": {"currency": "INR", "hold_ms": 60000},
        "seats": [{"seat": "A-1", "row": "A", "number": 1, "section": "Stalls", "price_minor": 100}]}"#;

    #[test]
    fn one_show_or_many_with_the_usual_terms() {
        let one = Import::of_json(SHOW.as_bytes()).unwrap();
        assert_eq!(one.0[0].terms.hold_ms, 60_000);
        assert_eq!(one.0[0].terms.seat_limit, 10);
        assert!(one.check().is_ok());
        let many = Import::of_json(format!(" [{SHOW}, {SHOW}]").as_bytes()).unwrap();
        assert_eq!(many.0.len(), 2);
    }

    #[test]
    fn mistakes_are_named_by_place() {
        let broken = SHOW.replace("\"number\": 1", "\"number\": \"one\"");
        let error = Import::of_json(format!("[{SHOW},\n{broken}]").as_bytes()).unwrap_err();
        // The seats stand in the third line of each show, and the second show begins in line 4.
        assert_eq!(error.line(), 6, "{error}");
        let nameless = SHOW.replace("\"external_ref\": \"a\", ", "");
        let import = Import::of_json(format!("[{SHOW},{nameless}]").as_bytes()).unwrap();
        let (which, error) = import.check().unwrap_err();
        assert!(which.contains("show 2") && matches!(error, ShowError::Nameless));
        let impossible = SHOW.replace("A-1", "A 1");
        let import = Import::of_json(impossible.as_bytes()).unwrap();
        assert!(matches!(import.check(), Err((_, ShowError::Invalid(_)))));
    }
}
