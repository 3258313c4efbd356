//! `boxoffice demo`: plays the story against a running system, scene by scene, and says of each what was
//! expected and what happened.
//!
//! It is a customer: it speaks to the public doors and to the gateway simulator. What happened is read where
//! it counts: the status document, the ledger, the gateway's own books, and the events on Kafka.

mod customer;
mod evidence;
mod scenes;
mod stage;

use std::time::{Duration, Instant};

use serde::Serialize;

pub use customer::{Attempt, Customer};
pub use evidence::EventWatch;
pub use stage::{Stage, Target};

/// One thing that was expected, and what happened.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// What was expected.
    pub expected: String,
    /// What happened.
    pub happened: String,
    /// Whether the two are the same.
    pub ok: bool,
}

/// A scene that was played.
#[derive(Clone, Debug, Serialize)]
pub struct Played {
    /// The scene's name, stable.
    pub scene: &'static str,
    /// What it is about, one line.
    pub about: &'static str,
    /// Everything that was looked at.
    pub checks: Vec<Check>,
    /// What kept the scene from being played to its end, if anything did.
    pub stopped_by: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u128,
}

impl Played {
    /// Whether everything happened as expected.
    pub fn ok(&self) -> bool {
        self.stopped_by.is_none()
            && !self.checks.is_empty()
            && self.checks.iter().all(|check| check.ok)
    }
}

/// How long a scene may take. They wait for events, so an undisturbed one takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays all scenes, one after another, and tells `played` about each.
///
/// # Errors
/// When the system cannot be reached at all.
pub async fn play(target: Target, mut played: impl FnMut(&Played)) -> anyhow::Result<Vec<Played>> {
    let stage = Stage::enter(target).await?;
    let mut all = Vec::new();
    for scene in scenes::ALL {
        let started = Instant::now();
        let mut checks = Vec::new();
        let acted =
            tokio::time::timeout(PATIENCE, scenes::act(scene.name, &stage, &mut checks)).await;
        let stopped_by = match acted {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(format!("not over within {} s", PATIENCE.as_secs())),
        };
        let result = Played {
            scene: scene.name,
            about: scene.about,
            checks,
            stopped_by,
            took_ms: started.elapsed().as_millis(),
        };
        played(&result);
        all.push(result);
    }
    Ok(all)
}

impl Played {
    /// For a person at a terminal.
    pub fn in_words(&self) -> String {
        let verdict = if self.ok() { "as expected" } else { "DIFFERS" };
        let mut text = format!(
            "{} ({} ms): {verdict}\n  {}\n",
            self.scene, self.took_ms, self.about
        );
        for check in &self.checks {
            text.push_str(&if check.ok {
                format!("    {}: {}\n", check.what, check.happened)
            } else {
                format!(
                    "  ! {}: expected {}, happened {}\n",
                    check.what, check.expected, check.happened
                )
            });
        }
        if let Some(reason) = &self.stopped_by {
            text.push_str(&format!("  ! stopped: {reason}\n"));
        }
        text
    }
}
