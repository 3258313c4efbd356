//! The stamp: which files were there when everything had been checked, with size and time of change. Comparing it costs
//! a few milliseconds, hashing everything anew would cost a start most of a second.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

const FILE: &str = "stamp.json";

#[derive(Serialize, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    file: String,
    bytes: u64,
    changed: (i64, i64),
}

/// Writes the stamp of all files below `root`.
pub(crate) fn write(root: &Path) -> io::Result<()> {
    let seen = look(root)?;
    // Renamed into place: half a stamp must never look like one.
    let unfinished = root.join("stamp.unfinished");
    std::fs::write(&unfinished, serde_json::to_vec(&seen)?)?;
    std::fs::rename(unfinished, root.join(FILE))
}

/// Whether everything is still as it was when the stamp was written.
pub(crate) fn holds(root: &Path) -> bool {
    let Ok(stamp) = std::fs::read(root.join(FILE)) else {
        return false;
    };
    let stamped: Option<Vec<Seen>> = serde_json::from_slice(&stamp).ok();
    stamped.is_some() && stamped == look(root).ok()
}

/// Takes it away, before anything below is changed.
pub(crate) fn remove(root: &Path) {
    drop(std::fs::remove_file(root.join(FILE)));
}

fn look(root: &Path) -> io::Result<Vec<Seen>> {
    let mut seen = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                directories.push(path);
                continue;
            }
            // Beside the two trees lie the stamp itself and the class archives, which come and go.
            if directory == root {
                continue;
            }
            let metadata = path.symlink_metadata()?;
            seen.push(Seen {
                file: path
                    .strip_prefix(root)
                    .map_err(io::Error::other)?
                    .to_string_lossy()
                    .into_owned(),
                bytes: metadata.len(),
                changed: (metadata.mtime(), metadata.mtime_nsec()),
            });
        }
    }
    seen.sort();
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_breaks_it() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("jars");
        std::fs::create_dir(&below).unwrap();
        std::fs::write(below.join("a"), "one").unwrap();
        assert!(!holds(root.path()));
        write(root.path()).unwrap();
        assert!(holds(root.path()));
        std::fs::write(root.path().join("archive"), "comes and goes").unwrap();
        assert!(holds(root.path()));
        std::fs::write(below.join("a"), "longer").unwrap();
        assert!(!holds(root.path()));
        write(root.path()).unwrap();
        std::fs::write(below.join("b"), "").unwrap();
        assert!(!holds(root.path()));
    }
}
