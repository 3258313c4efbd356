//! The life of a partition in our hands, without I/O: assigned, claimed, running, lost, revoked.
//!
//! Each method is something that happened, and answers with what is to be done about it. Whatever belongs
//! to an assignment that is no longer the present one is ignored, so late answers do no harm.

use std::collections::BTreeMap;

use crate::position::{Assignment, Owned, Partition};

/// What is to be done about a partition.
#[derive(Clone, Debug)]
pub enum Order {
    /// Claim it in the database: at once for `attempt` 0, else after a jittered pause that grows with it.
    Claim {
        /// For which assignment.
        assignment: Assignment,
        /// Which try, from 0.
        attempt: u32,
    },
    /// Read its row again: at once for `attempt` 0, else after a jittered pause that grows with it.
    Read {
        /// For which assignment.
        assignment: Assignment,
        /// Which try, from 0.
        attempt: u32,
    },
    /// Seek to the position, and let records flow.
    Start {
        /// For which assignment.
        assignment: Assignment,
        /// The row, as it was claimed or read.
        owned: Owned,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// A claim is under way or waits for its turn.
    Claiming { attempt: u32 },
    /// The row is being read, because it was not what we believed. `epoch` is ours.
    Reading { epoch: i64, attempt: u32 },
    /// Records flow. `owned.next_offset` is the position as it is stored.
    Running { owned: Owned },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Slot {
    assignment: Assignment,
    phase: Phase,
    /// How often in a row the position was lost without a turn in between.
    losses: u32,
}

/// All partitions that the group gave us.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ownership {
    slots: BTreeMap<Partition, Slot>,
}

impl Ownership {
    /// The group gave us the partition.
    pub fn assigned(&mut self, partition: Partition, assignment: Assignment) -> Order {
        let order = Order::Claim {
            assignment: assignment.clone(),
            attempt: 0,
        };
        self.slots.insert(
            partition,
            Slot {
                assignment,
                phase: Phase::Claiming { attempt: 0 },
                losses: 0,
            },
        );
        order
    }

    /// The group took the partition away. An older assignment's end changes nothing.
    pub fn revoked(&mut self, partition: &Partition, generation: u64) {
        if self
            .slots
            .get(partition)
            .is_some_and(|slot| slot.assignment.generation() <= generation)
        {
            self.slots.remove(partition);
        }
    }

    /// A claim ended: with the row, or without it because the database did not answer.
    pub fn claimed(
        &mut self,
        partition: &Partition,
        generation: u64,
        row: Option<Owned>,
    ) -> Option<Order> {
        let slot = self.present(partition, generation)?;
        let Phase::Claiming { attempt } = slot.phase else {
            return None;
        };
        let assignment = slot.assignment.clone();
        Some(match row {
            Some(owned) => {
                slot.phase = Phase::Running { owned };
                Order::Start { assignment, owned }
            }
            None => {
                let attempt = attempt.saturating_add(1);
                slot.phase = Phase::Claiming { attempt };
                Order::Claim {
                    assignment,
                    attempt,
                }
            }
        })
    }

    /// A turn's compare-and-set found no row for the partition: what we believe is wrong. Nothing of it may
    /// be given to a turn until a new [`Order::Start`].
    pub fn lost(&mut self, partition: &Partition, generation: u64) -> Option<Order> {
        let slot = self.present(partition, generation)?;
        let Phase::Running { owned } = slot.phase else {
            return None;
        };
        // The first time at once: most likely a commit whose answer was lost.
        let attempt = slot.losses;
        slot.losses = slot.losses.saturating_add(1);
        slot.phase = Phase::Reading {
            epoch: owned.epoch,
            attempt,
        };
        Some(Order::Read {
            assignment: slot.assignment.clone(),
            attempt,
        })
    }

    /// The row was looked at because nothing had arrived for a while; `believed` is what we held it to be when it
    /// was asked for. If it says something else, a database has failed over to a copy that was behind, or somebody
    /// has set it back: no turn may come for long that would find that out.
    pub fn looked(
        &mut self,
        partition: &Partition,
        generation: u64,
        believed: Owned,
        row: Option<Owned>,
    ) -> Option<Order> {
        let slot = self.present(partition, generation)?;
        let still = slot.phase == (Phase::Running { owned: believed });
        if !still || row == Some(believed) {
            return None;
        }
        self.lost(partition, generation)
    }

    /// The row was read (`Ok`), or the database did not answer (`Err`).
    pub fn read(
        &mut self,
        partition: &Partition,
        generation: u64,
        row: Result<Option<Owned>, ()>,
    ) -> Option<Order> {
        let slot = self.present(partition, generation)?;
        let Phase::Reading { epoch, attempt } = slot.phase else {
            return None;
        };
        let assignment = slot.assignment.clone();
        Some(match row {
            Ok(Some(owned)) if owned.epoch == epoch => {
                slot.phase = Phase::Running { owned };
                Order::Start { assignment, owned }
            }
            Ok(_) => {
                // Somebody else claimed it, and the group still says that it is ours: theirs is the past.
                let attempt = slot.losses.max(1);
                slot.phase = Phase::Claiming { attempt };
                Order::Claim {
                    assignment,
                    attempt,
                }
            }
            Err(()) => {
                let attempt = attempt.saturating_add(1);
                slot.phase = Phase::Reading { epoch, attempt };
                Order::Read {
                    assignment,
                    attempt,
                }
            }
        })
    }

    /// A turn committed: the partition stands at `to`. Returns whether it still counts.
    pub fn committed(&mut self, partition: &Partition, generation: u64, to: i64) -> bool {
        let Some(slot) = self.present(partition, generation) else {
            return false;
        };
        let Phase::Running { owned } = &mut slot.phase else {
            return false;
        };
        owned.next_offset = Some(to);
        slot.losses = 0;
        true
    }

    /// The partition's assignment and row, while records flow.
    pub fn running(&self, partition: &Partition) -> Option<(&Assignment, Owned)> {
        let slot = self
            .slots
            .get(partition)
            .filter(|slot| slot.assignment.is_present())?;
        match slot.phase {
            Phase::Running { owned } => Some((&slot.assignment, owned)),
            Phase::Claiming { .. } | Phase::Reading { .. } => None,
        }
    }

    /// All partitions whose records flow, with their positions.
    pub fn all_running(&self) -> impl Iterator<Item = (&Partition, Option<i64>)> {
        self.slots
            .iter()
            .filter_map(|(partition, slot)| match slot.phase {
                Phase::Running { owned } => Some((partition, owned.next_offset)),
                Phase::Claiming { .. } | Phase::Reading { .. } => None,
            })
    }

    fn present(&mut self, partition: &Partition, generation: u64) -> Option<&mut Slot> {
        self.slots.get_mut(partition).filter(|slot| {
            slot.assignment.generation() == generation && slot.assignment.is_present()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Owned = Owned {
        next_offset: Some(40),
        epoch: 3,
    };

    fn p() -> Partition {
        Partition::new("t", 0)
    }

    fn running(generation: u64) -> (Ownership, Assignment) {
        let mut ownership = Ownership::default();
        let assignment = Assignment::new(generation);
        assert!(matches!(
            ownership.assigned(p(), assignment.clone()),
            Order::Claim { attempt: 0, .. }
        ));
        let order = ownership.claimed(&p(), generation, Some(ROW));
        assert!(matches!(order, Some(Order::Start { owned: ROW, .. })));
        (ownership, assignment)
    }

    #[test]
    fn a_claim_that_fails_is_made_again_later_and_later() {
        let mut ownership = Ownership::default();
        ownership.assigned(p(), Assignment::new(1));
        for expected in 1..=3 {
            let order = ownership.claimed(&p(), 1, None);
            assert!(matches!(order, Some(Order::Claim { attempt, .. }) if attempt == expected));
            assert!(ownership.running(&p()).is_none());
        }
        assert!(matches!(
            ownership.claimed(&p(), 1, Some(ROW)),
            Some(Order::Start { .. })
        ));
    }

    #[test]
    fn a_claim_that_ends_after_its_assignment_starts_nothing() {
        let mut ownership = Ownership::default();
        let assignment = Assignment::new(1);
        ownership.assigned(p(), assignment.clone());
        // Kafka has revoked it, though nobody has told us yet.
        assignment.end();
        assert!(ownership.claimed(&p(), 1, Some(ROW)).is_none());
        assert!(ownership.running(&p()).is_none());
    }

    #[test]
    fn an_answer_for_an_older_assignment_is_ignored() {
        let (mut ownership, _) = running(1);
        ownership.revoked(&p(), 1);
        ownership.assigned(p(), Assignment::new(2));
        assert!(ownership.claimed(&p(), 1, Some(ROW)).is_none());
        assert!(ownership.lost(&p(), 1).is_none());
        assert!(!ownership.committed(&p(), 1, 50));
        ownership.revoked(&p(), 1);
        assert!(matches!(
            ownership.claimed(&p(), 2, Some(ROW)),
            Some(Order::Start { .. })
        ));
    }

    #[test]
    fn lost_with_our_epoch_goes_on_where_the_row_stands() {
        let (mut ownership, _) = running(1);
        assert!(matches!(
            ownership.lost(&p(), 1),
            Some(Order::Read { attempt: 0, .. })
        ));
        assert!(ownership.running(&p()).is_none());
        // Nothing can be lost twice at a time.
        assert!(ownership.lost(&p(), 1).is_none());
        let row = Owned {
            next_offset: Some(55),
            epoch: 3,
        };
        let order = ownership.read(&p(), 1, Ok(Some(row)));
        assert!(matches!(order, Some(Order::Start { owned, .. }) if owned == row));
        assert_eq!(ownership.running(&p()).map(|(_, owned)| owned), Some(row));
    }

    #[test]
    fn lost_to_another_epoch_is_claimed_anew_after_a_pause() {
        for row in [
            Some(Owned {
                next_offset: Some(55),
                epoch: 4,
            }),
            None,
        ] {
            let (mut ownership, _) = running(1);
            ownership.lost(&p(), 1);
            let order = ownership.read(&p(), 1, Ok(row));
            assert!(matches!(order, Some(Order::Claim { attempt: 1, .. })));
        }
    }

    #[test]
    fn lost_and_revoked_is_dropped() {
        let (mut ownership, assignment) = running(1);
        ownership.lost(&p(), 1);
        assignment.end();
        assert!(
            ownership
                .read(
                    &p(),
                    1,
                    Ok(Some(Owned {
                        next_offset: Some(55),
                        epoch: 4
                    }))
                )
                .is_none()
        );
        ownership.revoked(&p(), 1);
        assert_eq!(ownership.all_running().count(), 0);
    }

    #[test]
    fn losing_again_and_again_slows_down_and_a_turn_heals() {
        let (mut ownership, _) = running(1);
        for expected in 0..3 {
            let order = ownership.lost(&p(), 1);
            assert!(matches!(order, Some(Order::Read { attempt, .. }) if attempt == expected));
            ownership.read(&p(), 1, Ok(Some(ROW)));
        }
        assert!(ownership.committed(&p(), 1, 60));
        assert!(matches!(
            ownership.lost(&p(), 1),
            Some(Order::Read { attempt: 0, .. })
        ));
    }

    #[test]
    fn an_idle_owner_finds_out_that_its_row_was_set_back() {
        let (mut ownership, _) = running(1);
        assert!(ownership.looked(&p(), 1, ROW, Some(ROW)).is_none());
        // It was read before a turn moved it, and says nothing about now.
        assert!(ownership.committed(&p(), 1, 60));
        assert!(ownership.looked(&p(), 1, ROW, Some(ROW)).is_none());
        let moved = Owned {
            next_offset: Some(60),
            ..ROW
        };
        assert!(matches!(
            ownership.looked(&p(), 1, moved, Some(ROW)),
            Some(Order::Read { attempt: 0, .. })
        ));
        let order = ownership.read(&p(), 1, Ok(Some(ROW)));
        assert!(matches!(order, Some(Order::Start { owned: ROW, .. })));
    }

    #[test]
    fn a_read_without_an_answer_is_made_again_later() {
        let (mut ownership, _) = running(1);
        ownership.lost(&p(), 1);
        assert!(matches!(
            ownership.read(&p(), 1, Err(())),
            Some(Order::Read { attempt: 1, .. })
        ));
        assert!(matches!(
            ownership.read(&p(), 1, Err(())),
            Some(Order::Read { attempt: 2, .. })
        ));
    }

    #[test]
    fn a_turn_moves_the_position() {
        let (mut ownership, _) = running(1);
        assert!(ownership.committed(&p(), 1, 60));
        assert_eq!(
            ownership.all_running().collect::<Vec<_>>(),
            [(&p(), Some(60))]
        );
    }
}
