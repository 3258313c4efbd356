//! Taking an item off the operators' list, once a person has done what it asked for.
//!
//! Only items that nothing else settles. What waits for money goes when the money is settled, by the verbs that move
//! it: taken off by hand, it would be forgotten.

use boxoffice_saga::attention::AttentionKind;
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::World;
use boxoffice_turn::Appends;
use serde::Serialize;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::act::Act;
use super::error::OperatorError;

/// The commands that settle what items of this kind wait for; none: an operator takes them off the list.
pub const fn commands(kind: AttentionKind) -> &'static [&'static str] {
    match kind {
        AttentionKind::RefundNotPossible | AttentionKind::RefundCameBack => &[
            "refund retry",
            "refund other-way",
            "refund settled-elsewhere",
        ],
        AttentionKind::RefundOtherWay => &["refund settled-elsewhere"],
        AttentionKind::RefundStuck | AttentionKind::RefundSlow | AttentionKind::PaymentUnknown => {
            &["saga retry"]
        }
        AttentionKind::DisputeOpened
        | AttentionKind::DisputeLost
        | AttentionKind::ForeignRefund
        | AttentionKind::Contradiction
        | AttentionKind::UnknownBooking
        | AttentionKind::ForgedRecord
        | AttentionKind::DeadLetter
        | AttentionKind::MailNotDelivered
        | AttentionKind::PromiseBroken
        | AttentionKind::BooksDiffer => &[],
    }
}

/// Takes an item off the list. It comes back if what it is about happens again.
#[derive(Clone, Copy, Debug)]
pub struct Settle {
    /// Its kind.
    pub kind: AttentionKind,
    /// What it is about.
    pub subject: Uuid,
}

/// An item is off the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = SettledItem)]
pub struct Settled {
    /// Its kind.
    pub kind: String,
    /// What it is about.
    pub subject: Uuid,
    /// Why it was put on the list.
    pub reason: String,
    /// Since when it was on it.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// Whether it was off the list before.
    pub before: bool,
}

impl Act for Settle {
    type Done = Settled;
    type Error = OperatorError;

    fn what(&self) -> &'static str {
        "attention.settle"
    }

    fn subject(&self, _: &Settled) -> String {
        self.subject.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        world: &mut World,
        _: &mut Appends,
    ) -> Result<Settled, OperatorError> {
        let item = sqlx::query!(
            "select reason, opened_at, closed_at from attention where kind = $1 and subject = $2",
            self.kind.name(),
            self.subject,
        )
        .fetch_optional(db)
        .await?
        .ok_or(OperatorError::UnknownItem {
            kind: self.kind,
            subject: self.subject,
        })?;
        let before = item.closed_at.is_some();
        if !before && !commands(self.kind).is_empty() {
            return Err(OperatorError::MoneyWaits(self.kind));
        }
        world.dismiss_person(&[self.kind], self.subject);
        if self.kind == AttentionKind::UnknownBooking {
            // Nobody looks for its booking any more, or the next look would put the item back. The record stays,
            // and is looked for again once somebody says so.
            world.remove_task(TaskKind::Trace, self.subject, 1);
        }
        Ok(Settled {
            kind: self.kind.name().to_owned(),
            subject: self.subject,
            reason: item.reason,
            since: item.opened_at,
            before,
        })
    }
}
