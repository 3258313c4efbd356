//! What a stretch of work costs: CPU by process, and what PostgreSQL and Kafka had to write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use boxoffice_producers::topics;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Row};

/// The kernel counts CPU in hundredths of a second (`USER_HZ`, fixed for programs on Linux).
const TICKS_PER_SECOND: f64 = 100.0;

/// The processes of a system, by what they do.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    /// Our own processes and the broker: a name, a process.
    pub single: Vec<(&'static str, u32)>,
    /// PostgreSQL's first process; its sessions are children of that one.
    pub postgres: Option<u32>,
    /// Where the broker keeps its log segments.
    pub segments: PathBuf,
}

/// What everything had used and written up to a moment.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    cpu: BTreeMap<&'static str, f64>,
    wal: f64,
    commits: f64,
    statements: f64,
    by_statement: BTreeMap<String, (f64, f64)>,
    kafka_bytes: f64,
    kafka_records: f64,
}

/// What one booking, webhook or poll cost between two readings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    /// CPU by process, in microseconds.
    pub cpu_us: BTreeMap<String, f64>,
    /// The sum of these, in microseconds.
    pub cpu_us_all: f64,
    /// Statements that PostgreSQL executed, transactions' ends among them.
    pub statements: f64,
    /// Transactions committed.
    pub commits: f64,
    /// Write-ahead log, in bytes.
    pub wal_bytes: f64,
    /// Records appended to topics.
    pub kafka_records: f64,
    /// Log segments' growth, in bytes, after compression.
    pub kafka_bytes: f64,
}

impl Cost {
    /// As a person reads it.
    pub fn in_words(&self) -> String {
        let by_process: Vec<String> = self
            .cpu_us
            .iter()
            .map(|(name, us)| format!("{name} {us:.0}"))
            .collect();
        format!(
            "  each: {:.0} µs of CPU ({}), {:.2} statements, {:.3} commits, {:.0} bytes of WAL, {:.2} records and {:.0} bytes in Kafka",
            self.cpu_us_all,
            by_process.join(", "),
            self.statements,
            self.commits,
            self.wal_bytes,
            self.kafka_records,
            self.kafka_bytes,
        )
    }
}

impl Reading {
    /// Reads everything. `records` is the sum of the topics' end offsets.
    ///
    /// # Errors
    /// When a process is gone, or the database does not answer.
    pub async fn take(
        processes: &Processes,
        database: &PgPool,
        records: i64,
    ) -> anyhow::Result<Self> {
        let mut reading = Self::default();
        for (name, pid) in &processes.single {
            *reading.cpu.entry(name).or_default() += of_process(*pid)?.seconds;
        }
        reading
            .cpu
            .insert("load", of_process(std::process::id())?.seconds);
        if let Some(pid) = processes.postgres {
            reading.cpu.insert("postgres", of_family(pid)?);
        }
        let row = sqlx::query(
            "select (pg_current_wal_lsn() - '0/0')::float8,
                    (select sum(xact_commit)::float8 from pg_stat_database)",
        )
        .fetch_one(database)
        .await?;
        reading.wal = row.get(0);
        reading.commits = row.get(1);
        let statements =
            sqlx::query("select query, calls::float8, total_exec_time from pg_stat_statements")
                .fetch_all(database)
                .await?;
        for row in statements {
            let (calls, ms): (f64, f64) = (row.get(1), row.get(2));
            reading.statements += calls;
            let sum = reading.by_statement.entry(row.get(0)).or_default();
            *sum = (sum.0 + calls, sum.1 + ms);
        }
        reading.kafka_records = records as f64;
        reading.kafka_bytes = segments(&processes.segments) as f64;
        Ok(reading)
    }

    /// What each of `units` cost from this reading to a later one.
    pub fn until(&self, later: &Self, units: usize) -> Cost {
        let units = units.max(1) as f64;
        let cpu_us: BTreeMap<_, _> = later
            .cpu
            .iter()
            .map(|(name, seconds)| {
                let before = self.cpu.get(name).copied().unwrap_or_default();
                ((*name).to_owned(), (seconds - before) * 1e6 / units)
            })
            .collect();
        Cost {
            cpu_us_all: cpu_us.values().sum(),
            cpu_us,
            statements: (later.statements - self.statements) / units,
            commits: (later.commits - self.commits) / units,
            wal_bytes: (later.wal - self.wal) / units,
            kafka_records: (later.kafka_records - self.kafka_records) / units,
            kafka_bytes: (later.kafka_bytes - self.kafka_bytes) / units,
        }
    }

    /// The 25 statements that took most of PostgreSQL's time until a later reading, a line each: the share of the time, the
    /// mean, the calls, the beginning of the text.
    pub fn heaviest(&self, later: &Self) -> String {
        let mut grown: Vec<_> = later
            .by_statement
            .iter()
            .map(|(text, (calls, ms))| {
                let (calls_before, ms_before) =
                    self.by_statement.get(text).copied().unwrap_or_default();
                (ms - ms_before, calls - calls_before, text)
            })
            .filter(|(_, calls, _)| *calls > 0.0)
            .collect();
        grown.sort_by(|one, other| other.0.total_cmp(&one.0));
        let all: f64 = grown.iter().map(|(ms, _, _)| ms).sum();
        let line = |(ms, calls, text): (f64, f64, &String)| {
            let share = 100.0 * ms / all.max(f64::EPSILON);
            let words: Vec<&str> = text.split_whitespace().collect();
            let text: String = words.join(" ").chars().take(150).collect();
            format!("{share:5.1} % {:8.3} ms × {calls:7}  {text}\n", ms / calls)
        };
        grown.into_iter().take(25).map(line).collect()
    }
}

/// Resident memory of a process, in KiB.
///
/// # Errors
/// When there is no such process.
pub fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse().ok())
        .context("the kernel does not say how much memory the process has")
}

struct Used {
    parent: u32,
    seconds: f64,
    /// Of its children that have ended.
    ended: f64,
}

fn of_process(pid: u32) -> anyhow::Result<Used> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // The name may hold anything, brackets too.
    let (_, rest) = text.rsplit_once(") ").context("no process status")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |nth: usize| fields.get(nth).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = number(11).zip(number(12)).context("no process times")?;
    let (user_ended, system_ended) = number(13).zip(number(14)).context("no process times")?;
    Ok(Used {
        parent: number(1).unwrap_or_default() as u32,
        seconds: (user + system) / TICKS_PER_SECOND,
        ended: (user_ended + system_ended) / TICKS_PER_SECOND,
    })
}

fn of_family(first: u32) -> anyhow::Result<f64> {
    let used = of_process(first)?;
    let mut seconds = used.seconds + used.ended;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // It may have ended meanwhile, and is counted with its parent then.
        if let Ok(used) = of_process(pid)
            && used.parent == first
        {
            seconds += used.seconds;
        }
    }
    Ok(seconds)
}

/// The size of our topics' log segments below a directory, in bytes. Others come and go.
fn segments(dir: &Path) -> u64 {
    let ours = |path: &Path| {
        let name = path.parent().and_then(|topic| topic.file_name()?.to_str());
        name.is_some_and(|name| topics::ALL.iter().any(|topic| name.starts_with(topic.name)))
    };
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| {
            let path = entry.path();
            let segment = path.extension().is_some_and(|end| end == "log");
            match entry.metadata() {
                Ok(about) if about.is_dir() => segments(&path),
                Ok(about) if segment && ours(&path) => about.len(),
                _ => 0,
            }
        })
        .sum()
}
