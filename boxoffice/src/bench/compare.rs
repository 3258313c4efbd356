//! `compare`: two reports side by side, scaled to what the machine did meanwhile, with the spread of their ratio.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::floor::Floor;
use super::report::{Figure, Report};
use crate::failure::Failure;
use crate::terminal;

/// Which.
#[derive(Debug, Args)]
pub struct Compare {
    /// A report, as `--json` gave it.
    before: PathBuf,
    /// Another one of the same benchmark.
    after: PathBuf,
}

/// How often the rounds are drawn again to see how much their median moves.
const DRAWS: usize = 2_000;
/// Always the same draws for the same reports.
const SEED: u64 = 1;

/// Compares.
///
/// # Errors
/// When a file is no report, or they are of different benchmarks.
pub fn run(compare: &Compare) -> Result<(), Failure> {
    let (before, after) = (read(&compare.before)?, read(&compare.after)?);
    if before.benchmark != after.benchmark {
        return Err(Failure::unusable(format!(
            "one is a report of `{}`, the other of `{}`",
            before.benchmark, after.benchmark
        )));
    }
    let (before, after) = (measures(&before), measures(&after));
    let mut rng = StdRng::seed_from_u64(SEED);
    for (name, old) in &before {
        let Some(new) = after.get(name) else { continue };
        let ratio = median(new) / median(old);
        let mut drawn: Vec<f64> = (0..DRAWS)
            .map(|_| median(&draw(new, &mut rng)) / median(&draw(old, &mut rng)))
            .collect();
        drawn.sort_by(f64::total_cmp);
        let (low, high) = (drawn[DRAWS / 40], drawn[DRAWS - 1 - DRAWS / 40]);
        terminal::line(format!(
            "{name}: {:.1} → {:.1}, × {ratio:.2} ({low:.2} to {high:.2}; {} and {} rounds)",
            median(old),
            median(new),
            old.len(),
            new.len(),
        ));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Report, Failure> {
    let unread = |error: &(dyn std::error::Error + 'static)| {
        Failure::because(format!("{} is not a report", path.display()), error)
            .advise("A report is what `boxoffice bench … --json` prints.")
    };
    let text = std::fs::read(path).map_err(|error| unread(&error))?;
    serde_json::from_slice(&text).map_err(|error| unread(&error))
}

/// Everything in a report that can be compared: by name, its value in each round, scaled to the reference machine; and what
/// the machine did alone, as it is.
fn measures(report: &Report) -> BTreeMap<String, Vec<f64>> {
    let mut measures: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for level in &report.levels {
        let scale = level.floor.of_reference(report.stands);
        // Before there was a floor, nothing can be scaled.
        let scale = if scale > 0.0 { scale } else { 1.0 };
        let mut add = |what: &str, value: f64| {
            let name = format!("{}, {what}", level.load);
            measures.entry(name).or_default().push(value);
        };
        let Floor {
            http,
            produce,
            confirm,
            hold,
        } = level.floor;
        let floors = [
            ("HTTP", http),
            ("produce", produce),
            ("confirm", confirm),
            ("hold", hold),
        ];
        for (what, value) in floors.into_iter().filter(|(_, value)| *value > 0.0) {
            add(&format!("the machine alone, {what} a second"), value);
        }
        if level.per_second > 0.0 {
            add("a second", level.per_second / scale);
        }
        if let Some(cost) = &level.cost {
            add("µs of CPU each", cost.cpu_us_all * scale);
        }
        for (name, spread) in &level.times_ms {
            add(&format!("{name}, ms at p50"), spread.p50 * scale);
            add(&format!("{name}, ms at p99"), spread.p99 * scale);
        }
        for Figure { name, value, unit } in &level.figures {
            let name = format!("{name}{}", unit.in_words());
            add(&name, unit.scaled(*value, scale));
        }
    }
    measures
}

fn draw(values: &[f64], rng: &mut StdRng) -> Vec<f64> {
    values
        .iter()
        .map(|_| values[rng.random_range(0..values.len())])
        .collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Level, Unit};
    use super::*;

    #[test]
    fn a_slower_machine_is_taken_out() {
        let mut report = Report::default();
        for (per_second, machine) in [(1_000.0, 1.0), (500.0, 0.5), (700.0, 0.7)] {
            let mut level = Level {
                load: "16 at a time".to_owned(),
                per_second,
                figures: vec![
                    Figure::new("gap", 200.0 / machine, Unit::Milliseconds),
                    Figure::new("memory", 70.0, Unit::Mebibytes),
                ],
                ..Level::default()
            };
            let reference = super::super::floor::REFERENCE;
            level.floor.http = reference.http * machine;
            level.floor.produce = reference.produce * machine;
            level.floor.confirm = reference.confirm * machine;
            level.floor.hold = reference.hold * machine;
            report.levels.push(level);
        }
        let measures = measures(&report);
        for (name, same) in [
            ("16 at a time, a second", 1_000.0),
            ("16 at a time, gap ms", 200.0),
            ("16 at a time, memory MiB", 70.0),
        ] {
            let values = &measures[name];
            assert!(
                values.iter().all(|value| (value - same).abs() < 1e-6),
                "{name}: {values:?}"
            );
        }
        // The machine's own four, and nothing about the cost, which nobody measured.
        assert_eq!(measures.len(), 3 + 4, "{measures:?}");
    }

    #[test]
    fn the_median_of_few_and_of_many() {
        assert!(median(&[]).is_nan());
        for (values, middle) in [
            (vec![3.0], 3.0),
            (vec![4.0, 1.0], 2.5),
            (vec![9.0, 1.0, 2.0], 2.0),
        ] {
            assert!((median(&values) - middle).abs() < 1e-9);
        }
    }
}
