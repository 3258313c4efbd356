//! `size`: the same bookings, while ten thousand, a million, five million others are there already: is anything slower that
//! should not depend on them?
//!
//! One show is really sold, and copied as often as it takes: [`super::twins`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use boxoffice_booking_api::shows::{NewShow, create_show, put_on_sale};
use boxoffice_saga::identity::ShowId;
use clap::Args;

use super::crowd::Crowd;
use super::floor::Stands;
use super::flow::closed;
use super::load::{self, Client, Halls, PRICE, fresh_id};
use super::report::{Figure, Level, Report, Unit};
use super::rig::{Rig, Wanted, says};
use super::twins::Twins;
use crate::failure::Failure;

/// What is measured.
#[derive(Debug, Args)]
pub struct Size {
    /// So many bookings are there, one after the other. A million takes minutes to be made and some 5 GB of disk; the
    /// evaluation of all promises at the end, with five million, takes long, too.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 1_000_000, 5_000_000])]
    bookings: Vec<usize>,
    /// So many customers at a time.
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// Each is measured for so many seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Before each measurement everything runs for so many seconds unmeasured.
    #[arg(long, default_value_t = 40)]
    warm_up: u64,
    /// So many shows of 10,000 seats are on sale at a time.
    #[arg(long, default_value_t = load::SHOWS)]
    shows: usize,
    /// One JSON document on standard output.
    #[arg(long)]
    pub json: bool,
}

/// While it is measured: letters as ever, and the inbox forgets what the copies have left in it.
const MEANWHILE: [(&str, &str); 3] = [
    ("BOXOFFICE_MAIL__PER_SECOND", "50"),
    ("BOXOFFICE_RETENTION__EVERY_SECONDS", "1"),
    ("BOXOFFICE_RETENTION__INBOX_HOURS", "24"),
];
/// Rows of the show that is copied, and seats in each.
const ROWS: u16 = 100;
const SEATS: u16 = 100;
/// Bookings of it, of two seats each. Half of its seats stay free, so that five million bookings are twenty million seats.
const SOLD: usize = 2_500;
/// Those who buy them at a time.
const BUYERS: usize = 16;
/// The most bookings a second that seats are made ready for.
const MOST_PER_SECOND: usize = 9_000;
/// How long a booking may take to be over, letters included.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two looks whether it is.
const STEP: Duration = Duration::from_millis(200);

/// Measures.
///
/// # Errors
/// When the system cannot be started, something on a booking's way is refused, or a promise is broken.
pub async fn run(size: &Size) -> Result<Report, Failure> {
    let wanted = Wanted {
        progress: !size.json,
        // For the show that is copied: no booking is over before its letter is out.
        settings: &[("BOXOFFICE_MAIL__PER_SECOND", "0")],
        ..Wanted::default()
    };
    Rig::measured(&wanted, async |rig| measure(size, rig).await).await
}

async fn measure(size: &Size, rig: &mut Rig) -> anyhow::Result<Report> {
    let mut report = Report::new("size", Stands::Everything);
    let mut sizes = size.bookings.clone();
    sizes.sort_unstable();
    let (fewest, most) = sizes.first().zip(sizes.last()).context("no size")?;
    let sold = SOLD.min(*fewest);
    ensure!(sold > 0, "--bookings must be at least 1");
    let show = sell(rig, sold).await?;
    for (name, value) in MEANWHILE {
        rig.set(name, value);
    }
    let mut twins = Twins::of(show, sold, *most);
    let halls = Arc::new(Halls::of_holds(load::HOLD_MS, size.shows)?);
    let (warm_up, seconds) = (size.warm_up, size.seconds);
    for bookings in &sizes {
        rig.all = None;
        let since = Instant::now();
        twins.grow(rig, *bookings).await?;
        says(
            !size.json,
            &format!(
                "{bookings} bookings are there, after {} s",
                since.elapsed().as_secs()
            ),
        );
        rig.start_all()?;
        rig.ready().await?;
        let pairs = MOST_PER_SECOND * usize::try_from(warm_up + seconds)?;
        halls.make(&rig.stage, pairs).await?;
        let floor = rig.floor().await?;
        says(!size.json, &floor.in_words());
        let mut level = closed(
            rig,
            &halls,
            size.at_once,
            Duration::from_secs(warm_up),
            Duration::from_secs(seconds),
            false,
        )
        .await?;
        level.load = format!("{bookings} bookings there, {}", level.load);
        level.floor = floor;
        level.figures.push(Figure::new(
            "the database",
            size_of(rig).await? / f64::from(1 << 20),
            Unit::Mebibytes,
        ));
        if let Some(first) = report.levels.first() {
            let against = against(first, &level);
            level.figures.extend(against);
        }
        says(!size.json, &level.in_words(report.stands));
        report.levels.push(level);
    }
    says(!size.json, "every promise is evaluated, over all of them");
    report.audit = rig.audit().await?;
    Ok(report)
}

/// What has become of each figure since the first size, by what the machine did right before each.
fn against(first: &Level, level: &Level) -> Vec<Figure> {
    let machine = |level: &Level| level.floor.of_reference(Stands::Everything);
    let faster = machine(level) / machine(first);
    let mut figures = vec![Figure::new(
        "bookings a second, of the first",
        level.per_second / first.per_second / faster,
        Unit::Times,
    )];
    for ((name, before), (_, now)) in first.times_ms.iter().zip(&level.times_ms) {
        for (which, before, now) in [("p50", before.p50, now.p50), ("p99", before.p99, now.p99)] {
            let name = format!("{name} {which}, of the first");
            figures.push(Figure::new(&name, now / before * faster, Unit::Times));
        }
    }
    figures
}

/// In bytes.
async fn size_of(rig: &Rig) -> anyhow::Result<f64> {
    let size = sqlx::query_scalar("select pg_database_size(current_database())::float8");
    Ok(size.fetch_one(&rig.stage.database).await?)
}

/// A show of which so many bookings are sold and over: confirmed, published, counted, and their letters out.
async fn sell(rig: &Rig, sold: usize) -> anyhow::Result<ShowId> {
    let starts_at = rig.stage.now().await? + time::Duration::days(7);
    let show = NewShow::hall("Sold before", starts_at, "INR".parse()?, ROWS, SEATS, PRICE);
    let id = create_show(&rig.stage.database, &show).await?;
    put_on_sale(&rig.stage.database, id).await?;
    let seats: Vec<String> = show.seats.into_iter().map(|seat| seat.seat).collect();
    let seats = Arc::new(seats);
    let mut crowd = Crowd::new();
    for nth in 0..BUYERS {
        let mut client = Client::connect(&rig.stage, fresh_id(nth)).await?;
        let seats = seats.clone();
        crowd.join(async move {
            for pair in seats.chunks(2).take(sold).skip(nth).step_by(BUYERS) {
                client.book_these(id, pair).await?;
            }
            Ok(())
        });
    }
    crowd.all().await?;
    let until = Instant::now() + PATIENCE;
    loop {
        let left: i64 = sqlx::query_scalar(
            "select count(*) from bookings b
             where b.show_id = $1
               and (exists (select from tasks t where t.booking_id = b.booking_id)
                    or not exists (select from deliveries d where d.booking_id = b.booking_id)
                    or not exists (select from analytics_bookings a
                                   where a.booking_id = b.booking_id and a.last_sequence = b.sequence))",
        )
        .bind(id.as_i64())
        .fetch_one(&rig.stage.database)
        .await?;
        if left == 0 {
            return Ok(id);
        }
        ensure!(
            Instant::now() < until,
            "{left} of {sold} bookings are not over after two minutes"
        );
        tokio::time::sleep(STEP).await;
    }
}
