//! Places in the code where a test may kill the process.
//!
//! A process that was started with `BOXOFFICE_FAILPOINT=relay.after_publish` (or `relay.after_publish:3`, for
//! the third time) kills itself with SIGKILL when it gets there: nothing is unwound, flushed or told to
//! anybody, as when the machine loses power. If `BOXOFFICE_FAILPOINT_LOG` names a file, the point's name is
//! appended to it first and synced, so that a test knows which point fired; a test fails when one of
//! [`Failpoint::ALL`] never does.
//!
//! Only debug builds have failpoints. In a release build [`hit`] is an empty function.

mod points;

pub use points::{Failpoint, Role};

/// The environment variable that arms one failpoint: its name, and after a colon how many hits it takes.
pub const VARIABLE: &str = "BOXOFFICE_FAILPOINT";

/// The environment variable that names the file in which a fired failpoint leaves its name.
pub const LOG_VARIABLE: &str = "BOXOFFICE_FAILPOINT_LOG";

/// Dies here, if this point is armed and this is the hit that was asked for.
#[cfg(debug_assertions)]
#[inline]
pub fn hit(point: Failpoint) {
    armed::hit(point);
}

/// Dies here, if this point is armed and this is the hit that was asked for. Not in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn hit(_point: Failpoint) {}

/// [`hit`], at the point of this role right before a turn commits.
#[inline]
pub fn hit_before_commit(role: Role) {
    hit(role.before_commit());
}

/// [`hit`], at the point of this role right after a turn has committed.
#[inline]
pub fn hit_after_commit(role: Role) {
    hit(role.after_commit());
}

#[cfg(debug_assertions)]
mod armed {
    use std::env;
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::getpid;

    use crate::{Failpoint, LOG_VARIABLE, VARIABLE};

    struct Armed {
        point: Failpoint,
        hits_left: AtomicU64,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    pub(super) fn hit(point: Failpoint) {
        let Some(armed) = ARMED.get_or_init(from_environment) else {
            return;
        };
        if armed.point == point && armed.hits_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            leave_name(point);
            die();
        }
    }

    /// A value that means nothing would be a test that tests nothing: it dies at the first hit of any point,
    /// without leaving a name.
    fn from_environment() -> Option<Armed> {
        let value = env::var(VARIABLE).ok().filter(|value| !value.is_empty())?;
        match parse(&value) {
            Some((point, hits)) => Some(Armed {
                point,
                hits_left: AtomicU64::new(hits),
            }),
            None => {
                eprintln!("{VARIABLE}={value}: no such failpoint");
                die()
            }
        }
    }

    pub(super) fn parse(value: &str) -> Option<(Failpoint, u64)> {
        let (name, hits) = match value.split_once(':') {
            Some((name, hits)) => (name, hits.parse().ok().filter(|hits| *hits > 0)?),
            None => (value, 1),
        };
        Some((Failpoint::named(name)?, hits))
    }

    fn leave_name(point: Failpoint) {
        let Some(path) = env::var_os(LOG_VARIABLE) else {
            return;
        };
        let left = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(format!("{}\n", point.name()).as_bytes())?;
                file.sync_all()
            });
        if let Err(error) = left {
            eprintln!("{LOG_VARIABLE}={}: {error}", path.display());
        }
    }

    fn die() -> ! {
        // Only returns if the kernel refuses, which it does not.
        let _ = kill(getpid(), Signal::SIGKILL);
        std::process::abort()
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_lead_back() {
        for point in Failpoint::ALL {
            assert_eq!(Failpoint::named(point.name()), Some(*point));
            assert!(!point.what_dies().is_empty());
            assert!(
                point
                    .name()
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c == '_' || c == '.'),
                "{}",
                point.name()
            );
        }
    }

    #[test]
    fn every_role_has_its_points() {
        for role in Role::ALL {
            assert_eq!(
                role.before_commit().name(),
                format!("turn.before_commit.{}", role.name())
            );
            assert_eq!(
                role.after_commit().name(),
                format!("turn.after_commit.{}", role.name())
            );
        }
    }

    #[test]
    fn a_value_is_a_name_and_perhaps_a_count() {
        assert_eq!(
            armed::parse("relay.after_publish"),
            Some((Failpoint::RelayAfterPublish, 1))
        );
        assert_eq!(
            armed::parse("relay.after_publish:3"),
            Some((Failpoint::RelayAfterPublish, 3))
        );
        assert_eq!(armed::parse("relay.after_publish:0"), None);
        assert_eq!(armed::parse("relay.after_lunch"), None);
    }

    /// The child is this test binary, running only this test.
    #[test]
    fn an_armed_process_is_killed_and_leaves_its_name() {
        use std::os::unix::process::ExitStatusExt;

        if std::env::var_os(VARIABLE).is_some() {
            hit(Failpoint::RelayAfterPublish);
            hit(Failpoint::RelayAfterCursor);
            hit(Failpoint::RelayAfterCursor);
            return;
        }
        let log = std::env::temp_dir().join(format!("boxoffice-failpoint-{}", std::process::id()));
        let child = |value: &str| {
            std::process::Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "tests::an_armed_process_is_killed_and_leaves_its_name",
                ])
                .env(VARIABLE, value)
                .env(LOG_VARIABLE, &log)
                .output()
                .unwrap()
                .status
        };
        assert_eq!(child("relay.after_cursor:2").signal(), Some(9));
        assert_eq!(
            std::fs::read_to_string(&log).unwrap(),
            "relay.after_cursor\n"
        );
        assert!(child("relay.after_cursor:3").success());
        assert_eq!(child("relay.no_such_point").signal(), Some(9));
        assert_eq!(
            std::fs::read_to_string(&log).unwrap(),
            "relay.after_cursor\n"
        );
        std::fs::remove_file(&log).unwrap();
    }
}
