//! Reduces a history that breaks a promise to the choices that it takes.

use crate::history::{self, History};

/// Leaves out whatever can be left out while the same promise is still broken: halves first, then smaller and
/// smaller parts, then single choices.
pub fn shrink(history: &History) -> History {
    let Some(promise) = broken(history) else {
        return history.clone();
    };
    let mut kept = history.clone();
    let mut part = kept.acts.len().div_ceil(2);
    while part > 0 {
        let mut start = 0;
        let mut progress = false;
        while start < kept.acts.len() {
            let mut without = kept.clone();
            let end = (start + part).min(without.acts.len());
            without.acts.drain(start..end);
            if broken(&without).as_ref() == Some(&promise) {
                kept = without;
                progress = true;
            } else {
                start += part;
            }
        }
        if part > 1 {
            part = part.div_ceil(2);
        } else if !progress {
            part = 0;
        }
    }
    kept
}

/// The name of the first promise that it breaks.
fn broken(history: &History) -> Option<String> {
    let ended = history::again(history);
    let first = ended.broken.into_iter().next()?;
    Some(first.split(':').next().unwrap_or_default().to_owned())
}
