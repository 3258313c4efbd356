//! Makes the data directory: initdb, and the database `boxoffice`.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::{data_dir, program};
use crate::error::{ServerError, Tried};
use crate::fetch::Fetched;
use crate::log_tail;
use crate::process::{Process, describe};
use crate::server_user::ServerUser;
use crate::state_dir::write_private;

const DEADLINE: Duration = Duration::from_secs(120);

/// Makes the data directory unless it is there, and returns the password.
pub(crate) async fn prepare(
    fetched: &Fetched,
    dir: &Path,
    user: Option<&ServerUser>,
    fsync: bool,
) -> Result<String, ServerError> {
    let (data, password) = (data_dir(dir), dir.join("password"));
    if data.exists() {
        same_version(&data, fetched)?;
        let text = std::fs::read_to_string(&password).tried("read", &password)?;
        return Ok(text.trim().to_owned());
    }
    // Renamed into place when all is done, so that a run that was killed here leaves nothing to be mistaken for it.
    let unfinished = dir.join("data.unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).tried("remove", &unfinished)?;
    }
    std::fs::create_dir(&unfinished).tried("create", &unfinished)?;
    std::fs::set_permissions(&unfinished, Permissions::from_mode(0o700))
        .tried("close", &unfinished)?;
    give(&unfinished, user)?;

    let secret = hex::encode(rand::random::<[u8; 16]>());
    write_private(&password, &format!("{secret}\n"))?;
    initdb(fetched, dir, &unfinished, user, &secret, fsync).await?;
    create_database(fetched, dir, &unfinished, user).await?;
    std::fs::rename(&unfinished, &data).tried("move into place", &unfinished)?;
    Ok(secret)
}

async fn initdb(
    fetched: &Fetched,
    dir: &Path,
    data: &Path,
    user: Option<&ServerUser>,
    secret: &str,
    fsync: bool,
) -> Result<(), ServerError> {
    // A copy that initdb's user can read; ours is for us.
    let for_initdb = dir.join("password.initdb");
    write_private(&for_initdb, secret)?;
    give(&for_initdb, user)?;
    let mut command = program(fetched, "initdb", dir, user);
    command
        .arg("-D")
        .arg(data)
        .args([
            "-U",
            "boxoffice",
            "--auth=scram-sha-256",
            "--locale=C",
            "--encoding=UTF8",
        ])
        .arg(format!("--pwfile={}", for_initdb.display()))
        .stdin(Stdio::null());
    if !fsync {
        command.arg("--no-sync");
    }
    let done = run("initdb", command, dir).await;
    drop(std::fs::remove_file(&for_initdb));
    done
}

/// There is no client here, so the single-user mode reads the statement from its standard input.
async fn create_database(
    fetched: &Fetched,
    dir: &Path,
    data: &Path,
    user: Option<&ServerUser>,
) -> Result<(), ServerError> {
    let statement = dir.join("create.sql");
    std::fs::write(&statement, "CREATE DATABASE boxoffice;\n").tried("write", &statement)?;
    let input = File::open(&statement).tried("open", &statement)?;
    let mut command = program(fetched, "postgres", dir, user);
    command
        .args(["--single", "-j", "-D"])
        .arg(data)
        .arg("template1")
        .stdin(input);
    let done = run("postgres --single", command, dir).await;
    drop(std::fs::remove_file(&statement));
    done
}

async fn run(
    server: &'static str,
    mut command: std::process::Command,
    dir: &Path,
) -> Result<(), ServerError> {
    let log = dir.join("initdb.log");
    let out = File::create(&log).tried("create", &log)?;
    let err = out.try_clone().tried("open", &log)?;
    command.stdout(out).stderr(err);
    let status = Process::run(command, DEADLINE)
        .await
        .tried("make a cluster in", dir)?;
    // The single-user mode reports a failed statement in its output only.
    let tail = log_tail::tail(&log);
    if status.success() && !tail.contains("ERROR:") {
        return Ok(());
    }
    Err(ServerError::Died {
        server,
        how: describe(status),
        tail,
    })
}

pub(super) fn give(path: &Path, user: Option<&ServerUser>) -> Result<(), ServerError> {
    match user {
        Some(user) => {
            std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid)).tried("give away", path)
        }
        None => Ok(()),
    }
}

/// PostgreSQL would refuse too, but after a start and in its log.
fn same_version(data: &Path, fetched: &Fetched) -> Result<(), ServerError> {
    let file = data.join("PG_VERSION");
    let found = std::fs::read_to_string(&file).tried("read", &file)?;
    let share = fetched.postgres.join("share");
    // The bootstrap file begins with `# PostgreSQL 18`; where it lies depends on how PostgreSQL was built.
    let head = [
        share.join("postgresql/postgres.bki"),
        share.join("postgres.bki"),
    ]
    .iter()
    .find_map(|path| std::fs::read_to_string(path).ok())
    .unwrap_or_default();
    let expected = head
        .lines()
        .next()
        .and_then(|line| line.rsplit(' ').next())
        .unwrap_or_default();
    if expected.is_empty() || expected == found.trim() {
        return Ok(());
    }
    Err(ServerError::OtherVersion {
        dir: data.to_owned(),
        found: found.trim().to_owned(),
        expected: expected.to_owned(),
    })
}
