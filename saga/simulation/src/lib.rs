//! The whole system in one thread, driven by one number.
//!
//! What decides is production code: turns over the store in memory, the coordinator's batches, the work on its
//! tasks, the refund worker, the life of Kafka's partitions, the relay's windows. What surrounds it is made up
//! here, with every fault that the product promises to survive: the gateway and its books, the network,
//! Kafka, the clock, processes that die or sleep between any two steps, customers, operators.
//!
//! A history is a list of [choices](act::Act). After them all faults end and time passes, and then
//! everything must be settled and agree with the gateway's books. A history that breaks a promise is
//! [reduced](shrink) to the choices that it takes, and can be replayed.

pub mod act;
mod choose;
pub mod coverage;
mod customers;
mod door;
pub mod explore;
mod gateway;
mod hall;
mod happens;
pub mod history;
mod kafka;
pub mod mistake;
mod relay;
mod settle;
pub mod shrink;
mod store;
mod system;
mod wire;
mod worker;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub use system::Setting;

/// Drives a future that never really waits: nothing in here does I/O, and nobody else holds the tables.
///
/// # Panics
/// If it does wait, which would be a mistake of the simulation.
fn now<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("something in the simulation waits"),
    }
}
