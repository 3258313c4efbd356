//! What is tried: everything that can happen, in every situation, and every errand.

use boxoffice_saga::task::{Task, TaskKey, TaskKind};
use time::OffsetDateTime;

use super::cast::{Cast, Situation};
use super::every::{ERRANDS, Happening};
use super::scene::Scene;
use super::turn::{Doing, Door, Turn};

/// Something that happens in a situation: by its place in the list, for its ids are those of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    Happens(Situation, Happening, usize),
    Errand(TaskKind),
}

impl Case {
    pub fn all() -> Vec<Self> {
        let cast = Cast::of(1_u64.try_into().expect("a show"));
        let mut all = Vec::new();
        for situation in Situation::ALL {
            for what in Happening::ALL {
                let forms = what.inputs(&cast).len();
                all.extend((0..forms).map(|form| Self::Happens(situation, *what, form)));
            }
        }
        all.extend(ERRANDS.iter().map(|kind| Self::Errand(*kind)));
        all
    }

    pub const fn situation(self) -> Situation {
        match self {
            Self::Happens(situation, ..) => situation,
            Self::Errand(_) => Situation::Held,
        }
    }

    /// Sets the scene, and gives back the turn that is to be run in it.
    pub async fn set<S: Scene>(self, scene: &S) -> Turn {
        let cast = scene.cast();
        let doing = match self {
            Self::Happens(_, what, form) => {
                let input = what.inputs(cast).swap_remove(form);
                let booking = match what {
                    Happening::Hold => cast.fresh,
                    _ => cast.booking,
                };
                Doing::Happens(booking, Box::new(input))
            }
            Self::Errand(kind) => {
                let task = TaskKey {
                    kind,
                    subject: cast.booking.uuid(),
                    generation: 1,
                };
                Doing::Errand(task, kind)
            }
        };
        let turn = Turn::of(cast, doing);
        let mut tasks = Vec::new();
        if let (Door::Lease(key), Doing::Errand(..)) = (&turn.door, &turn.doing) {
            tasks.push(Task {
                key: key.clone(),
                booking: Some(cast.booking),
                due_at: OffsetDateTime::UNIX_EPOCH,
                detail: None,
            });
        }
        scene.play(self.situation(), tasks).await;
        if let Door::Lease(task) = &turn.door {
            scene.lease(task).await;
        }
        turn
    }
}
