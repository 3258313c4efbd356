//! A directory for unfinished work, removed whatever happens.

use std::path::{Path, PathBuf};

use crate::error::{FetchError, Tried};
use crate::proc_table;

const PREFIX: &str = "boxoffice-unfinished-";

/// Lies in the cache itself where its content is to be renamed into place.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn create(parent: &Path) -> Result<Self, FetchError> {
        let path = parent.join(format!(
            "{PREFIX}{}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        ));
        std::fs::create_dir(&path).tried_fetch("create", &path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Removes what killed processes left behind.
pub(crate) fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner: Option<u32> = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
        if owner.is_some_and(|pid| !proc_table::alive(pid)) {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dead_are_swept_away() {
        let parent = tempfile::tempdir().unwrap();
        let ours = Scratch::create(parent.path()).unwrap();
        let dead = parent.path().join(format!("{PREFIX}{}-0", i32::MAX));
        std::fs::create_dir(&dead).unwrap();
        sweep(parent.path());
        assert!(ours.0.exists());
        assert!(!dead.exists());
    }
}
