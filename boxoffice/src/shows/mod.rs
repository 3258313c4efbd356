//! `boxoffice show`: what operators do to shows, from the command line. The same acts as the operators' HTTP API,
//! recorded alike, under the name of the operating system's user.

mod new_show;

use std::process::ExitCode;

use boxoffice_booking_api::shows::{
    Act, BlockSeats, CancelShow, ChangeShow, CreateShow, Imported, PutOnSale, Removal, ShowError,
    UnblockSeats, import, remove_old,
};
use boxoffice_saga::identity::{SeatName, ShowId};
use boxoffice_turn::postgres::PgStore;
use clap::Subcommand;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::failure::Failure;
use crate::orders::{self, Said, SaidWhy, order, tell};
use new_show::{Create, ImportFile, time_of};

/// What can be done with shows.
#[derive(Debug, Subcommand)]
pub enum ShowCommand {
    /// Create a show, not yet on sale, and print its number
    Create {
        #[command(flatten)]
        show: Box<Create>,
        #[command(flatten)]
        said: Said,
    },
    /// Create or change shows from a file; importing the same again changes nothing
    ///
    /// Exit status 1 if a show is refused; the others are imported.
    Import {
        #[command(flatten)]
        file: ImportFile,
        #[command(flatten)]
        said: Said,
    },
    /// Put a show on sale: creates its seats
    OnSale {
        /// The show's number.
        show: ShowId,
        #[command(flatten)]
        said: Said,
    },
    /// Take seats off sale; refused if somebody holds or has bought one of them
    Block {
        /// The show's number.
        show: ShowId,
        /// Which seats, separated by commas.
        #[arg(long, required = true, value_delimiter = ',', value_name = "SEATS")]
        seats: Vec<SeatName>,
        #[command(flatten)]
        said: SaidWhy,
    },
    /// Give blocked seats back for sale
    Unblock {
        /// The show's number.
        show: ShowId,
        /// Which seats, separated by commas.
        #[arg(long, required = true, value_delimiter = ',', value_name = "SEATS")]
        seats: Vec<SeatName>,
        #[command(flatten)]
        said: Said,
    },
    /// Change a show's title or time
    #[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["title", "starts_at"]))]
    Change {
        /// The show's number.
        show: ShowId,
        /// What people read from now on.
        #[arg(long)]
        title: Option<String>,
        /// When it begins now, for example 2027-03-01T20:00:00Z.
        #[arg(long, value_parser = time_of)]
        starts_at: Option<OffsetDateTime>,
        #[command(flatten)]
        said: Said,
    },
    /// Cancel a show: no seat is sold any more, every booking is cancelled, all its money goes back
    Cancel {
        /// The show's number.
        show: ShowId,
        #[command(flatten)]
        said: SaidWhy,
    },
    /// Remove the seats of shows that are over and have nothing under way; bookings and payments stay
    Prune {
        /// Only shows that began more than so many days ago.
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
        days: u16,
        #[command(flatten)]
        said: SaidWhy,
    },
}

/// Runs the command.
///
/// # Errors
/// When it cannot be done, with the reason; nothing has changed then.
pub async fn run(command: ShowCommand, store: &PgStore) -> Result<ExitCode, Failure> {
    match command {
        ShowCommand::Create { show, said } => {
            let show = show.show()?;
            let what = CreateShow(&show);
            let failed = "the show cannot be created";
            carry_out(store, said, &what, failed, |done| done.show_id.to_string()).await
        }
        ShowCommand::Import { file, said } => {
            let shows = file.shows()?;
            let imported = import(store, &order(said.reason), &shows)
                .await
                .map_err(|error| Failure::because("not all shows were imported", &error))?;
            tell(said.json, &imported, || lines(&imported, in_a_line));
            Ok(if imported.iter().any(|show| show.why.is_some()) {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            })
        }
        ShowCommand::OnSale { show, said } => {
            let failed = format!("show {show} cannot be put on sale");
            carry_out(store, said, &PutOnSale(show), &failed, |done| {
                match done.new_seats {
                    0 => format!("show {show} was on sale already"),
                    seats => format!("show {show} is on sale, with {seats} seats"),
                }
            })
            .await
        }
        ShowCommand::Block { show, seats, said } => {
            let failed = "the seats cannot be blocked";
            let what = BlockSeats { show, seats };
            carry_out(store, said.into(), &what, failed, |done| {
                format!("{} seats of show {show} blocked", done.changed.len())
            })
            .await
        }
        ShowCommand::Unblock { show, seats, said } => {
            let failed = "the seats cannot be unblocked";
            let what = UnblockSeats { show, seats };
            carry_out(store, said, &what, failed, |done| {
                format!("{} seats of show {show} for sale again", done.changed.len())
            })
            .await
        }
        ShowCommand::Change {
            show,
            title,
            starts_at,
            said,
        } => {
            let what = ChangeShow {
                show,
                title,
                starts_at,
            };
            let failed = format!("show {show} cannot be changed");
            carry_out(store, said, &what, &failed, |done| {
                let starts_at = done.starts_at.format(&Rfc3339).unwrap_or_default();
                format!("show {show}: {:?}, {starts_at}", done.title)
            })
            .await
        }
        ShowCommand::Cancel { show, said } => {
            let failed = format!("show {show} cannot be cancelled");
            carry_out(store, said.into(), &CancelShow(show), &failed, |done| {
                let before = if done.before {
                    "was cancelled before"
                } else {
                    "is cancelled"
                };
                format!(
                    "show {show} {before}; {} bookings are being cancelled by the coordinator",
                    done.bookings
                )
            })
            .await
        }
        ShowCommand::Prune { days, said } => {
            let removal = remove_old(store, &order(Some(said.reason)), days)
                .await
                .map_err(|error| Failure::because("not all shows were looked at", &error))?;
            tell(said.json, &removal, || in_words(&removal));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Does it on this user's order, and says what came of it.
pub(crate) async fn carry_out<A: Act<Error = ShowError>>(
    store: &PgStore,
    said: Said,
    what: &A,
    failed: &str,
    in_words: impl FnOnce(&A::Done) -> String,
) -> Result<ExitCode, Failure> {
    let unusable = |error: &ShowError| {
        matches!(
            error,
            ShowError::Invalid(_)
                | ShowError::NoSeats
                | ShowError::SeatTwice(_)
                | ShowError::UnknownSeats(_)
                | ShowError::Unknown(_)
        )
    };
    let in_words = |done: &A::Done| format!("{}\n", in_words(done));
    orders::carry_out(store, said, what, failed, unusable, in_words).await
}

fn lines<T>(all: &[T], line: impl Fn(&T) -> String) -> String {
    all.iter().map(|one| format!("{}\n", line(one))).collect()
}

fn in_a_line(show: &Imported) -> String {
    let name = show.external_ref.as_deref().unwrap_or("");
    match (&show.why, show.show_id) {
        (Some(why), _) => format!("{name}: refused: {why}"),
        (None, Some(id)) => format!("{name}: {}, show {id}", show.outcome),
        (None, None) => format!("{name}: {}", show.outcome),
    }
}

fn in_words(removal: &Removal) -> String {
    let mut text = lines(&removal.removed, |show| format!("show {show}: removed"));
    text += &lines(&removal.kept, |kept| {
        format!("show {}: kept, {}", kept.show_id, kept.why)
    });
    if removal.more {
        text += "there are more: run this again\n";
    }
    if text.is_empty() {
        text += "no show is over for that long\n";
    }
    text
}
