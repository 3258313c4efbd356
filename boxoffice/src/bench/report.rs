//! What was measured, for people and for scripts.

use std::process::ExitCode;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::floor::{Floor, Stands};
use super::load::Times;
use super::meter::{Cost, resident_kib};
use super::rig::Rig;
use crate::terminal;

/// A measurement.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Of what.
    pub benchmark: String,
    /// The processors that everything shared.
    pub cores: usize,
    /// What the results stand on.
    pub stands: Stands,
    /// At each load, in the order in which they were measured.
    pub levels: Vec<Level>,
    /// What the evaluation of every promise said at the end. A broken one is no report, but a failure.
    pub audit: String,
}

/// At one load.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Level {
    /// Which.
    pub load: String,
    /// What the machine did right before.
    pub floor: Floor,
    /// Bookings, webhooks or polls that were measured.
    pub units: usize,
    /// Of these in a second.
    pub per_second: f64,
    /// In milliseconds.
    pub times_ms: Vec<(String, Spread)>,
    /// Of each.
    pub cost: Cost,
    /// Resident memory of every role in one process, in KiB.
    pub resident_kib: u64,
}

/// Of a distribution, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Spread {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Spread {
    /// Of microseconds.
    pub fn of(times: &Histogram<u64>) -> Self {
        let ms = |quantile: f64| times.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            p50: ms(0.5),
            p99: ms(0.99),
            p999: ms(0.999),
            max: times.max() as f64 / 1_000.0,
        }
    }
}

impl Report {
    /// Nothing yet.
    pub fn new(benchmark: &str, stands: Stands) -> Self {
        Self {
            stands,
            benchmark: benchmark.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            ..Self::default()
        }
    }

    /// To standard output: as one document, or what people have not seen yet.
    pub fn print(&self, json: bool) -> ExitCode {
        if json {
            terminal::line(serde_json::to_string_pretty(self).unwrap_or_default());
        } else {
            terminal::line(&self.audit);
        }
        ExitCode::SUCCESS
    }
}

impl Level {
    /// What bookings took.
    pub fn of(
        load: &str,
        units: usize,
        took: Duration,
        times: &Times,
        cost: Cost,
        rig: &Rig,
    ) -> Self {
        let pid = rig.all.as_ref().map_or(0, |part| part.pid());
        Self {
            load: load.to_owned(),
            floor: Floor::default(),
            units,
            per_second: units as f64 / took.as_secs_f64(),
            times_ms: vec![
                ("hold".to_owned(), Spread::of(&times.hold)),
                ("webhook acknowledged".to_owned(), Spread::of(&times.ack)),
                ("sent → confirmed".to_owned(), Spread::of(&times.confirmed)),
            ],
            cost,
            resident_kib: resident_kib(pid).unwrap_or_default(),
        }
    }

    /// As a person reads it.
    pub fn in_words(&self, stands: Stands) -> String {
        let scale = self.floor.of_reference(stands);
        let scaled = |value: f64| {
            if scale > 0.0 {
                format!(" ({value:.1} scaled)")
            } else {
                String::new()
            }
        };
        let mut text = format!(
            "{}: {:.0}/s{}\n",
            self.load,
            self.per_second,
            scaled(self.per_second / scale)
        );
        for (name, spread) in &self.times_ms {
            text += &format!(
                "  {name}: p50 {:.1} ms{}, p99 {:.1} ms{}, p99.9 {:.1} ms, longest {:.1} ms\n",
                spread.p50,
                scaled(spread.p50 * scale),
                spread.p99,
                scaled(spread.p99 * scale),
                spread.p999,
                spread.max
            );
        }
        let by_process: Vec<String> = self
            .cost
            .cpu_us
            .iter()
            .map(|(name, us)| format!("{name} {us:.0}"))
            .collect();
        text += &format!(
            "  each: {:.0} µs of CPU ({}), {:.2} statements, {:.3} commits, {:.0} bytes of WAL, {:.2} records and {:.0} bytes in Kafka\n",
            self.cost.cpu_us_all,
            by_process.join(", "),
            self.cost.statements,
            self.cost.commits,
            self.cost.wal_bytes,
            self.cost.kafka_records,
            self.cost.kafka_bytes,
        );
        text + &format!("  boxoffice has {} MiB", self.resident_kib / 1_024)
    }
}
