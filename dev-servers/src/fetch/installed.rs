//! A PostgreSQL that this machine has already.

use std::path::{Path, PathBuf};

use super::program::{find_program, said};
use crate::error::{FetchError, Tried};

/// The oldest that the schema and its statements are made for.
const OLDEST: u32 = 17;

/// The directory, absolute, if a PostgreSQL that is new enough lies in its `bin`.
pub(crate) async fn check(directory: &Path, scratch: &Path) -> Result<PathBuf, FetchError> {
    let directory = std::path::absolute(directory).tried_fetch("find", directory)?;
    let refused = |reason: String| FetchError::Installed {
        directory: directory.clone(),
        reason,
    };
    let bin = directory.join("bin");
    let program = |name: &str| {
        find_program(bin.as_os_str(), name)
            .ok_or_else(|| refused(format!("there is no program {}", bin.join(name).display())))
    };
    program("initdb")?;
    let said = said(&program("postgres")?, "--version", scratch).await?;
    match major(&said) {
        Some(major) if major >= OLDEST => Ok(directory),
        _ => Err(refused(format!(
            "it says that it is `{}`, and {OLDEST} or newer is needed",
            said.trim()
        ))),
    }
}

/// 18 of `postgres (PostgreSQL) 18.6 (Debian 18.6-3)` and of `postgres (PostgreSQL) 18beta1`.
fn major(said: &str) -> Option<u32> {
    let (_, version) = said.split_once("(PostgreSQL) ")?;
    version
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (said, version) in [
            ("postgres (PostgreSQL) 18.6 (Debian 18.6-3)\n", Some(18)),
            ("postgres (PostgreSQL) 19beta1", Some(19)),
            ("postgres (PostgreSQL) 17", Some(17)),
            ("postgres (PostgreSQL) ", None),
            ("no such file", None),
        ] {
            assert_eq!(major(said), version, "{said}");
        }
    }
}
