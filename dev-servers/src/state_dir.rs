//! A server's directory: one owner at a time, and the ports it remembers.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::error::{ServerError, Tried};

/// Below every system's range of ephemeral ports: a client's outgoing connection must never sit on the port of a
/// server that is just being restarted (it might even connect to itself).
const SELF_CHOSEN: std::ops::Range<u16> = 15_000..31_000;
const ATTEMPTS: usize = 200;

/// A state directory that we hold.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    server: &'static str,
    /// The kernel lets go of it when we die, however we die.
    _lock: Flock<File>,
}

impl StateDir {
    /// Makes the directory where it is missing and locks it.
    pub(crate) fn hold(path: &Path, server: &'static str) -> Result<Self, ServerError> {
        std::fs::create_dir_all(path).tried("create", path)?;
        // Absolute, because the servers run elsewhere and are found again by their command line.
        let path = path.canonicalize().tried("find", path)?;
        let lock_path = path.join("lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .tried("open", &lock_path)?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                drop(file.read_to_string(&mut pid));
                let pid = pid.trim();
                return Err(ServerError::AlreadyRunning {
                    server,
                    dir: path,
                    pid: if pid.is_empty() { "unknown" } else { pid }.to_owned(),
                });
            }
            Err((_, errno)) => return Err(errno).tried("lock", &lock_path),
        };
        lock.set_len(0)
            .and_then(|()| lock.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(lock, "{}", std::process::id()))
            .tried("write", &lock_path)?;
        Ok(Self {
            path,
            server,
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The port to listen on: the wanted one, else the one remembered under `name`, else a free one, which is then
    /// remembered.
    pub(crate) fn port(
        &self,
        name: &str,
        wanted: Option<u16>,
        others: &[u16],
    ) -> Result<u16, ServerError> {
        if let Some(port) = wanted {
            return if free(port) {
                Ok(port)
            } else {
                Err(ServerError::PortTaken {
                    server: self.server,
                    port,
                })
            };
        }
        let file = self.path.join(name);
        let remembered = std::fs::read_to_string(&file)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .filter(|port| !others.contains(port) && free(*port));
        if let Some(port) = remembered {
            return Ok(port);
        }
        let port = choose(others).ok_or(ServerError::NoPort)?;
        std::fs::write(&file, format!("{port}\n")).tried("write", &file)?;
        Ok(port)
    }
}

/// Writes a file that only we can read.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), ServerError> {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let write = |mut file: File| {
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    options.open(path).and_then(write).tried("write", path)
}

fn free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn choose(others: &[u16]) -> Option<u16> {
    // At random, so that two that choose at the same time rarely choose the same.
    (0..ATTEMPTS)
        .map(|_| rand::random_range(SELF_CHOSEN))
        .find(|port| !others.contains(port) && free(*port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateDir::hold(dir.path(), "Kafka").unwrap();
        let error = StateDir::hold(dir.path(), "Kafka").unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(first);
        StateDir::hold(dir.path(), "Kafka").unwrap();
    }

    #[test]
    fn a_self_chosen_port_is_kept_and_given_up_only_when_taken() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::hold(dir.path(), "Kafka").unwrap();
        let port = state.port("port", None, &[]).unwrap();
        assert_eq!(state.port("port", None, &[]).unwrap(), port);
        let foreign = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let other = state.port("port", None, &[]).unwrap();
        assert_ne!(other, port);
        drop(foreign);
        assert_eq!(state.port("port", None, &[]).unwrap(), other);
    }

    #[test]
    fn a_wanted_port_that_is_taken_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::hold(dir.path(), "PostgreSQL").unwrap();
        let foreign = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = foreign.local_addr().unwrap().port();
        let error = state.port("port", Some(port), &[]).unwrap_err();
        assert!(matches!(error, ServerError::PortTaken { port: p, .. } if p == port));
        assert!(error.to_string().contains(&port.to_string()));
    }
}
