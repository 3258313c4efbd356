//! The end of a server's log, for error messages.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const LINES: usize = 20;
const BYTES: u64 = 8 * 1024;

/// Where some logs ended before a server was started, so that an error shows nothing of an earlier run.
#[derive(Debug)]
pub(crate) struct Mark(Vec<(PathBuf, u64)>);

impl Mark {
    /// Takes the present ends.
    pub(crate) fn at_end(files: &[&Path]) -> Self {
        let end = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
        Self(
            files
                .iter()
                .map(|path| (path.to_path_buf(), end(path)))
                .collect(),
        )
    }

    /// The last lines that each file got since.
    pub(crate) fn tail(&self) -> String {
        let mut text = String::new();
        for (file, from) in &self.0 {
            let bytes = last_bytes(file, *from).unwrap_or_default();
            let all = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = all.lines().filter(|line| !line.trim().is_empty()).collect();
            for line in &lines[lines.len().saturating_sub(LINES)..] {
                text.push_str("  ");
                text.push_str(line);
                text.push('\n');
            }
        }
        if text.is_empty() {
            text.push_str("  (nothing)\n");
        }
        text
    }
}

/// The last lines of a file.
pub(crate) fn tail(file: &Path) -> String {
    Mark(vec![(file.to_owned(), 0)]).tail()
}

fn last_bytes(path: &Path, from: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    // Shorter than it was: it has been rolled over.
    let from = if from > size { 0 } else { from };
    file.seek(SeekFrom::Start(from.max(size.saturating_sub(BYTES))))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_since_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        assert_eq!(tail(&log), "  (nothing)\n");
        std::fs::write(&log, "earlier\n").unwrap();
        let mark = Mark::at_end(&[&log]);
        std::fs::write(&log, "earlier\nnow\n").unwrap();
        assert_eq!(mark.tail(), "  now\n");
        assert_eq!(tail(&log), "  earlier\n  now\n");
    }
}
