//! Refunds that wait for a person.

use std::process::ExitCode;

use boxoffice_booking_api::operators::refund::{ByHand, Handled, Particulars, by_hand};
use boxoffice_booking_api::operators::story::amount_in_words;
use boxoffice_booking_api::operators::{Acted, OperatorError};
use boxoffice_saga::identity::RefundId;
use boxoffice_turn::postgres::PgStore;
use clap::Subcommand;

use crate::failure::Failure;
use crate::orders::{SaidWhy, order, tell};

/// What can be done about a refund that waits for a person.
#[derive(Debug, Subcommand)]
pub enum ByHandCommand {
    /// Have the gateway asked for a refund again; what became of earlier tries is looked up first
    Retry {
        /// The refund's id.
        refund: RefundId,
        #[command(flatten)]
        said: SaidWhy,
    },
    /// Say that a refund's money is sent by another way; from then on the gateway is not asked for it
    OtherWay {
        /// The refund's id.
        refund: RefundId,
        /// By which means.
        #[arg(long)]
        means: Particulars,
        #[command(flatten)]
        said: SaidWhy,
    },
    /// Show that a refund's money is with the customer; the refund is done, and the customer is told
    SettledElsewhere {
        /// The refund's id.
        refund: RefundId,
        /// What shows it, for example the bank's reference.
        #[arg(long)]
        proof: Particulars,
        #[command(flatten)]
        said: SaidWhy,
    },
}

/// Runs the command.
///
/// # Errors
/// When it cannot be done, with the reason; nothing has changed then.
pub async fn run(command: ByHandCommand, store: &PgStore) -> Result<ExitCode, Failure> {
    let (refund, what, said) = match command {
        ByHandCommand::Retry { refund, said } => (refund, ByHand::Retry, said),
        ByHandCommand::OtherWay {
            refund,
            means,
            said,
        } => (refund, ByHand::OtherWay { means }, said),
        ByHandCommand::SettledElsewhere {
            refund,
            proof,
            said,
        } => (refund, ByHand::SettledElsewhere { proof }, said),
    };
    let failed = "nothing was done about the refund";
    match by_hand(store, &order(Some(said.reason)), None, refund, &what).await {
        Ok(Acted::Now(handled, _)) => {
            tell(said.json, &handled, || in_words(&handled));
            Ok(ExitCode::SUCCESS)
        }
        // Without an idempotency key there is no other answer.
        Ok(Acted::Before { .. } | Acted::OtherRequest) => Ok(ExitCode::FAILURE),
        Err(error @ OperatorError::UnknownRefund(_)) => {
            Err(Failure::unusable(format!("{failed}: {error}"))
                .advise("Its id is in `boxoffice saga show` and in `boxoffice attention list`."))
        }
        Err(error) => Err(Failure::because(failed, &error)),
    }
}

fn in_words(handled: &Handled) -> String {
    let refund = &handled.refund;
    let settled = if handled.settled {
        "settled"
    } else {
        "not settled"
    };
    format!(
        "refund {} of {} is {}\nbooking {}: its customer sees {}, {settled}\n",
        refund.refund_id,
        amount_in_words(refund.amount),
        refund.standing,
        handled.booking_id,
        serde_json::json!(handled.status)
            .as_str()
            .unwrap_or_default(),
    )
}
