//! What may go wrong, each in one sentence a user can act on.

use std::io;
use std::path::{Path, PathBuf};

/// Why the servers could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// There is no `java`.
    #[error(
        "Kafka needs Java 17 or newer and there is none: install it (Debian: `apt install openjdk-17-jre-headless`, \
         macOS: `brew install openjdk@17`), or pass --kafka and --database-url to use servers that already run"
    )]
    NoJava,
    /// There is a `java`, but Kafka does not run on it.
    #[error(
        "Kafka needs Java 17 or newer, but {java} is version {version}: install a newer one (Debian: `apt install \
         openjdk-17-jre-headless`, macOS: `brew install openjdk@17`) or set JAVA_HOME, or pass --kafka and \
         --database-url to use servers that already run"
    )]
    OldJava {
        /// The `java` that was found.
        java: PathBuf,
        /// What it calls itself.
        version: String,
    },
    /// The PostgreSQL that is to be used in place of the fetched one cannot be.
    #[error(
        "BOXOFFICE_POSTGRES is {directory}, but {reason}: set it to the directory in whose `bin` PostgreSQL's server \
         programs are (Debian: /usr/lib/postgresql/18), or unset it to use the one that is fetched"
    )]
    Installed {
        /// The directory that was given.
        directory: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no `mvn`.
    #[error(
        "Kafka and PostgreSQL are fetched by Maven and there is no `mvn`: install it (Debian: `apt install maven`, \
         macOS: `brew install maven`), or pass --kafka and --database-url to use servers that already run"
    )]
    NoMaven,
    /// Maven could not resolve the artifacts.
    #[error(
        "Maven could not fetch Kafka and PostgreSQL ({how}): check the network, and the mirror or proxy in Maven's \
         settings.xml, or pass --kafka and --database-url to use servers that already run; Maven's last lines:\n{tail}"
    )]
    Download {
        /// How Maven ended.
        how: String,
        /// The last lines it wrote.
        tail: String,
    },
    /// A file is not the one that was pinned, even after it was fetched again.
    #[error(
        "{file} is not the file that artifacts.lock pins (SHA-256 expected {expected}, found {found}), also after \
         fetching it again: the mirror serves something else, or it is broken"
    )]
    WrongHash {
        /// The file's name.
        file: String,
        /// The pinned SHA-256.
        expected: String,
        /// What was found: a SHA-256, or `no file`.
        found: String,
    },
    /// Maven resolved a file that the lock does not know.
    #[error(
        "{file} was resolved by pom.xml but is not in artifacts.lock: write artifacts.lock anew"
    )]
    NotLocked {
        /// The file's name.
        file: String,
    },
    /// No PostgreSQL is built for this kind of machine.
    #[error(
        "there is no PostgreSQL build for {os} on {arch} among the Maven artifacts: pass --kafka and --database-url to \
         use servers that already run"
    )]
    Platform {
        /// The operating system.
        os: &'static str,
        /// The processor.
        arch: &'static str,
    },
    /// The PostgreSQL artifact does not hold what it should.
    #[error("the PostgreSQL artifact {file} cannot be unpacked: {reason}")]
    Unpack {
        /// The file's name.
        file: String,
        /// What was wrong.
        reason: String,
    },
    /// Neither HOME, XDG_CACHE_HOME nor BOXOFFICE_CACHE is set.
    #[error("there is no place for a cache: set BOXOFFICE_CACHE to a directory")]
    NoCache,
    /// A file could not be read or written.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Why a server could not be started, stopped or signalled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Another process of ours runs a server in this directory.
    #[error(
        "{server} in {dir} is already running, started by process {pid}: stop that one, or use another directory"
    )]
    AlreadyRunning {
        /// `Kafka` or `PostgreSQL`.
        server: &'static str,
        /// The state directory.
        dir: PathBuf,
        /// The process that holds it (`unknown` when it did not say).
        pid: String,
    },
    /// The port that was asked for belongs to another program.
    #[error(
        "{server} cannot listen on port {port}, another program does: choose another port, or stop that program"
    )]
    PortTaken {
        /// `Kafka` or `PostgreSQL`.
        server: &'static str,
        /// The port.
        port: u16,
    },
    /// No free port was found.
    #[error("no free port was found on 127.0.0.1")]
    NoPort,
    /// PostgreSQL's user may not reach a directory.
    #[error(
        "PostgreSQL refuses to run as root and so runs as user {user}, who may not enter {barrier} (needed for \
         {path}): use a directory outside it, or run as an ordinary user"
    )]
    NotReachable {
        /// Who PostgreSQL runs as.
        user: String,
        /// The directory without the permission.
        barrier: PathBuf,
        /// What lies below it.
        path: PathBuf,
    },
    /// There is no user PostgreSQL could run as.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody`"
    )]
    NoServerUser,
    /// The server ended while it was starting.
    #[error("{server} did not start ({how}); the last lines of its log:\n{tail}")]
    Died {
        /// Which program.
        server: &'static str,
        /// How it ended.
        how: String,
        /// The end of its log.
        tail: String,
    },
    /// The server did not answer in time.
    #[error("{server} did not answer within {seconds} s; the last lines of its log:\n{tail}")]
    NotReady {
        /// Which program.
        server: &'static str,
        /// How long was waited.
        seconds: u64,
        /// The end of its log.
        tail: String,
    },
    /// A data directory of a version that cannot be used.
    #[error(
        "{dir} was made by PostgreSQL {found}, this is {expected}: remove it, or use another directory"
    )]
    OtherVersion {
        /// The data directory.
        dir: PathBuf,
        /// Its major version.
        found: String,
        /// The major version of the server.
        expected: String,
    },
    /// A call that needs a running server.
    #[error("{server} is not running")]
    NotRunning {
        /// `Kafka` or `PostgreSQL`.
        server: &'static str,
    },
    /// A file could not be read or written, or a process not be started or signalled.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Turns an I/O error into one that says what was tried on which file.
pub(crate) trait Tried<T> {
    fn tried(self, what: &'static str, path: &Path) -> Result<T, ServerError>;
    fn tried_fetch(self, what: &'static str, path: &Path) -> Result<T, FetchError>;
}

impl<T, E: Into<io::Error>> Tried<T> for Result<T, E> {
    fn tried(self, what: &'static str, path: &Path) -> Result<T, ServerError> {
        self.map_err(|e| ServerError::Io {
            what,
            path: path.to_owned(),
            source: e.into(),
        })
    }

    fn tried_fetch(self, what: &'static str, path: &Path) -> Result<T, FetchError> {
        self.map_err(|e| FetchError::Io {
            what,
            path: path.to_owned(),
            source: e.into(),
        })
    }
}
