//! What the operating system knows about processes that need not be our children.

use std::io;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use table::zombie;
pub(crate) use table::{children, command_line, started};

/// Sends a signal; a process that is gone is no error.
pub(crate) fn send(pid: u32, signal: Signal) -> io::Result<()> {
    match kill(as_pid(pid)?, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Whether it runs (a zombie, which a container's first process may never reap, does not).
pub(crate) fn alive(pid: u32) -> bool {
    let there = as_pid(pid).is_ok_and(|pid| !matches!(kill(pid, None), Err(Errno::ESRCH)));
    there && !zombie(pid)
}

fn as_pid(pid: u32) -> io::Result<Pid> {
    // 0 and below would mean process groups, 1 is the system's.
    match i32::try_from(pid) {
        Ok(pid) if pid > 1 => Ok(Pid::from_raw(pid)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(target_os = "linux")]
mod table {
    /// The fields of /proc/PID/stat behind the command's name, which may itself hold blanks and brackets; the first
    /// of them is the state.
    fn stat(pid: u32) -> Option<Vec<String>> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = text.rsplit_once(')')?;
        Some(fields.split_whitespace().map(str::to_owned).collect())
    }

    pub(crate) fn zombie(pid: u32) -> bool {
        stat(pid).is_some_and(|f| f.first().is_some_and(|state| state == "Z" || state == "X"))
    }

    /// When it started, as an opaque text; with the pid it names a process for as long as the machine runs.
    pub(crate) fn started(pid: u32) -> Option<String> {
        stat(pid)?.get(19).cloned()
    }

    pub(crate) fn command_line(pid: u32) -> Option<String> {
        let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
    }

    pub(crate) fn children(parent: u32) -> Vec<u32> {
        let parent = parent.to_string();
        let Ok(entries) = std::fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| stat(*pid).is_some_and(|f| f.get(1) == Some(&parent)))
            .collect()
    }
}

#[cfg(not(target_os = "linux"))]
mod table {
    use std::process::Command;

    fn output(command: &mut Command) -> Option<String> {
        let output = command.output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (output.status.success() && !text.is_empty()).then_some(text)
    }

    fn ps(pid: u32, column: &str) -> Option<String> {
        output(Command::new("ps").args(["-o", column, "-p", &pid.to_string()]))
    }

    pub(crate) fn zombie(pid: u32) -> bool {
        ps(pid, "state=").is_some_and(|state| state.starts_with('Z'))
    }

    pub(crate) fn started(pid: u32) -> Option<String> {
        ps(pid, "lstart=")
    }

    pub(crate) fn command_line(pid: u32) -> Option<String> {
        ps(pid, "command=")
    }

    pub(crate) fn children(parent: u32) -> Vec<u32> {
        output(Command::new("pgrep").args(["-P", &parent.to_string()]))
            .map(|text| text.lines().filter_map(|l| l.trim().parse().ok()).collect())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_are_alive_and_started_once() {
        let me = std::process::id();
        assert!(alive(me));
        assert!(started(me).is_some());
        assert_eq!(started(me), started(me));
        assert!(command_line(me).is_some());
    }

    #[test]
    fn groups_and_init_are_never_signalled() {
        assert!(send(0, Signal::SIGTERM).is_err());
        assert!(send(1, Signal::SIGTERM).is_err());
        assert!(send(u32::MAX, Signal::SIGTERM).is_err());
    }
}
