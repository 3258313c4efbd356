//! The end of a server's log, for error messages.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

const LINES: usize = 20;
const BYTES: u64 = 8 * 1024;

/// The last lines of each file that has any.
pub(crate) fn tail(files: &[&Path]) -> String {
    let mut text = String::new();
    for file in files {
        let bytes = last_bytes(file).unwrap_or_default();
        let all = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = all.lines().filter(|l| !l.trim().is_empty()).collect();
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

fn last_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(BYTES)))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}
