//! Who in this process sees what turns have committed, without asking the database.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use boxoffice_saga::world::World;

type Witness = Box<dyn Fn(&World) + Send + Sync>;

/// Those who see every commit of a store.
#[derive(Clone, Default)]
pub struct Witnesses(Arc<RwLock<Vec<Witness>>>);

impl Witnesses {
    /// One more.
    pub fn add(&self, witness: impl Fn(&World) + Send + Sync + 'static) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.push(Box::new(witness));
    }

    /// A turn was committed.
    pub fn see(&self, world: &World) {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for witness in all.iter() {
            witness(world);
        }
    }
}

impl fmt::Debug for Witnesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witnesses")
    }
}
