//! Fetching: a broken cache, a broken download, nothing to fetch with.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows test functions, not the functions that tests share"
)]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use boxoffice_dev_servers::{FetchError, Progress, Silent, Source, fetch};

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Progress for Lines {
    fn line(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
    fn bytes(&self, _done: u64, _total: u64) {}
}

/// A cache with the same files under hard links, so that it costs nothing.
fn linked_cache(to: &Path) -> Source {
    let here = Source::from_environment().unwrap();
    let copy = Source {
        cache: to.to_owned(),
        class_archive: false,
        ..here.clone()
    };
    link_tree(&here.directory().unwrap(), &copy.directory().unwrap());
    copy
}

fn link_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, to) = (
            entry.as_ref().unwrap(),
            to.join(entry.as_ref().unwrap().file_name()),
        );
        if entry.file_type().unwrap().is_dir() {
            link_tree(&entry.path(), &to);
        } else if entry.file_type().unwrap().is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path()).unwrap(), to).unwrap();
        } else if std::fs::hard_link(entry.path(), &to).is_err() {
            std::fs::copy(entry.path(), &to).unwrap();
        }
    }
}

fn a_jar(source: &Source) -> PathBuf {
    let jars = source.directory().unwrap().join("kafka");
    let first = std::fs::read_dir(jars).unwrap().next();
    first.unwrap().unwrap().path()
}

#[tokio::test]
async fn a_broken_cache_is_fetched_again_by_one_of_two_at_once() {
    fetch(&Silent).await.unwrap();
    // Beside the real cache, so that hard links are possible.
    let beside = Source::from_environment().unwrap().cache;
    let dir = tempfile::Builder::new()
        .prefix("test-")
        .tempdir_in(beside)
        .unwrap();
    let source = linked_cache(dir.path());
    let jar = a_jar(&source);
    let size = jar.metadata().unwrap().len();
    // Not written in place: the other link must keep its content.
    std::fs::remove_file(&jar).unwrap();
    std::fs::write(&jar, vec![0; usize::try_from(size).unwrap()]).unwrap();

    let lines = Lines::default();
    let (one, two) = tokio::join!(source.fetch(&lines), source.fetch(&lines));
    assert_eq!(one.unwrap().kafka_lib, two.unwrap().kafka_lib);
    assert!(std::fs::read(&jar).unwrap().iter().any(|byte| *byte != 0));
    let lines = lines.0.into_inner().unwrap().join("\n");
    assert_eq!(lines.matches("fetched again").count(), 1, "{lines}");
    assert!(lines.contains("Waiting for another"), "{lines}");

    // From now on it is just there: no Maven, no work.
    let java_only = Source {
        path: path_with_java_only(dir.path()),
        ..source
    };
    let quiet = Lines::default();
    let since = Instant::now();
    java_only.fetch(&quiet).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(5));
    assert!(quiet.0.into_inner().unwrap().is_empty());
}

/// A PATH on which there is the present `java` and nothing else.
fn path_with_java_only(dir: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap();
    let java = std::env::split_paths(&path)
        .map(|dir| dir.join("java"))
        .find(|java| java.exists());
    let bin = dir.join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(java.unwrap(), bin.join("java")).unwrap();
    bin.into_os_string()
}

#[tokio::test]
async fn without_java_or_maven_or_network_one_sentence_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = Source {
        cache: dir.path().join("cache"),
        path: "".into(),
        java_home: None,
        postgres: None,
        class_archive: false,
    };
    let error = source.fetch(&Silent).await.unwrap_err();
    assert!(matches!(error, FetchError::NoJava), "{error}");

    source.path = path_with_java_only(dir.path());
    let error = source.fetch(&Silent).await.unwrap_err();
    assert!(matches!(error, FetchError::NoMaven), "{error}");
    assert!(error.to_string().contains("apt install maven"));

    let mvn = Path::new(&source.path).join("mvn");
    std::fs::write(&mvn, "#!/bin/sh\necho no route to the mirror\nexit 1\n").unwrap();
    std::fs::set_permissions(&mvn, Permissions::from_mode(0o755)).unwrap();
    let error = source.fetch(&Silent).await.unwrap_err();
    assert!(matches!(error, FetchError::Download { .. }), "{error}");
    assert!(
        error.to_string().contains("no route to the mirror"),
        "{error}"
    );
    // Nothing half-made stays behind.
    let left: Vec<_> = std::fs::read_dir(&source.cache)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["lock"]);
}

/// A `mvn` that serves out of `cache`, with one broken jar unless it is told to use an empty repository (`cured`).
fn fake_maven(bin: &Path, cache: &Path, cured: bool) {
    let jars = cache.display();
    let breaks = if cured {
        r#"case "$*" in *-Dmaven.repo.local=*) ;; *) : > "$out/$broken" ;; esac"#
    } else {
        r#": > "$out/$broken""#
    };
    let script = format!(
        r#"#!/bin/sh
PATH=/usr/bin:/bin
for word; do case "$word" in -DoutputDirectory=*) out="${{word#*=}}" ;; esac; done
mkdir -p "$out" && cp {jars}/kafka/*.jar {jars}/postgres-jar/*.jar "$out" || exit 1
broken=$(ls "$out" | head -n 1)
{breaks}
"#
    );
    let mvn = bin.join("mvn");
    std::fs::write(&mvn, script).unwrap();
    std::fs::set_permissions(&mvn, Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_broken_download_is_tried_once_more_and_then_named() {
    fetch(&Silent).await.unwrap();
    let good = Source::from_environment().unwrap().directory().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let source = Source {
        cache: dir.path().join("cache"),
        path: path_with_java_only(dir.path()),
        java_home: None,
        postgres: None,
        class_archive: false,
    };
    fake_maven(&dir.path().join("bin"), &good, false);
    let error = source.fetch(&Silent).await.unwrap_err();
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert!(
        matches!(&error, FetchError::WrongHash { found, .. } if found == of_nothing),
        "{error}"
    );
    assert!(error.to_string().contains(".jar"), "{error}");

    fake_maven(&dir.path().join("bin"), &good, true);
    let lines = Lines::default();
    let fetched = source.fetch(&lines).await.unwrap();
    assert!(fetched.postgres.join("bin/postgres").exists());
    assert!(
        lines
            .0
            .into_inner()
            .unwrap()
            .iter()
            .any(|line| line.contains("once more"))
    );
}

#[tokio::test]
async fn an_installed_postgresql_goes_before_the_fetched_one_if_it_is_new_enough() {
    let fetched = fetch(&Silent).await.unwrap().postgres;
    let dir = tempfile::tempdir().unwrap();
    let with = |directory: &Path| Source {
        postgres: Some(directory.to_owned()),
        ..Source::from_environment().unwrap()
    };
    let linked = dir.path().join("linked");
    std::os::unix::fs::symlink(&fetched, &linked).unwrap();
    let installed = with(&linked).fetch(&Silent).await.unwrap();
    assert_eq!(installed.postgres, linked);

    let bin = dir.path().join("old/bin");
    std::fs::create_dir_all(&bin).unwrap();
    let old = with(&dir.path().join("old"));
    let missing = old.fetch(&Silent).await.unwrap_err().to_string();
    assert!(missing.contains("old/bin/initdb"), "{missing}");
    for name in ["initdb", "postgres"] {
        let program = bin.join(name);
        std::fs::write(&program, "#!/bin/sh\necho 'postgres (PostgreSQL) 16.4'\n").unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    }
    let error = old.fetch(&Silent).await.unwrap_err();
    assert!(matches!(error, FetchError::Installed { .. }), "{error}");
    assert!(error.to_string().contains("16.4"), "{error}");
}

#[test]
fn a_fetch_can_be_spawned() {
    fn sendable<T: Send>(_: T) {}
    sendable(fetch(&Silent));
}
