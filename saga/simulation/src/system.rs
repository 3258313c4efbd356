//! The whole system at one moment: database, Kafka, gateway, network, two processes of each role, customers.

use std::sync::Arc;

use boxoffice_consumer_turns::Consumer;
use boxoffice_consumer_turns::events::{Events, TakesOn};
use boxoffice_coordinator::batch::Webhooks;
use boxoffice_coordinator::work::CoordinatorWork;
use boxoffice_coordinator::{CONSUMER as COORDINATOR, WEBHOOKS};
use boxoffice_gateways::{GatewayClient, Gateways, SigningSecret};
use boxoffice_refunds::{CONSUMER as REFUNDS, Lane, RefundWork, RequestedRefunds};
use boxoffice_saga::event::{Event, EventBody};
use boxoffice_saga::identity::{BookingId, GatewayAccount};
use boxoffice_saga::promises::{Promise, Violation};
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::World;
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
use crate::mistake::Mistake;
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
pub(crate) type Refunds = Worker<RefundWork<Database, Lanes>, Events<Database, Taking>>;

/// Both lanes of refunds in one process.
pub(crate) struct Lanes;

impl Lane for Lanes {
    const KINDS: &'static [TaskKind] = &[TaskKind::Refund, TaskKind::MassRefund];

    fn client<'a>(
        gateways: &'a Gateways,
        account: &GatewayAccount,
    ) -> Option<&'a Arc<dyn GatewayClient>> {
        gateways.client(account)
    }
}

/// What the refund worker takes on, but for what a mistake passes over.
pub(crate) struct Taking(Option<Mistake>);

impl Taking {
    fn passes_over(&self, event: &Event) -> bool {
        self.0 == Some(Mistake::CancelledIsNotReturned)
            && matches!(event.body, EventBody::BookingCancelled { .. })
    }
}

impl TakesOn for Taking {
    const CONSUMER: Consumer = REFUNDS;
    const PASSES_BY: &'static [&'static str] = RequestedRefunds::PASSES_BY;

    fn locks(&self, event: &Event) -> Option<BookingId> {
        if self.passes_over(event) {
            return None;
        }
        RequestedRefunds.locks(event)
    }

    fn take_on(&self, event: &Event, world: &mut World) {
        if !self.passes_over(event) {
            RequestedRefunds.take_on(event, world);
        }
    }
}

/// Everything.
pub(crate) struct System {
    pub setting: Setting,
    pub mistake: Option<Mistake>,
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
    pub fn new(setting: Setting, mistake: Option<Mistake>) -> Self {
        let now = OffsetDateTime::from_unix_timestamp(hall::BEGINNING)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let database = Database::default();
        database.makes(mistake);
        hall::opens(&mut database.tables());
        let network = Network::new(now, mistake);
        let gateways = Arc::new(gateways(&network, mistake));
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
                Events::new(database.clone(), Taking(mistake)),
            )
        };
        let mut system = Self {
            setting,
            mistake,
            now,
            coordinators: [coordinator(), coordinator()],
            refunds: [refunds(), refunds()],
            relays: [Relay::default(), Relay::default()],
            database,
            kafka: Kafka::default(),
            gateway: Gateway::new(setting.lenient),
            network,
            gateways,
            outbox: Outbox::new(mistake),
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

    /// Evaluates every promise on what the books say. That nothing waits too long is promised by a system that
    /// runs, so while everybody may be asleep it is not asked for.
    pub fn check(&mut self, awake: bool) {
        if !std::mem::take(&mut self.unchecked) && !awake {
            return;
        }
        let violations = self.database.tables().books().violations();
        let due = |violation: &&Violation| awake || violation.promise != Promise::Money3;
        self.broken.extend(violations.iter().filter(due).map(told));
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
fn gateways(network: &Network, mistake: Option<Mistake>) -> Gateways {
    let door = || SealedDoor {
        mistake,
        network: network.clone(),
    };
    let secret = SigningSecret::new("the facts' own secret");
    let mut gateways = Gateways::new(Vec::new(), vec![secret]).unwrap_or_default();
    let client = Client {
        account: hall::asked(),
        network: network.clone(),
    };
    gateways.insert_without_line(hall::asked(), Box::new(door()), Some(Arc::new(client)));
    gateways.insert_without_line(hall::telling(), Box::new(door()), None);
    gateways
}
