//! Where a development system keeps its state: secrets, ports, servers, books, letters.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use boxoffice_tickets::TicketKeys;
use figment::Provider;
use figment::providers::{Format, Toml};
use figment::value::Dict;

use crate::config::{self, DEVELOPMENT_PREFIX, LogConfig};
use crate::failure::Failure;

/// The ports that a newcomer finds in the documentation: API, ingress, simulator, health, mail server.
const USUAL_PORTS: [u16; 5] = [8080, 8081, 8082, 8083, 8084];

/// A state directory.
#[derive(Debug)]
pub struct Place {
    dir: PathBuf,
    temporary: bool,
}

impl Place {
    /// Opens the state directory, making it if it is not there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(dir: &Path) -> Result<Self, Failure> {
        let place = |error: std::io::Error| {
            Failure::because(
                format!("the state directory {} cannot be used", dir.display()),
                &error,
            )
        };
        std::fs::create_dir_all(dir).map_err(place)?;
        let dir = dir.canonicalize().map_err(place)?;
        Ok(Self {
            dir,
            temporary: false,
        })
    }

    /// A fresh directory among the temporary files, removed when the place is dropped.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn temporary() -> Result<Self, Failure> {
        let name = format!(
            "boxoffice-{}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        );
        let mut place = Self::open(&std::env::temp_dir().join(name))?;
        // PostgreSQL may run as another user.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&place.dir, open)
            .map_err(|error| Failure::because("the temporary directory cannot be used", &error))?;
        place.temporary = true;
        Ok(place)
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether it goes with the system that runs in it.
    pub const fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// Where log lines go.
    pub fn log_file(&self) -> PathBuf {
        self.dir.join("boxoffice.log")
    }

    /// How log lines look: as everywhere by default.
    ///
    /// # Errors
    /// Never, unless the default file of this build is broken.
    pub fn log_settings(&self) -> Result<LogConfig, Failure> {
        Ok(config::load(&config::Layers::default(), &[])?.config.log)
    }

    /// The settings that were left in a state directory, if a system ever ran there.
    pub fn left_settings(dir: &Path) -> Option<Dict> {
        dict(&std::fs::read_to_string(dir.join("boxoffice.toml")).ok()?)
    }

    /// Leaves the settings of the running system for other commands. Only the owner may read them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn leave_settings(&self, text: &str) -> Result<(), Failure> {
        self.write("boxoffice.toml", text, 0o600)
    }

    /// Writes a file of the place.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str, mode: u32) -> Result<(), Failure> {
        let path = self.dir.join(name);
        let written = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| {
            Failure::because(format!("{} cannot be written", path.display()), &error)
        })
    }

    /// The secrets of this place: made once, then kept.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn secrets(&self) -> Result<String, Failure> {
        let path = self.dir.join("secrets.toml");
        if let Ok(mut text) = std::fs::read_to_string(&path)
            && let Some(kept) = dict(&text)
        {
            // An earlier build knew of no Razorpay.
            if !kept.contains_key("razorpay_api") {
                text.push_str(&razorpay_secrets());
                self.write("secrets.toml", &text, 0o600)?;
            }
            return Ok(text);
        }
        // What is kept beside a checkout is marked, so that it is refused anywhere else.
        let mark = if self.temporary {
            ""
        } else {
            DEVELOPMENT_PREFIX
        };
        let drawn = || format!("{mark}{}", BASE64.encode(rand::random::<[u8; 32]>()));
        let keys = TicketKeys::generate();
        let text = format!(
            "# Made by `boxoffice dev` for this directory alone; refused anywhere else.\n\
             jwt = \"{}\"\nstatus = \"{}\"\nfacts = \"{}\"\nstripe_webhook = \"{}\"\ngeneric_webhook = \"{}\"\n\
             stripe_api = \"sk_test_{}\"\nticket_key_id = \"{}\"\nticket_key = \"{}\"\n{}",
            drawn(),
            drawn(),
            drawn(),
            webhook(),
            webhook(),
            uuid::Uuid::new_v4().simple(),
            keys.id(),
            keys.seed_text(),
            razorpay_secrets(),
        );
        self.write("secrets.toml", &text, 0o600)?;
        Ok(text)
    }

    /// The ports of this place: those of the documentation if they are free and `usual` is asked for, else
    /// others, kept from then on.
    ///
    /// # Errors
    /// When no port is free, or one that was kept is somebody else's now.
    pub fn ports(&self, usual: bool) -> Result<[u16; 5], Failure> {
        let path = self.dir.join("ports");
        if let Ok(text) = std::fs::read_to_string(&path) {
            let kept: Vec<u16> = text
                .split_whitespace()
                .filter_map(|port| port.parse().ok())
                .collect();
            if let Ok(ports) = <[u16; 5]>::try_from(kept) {
                if let Some(port) = ports.iter().find(|port| !free(**port)) {
                    return Err(
                        Failure::new(format!("port {port} is taken by another process")).advise(
                            format!(
                                "stop it, or remove {} so that other ports are chosen",
                                path.display()
                            ),
                        ),
                    );
                }
                return Ok(ports);
            }
        }
        let ports = if usual && USUAL_PORTS.iter().all(|port| free(*port)) {
            USUAL_PORTS
        } else {
            others()?
        };
        let text = ports.map(|port| port.to_string()).join(" ");
        self.write("ports", &text, 0o644)?;
        Ok(ports)
    }
}

impl Drop for Place {
    #[expect(
        clippy::disallowed_methods,
        reason = "nobody tells when the last of a killed server's children is gone"
    )]
    fn drop(&mut self) {
        if !self.temporary {
            return;
        }
        // A server that was killed while it started leaves children that write for a moment more.
        for _ in 0..20 {
            if std::fs::remove_dir_all(&self.dir).is_ok() || !self.dir.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// TOML as figment's dictionary.
pub fn dict(text: &str) -> Option<Dict> {
    Toml::string(text).data().ok()?.into_values().next()
}

fn free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// Five free ports below those that outgoing connections use, so that none of them takes one meanwhile.
fn others() -> Result<[u16; 5], Failure> {
    let from = 10_000 + rand::random::<u16>() % 4_000;
    let ports: Vec<u16> = (from..15_000).filter(|port| free(*port)).take(5).collect();
    <[u16; 5]>::try_from(ports)
        .map_err(|_| Failure::new("no five free ports were found below 15000"))
}

/// A webhook's secret, as Stripe shows one.
fn webhook() -> String {
    let random = BASE64.encode(rand::random::<[u8; 24]>());
    format!("whsec_{}", random.replace(['+', '/', '='], "x"))
}

fn razorpay_secrets() -> String {
    let key = uuid::Uuid::new_v4().simple();
    format!(
        "razorpay_webhook = \"{}\"\nrazorpay_api = \"{key}\"\n",
        webhook()
    )
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_temporary_place_goes_though_something_killed_still_writes_into_it() {
        let place = Place::temporary().unwrap();
        let dir = place.dir().to_owned();
        let into = dir.clone();
        let (begun, begins) = std::sync::mpsc::channel();
        let writer = std::thread::spawn(move || {
            let end = Instant::now() + Duration::from_millis(100);
            for nth in 0.. {
                let written = std::fs::write(into.join(nth.to_string()), "");
                let _ = begun.send(());
                if written.is_err() || Instant::now() > end {
                    break;
                }
            }
        });
        begins.iter().take(100).for_each(drop);
        drop(place);
        assert!(!dir.exists());
        writer.join().unwrap();
    }
}
