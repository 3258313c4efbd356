//! `boxoffice show`.

use std::path::PathBuf;
use std::process::ExitCode;

use boxoffice_booking_api::shows::{NewSeat, NewShow, OnSale, create_show, put_on_sale};
use boxoffice_saga::booking::Terms;
use boxoffice_saga::identity::ShowId;
use boxoffice_saga::money::Currency;
use boxoffice_turn::postgres::PgStore;
use clap::{Args, Subcommand};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::failure::Failure;
use crate::terminal;

/// What can be done with shows.
#[derive(Debug, Subcommand)]
pub enum ShowCommand {
    /// Create a show, not yet on sale, and print its number
    Create(Box<Create>),
    /// Put a show on sale: creates its seats
    OnSale {
        /// The show's number.
        show: ShowId,
    },
}

/// A show to be created.
#[derive(Debug, Args)]
pub struct Create {
    /// What people read.
    #[arg(long)]
    title: String,
    /// When it begins, for example 2027-03-01T20:00:00Z.
    #[arg(long, value_parser = time_of)]
    starts_at: OffsetDateTime,
    /// The currency of all prices, for example INR.
    #[arg(long)]
    currency: Currency,
    /// Its number, 1 to 1099511627775; without one it gets the next that is free.
    #[arg(long)]
    number: Option<ShowId>,
    /// Your own name for it, unique.
    #[arg(long)]
    external_ref: Option<String>,
    /// The seats, as CSV with a first line `seat,row,number,section,price_minor`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rows", "seats_per_row", "price_minor"], required_unless_present = "rows")]
    seats_file: Option<PathBuf>,
    /// Or so many rows (A, B, …) …
    #[arg(long, requires_all = ["seats_per_row", "price_minor"])]
    rows: Option<u16>,
    /// … of so many seats …
    #[arg(long)]
    seats_per_row: Option<u16>,
    /// … each at this price, in minor units.
    #[arg(long)]
    price_minor: Option<i64>,
    /// How long a hold lives, in seconds.
    #[arg(long, default_value_t = 600)]
    hold_seconds: i64,
    /// How much longer nobody else gets the seats, in seconds; 0 is allowed.
    #[arg(long, default_value_t = 30)]
    grace_seconds: i64,
    /// Opening a payment keeps the seats at least this long from then on, in seconds; 0 is allowed.
    #[arg(long, default_value_t = 300)]
    extension_seconds: i64,
    /// But never longer than this after the hold's promised end, in seconds; 0 is allowed.
    #[arg(long, default_value_t = 600)]
    extension_limit_seconds: i64,
    /// How long before its end a hold's owner is warned, in seconds; 0: not at all.
    #[arg(long, default_value_t = 120)]
    warning_seconds: i64,
    /// At most this many seats in one hold.
    #[arg(long, default_value_t = 10)]
    seat_limit: u16,
}

fn time_of(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "write a time like 2027-03-01T20:00:00Z".to_owned())
}

/// Runs the command.
///
/// # Errors
/// When the show cannot be made, with the reason.
pub async fn run(command: ShowCommand, store: &PgStore) -> Result<ExitCode, Failure> {
    match command {
        ShowCommand::Create(create) => {
            let show = show(*create)?;
            show.check()
                .map_err(|error| Failure::unusable(error.to_string()))?;
            let number = create_show(store.pool(), &show)
                .await
                .map_err(|error| Failure::because("the show cannot be created", &error))?;
            terminal::line(number.to_string());
        }
        ShowCommand::OnSale { show } => {
            let done = put_on_sale(store.pool(), show).await.map_err(|error| {
                Failure::because(format!("show {show} cannot be put on sale"), &error)
            })?;
            terminal::line(match done {
                OnSale::Now { seats } => format!("show {show} is on sale, with {seats} seats"),
                OnSale::Already => format!("show {show} was on sale already"),
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(create: Create) -> Result<NewShow, Failure> {
    let seconds = |value: i64| value.saturating_mul(1_000);
    let terms = Terms {
        currency: create.currency,
        hold_ms: seconds(create.hold_seconds),
        grace_ms: seconds(create.grace_seconds),
        extension_ms: seconds(create.extension_seconds),
        extension_limit_ms: seconds(create.extension_limit_seconds),
        warning_ms: seconds(create.warning_seconds),
        seat_limit: create.seat_limit,
    };
    let mut show = NewShow::hall(
        &create.title,
        create.starts_at,
        create.currency,
        create.rows.unwrap_or(0),
        create.seats_per_row.unwrap_or(0),
        create.price_minor.unwrap_or(0),
    );
    show.show = create.number;
    show.external_ref = create.external_ref;
    show.terms = terms;
    if let Some(file) = create.seats_file {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(&file)
            .map_err(|error| Failure::because(format!("{name} cannot be read"), &error))?;
        show.seats = text
            .lines()
            .enumerate()
            .skip(1)
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(nth, line)| {
                seat(line).ok_or_else(|| {
                    Failure::unusable(format!(
                        "{name}, line {}: {line:?} is not seat,row,number,section,price_minor",
                        nth + 1
                    ))
                })
            })
            .collect::<Result<_, _>>()?;
    }
    Ok(show)
}

fn seat(line: &str) -> Option<NewSeat> {
    let mut parts = line.split(',').map(str::trim);
    let mut next = || parts.next().map(str::to_owned);
    let (seat, row, number, section, price) = (next()?, next()?, next()?, next()?, next()?);
    let whole = parts.next().is_none();
    let seat = NewSeat {
        seat,
        row,
        number: number.parse().ok()?,
        section,
        price_minor: price.parse().ok()?,
    };
    whole.then_some(seat)
}
