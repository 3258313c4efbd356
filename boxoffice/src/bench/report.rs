//! What was measured, for people and for scripts.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::floor::{Floor, Stands};
use super::load::Times;
use super::meter::{Cost, resident_kib};
use super::rig::Rig;
use crate::failure::Failure;
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
    /// What anything random was drawn from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// At each load, in the order in which they were measured.
    pub levels: Vec<Level>,
    /// What the evaluation of every promise said at the end. A broken one is no report, but a failure.
    pub audit: String,
    /// What was to stay within a bound, and has not. Then the measurement has failed, though all of it is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceeded: Vec<String>,
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
    /// Of these in a second. 0: no rate was measured.
    pub per_second: f64,
    /// In milliseconds.
    pub times_ms: Vec<(String, Spread)>,
    /// What is one number.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// Of each, where that was measured.
    pub cost: Option<Cost>,
    /// Resident memory of every role in one process, in KiB, where that was measured.
    pub resident_kib: Option<u64>,
}

/// One number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// Of what.
    pub name: String,
    /// In its unit.
    pub value: f64,
    /// Which.
    pub unit: Unit,
}

/// What a figure is counted in, which says how it scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Milliseconds: longer on a slower machine.
    #[serde(rename = "ms")]
    Milliseconds,
    /// So many a second: fewer on a slower machine.
    #[serde(rename = "/s")]
    PerSecond,
    /// Bytes: the same on every machine, as are the others below.
    #[serde(rename = "bytes")]
    Bytes,
    /// Mebibytes.
    #[serde(rename = "MiB")]
    Mebibytes,
    /// A share of a hundred.
    #[serde(rename = "%")]
    Percent,
    /// So many times something.
    #[serde(rename = "times")]
    Times,
    /// Things.
    #[serde(rename = "")]
    Count,
}

impl Unit {
    /// A value of this unit, as it would be on the reference machine; `machine` is how much of it this one is.
    pub fn scaled(self, value: f64, machine: f64) -> f64 {
        match self {
            Self::Milliseconds => value * machine,
            Self::PerSecond => value / machine,
            Self::Bytes | Self::Mebibytes | Self::Percent | Self::Times | Self::Count => value,
        }
    }

    /// As it stands behind a number.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Milliseconds => " ms",
            Self::PerSecond => "/s",
            Self::Bytes => " bytes",
            Self::Mebibytes => " MiB",
            Self::Percent => " %",
            Self::Times => " times",
            Self::Count => "",
        }
    }
}

impl Figure {
    /// One.
    pub fn new(name: &str, value: f64, unit: Unit) -> Self {
        Self {
            name: name.to_owned(),
            value,
            unit,
        }
    }

    /// A time.
    pub fn time(name: &str, time: Duration) -> Self {
        Self::new(name, time.as_secs_f64() * 1_000.0, Unit::Milliseconds)
    }
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
    ///
    /// # Errors
    /// When a bound was exceeded.
    pub fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            terminal::line(serde_json::to_string_pretty(self).unwrap_or_default());
        } else {
            terminal::line(&self.audit);
        }
        if self.exceeded.is_empty() {
            return Ok(());
        }
        let exceeded = self.exceeded.join("; ");
        Err(Failure::new(format!("a bound was exceeded: {exceeded}")))
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
        let all = rig.all.as_ref();
        Self {
            load: load.to_owned(),
            units,
            per_second: units as f64 / took.as_secs_f64(),
            times_ms: vec![
                ("hold".to_owned(), Spread::of(&times.hold)),
                ("webhook acknowledged".to_owned(), Spread::of(&times.ack)),
                ("sent → confirmed".to_owned(), Spread::of(&times.confirmed)),
            ],
            cost: Some(cost),
            resident_kib: all.and_then(|part| resident_kib(part.pid()).ok()),
            ..Self::default()
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
        let mut lines = vec![match self.per_second > 0.0 {
            true => format!(
                "{}: {:.0}/s{}",
                self.load,
                self.per_second,
                scaled(self.per_second / scale)
            ),
            false => format!("{}:", self.load),
        }];
        for (name, spread) in &self.times_ms {
            lines.push(format!(
                "  {name}: p50 {:.1} ms{}, p99 {:.1} ms{}, p99.9 {:.1} ms, longest {:.1} ms",
                spread.p50,
                scaled(spread.p50 * scale),
                spread.p99,
                scaled(spread.p99 * scale),
                spread.p999,
                spread.max
            ));
        }
        for Figure { name, value, unit } in &self.figures {
            let scaled = match unit {
                Unit::Milliseconds | Unit::PerSecond => scaled(unit.scaled(*value, scale)),
                _ => String::new(),
            };
            let digits = match unit {
                Unit::Count | Unit::Bytes => 0,
                Unit::Times => 2,
                _ => 1,
            };
            lines.push(format!(
                "  {name}: {value:.digits$}{}{scaled}",
                unit.in_words()
            ));
        }
        lines.extend(self.cost.as_ref().map(Cost::in_words));
        let resident = self.resident_kib.map(|kib| kib / 1_024);
        lines.extend(resident.map(|mib| format!("  boxoffice has {mib} MiB")));
        lines.join("\n")
    }
}
