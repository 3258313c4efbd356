//! Finds a Java that Kafka runs on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::program::{find_program, said};
use crate::error::FetchError;

const OLDEST: u32 = 17;

/// The Java of JAVA_HOME, else of PATH, with its version.
pub(crate) async fn find(
    java_home: Option<&OsStr>,
    path: &OsStr,
    scratch: &Path,
) -> Result<(PathBuf, String), FetchError> {
    let java = java_home
        .and_then(|home| find_program(Path::new(home).join("bin").as_os_str(), "java"))
        .or_else(|| find_program(path, "java"))
        .ok_or(FetchError::NoJava)?;
    // macOS has a `java` that only says that there is no Java.
    let said = said(&java, "-version", scratch).await?;
    let version = version(&said).ok_or(FetchError::NoJava)?;
    if major(&version).is_some_and(|major| major >= OLDEST) {
        Ok((java, version))
    } else {
        Err(FetchError::OldJava { java, version })
    }
}

/// `17.0.15` out of `openjdk version "17.0.15" 2025-04-15`, on whichever line.
fn version(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("version \"")?;
    let (version, _) = rest.split_once('"')?;
    Some(version.to_owned())
}

/// 17 of `17.0.15` and of `17-ea`, 8 of `1.8.0_392`.
fn major(version: &str) -> Option<u32> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit());
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn fake_java(directory: &Path, says: &str) {
        let java = directory.join("java");
        std::fs::write(&java, format!("#!/bin/sh\necho '{says}' >&2\n")).unwrap();
        std::fs::set_permissions(&java, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn versions_are_read() {
        let said =
            "Picked up JAVA_TOOL_OPTIONS: -Dx\nopenjdk version \"17.0.15\" 2025-04-15\nOpenJDK";
        assert_eq!(version(said).as_deref(), Some("17.0.15"));
        assert_eq!(version("No Java runtime present"), None);
        assert_eq!(major("17.0.15"), Some(17));
        assert_eq!(major("25-ea"), Some(25));
        assert_eq!(major("1.8.0_392"), Some(8));
    }

    #[tokio::test]
    async fn no_java_and_an_old_java_are_said_clearly() {
        let dir = tempfile::tempdir().unwrap();
        let none = find(None, OsStr::new(""), dir.path()).await.unwrap_err();
        assert!(matches!(none, FetchError::NoJava));
        assert!(none.to_string().contains("openjdk-17-jre-headless"));
        assert!(none.to_string().contains("--database-url"));

        fake_java(dir.path(), "openjdk version \"11.0.2\" 2019-01-15");
        let old = find(None, dir.path().as_os_str(), dir.path())
            .await
            .unwrap_err();
        assert!(
            matches!(&old, FetchError::OldJava { version, .. } if version == "11.0.2"),
            "{old}"
        );

        fake_java(
            dir.path(),
            "The operation couldn t be completed. Unable to locate a Java Runtime.",
        );
        let stub = find(None, dir.path().as_os_str(), dir.path())
            .await
            .unwrap_err();
        assert!(matches!(stub, FetchError::NoJava));

        fake_java(dir.path(), "openjdk version \"21\" 2023-09-19");
        let (_, version) = find(None, dir.path().as_os_str(), dir.path())
            .await
            .unwrap();
        assert_eq!(version, "21");
    }
}
