//! The books on disk: one JSON file, replaced as a whole.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::SimError;
use crate::books::Books;
use crate::sim::Sim;

/// Changes within this time are written together.
const GATHER: Duration = Duration::from_millis(200);

/// The books at `path`; empty ones if there is no file.
pub(crate) async fn load(path: Option<&Path>) -> Result<Books, SimError> {
    let Some(path) = path else {
        return Ok(Books::default());
    };
    let failed = |source| SimError::Load {
        path: path.to_owned(),
        source,
    };
    match tokio::fs::read(path).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Books::default()),
        Err(error) => Err(failed(error)),
    }
}

/// Writes the books beside the file, then renames: a kill leaves the old books or the new ones.
pub(crate) async fn save(sim: &Sim) -> Result<(), SimError> {
    let Some(path) = &sim.options.state_file else {
        return Ok(());
    };
    let failed = |source| SimError::Save {
        path: path.clone(),
        source,
    };
    let bytes = {
        let mut books = sim.books();
        books.clock_ahead_ms = sim.clock.ahead_ms();
        serde_json::to_vec(&*books).map_err(|error| failed(error.into()))?
    };
    let beside = path.with_extension("tmp");
    tokio::fs::write(&beside, bytes).await.map_err(failed)?;
    tokio::fs::rename(&beside, path).await.map_err(failed)
}

/// Saves after changes until the shutdown. Losing the last moments in a crash is what a simulator may do; it
/// is said aloud when the disk refuses.
pub(crate) async fn keep_saving(sim: Arc<Sim>) {
    if sim.options.state_file.is_none() {
        return;
    }
    loop {
        tokio::select! {
            () = sim.dirty.notified() => {}
            () = sim.shutdown.cancelled() => return,
        }
        if let Err(error) = save(&sim).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the simulator's books are not saved"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = sim.shutdown.cancelled() => return,
        }
    }
}
