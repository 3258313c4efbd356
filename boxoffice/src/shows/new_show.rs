//! Shows as the command line gives them: by arguments, or in files.

use std::path::{Path, PathBuf};

use boxoffice_booking_api::shows::{Import, NewShow, seats_of_csv};
use boxoffice_saga::booking::Terms;
use boxoffice_saga::identity::ShowId;
use boxoffice_saga::money::Currency;
use clap::Args;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::failure::Failure;

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
    #[command(flatten)]
    rules: Rules,
}

/// Under which rules a show is sold.
#[derive(Debug, Args)]
pub struct Rules {
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
    /// Until how long before the beginning a customer may cancel what is paid, in minutes.
    #[arg(long, default_value_t = 0)]
    cancel_until_minutes: i64,
    /// What is kept of the price when a customer cancels, in hundredths of a percent: 1000 is 10 %.
    #[arg(long, default_value_t = 0)]
    cancel_fee_bp: u16,
}

/// A file to be imported.
#[derive(Debug, Args)]
pub struct ImportFile {
    /// JSON (a show or an array of shows, as `POST /v1/admin/shows` takes them), or, if its name ends with
    /// `.csv`, the seats of one show with a first line `seat,row,number,section,price_minor`.
    file: PathBuf,
    /// For CSV: your own name for the show, by which it is known when it is imported again.
    #[arg(long)]
    external_ref: Option<String>,
    /// For CSV: what people read.
    #[arg(long)]
    title: Option<String>,
    /// For CSV: when it begins, for example 2027-03-01T20:00:00Z.
    #[arg(long, value_parser = time_of)]
    starts_at: Option<OffsetDateTime>,
    /// For CSV: the currency of all prices, for example INR.
    #[arg(long)]
    currency: Option<Currency>,
}

pub(super) fn time_of(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "write a time like 2027-03-01T20:00:00Z".to_owned())
}

impl Rules {
    fn terms(&self, currency: Currency) -> Terms {
        let ms = |seconds: i64| seconds.saturating_mul(1_000);
        Terms {
            currency,
            hold_ms: ms(self.hold_seconds),
            grace_ms: ms(self.grace_seconds),
            extension_ms: ms(self.extension_seconds),
            extension_limit_ms: ms(self.extension_limit_seconds),
            warning_ms: ms(self.warning_seconds),
            seat_limit: self.seat_limit,
            cancel_until_ms: ms(self.cancel_until_minutes.saturating_mul(60)),
            cancel_fee_bp: self.cancel_fee_bp,
        }
    }
}

impl Create {
    /// The show that these arguments describe.
    pub(super) fn show(self) -> Result<NewShow, Failure> {
        let mut show = NewShow::hall(
            &self.title,
            self.starts_at,
            self.currency,
            self.rows.unwrap_or(0),
            self.seats_per_row.unwrap_or(0),
            self.price_minor.unwrap_or(0),
        );
        show.show = self.number;
        show.external_ref = self.external_ref;
        show.terms = self.rules.terms(self.currency);
        if let Some(file) = self.seats_file {
            show.seats = seats_of_csv(&read(&file)?).map_err(|error| unusable(&file, &error))?;
        }
        show.check()
            .map_err(|error| Failure::unusable(error.to_string()))?;
        Ok(show)
    }
}

impl ImportFile {
    /// The shows of this file, checked.
    pub(super) fn shows(self) -> Result<Import, Failure> {
        let bytes = read(&self.file)?;
        let file = self.file.clone();
        let csv = file
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
        let shows = if csv {
            self.csv(&bytes)?
        } else {
            Import::of_json(&bytes).map_err(|error| unusable(&file, &error))?
        };
        shows.check().map_err(|(which, error)| {
            Failure::unusable(format!("{}, {which}: {error}", file.display()))
        })?;
        Ok(shows)
    }

    fn csv(self, bytes: &[u8]) -> Result<Import, Failure> {
        let seats = seats_of_csv(bytes).map_err(|error| unusable(&self.file, &error))?;
        let (Some(external_ref), Some(title), Some(starts_at), Some(currency)) =
            (self.external_ref, self.title, self.starts_at, self.currency)
        else {
            return Err(Failure::unusable(
                "a CSV file has only seats: give --external-ref, --title, --starts-at and --currency too",
            ));
        };
        Ok(Import(vec![NewShow {
            show: None,
            external_ref: Some(external_ref),
            title,
            starts_at,
            terms: Terms::usual(currency),
            seats,
        }]))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file)
        .map_err(|error| Failure::unusable(format!("{} cannot be read: {error}", file.display())))
}

fn unusable(file: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::unusable(format!("{}: {error}", file.display()))
}
