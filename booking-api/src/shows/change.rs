//! Changing what people read of a show. Its seats, prices and rules stay: people have bought under them.

use boxoffice_saga::identity::ShowId;
use boxoffice_saga::world::World;
use boxoffice_turn::Appends;
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::ShowError;
use super::new_show::check_title;
use super::row;
use crate::operators::Act;

/// Changes a show's title, or when it begins, or both.
#[derive(Clone, Debug)]
pub struct ChangeShow {
    /// Which.
    pub show: ShowId,
    /// The new title.
    pub title: Option<String>,
    /// The new time.
    pub starts_at: Option<OffsetDateTime>,
}

/// A show as it reads now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ChangedShow)]
pub struct Changed {
    /// Its number.
    pub show_id: ShowId,
    /// Its title.
    pub title: String,
    /// When it begins.
    #[serde(with = "time::serde::rfc3339")]
    pub starts_at: OffsetDateTime,
}

impl Act for ChangeShow {
    type Done = Changed;
    type Error = ShowError;

    fn what(&self) -> &'static str {
        "show.change"
    }

    fn subject(&self, _: &Changed) -> String {
        self.show.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        _: &mut World,
        _: &mut Appends,
    ) -> Result<Changed, ShowError> {
        if self.title.is_none() && self.starts_at.is_none() {
            return Err(ShowError::NothingToChange);
        }
        if let Some(title) = &self.title {
            check_title(title)?;
        }
        let show = row::lock(db, self.show).await?;
        show.open()?;
        let title = self.title.clone().unwrap_or(show.title);
        let starts_at = self.starts_at.unwrap_or(show.starts_at);
        rewrite(db, self.show, &title, starts_at).await?;
        Ok(Changed {
            show_id: self.show,
            title,
            starts_at,
        })
    }
}

/// Writes title and time.
pub(super) async fn rewrite(
    db: &mut PgConnection,
    show: ShowId,
    title: &str,
    starts_at: OffsetDateTime,
) -> Result<(), ShowError> {
    sqlx::query!(
        "update shows set title = $2, starts_at = $3 where show_id = $1",
        show.as_i64(),
        title,
        starts_at,
    )
    .execute(db)
    .await?;
    Ok(())
}
