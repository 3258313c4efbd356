//! One thread that spawns every child and lives as long as the process, because a child's death signal follows the
//! thread that spawned it, and a tokio worker may end at any time.

use std::io;
use std::process::{Child, Command};
use std::sync::{OnceLock, mpsc};

use nix::sys::signal::Signal;
use tokio::sync::oneshot;

use crate::deathsig;

struct Order {
    command: Command,
    death: Signal,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// Spawns `command` in a process group of its own (a Ctrl-C in the terminal reaches only us, and we stop the servers
/// in order), to be sent `death` when we die without having stopped it.
pub(crate) async fn spawn(command: Command, death: Signal) -> io::Result<Child> {
    let (answer, child) = oneshot::channel();
    let gone = || io::Error::other("the spawning thread is gone");
    spawner()?
        .send(Order {
            command,
            death,
            answer,
        })
        .map_err(|_| gone())?;
    child.await.map_err(|_| gone())?
}

fn spawner() -> io::Result<mpsc::Sender<Order>> {
    static SPAWNER: OnceLock<Result<mpsc::Sender<Order>, String>> = OnceLock::new();
    SPAWNER
        .get_or_init(|| {
            let (sender, orders) = mpsc::channel::<Order>();
            std::thread::Builder::new()
                .name("dev-servers-spawner".into())
                .spawn(move || {
                    for order in orders {
                        carry_out(order);
                    }
                })
                .map(|_| sender)
                .map_err(|e| e.to_string())
        })
        .clone()
        .map_err(io::Error::other)
}

fn carry_out(mut order: Order) {
    use std::os::unix::process::CommandExt;

    order.command.process_group(0);
    deathsig::die_with_parent(&mut order.command, order.death);
    let spawned = order.command.spawn();
    if let Err(Ok(mut unwanted)) = order.answer.send(spawned) {
        // Whoever asked was cancelled in the meantime; nobody else would ever stop this child.
        drop(unwanted.kill());
        drop(unwanted.wait());
    }
}
