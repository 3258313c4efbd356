//! Programs of this machine: where they are, and what they say of themselves.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::{FetchError, Tried};
use crate::process::Process;

/// A Java that starts for the first time on a slow disk.
const DEADLINE: Duration = Duration::from_secs(30);

/// The first executable file of this name in the directories of `path`.
pub(crate) fn find_program(path: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|file| {
            file.metadata()
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
}

/// What a program writes, to whichever of its two outputs, when it is asked for its version.
pub(crate) async fn said(
    program: &Path,
    argument: &str,
    scratch: &Path,
) -> Result<String, FetchError> {
    let output = scratch.join("said");
    let file = File::create(&output).tried_fetch("create", &output)?;
    let same = file.try_clone().tried_fetch("open", &output)?;
    let mut command = Command::new(program);
    command
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(same)
        .stderr(file);
    Process::run(command, DEADLINE)
        .await
        .tried_fetch("run", program)?;
    std::fs::read_to_string(&output).tried_fetch("read", &output)
}
