//! Many bookings at two gateways at once, each payment with a fate of its own, and the gateways away for a while
//! in the middle: everything is decided, and the books balance to the last unit.
//!
//! Some hundred bookings, so that it fits beside the others. The long one:
//!
//! ```sh
//! TWO_GATEWAYS_BOOKINGS=10000 TWO_GATEWAYS_OUTAGE_SECONDS=300 \
//!     cargo test --release -p boxoffice --test suite --locked -- --nocapture two_gateways
//! ```
//!
//! `TWO_GATEWAYS_SEED` plays the same fates again.

mod fate;
mod world;

use std::process::Child;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use boxoffice::demo::Stage;
use boxoffice_booking_api::shows::{NewShow, create_show, put_on_sale};
use boxoffice_saga::identity::ShowId;
use futures::StreamExt;
use rand::SeedableRng;
use rand::rngs::StdRng;

use self::fate::{Door, Fate};
use self::world::World;
use crate::audience::{PRICE, count};
use crate::servers;
use crate::system::{Setup, System, free_ports};

/// Of the second gateway's webhooks.
const SECRET: &str = "whsec_a_secret_of_the_second_account_0123456789";
/// Of each account's line.
const A_SECOND: usize = 20;
const BURST: usize = 10;
/// Customers at the same time.
const AT_ONCE: usize = 24;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}"))
    })
}

/// A show on sale whose holds live so long and not a moment longer.
async fn short_show(stage: &Stage, people: usize, hold: Duration) -> (ShowId, Vec<String>) {
    let starts_at = stage.now().await.expect("a clock") + time::Duration::days(7);
    let rupees = "INR".parse().expect("a currency");
    let rows = u16::try_from(people.div_ceil(20)).expect("a hall");
    let mut new = NewShow::hall("Two gateways", starts_at, rupees, rows, 20, PRICE);
    new.terms.hold_ms = i64::try_from(hold.as_millis()).expect("short");
    new.terms.grace_ms = 0;
    new.terms.extension_ms = 0;
    new.terms.extension_limit_ms = 0;
    new.terms.warning_ms = 0;
    let show = create_show(&stage.database, &new).await.expect("a show");
    put_on_sale(&stage.database, show).await.expect("on sale");
    let seats = new.seats.iter().take(people);
    (show, seats.map(|seat| seat.seat.clone()).collect())
}

/// Dies when this goes.
struct Simulator(Child);

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_two_gateways_with_every_fault_everything_is_decided_and_balances() {
    let bookings = setting("TWO_GATEWAYS_BOOKINGS", 240);
    let outage = setting("TWO_GATEWAYS_OUTAGE_SECONDS", 2);
    let seed = setting("TWO_GATEWAYS_SEED", rand::random());
    eprintln!("{bookings} bookings, seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    // Whoever does not pay keeps the seats, and the attempt, until the hold's end. Nobody takes longer for all they do.
    let hold = Duration::from_secs(60 + 2 * outage);
    let fates: Vec<Fate> = (0..bookings).map(|_| Fate::draw(&mut rng)).collect();

    let dir = servers::fresh_dir("two-gateways");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let second = free_ports()[0];
    let line = "{ calls_per_second = 20, burst = 10, open_after = 3, open_seconds = 1 }";
    let setup = Setup {
        settings: [
            ("BOXOFFICE_API__ADDRESS_PER_SECOND", "0"),
            ("BOXOFFICE_API__USER_PER_SECOND", "0"),
            ("BOXOFFICE_RECONCILIATION__ENABLED", "true"),
            ("BOXOFFICE_RECONCILIATION__INTERVAL_SECONDS", "2"),
            ("BOXOFFICE_RECONCILIATION__SETTLE_SECONDS", "2"),
            ("BOXOFFICE_RECONCILIATION__AGAIN_SECONDS", "10"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec(),
        line,
        more: format!(
            r#"
[[gateways]]
gateway = "razorpay"
account = "second"
secrets = ["{SECRET}"]
api = {{ base_url = "http://127.0.0.1:{second}/razorpay", user = "rzp_test_key", api_key = "a_secret", timeout_ms = 3000 }}
line = {line}
"#
        ),
        // Thousands of payments are too many to be written to a file at every change.
        simulator: vec![("BOXOFFICE_SIMULATOR__STATE_FILE", String::new())],
        ..Setup::default()
    };
    let system = System::start_with(&kafka.bootstrap(), &database, setup).await;
    let mut simulator = system.command(&["gateway-sim"]);
    let webhooks = format!("{}/webhooks/razorpay/second", system.target.ingress);
    for (name, value) in [
        ("LISTEN", format!("127.0.0.1:{second}")),
        ("RAZORPAY_WEBHOOK_URL", webhooks),
        ("RAZORPAY_WEBHOOK_SECRET", SECRET.to_owned()),
        ("STATE_FILE", String::new()),
        ("MAIL_LISTEN", String::new()),
    ] {
        simulator.env(format!("BOXOFFICE_SIMULATOR__{name}"), value);
    }
    let _simulator = Simulator(simulator.spawn().expect("the binary starts"));
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let world = World {
        simulators: [
            system.target.simulator.clone(),
            format!("http://127.0.0.1:{second}"),
        ],
        patience: hold + Duration::from_secs(120 + bookings / 10),
        pause: Duration::from_millis(200 + bookings / 5),
        system,
        stage: stage.clone(),
    };
    let clock = format!("{}/_sim/clock", world.simulators[1]);
    world
        .eventually("the second simulator listens", async || {
            let answer = stage.http.get(&clock).send().await;
            answer.map(|_| ()).map_err(|error| error.to_string())
        })
        .await;

    let (show, seats) = short_show(&stage, fates.len(), hold).await;
    let through = AtomicUsize::new(0);
    let everybody = futures::stream::iter(fates.iter().zip(&seats))
        .map(|(fate, seat)| async {
            world.plays(show, seat, fate).await;
            through.fetch_add(1, Ordering::SeqCst);
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>();
    let meanwhile = async {
        world
            .eventually("half of them are through", async || {
                let through = through.load(Ordering::SeqCst);
                (through * 2 >= fates.len())
                    .then_some(())
                    .ok_or(through.to_string())
            })
            .await;
        world.outage(outage).await;
    };
    tokio::join!(everybody, meanwhile);

    for (what, query) in [
        (
            "every payment is decided",
            "select concat_ws(' ', booking_id, payment_id, gateway_payment_id, standing, b.state) from payments
             join bookings b using (booking_id) where standing in ('OPEN', 'AUTHORISED', 'GIVING_UP')",
        ),
        (
            "every refund is made or with a person",
            "select concat_ws(' ', booking_id, refund_id, gateway_refund_id, standing) from refunds
             where standing in ('REQUESTED', 'UNDER_WAY', 'PENDING')",
        ),
        (
            "every captured payment of the gateways is known",
            "select concat_ws(' ', gateway_payment_id, kind, reason) from parked_records",
        ),
    ] {
        world
            .eventually(what, async || {
                world.settle_refunds().await;
                let left: Vec<String> = sqlx::query_scalar(query)
                    .fetch_all(&stage.database)
                    .await
                    .expect("a list");
                left.is_empty().then_some(()).ok_or(left.join("\n"))
            })
            .await;
    }
    world
        .eventually("both books say the same", async || {
            let output = world.system.run(&["reconcile", "--since", "12h"]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let quiet = output.status.success() && !said.contains("REPAIRED");
            quiet.then_some(()).ok_or(said)
        })
        .await;
    // Some payments have refusals left, and a few of these look like a gateway that is down.
    let said = world
        .eventually("the audit balances", async || {
            let audit = world.system.run(&["audit", "--gateway"]);
            let said = String::from_utf8_lossy(&audit.stdout).into_owned();
            let balances = audit.status.success() && said.contains("the books balance");
            balances
                .then_some(said.clone())
                .ok_or(format!("seed {seed}: {said}"))
        })
        .await;
    eprintln!("seed {seed}\n{said}");
    let confirmed = count(
        &stage,
        "select count(*) from bookings where state = 'CONFIRMED'",
    )
    .await;
    let rightly = fates.iter().filter(|fate| fate.is_a_booking()).count();
    assert_eq!(
        usize::try_from(confirmed).ok(),
        Some(rightly),
        "seed {seed}: whoever paid what it costs is confirmed, and nobody else"
    );
    for door in Door::BOTH {
        world.at_the_permitted_rate(door).await;
    }
}
