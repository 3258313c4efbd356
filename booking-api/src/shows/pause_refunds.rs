//! Pausing the refunds of a cancelled show, and letting them go on.

use boxoffice_saga::identity::ShowId;
use boxoffice_saga::world::World;
use boxoffice_turn::Appends;
use serde::Serialize;
use sqlx::PgConnection;

use super::error::ShowError;
use super::row;
use crate::operators::{Act, Order};

/// Pauses the refunds that a show's cancellation causes, now or later: the refund worker takes up none of them
/// any more, and finishes what it has in hand. Nor does it look again at those that the gateway keeps pending, whose
/// webhooks are heard all the same. Other refunds of the show's bookings go on.
#[derive(Clone, Copy, Debug)]
pub struct PauseRefunds<'a> {
    /// The show.
    pub show: ShowId,
    /// Who wants it, and why; it stands beside the progress for as long as the pause lasts.
    pub by: &'a Order,
}

/// Lets them go on.
#[derive(Clone, Copy, Debug)]
pub struct ResumeRefunds(pub ShowId);

/// What came of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = RefundsPaused)]
pub struct Paused {
    /// The show's number.
    pub show_id: ShowId,
    /// Whether its refunds are paused now.
    pub paused: bool,
    /// Whether they were so before, and nothing has changed.
    pub before: bool,
}

impl Act for PauseRefunds<'_> {
    type Done = Paused;
    type Error = ShowError;

    fn what(&self) -> &'static str {
        "refunds.pause"
    }

    fn subject(&self, _: &Paused) -> String {
        self.show.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        _: &mut World,
        _: &mut Appends,
    ) -> Result<Paused, ShowError> {
        row::lock(db, self.show).await?;
        let paused = sqlx::query!(
            "insert into refund_pauses (show_id, paused_by, why) values ($1, $2, $3) on conflict do nothing",
            self.show.as_i64(),
            self.by.who,
            self.by.why.as_deref().unwrap_or_default(),
        )
        .execute(db)
        .await?;
        Ok(Paused {
            show_id: self.show,
            paused: true,
            before: paused.rows_affected() == 0,
        })
    }
}

impl Act for ResumeRefunds {
    type Done = Paused;
    type Error = ShowError;

    fn what(&self) -> &'static str {
        "refunds.resume"
    }

    fn subject(&self, _: &Paused) -> String {
        self.0.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        _: &mut World,
        _: &mut Appends,
    ) -> Result<Paused, ShowError> {
        row::lock(db, self.0).await?;
        let number = self.0.as_i64();
        let resumed = sqlx::query!("delete from refund_pauses where show_id = $1", number)
            .execute(db)
            .await?;
        Ok(Paused {
            show_id: self.0,
            paused: false,
            before: resumed.rows_affected() == 0,
        })
    }
}
