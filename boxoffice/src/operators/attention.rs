//! `boxoffice attention`.

use std::process::ExitCode;

use boxoffice_booking_api::operators::attention::{Item, list};
use boxoffice_booking_api::operators::settle::{Settle, Settled};
use boxoffice_booking_api::operators::story::amount_in_words;
use boxoffice_saga::attention::AttentionKind;
use boxoffice_turn::postgres::PgStore;
use clap::Subcommand;
use uuid::Uuid;

use super::{Paging, clock, document, more, plain, unread, unusable};
use crate::failure::Failure;
use crate::orders::{SaidWhy, carry_out};
use crate::terminal;

/// What can be asked about the operators' list.
#[derive(Debug, Subcommand)]
pub enum AttentionCommand {
    /// List what waits for a person: the oldest UTC day first, within a day the largest amount first
    ///
    /// docs/operators.md says of each kind what it means and what to do.
    List {
        /// Only items of this kind.
        #[arg(long, value_parser = kind)]
        kind: Option<AttentionKind>,
        #[command(flatten)]
        paging: Paging,
        /// One JSON document on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Take an item off the list: one that a person has looked after and that nothing else settles
    Settle {
        /// The item's kind.
        #[arg(value_parser = kind)]
        kind: AttentionKind,
        /// What it is about, as the list names it.
        subject: Uuid,
        #[command(flatten)]
        said: SaidWhy,
    },
}

fn kind(text: &str) -> Result<AttentionKind, String> {
    AttentionKind::from_name(text).ok_or_else(|| {
        let names = AttentionKind::ALL.map(AttentionKind::name).join(", ");
        format!("name one of {names}")
    })
}

/// Runs the command.
///
/// # Errors
/// When the database cannot be read or written, or the item cannot be settled so.
pub async fn run(command: AttentionCommand, store: &PgStore) -> Result<ExitCode, Failure> {
    let (kind, paging, json) = match command {
        AttentionCommand::List { kind, paging, json } => (kind, paging, json),
        AttentionCommand::Settle {
            kind,
            subject,
            said,
        } => {
            let failed = "the item stays on the list";
            let what = Settle { kind, subject };
            return carry_out(store, said.into(), &what, failed, unusable, settled).await;
        }
    };
    let after = paging.place()?;
    let page = list(store, kind, after.as_ref(), paging.limit)
        .await
        .map_err(|error| unread(&error))?;
    if json {
        let document = document("items", &page);
        terminal::line(serde_json::to_string_pretty(&document).unwrap_or_default());
    } else if page.entries.is_empty() {
        terminal::line("nothing waits for a person");
    } else {
        let items: String = page.entries.iter().map(item).collect();
        terminal::text(&plain(&(items + &more(&page))));
    }
    Ok(ExitCode::SUCCESS)
}

fn item(item: &Item) -> String {
    let money = item.amount.map_or_else(|| "-".to_owned(), amount_in_words);
    let booking = item
        .booking_id
        .map_or_else(String::new, |id| format!("  booking {id}"));
    format!(
        "{}  {:<20}  {money:>14}{booking}  about {}\n    {}\n",
        clock(item.since),
        item.kind,
        item.subject,
        item.reason
    )
}

fn settled(done: &Settled) -> String {
    let before = if done.before { " already" } else { "" };
    format!("{} {} is off the list{before}\n", done.kind, done.subject)
}
