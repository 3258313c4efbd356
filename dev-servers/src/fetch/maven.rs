//! Resolves pom.xml with the user's own Maven, through whatever mirror or proxy that is set up for.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::lock::Pinned;
use super::program::find_program;
use super::progress::Progress;
use super::{POM, Source};
use crate::error::{FetchError, Tried};
use crate::log_tail;
use crate::process::{Process, describe};

/// 60 MB over a slow line.
const DEADLINE: Duration = Duration::from_secs(30 * 60);
const LOOK: Duration = Duration::from_millis(200);

/// Which of Maven's local repositories is read before anything is downloaded.
#[derive(Clone, Copy)]
pub(crate) enum Repository {
    /// The user's, which may have everything already.
    Own,
    /// An empty one: Maven never questions what lies in the user's, so a broken file there would come back for ever.
    Empty,
}

/// Copies everything pom.xml resolves to into `scratch/jars`.
pub(crate) async fn resolve(
    source: &Source,
    platform: &str,
    scratch: &Path,
    pinned: &[Pinned],
    repository: Repository,
    progress: &dyn Progress,
) -> Result<(), FetchError> {
    let mvn = find_program(&source.path, "mvn").ok_or(FetchError::NoMaven)?;
    let pom = scratch.join("pom.xml");
    std::fs::write(&pom, POM).tried_fetch("write", &pom)?;
    let log = scratch.join("maven.log");
    let out = File::create(&log).tried_fetch("create", &log)?;
    let err = out.try_clone().tried_fetch("write", &log)?;

    let mut command = Command::new(&mvn);
    command
        .args(["-B", "-C", "-f"])
        .arg(&pom)
        .arg("dependency:copy-dependencies")
        .arg(format!(
            "-DoutputDirectory={}",
            scratch.join("jars").display()
        ))
        .arg("-DincludeScope=runtime")
        .arg(format!("-Dpostgres.platform={platform}"))
        .env("PATH", &source.path)
        .current_dir(scratch)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err);
    if let Repository::Empty = repository {
        command.arg(format!(
            "-Dmaven.repo.local={}",
            scratch.join("repository").display()
        ));
    }

    let process = Process::spawn(command, Signal::SIGKILL, Signal::SIGKILL)
        .await
        .tried_fetch("run", &mvn)?;
    let total = pinned.iter().map(|p| p.bytes).sum();
    let started = Instant::now();
    let status = loop {
        if let Some(status) = process.wait(LOOK).await.tried_fetch("run", &mvn)? {
            break status;
        }
        progress.bytes(downloaded(&log, pinned), total);
        if started.elapsed() > DEADLINE {
            return Err(FetchError::Download {
                how: format!("it did not end within {} minutes", DEADLINE.as_secs() / 60),
                tail: log_tail::tail(&log),
            });
        }
    };
    if status.success() {
        progress.bytes(total, total);
        Ok(())
    } else {
        Err(FetchError::Download {
            how: describe(status),
            tail: log_tail::tail(&log),
        })
    }
}

/// Maven says `Downloaded from MIRROR: ADDRESS (size at speed)` when a file is there.
fn downloaded(log: &Path, pinned: &[Pinned]) -> u64 {
    let Ok(text) = std::fs::read_to_string(log) else {
        return 0;
    };
    let files: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("Downloaded from "))
        .filter_map(|(_, rest)| {
            rest.split_whitespace()
                .find_map(|word| Some(word.rsplit_once('/')?.1))
        })
        .collect();
    pinned
        .iter()
        .filter(|pin| files.contains(&pin.file.as_str()))
        .map(|pin| pin.bytes)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downloads_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let text = "[INFO] Downloading from central: https://mirror/a/a-1.jar\n\
                    [INFO] Downloaded from central: https://mirror/a/a-1.jar (3 B at 1 B/s)\n\
                    [INFO] Downloading from central: https://mirror/b/b-1.jar\n";
        std::fs::write(&log, text).unwrap();
        let pin = |file: &str, bytes| Pinned {
            sha256: String::new(),
            bytes,
            file: file.into(),
        };
        assert_eq!(downloaded(&log, &[pin("a-1.jar", 3), pin("b-1.jar", 4)]), 3);
    }
}
