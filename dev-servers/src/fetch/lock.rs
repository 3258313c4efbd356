//! artifacts.lock: what every fetched file must be.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{FetchError, Tried};

const TEXT: &str = include_str!("../../artifacts.lock");
pub(crate) const POSTGRES_PREFIX: &str = "embedded-postgres-binaries-";

/// One pinned file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pinned {
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    pub(crate) file: String,
}

/// The pinned files for one platform: all of Kafka's, and that platform's PostgreSQL.
pub(crate) fn pinned(platform: &str) -> Vec<Pinned> {
    let postgres = format!("{POSTGRES_PREFIX}{platform}-");
    TEXT.lines()
        .filter_map(parse)
        .filter(|p| !p.file.starts_with(POSTGRES_PREFIX) || p.file.starts_with(&postgres))
        .collect()
}

fn parse(line: &str) -> Option<Pinned> {
    let mut words = line.split_whitespace();
    let (sha256, bytes, file) = (words.next()?, words.next()?, words.next()?);
    (sha256.len() == 64).then_some(())?;
    Some(Pinned {
        sha256: sha256.to_owned(),
        bytes: bytes.parse().ok()?,
        file: file.to_owned(),
    })
}

/// The version of everything pinned, for the name of the cache's directory.
pub(crate) fn version(pom: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(pom);
    hash.update(TEXT);
    hex::encode(hash.finalize())[..12].to_owned()
}

/// Checks every file in `jars`, and that nothing else is there.
pub(crate) fn check(jars: &Path, pinned: &[Pinned]) -> Result<(), FetchError> {
    for pin in pinned {
        let path = jars.join(&pin.file);
        let found = match sha256(&path) {
            Ok(found) => found,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => "no file".to_owned(),
            Err(e) => return Err(e).tried_fetch("read", &path),
        };
        if found != pin.sha256 {
            return Err(FetchError::WrongHash {
                file: pin.file.clone(),
                expected: pin.sha256.clone(),
                found,
            });
        }
    }
    for entry in std::fs::read_dir(jars).tried_fetch("read", jars)? {
        let file = entry.tried_fetch("read", jars)?.file_name();
        let file = file.to_string_lossy();
        if !pinned.iter().any(|pin| pin.file == file) {
            return Err(FetchError::NotLocked {
                file: file.into_owned(),
            });
        }
    }
    Ok(())
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_has_kafka_and_one_postgres() {
        for platform in [
            "linux-amd64",
            "linux-arm64v8",
            "darwin-amd64",
            "darwin-arm64v8",
        ] {
            let pinned = pinned(platform);
            assert_eq!(pinned.len(), 47, "{platform}");
            let postgres: Vec<_> = pinned
                .iter()
                .filter(|p| p.file.starts_with(POSTGRES_PREFIX))
                .collect();
            assert_eq!(postgres.len(), 1, "{platform}");
            assert!(pinned.iter().any(|p| p.file.starts_with("kafka_2.13-")));
        }
    }

    #[test]
    fn a_wrong_a_missing_and_a_foreign_file_are_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.jar"), "a").unwrap();
        let pin = |sha256: &str| {
            vec![Pinned {
                sha256: sha256.into(),
                bytes: 1,
                file: "a.jar".into(),
            }]
        };
        let right = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        check(dir.path(), &pin(right)).unwrap();
        let wrong = check(dir.path(), &pin(&"0".repeat(64)))
            .unwrap_err()
            .to_string();
        assert!(
            wrong.contains("a.jar") && wrong.contains(right) && wrong.contains(&"0".repeat(64)),
            "{wrong}"
        );
        assert!(
            matches!(check(dir.path(), &[]), Err(FetchError::NotLocked { file }) if file == "a.jar")
        );
        std::fs::remove_file(dir.path().join("a.jar")).unwrap();
        let missing = check(dir.path(), &pin(right)).unwrap_err().to_string();
        assert!(missing.contains("no file"), "{missing}");
    }
}
