//! Places where a test may kill the process, to see what is left.
//!
//! A failpoint dies when the environment variable `BOXOFFICE_FAILPOINT` names it, at the `n`th hit
//! (`turn.before_commit.coordinator:3`; the first if no number is given). Before it dies it appends its name
//! to the file that `BOXOFFICE_FAILPOINT_LOG` names, so that a test knows that it fired. Only debug builds
//! have failpoints; in release builds every call is empty.

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Webhooks from Kafka.
    Coordinator,
    /// Holds.
    HoldDesk,
    /// Payment attempts, releases and other requests of one booking.
    Request,
    /// Answers to calls, and timers.
    TaskAnswer,
    /// The refund worker taking refunds on.
    Refunds,
    /// The notification worker taking letters on.
    Notifications,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 6] =
        [Self::Coordinator, Self::HoldDesk, Self::Request, Self::TaskAnswer, Self::Refunds, Self::Notifications];

    /// The name in metrics and in failpoints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::HoldDesk => "hold_desk",
            Self::Request => "request",
            Self::TaskAnswer => "task_answer",
            Self::Refunds => "refunds",
            Self::Notifications => "notifications",
        }
    }
}

/// One place to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failpoint {
    /// A turn has written everything and not committed.
    TurnBeforeCommit(Role),
    /// A turn has committed and nobody was answered.
    TurnAfterCommit(Role),
    /// A consumer's turn has committed and Kafka was not told the offset.
    OffsetsBeforeCommit,
    /// A webhook is verified and not yet on its way to the broker.
    IngressBeforePublish,
    /// The broker has acknowledged a webhook and the gateway was not answered.
    IngressAfterPublish,
    /// The relay has taken its second snapshot in memory and not persisted it.
    RelayBeforeWindow,
    /// The relay has persisted its window and published nothing of it.
    RelayAfterWindow,
    /// The relay has read a page and published nothing of it.
    RelayBeforePublish,
    /// The broker has acknowledged a page and the relay's cursor stands before it.
    RelayAfterPublish,
    /// The relay's cursor stands behind the page.
    RelayAfterCursor,
    /// A task is leased and its attempt written down; the call was not made.
    TaskAfterLease,
    /// The gateway or mail server has acted and answered; the answer is not recorded.
    TaskAfterCall,
}

impl Failpoint {
    /// All failpoints. A test kills the product at each, and fails if one never fired.
    pub fn all() -> Vec<Self> {
        let turns = Role::ALL.into_iter().flat_map(|role| [Self::TurnBeforeCommit(role), Self::TurnAfterCommit(role)]);
        turns
            .chain([
                Self::OffsetsBeforeCommit,
                Self::IngressBeforePublish,
                Self::IngressAfterPublish,
                Self::RelayBeforeWindow,
                Self::RelayAfterWindow,
                Self::RelayBeforePublish,
                Self::RelayAfterPublish,
                Self::RelayAfterCursor,
                Self::TaskAfterLease,
                Self::TaskAfterCall,
            ])
            .collect()
    }

    /// The name by which `BOXOFFICE_FAILPOINT` knows it.
    pub fn name(self) -> String {
        match self {
            Self::TurnBeforeCommit(role) => format!("turn.before_commit.{}", role.name()),
            Self::TurnAfterCommit(role) => format!("turn.after_commit.{}", role.name()),
            Self::OffsetsBeforeCommit => "offsets.before_commit".into(),
            Self::IngressBeforePublish => "ingress.before_publish".into(),
            Self::IngressAfterPublish => "ingress.after_publish".into(),
            Self::RelayBeforeWindow => "relay.before_window".into(),
            Self::RelayAfterWindow => "relay.after_window".into(),
            Self::RelayBeforePublish => "relay.before_publish".into(),
            Self::RelayAfterPublish => "relay.after_publish".into(),
            Self::RelayAfterCursor => "relay.after_cursor".into(),
            Self::TaskAfterLease => "task.after_lease".into(),
            Self::TaskAfterCall => "task.after_call".into(),
        }
    }
}

/// Dies here if the environment says so.
#[cfg(debug_assertions)]
pub fn hit(point: Failpoint) {
    armed::hit(point);
}

/// Does nothing: release builds have no failpoints.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn hit(_point: Failpoint) {}

#[cfg(debug_assertions)]
mod armed {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Failpoint;

    struct Armed {
        name: String,
        left: AtomicU32,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    pub fn hit(point: Failpoint) {
        let armed = ARMED.get_or_init(|| {
            let text = std::env::var("BOXOFFICE_FAILPOINT").ok()?;
            let (name, nth) = text.split_once(':').unwrap_or((&text, "1"));
            Some(Armed { name: name.to_owned(), left: AtomicU32::new(nth.parse().unwrap_or(1)) })
        });
        let Some(armed) = armed else { return };
        if armed.name == point.name() && armed.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            if let Ok(log) = std::env::var("BOXOFFICE_FAILPOINT_LOG")
                && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(log)
            {
                let _ = writeln!(file, "{}", armed.name);
                let _ = file.sync_all();
            }
            // As sudden as SIGKILL: no destructor runs, no buffer is flushed.
            std::process::abort();
        }
    }
}
