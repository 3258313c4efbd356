//! `boxoffice demo`: plays the story against a running system, scene by scene, and says of each what was
//! expected and what happened.
//!
//! It is a customer: it speaks to the public doors and to the gateway simulator. What happened is read where
//! it counts: the status document, the seat map, the ledger, the gateway's own books, letters, and Kafka.

mod act;
mod customer;
mod evidence;
mod scenes;
mod stage;

use std::time::Duration;

use serde::Serialize;

use crate::terminal;

pub use act::{Act, Check, Moment};
pub use customer::{Attempt, Customer};
pub use evidence::KafkaWatch;
pub use stage::{Stage, Target, clock};

/// A scene that was played.
#[derive(Clone, Debug, Serialize)]
pub struct Played {
    /// The scene's name, stable.
    pub scene: &'static str,
    /// What it is about, one line.
    pub about: &'static str,
    /// Everything that was done and looked at, in order.
    pub moments: Vec<Moment>,
    /// What kept the scene from being played to its end, if anything did.
    pub stopped_by: Option<String>,
    /// How long it took, in milliseconds.
    pub took_ms: u128,
}

impl Played {
    /// Whether everything happened as expected.
    pub fn ok(&self) -> bool {
        let mut checks = self
            .moments
            .iter()
            .filter_map(|moment| moment.check.as_ref());
        // A scene that looked at nothing has shown nothing.
        self.stopped_by.is_none() && checks.clone().next().is_some() && checks.all(|check| check.ok)
    }
}

/// How long a scene may take. An undisturbed one takes a few seconds; one in which everything differs waits at
/// each look, and should still come to its end.
const PATIENCE: Duration = Duration::from_secs(180);

/// Plays all scenes, one after another, and tells `played` about each.
///
/// # Errors
/// When the system cannot be reached at all.
pub async fn play(target: Target, mut played: impl FnMut(&Played)) -> anyhow::Result<Vec<Played>> {
    let stage = Stage::enter(target).await?;
    let mut all = Vec::new();
    for scene in scenes::ALL {
        let mut act = Act::new(stage.clone());
        let acted = tokio::time::timeout(PATIENCE, scenes::act(scene.name, &mut act)).await;
        let stopped_by = match acted {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(format!("not over within {} s", PATIENCE.as_secs())),
        };
        if stopped_by.is_some() {
            // Perhaps in the middle of the scene that closes it, and others want their letters.
            let _ = stage.open_mail_server(true).await;
        }
        let (took_ms, moments) = act.over();
        let result = Played {
            scene: scene.name,
            about: scene.about,
            moments,
            stopped_by,
            took_ms,
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
            "{}: {verdict}, {}\n  {}\n",
            terminal::bold(self.scene),
            seconds(self.took_ms),
            self.about
        );
        for moment in &self.moments {
            let at = terminal::dim(&format!("{:>8}", seconds(moment.at_ms)));
            let what = &moment.what;
            text.push_str(&match &moment.check {
                None => format!("{at}    {what}\n"),
                Some(check) if check.ok => format!("{at}  ✓ {what}: {}\n", check.happened),
                Some(check) => format!(
                    "{at}  ✗ {what}: {}\n            expected: {}\n",
                    check.happened, check.expected
                ),
            });
        }
        if let Some(reason) = &self.stopped_by {
            text.push_str(&format!("          ✗ stopped: {reason}\n"));
        }
        text.push('\n');
        text
    }
}

/// What all of it came to, in one line.
pub fn in_one_line(played: &[Played]) -> String {
    let differ: Vec<&str> = played
        .iter()
        .filter(|played| !played.ok())
        .map(|played| played.scene)
        .collect();
    let took = seconds(played.iter().map(|played| played.took_ms).sum());
    if differ.is_empty() {
        format!("all {} scenes as expected, {took}", played.len())
    } else {
        format!(
            "{} of {} scenes DIFFER: {}; {took}",
            differ.len(),
            played.len(),
            differ.join(", ")
        )
    }
}

fn seconds(ms: u128) -> String {
    format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10)
}
