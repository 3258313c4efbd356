//! What the processes of the roles do, and what becomes of them.

use crate::act::{End, Role};
use crate::happens::among;
use crate::kafka::PARTITIONS;
use crate::store::Link;
use crate::system::System;
use crate::worker::Consumed;

impl System {
    pub fn leases(&mut self, role: Role, member: u8, limit: u8) -> bool {
        let (token, member, limit) = (self.uuid(), usize::from(member % 2), usize::from(limit));
        let leased = match role {
            Role::Api => 0,
            Role::Coordinator => {
                self.coordinators[member].leases(&self.database, limit.max(1), token, self.mistake)
            }
            Role::Refunds => {
                self.refunds[member].leases(&self.database, limit.max(1), token, self.mistake)
            }
        };
        leased > 0
    }

    pub fn polls(&mut self, role: Role, member: u8, nth: u8) -> bool {
        let member = usize::from(member % 2);
        let count = match role {
            Role::Api => self.paying.len(),
            Role::Coordinator => self.coordinators[member].calls.len(),
            Role::Refunds => self.refunds[member].calls.len(),
        };
        let Some(nth) = among(nth, count) else {
            return false;
        };
        match role {
            Role::Api => self.pays_on(nth),
            Role::Coordinator => self.coordinators[member].polls(nth),
            Role::Refunds => self.refunds[member].polls(nth),
        };
        if let Some(mistake) = self.mistake
            && let Some((_, answer)) = self.coordinators[member].answers.last_mut()
        {
            mistake.in_asking(answer);
        }
        true
    }

    /// Makes a turn over a link that may break. Whether the process lives on.
    fn over(&mut self, end: End, turn: impl FnOnce(&mut Self)) -> bool {
        self.database.link(match end {
            End::Well | End::DiesAfter => Link::Whole,
            End::DatabaseAway | End::DiesBefore => Link::Down,
            End::AnswerLost => Link::AnswerLost,
        });
        turn(self);
        self.database.link(Link::Whole);
        matches!(end, End::Well | End::DatabaseAway | End::AnswerLost)
    }

    pub fn brings(&mut self, role: Role, member: u8, end: End) -> bool {
        let nth = usize::from(member % 2);
        let count = match role {
            Role::Api => 0,
            Role::Coordinator => self.coordinators[nth].answers.len(),
            Role::Refunds => self.refunds[nth].answers.len(),
        };
        if count == 0 {
            return false;
        }
        let lives = self.over(end, |system| {
            // What fails is tried again.
            let _ = match role {
                Role::Api => Ok(()),
                Role::Coordinator => system.coordinators[nth].brings(&system.database),
                Role::Refunds => system.refunds[nth].brings(&system.database),
            };
        });
        if !lives {
            self.dies(role, member);
        }
        true
    }

    pub fn consumes(&mut self, role: Role, member: u8, limit: u8, end: End) -> bool {
        let (nth, limit) = (usize::from(member % 2), usize::from(limit.max(1)));
        let mut consumed = Consumed::Nothing;
        let lives = self.over(end, |system| {
            consumed = match role {
                Role::Api => Consumed::Nothing,
                Role::Coordinator => {
                    system.coordinators[nth].consume(&system.database, &system.kafka, limit)
                }
                Role::Refunds => {
                    system.refunds[nth].consume(&system.database, &system.kafka, limit)
                }
            };
        });
        if consumed == Consumed::Nothing {
            return false;
        }
        if !lives {
            self.dies(role, member);
        }
        true
    }

    pub fn rebalances(&mut self, role: Role, partition: u8, hears: bool) -> bool {
        let number = i32::from(partition) % PARTITIONS;
        let slot = usize::try_from(number).unwrap_or(0);
        let generation = self.generation + 1;
        match role {
            Role::Api => return false,
            Role::Coordinator => {
                let from = self.owners[0][slot];
                self.coordinators[from].revoked(number, hears);
                self.coordinators[1 - from].assigned(number, generation);
                self.owners[0][slot] = 1 - from;
            }
            Role::Refunds => {
                let from = self.owners[1][slot];
                self.refunds[from].revoked(number, hears);
                self.refunds[1 - from].assigned(number, generation);
                self.owners[1][slot] = 1 - from;
            }
        }
        self.generation = generation;
        true
    }

    /// A process dies and starts again; its partitions go to the other one.
    pub fn dies(&mut self, role: Role, member: u8) -> bool {
        let nth = usize::from(member % 2);
        match role {
            Role::Api => {
                self.paying.clear();
                return true;
            }
            Role::Coordinator => self.coordinators[nth].dies(),
            Role::Refunds => self.refunds[nth].dies(),
        }
        let group = usize::from(role == Role::Refunds);
        for number in 0..PARTITIONS {
            let slot = usize::try_from(number).unwrap_or(0);
            if self.owners[group][slot] != nth {
                continue;
            }
            self.generation += 1;
            self.owners[group][slot] = 1 - nth;
            match role {
                Role::Api => {}
                Role::Coordinator => {
                    self.coordinators[1 - nth].assigned(number, self.generation);
                }
                Role::Refunds => self.refunds[1 - nth].assigned(number, self.generation),
            }
        }
        true
    }
}
