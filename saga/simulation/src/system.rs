//! The whole system at one moment: database, Kafka, gateway, network, two processes of each role, customers.

use std::sync::Arc;

use boxoffice_consumer_turns::events::Events;
use boxoffice_coordinator::batch::Webhooks;
use boxoffice_coordinator::work::CoordinatorWork;
use boxoffice_coordinator::{CONSUMER as COORDINATOR, WEBHOOKS};
use boxoffice_gateways::{Gateways, SigningSecret};
use boxoffice_refunds::{CONSUMER as REFUNDS, RefundWork, RequestedRefunds};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::promises::Violation;
use boxoffice_turn::outgoing::BOOKING_EVENTS;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::act::{Fault, Faults};
use crate::coverage::Coverage;
use crate::customers::Paying;
use crate::door::SealedDoor;
use crate::gateway::Gateway;
use crate::hall;
use crate::kafka::{Kafka, PARTITIONS};
use crate::relay::{Outbox, Relay};
use crate::store::Database;
use crate::wire::{Client, Network};
use crate::worker::Worker;

/// What holds for a whole history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Setting {
    /// The gateway lets more be returned than was captured.
    pub lenient: bool,
    /// How far the gateway's clock is ahead of ours, in seconds.
    pub ahead_s: i32,
    /// What is kept when a customer cancels, in hundredths of a percent.
    pub fee_bp: u16,
}

pub(crate) type Coordinator = Worker<CoordinatorWork<Database>, Webhooks<Database>>;
pub(crate) type Refunds = Worker<RefundWork<Database>, Events<Database, RequestedRefunds>>;

/// Everything.
pub(crate) struct System {
    pub setting: Setting,
    pub now: OffsetDateTime,
    pub database: Database,
    pub kafka: Kafka,
    pub gateway: Gateway,
    pub network: Network,
    pub gateways: Arc<Gateways>,
    pub outbox: Outbox,
    pub coordinators: [Coordinator; 2],
    pub refunds: [Refunds; 2],
    pub relays: [Relay; 2],
    pub paying: Vec<Paying>,
    /// Who owns the partitions of each group: coordinator, refunds.
    pub owners: [[usize; PARTITIONS as usize]; 2],
    pub generation: u64,
    /// Counts everything that needs a number of its own.
    pub drawn: u64,
    /// Bookings in the order in which they were made.
    pub bookings: Vec<BookingId>,
    /// Faults that have happened so far.
    pub happened: Faults,
    pub coverage: Coverage,
    /// The first broken promise.
    pub broken: Vec<String>,
    /// Whether anything was committed since the promises were checked.
    pub unchecked: bool,
}

impl System {
    pub fn new(setting: Setting) -> Self {
        let now = OffsetDateTime::from_unix_timestamp(hall::BEGINNING)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let database = Database::default();
        hall::opens(&mut database.tables());
        let network = Network::new(now);
        let gateways = Arc::new(gateways(&network));
        let coordinator = || {
            Worker::new(
                COORDINATOR.name,
                WEBHOOKS,
                CoordinatorWork::new(database.clone(), Arc::clone(&gateways)),
                Webhooks::new(database.clone(), Arc::clone(&gateways)),
            )
        };
        let refunds = || {
            Worker::new(
                REFUNDS.name,
                BOOKING_EVENTS,
                RefundWork::new(database.clone(), Arc::clone(&gateways)),
                Events::new(database.clone(), RequestedRefunds),
            )
        };
        let mut system = Self {
            setting,
            now,
            coordinators: [coordinator(), coordinator()],
            refunds: [refunds(), refunds()],
            relays: [Relay::default(), Relay::default()],
            database,
            kafka: Kafka::default(),
            gateway: Gateway::new(setting.lenient),
            network,
            gateways,
            outbox: Outbox::new(),
            paying: Vec::new(),
            owners: [[0, 1]; 2],
            generation: 0,
            drawn: 0,
            bookings: Vec::new(),
            happened: Faults::NONE,
            coverage: Coverage::default(),
            broken: Vec::new(),
            unchecked: false,
        };
        for number in 0..PARTITIONS {
            let member = usize::from(number % 2 == 1);
            system.generation += 1;
            system.coordinators[member].assigned(number, system.generation);
            system.refunds[member].assigned(number, system.generation);
        }
        system
    }

    /// A number that nothing else has.
    pub fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    /// An id that nothing else has.
    pub fn uuid(&mut self) -> Uuid {
        let drawn = self.draw();
        // Spread over the bits, as real ones are.
        let high = drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Uuid::from_u64_pair(high, drawn)
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.database.tables().now = Some(self.now);
        self.network.wire().time_passes(self.now);
    }

    /// After anything that may have committed: what went out is in the outbox, and the promises hold.
    pub fn after(&mut self) {
        let mut tables = self.database.tables();
        let out = std::mem::take(&mut tables.outbox);
        drop(tables);
        let decided = self.database.decided();
        self.unchecked |= !decided.is_empty() || !out.is_empty();
        if !out.is_empty() {
            self.outbox.committed(out);
        }
        for one in decided {
            self.coverage.note(one, self.happened);
        }
    }

    /// Evaluates every promise on what the books say.
    pub fn check(&mut self) {
        if !std::mem::take(&mut self.unchecked) {
            return;
        }
        let violations = self.database.tables().books().violations();
        self.broken.extend(violations.iter().map(told));
        self.broken.extend(self.gateway.refunded_twice());
    }

    /// A fault has happened.
    pub fn happened(&mut self, fault: Option<Fault>) {
        if let Some(fault) = fault {
            self.happened.add(fault);
        }
    }
}

fn told(violation: &Violation) -> String {
    format!("{}: {}", violation.promise, violation.what)
}

/// One gateway with an API, and one that only tells.
fn gateways(network: &Network) -> Gateways {
    let secret = SigningSecret::new("the facts' own secret");
    let mut gateways = Gateways::new(Vec::new(), vec![secret]).unwrap_or_default();
    let client = Client {
        account: hall::asked(),
        network: network.clone(),
    };
    gateways.insert(hall::asked(), Box::new(SealedDoor), Some(Arc::new(client)));
    gateways.insert(hall::telling(), Box::new(SealedDoor), None);
    gateways
}
