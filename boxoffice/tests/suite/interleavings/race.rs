//! One race: both turns, statement by statement, in the order that is asked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::acts::Act;
use super::gate::Stand;
use super::orders::{Each, Orders, Side, Touches};
use super::ring::{Ring, Scene};

/// How long a busy machine is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tables to which turns only append, without a unique key on which one could wait for the other, and which turns
/// never read: an insert there meets nothing. What is in them is looked at after each race all the same.
const APPENDED: [&str; 5] = ["journal", "ledger", "outbox", "operator_acts", "deliveries"];

/// What came of a race.
#[derive(Debug, Default)]
pub struct Raced {
    /// What each turn answered.
    pub answers: Each<String>,
    /// The statements, in their order.
    pub statements: Vec<(Side, Arc<str>)>,
    /// How many of them had to wait for a lock of the other turn.
    pub waited: usize,
    /// Both waited for each other.
    pub deadlock: bool,
    /// SQLSTATEs of the errors that the database told.
    pub errors: Vec<String>,
}

impl Raced {
    /// The statements, one a line.
    pub fn in_words(&self) -> String {
        let line = |(side, statement): &(Side, Arc<str>)| {
            let words: Vec<&str> = statement.split_whitespace().take(14).collect();
            format!("{side:?}: {}\n", words.join(" "))
        };
        self.statements.iter().map(line).collect()
    }
}

/// Where a turn has come to a halt.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Halt {
    /// This statement waits to be let through.
    At(Arc<str>),
    /// For a lock that the other holds.
    Locked,
    Ended,
}

struct Runner {
    side: Side,
    task: JoinHandle<String>,
    ended: watch::Receiver<bool>,
    stand: watch::Receiver<Stand>,
    halt: Halt,
    /// What its transaction has touched so far.
    touched: Touches,
}

/// Lets `left` and `right` race in `scene`.
pub async fn race(ring: &Ring, scene: &Scene, acts: &Each<Act>, orders: &mut Orders) -> Raced {
    let mut runners = Each {
        left: Runner::ready(ring, scene, acts.left, Side::Left).await,
        right: Runner::ready(ring, scene, acts.right, Side::Right).await,
    };
    let mut raced = Raced::default();
    for side in Side::BOTH {
        runners.of_mut(side).settle(ring).await;
    }
    loop {
        let next = Each {
            left: runners.left.next(&ring.tables),
            right: runners.right.next(&ring.tables),
        };
        if next == Each::default() {
            if runners.left.halt == Halt::Ended && runners.right.halt == Halt::Ended {
                break;
            }
            // PostgreSQL ends it after its deadlock_timeout.
            raced.deadlock = true;
            for side in Side::BOTH {
                runners.of_mut(side).settle_unless_locked(ring).await;
            }
            continue;
        }
        let side = orders.choose(next);
        let runner = runners.of_mut(side);
        if let Some(statement) = runner.step(ring).await {
            raced.statements.push((side, statement));
        }
        raced.waited += usize::from(runner.halt == Halt::Locked);
        runners
            .of_mut(side.other())
            .settle_unless_locked(ring)
            .await;
    }
    for side in Side::BOTH {
        let answer = (&mut runners.of_mut(side).task).await;
        *raced.answers.of_mut(side) = answer.expect("no panic");
        raced.errors.extend(ring.gates.of(side).errors());
    }
    raced
}

/// Where a turn's session is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Before or after which of its statements, from 0.
    pub at: usize,
    /// After: it is done, and the answer lost.
    pub done: bool,
}

/// Lets a turn go alone, perhaps with a cut. What it answered, and how many statements it had.
pub async fn alone(ring: &Ring, scene: &Scene, act: Act, cut: Option<Cut>) -> (String, usize) {
    let mut runner = Runner::ready(ring, scene, act, Side::Left).await;
    runner.settle(ring).await;
    let mut statements = 0;
    while let Halt::At(_) = runner.halt {
        match cut {
            Some(cut) if cut.at == statements => {
                ring.gates.left.cut(cut.done);
                runner.settle(ring).await;
            }
            _ => drop(runner.step(ring).await),
        }
        statements += 1;
    }
    let answer = runner.task.await.expect("no panic");
    ring.gates.left.errors();
    (answer, statements)
}

impl Runner {
    async fn ready(ring: &Ring, scene: &Scene, act: Act, side: Side) -> Self {
        // Time-outs are not what is looked at here, and a busy machine could run into them.
        let patient = "select set_config(name, '0', false) from unnest(array['lock_timeout',
                       'idle_in_transaction_session_timeout', 'transaction_timeout']) as name";
        sqlx::query(patient)
            .execute(ring.stores.of(side).pool())
            .await
            .expect("settings");
        let turn = act.ready(ring, scene, side).await;
        let (end, ended) = watch::channel(false);
        let task = tokio::spawn(async move {
            let answer = turn.await;
            end.send_replace(true);
            answer
        });
        Self {
            side,
            task,
            ended,
            stand: ring.gates.of(side).stand(),
            halt: Halt::Ended,
            touched: Touches::default(),
        }
    }

    /// What its next statement touches, if it can go on.
    fn next(&self, tables: &[String]) -> Option<Touches> {
        let Halt::At(statement) = &self.halt else {
            return None;
        };
        Some(if ends(statement) {
            // The other sees from here on what was written, and may lock what was locked.
            let mut touched = self.touched.clone();
            touched.reads.clear();
            touched
        } else {
            touches(statement, tables)
        })
    }

    /// Lets its next statement through, and waits until it comes to a halt again.
    async fn step(&mut self, ring: &Ring) -> Option<Arc<str>> {
        let Halt::At(statement) = self.halt.clone() else {
            return None;
        };
        if ends(&statement) {
            self.touched = Touches::default();
        } else {
            let now = touches(&statement, &ring.tables);
            self.touched.reads.extend(now.reads);
            self.touched.writes.extend(now.writes);
        }
        ring.gates.of(self.side).pass();
        self.settle(ring).await;
        Some(statement)
    }

    /// Looks again at a turn that waited for a lock. While nobody else is under way it cannot have got it.
    async fn settle_unless_locked(&mut self, ring: &Ring) {
        if self.halt == Halt::Locked && !locked(ring, self.side).await {
            self.settle(ring).await;
        }
    }

    async fn settle(&mut self, ring: &Ring) {
        let until = Instant::now() + PATIENCE;
        loop {
            let stand = self.stand.borrow_and_update().clone();
            let ended = *self.ended.borrow_and_update();
            match stand {
                Stand::Waits(statement) => {
                    self.halt = Halt::At(statement);
                    return;
                }
                Stand::Outside if ended || self.task.is_finished() => {
                    self.halt = Halt::Ended;
                    return;
                }
                Stand::Outside | Stand::Between | Stand::Under => {}
            }
            let quiet = tokio::select! {
                moved = self.stand.changed() => moved.is_err(),
                moved = self.ended.changed(), if !ended => moved.is_err(),
                () = tokio::time::sleep(Duration::from_millis(1)) => true,
            };
            if quiet && stand == Stand::Under && locked(ring, self.side).await {
                self.halt = Halt::Locked;
                return;
            }
            assert!(
                Instant::now() < until,
                "{:?} does not go on: {stand:?}",
                self.side
            );
        }
    }
}

/// Whether the turn waits for a lock of the other one.
async fn locked(ring: &Ring, side: Side) -> bool {
    let (own, other) = (ring.gates.of(side).pid(), ring.gates.of(side.other()).pid());
    sqlx::query_scalar("select $2 = any(pg_blocking_pids($1))")
        .bind(own)
        .bind(other)
        .fetch_one(ring.store.pool())
        .await
        .expect("who waits for whom")
}

fn ends(statement: &str) -> bool {
    statement == "COMMIT" || statement == "ROLLBACK"
}

/// The tables whose names stand in a statement: perhaps too many, never too few, for no statement of a turn calls
/// a function or goes through a view.
fn touches(statement: &str, tables: &[String]) -> Touches {
    let words = || statement.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let changes = words().any(|word| matches!(word, "insert" | "update" | "delete"));
    let named = tables
        .iter()
        .filter(|table| !APPENDED.contains(&table.as_str()) && words().any(|word| word == *table))
        .cloned()
        .collect();
    if changes {
        Touches {
            writes: named,
            ..Touches::default()
        }
    } else {
        Touches {
            reads: named,
            ..Touches::default()
        }
    }
}
