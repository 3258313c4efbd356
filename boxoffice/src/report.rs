//! `boxoffice report`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use boxoffice_analytics::report::{ShowDay, read};
use boxoffice_analytics::{Counts, Takings};
use boxoffice_saga::identity::ShowId;
use boxoffice_saga::money::Currency;
use boxoffice_turn::postgres::PgStore;
use clap::Args;
use time::Date;
use time::macros::format_description;

use crate::failure::Failure;
use crate::terminal;

/// What is asked for.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// This show only.
    #[arg(long)]
    show: Option<ShowId>,
    /// This UTC day only, for example 2027-03-01.
    #[arg(long, value_parser = day_of)]
    day: Option<Date>,
    /// One JSON document on standard output, as schemas/report.json describes it.
    #[arg(long)]
    json: bool,
}

fn day_of(text: &str) -> Result<Date, String> {
    Date::parse(text, format_description!("[year]-[month]-[day]"))
        .map_err(|_| "write a day like 2027-03-01".to_owned())
}

/// Prints the totals.
///
/// # Errors
/// When the database cannot be read.
pub async fn run(arguments: ReportArguments, store: &PgStore) -> Result<ExitCode, Failure> {
    let days = read(store, arguments.show, arguments.day)
        .await
        .map_err(|error| Failure::because("the analytics cannot be read", &error))?;
    if arguments.json {
        let document = serde_json::json!({ "days": days });
        terminal::line(serde_json::to_string_pretty(&document).unwrap_or_default());
    } else {
        terminal::text(&in_words(&days));
    }
    Ok(ExitCode::SUCCESS)
}

const HEADINGS: [&str; 18] = [
    "show",
    "day",
    "held",
    "expired",
    "released",
    "replaced",
    "confirmed",
    "conversion",
    "seats",
    "cancelled",
    "lost",
    "paid",
    "declined",
    "rejected",
    "refunds",
    "stuck",
    "revenue",
    "refunded",
];

const LEGEND: &str = "
Days are UTC days of the events themselves. held, expired, released, replaced: holds. confirmed, cancelled: bookings;
lost: paid when the seats were gone, and refunded. conversion: confirmed of held, on the same day. seats: sold.
paid, declined, rejected: payments captured, declined by the gateway, captured and not needed. refunds: made; stuck:
with an operator. revenue (paid for confirmed bookings) and refunded: minor units of the currency.
";

/// For a person at a terminal: a line a day, and a total under more than one.
fn in_words(days: &[ShowDay]) -> String {
    if days.is_empty() {
        return "nothing was counted\n".to_owned();
    }
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    let mut total = Counts::default();
    let mut money = Money::new();
    for day in days {
        let takings: Money = day
            .money
            .iter()
            .map(|one| (one.currency, one.takings))
            .collect();
        let (show, date) = (day.show_id.to_string(), day.day.to_string());
        rows.push(row(show, date, &day.counts, &takings));
        total += day.counts;
        for (currency, takings) in takings {
            let sum = money.entry(currency).or_default();
            *sum = sum.plus(takings).unwrap_or(*sum);
        }
    }
    if days.len() > 1 {
        rows.push(row("total".to_owned(), String::new(), &total, &money));
    }
    let mut widths = [0; HEADINGS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let lines = rows.iter().map(|row| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:>width$}"));
        cells.collect::<Vec<_>>().join("  ") + "\n"
    });
    lines.collect::<String>() + LEGEND
}

type Money = BTreeMap<Currency, Takings>;

fn row(show: String, day: String, counts: &Counts, money: &Money) -> [String; HEADINGS.len()] {
    let sums = |part: fn(&Takings) -> i64| {
        let sums: Vec<String> = money
            .iter()
            .filter(|(_, takings)| part(takings) != 0)
            .map(|(currency, takings)| format!("{} {currency}", part(takings)))
            .collect();
        if sums.is_empty() {
            "0".to_owned()
        } else {
            sums.join(" + ")
        }
    };
    let conversion = counts.conversion().map_or_else(
        || "-".to_owned(),
        |conversion| format!("{:.1}%", conversion * 100.0),
    );
    [
        show,
        day,
        counts.holds_placed.to_string(),
        counts.holds_expired.to_string(),
        counts.holds_released.to_string(),
        counts.holds_replaced.to_string(),
        counts.bookings_confirmed.to_string(),
        conversion,
        counts.seats_sold.to_string(),
        counts.bookings_cancelled.to_string(),
        counts.bookings_failed.to_string(),
        counts.payments_completed.to_string(),
        counts.payments_failed.to_string(),
        counts.payments_rejected.to_string(),
        counts.refunds_completed.to_string(),
        counts.refunds_failed.to_string(),
        sums(|takings| takings.revenue_minor),
        sums(|takings| takings.refunded_minor),
    ]
}

#[cfg(test)]
mod tests {
    use boxoffice_analytics::report::CurrencyTakings;
    use time::macros::date;

    use super::*;

    #[test]
    fn a_day_is_a_line_and_several_have_a_total() {
        let day = |day| ShowDay {
            show_id: ShowId::try_from(7_u64).unwrap(),
            day,
            counts: Counts {
                holds_placed: 4,
                bookings_confirmed: 3,
                seats_sold: 5,
                ..Counts::default()
            },
            conversion: Some(0.75),
            money: vec![CurrencyTakings {
                currency: "INR".parse().unwrap(),
                takings: Takings {
                    revenue_minor: 90_000,
                    refunded_minor: 0,
                },
            }],
        };
        let two = [day(date!(2026 - 11 - 20)), day(date!(2026 - 11 - 21))];
        let cells = |text: &str, line: usize| -> Vec<String> {
            let line = text.lines().nth(line).unwrap();
            line.split("  ")
                .filter(|cell| !cell.is_empty())
                .map(|cell| cell.trim().to_owned())
                .collect()
        };
        let text = in_words(&two);
        assert_eq!(cells(&text, 0), HEADINGS);
        let first = cells(&text, 1);
        assert_eq!(first[..3], ["7", "2026-11-20", "4"]);
        assert_eq!(
            (first[7].as_str(), first[16].as_str(), first[17].as_str()),
            ("75.0%", "90000 INR", "0")
        );
        let total = cells(&text, 3);
        assert_eq!((total[0].as_str(), total[1].as_str()), ("total", "8"));
        assert!(total.contains(&"180000 INR".to_owned()), "{text}");
        assert_eq!(
            in_words(&two[..1])
                .lines()
                .filter(|line| line.contains("total"))
                .count(),
            0
        );
        assert_eq!(in_words(&[]), "nothing was counted\n");
    }

    #[test]
    fn a_day_is_read_as_it_is_printed() {
        assert_eq!(day_of("2027-03-01"), Ok(date!(2027 - 03 - 01)));
        assert!(day_of("1 March").is_err());
    }
}
