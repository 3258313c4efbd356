//! Where two turns meet: a database of their own, each with its session behind a gate, and fresh shows.

use std::sync::Arc;

use axum::Router;
use boxoffice_booking_api::shows::{NewShow, create_show, put_on_sale};
use boxoffice_booking_api::{
    Api, AuthOptions, Options, Parts, Rate, TokenVerifier, TrustedProxies, router,
};
use boxoffice_coordinator::{CONSUMER, WEBHOOKS};
use boxoffice_failpoints::Role;
use boxoffice_gateways::{Gateways, SigningSecret};
use boxoffice_saga::booking::{Contact, Terms};
use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, ShowId, UserId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::money::{Currency, Money};
use boxoffice_saga::payment::CaptureMode;
use boxoffice_saga::seat::SeatKey;
use boxoffice_saga::world::World;
use boxoffice_stream::Record;
use boxoffice_tickets::{StatusTokens, TicketKeys};
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Claimed, Held, Plan, Wanted, run};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::sync::Notify;
use uuid::Uuid;

use super::gate::Gate;
use super::orders::Each;
use crate::servers;

pub const JWT_SECRET: &str = "a-secret-for-races-only-0123456789abcdef";
/// What a seat costs.
const PRICE: i64 = 1_000;

/// How Ann's booking of the seats stands when the race begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Held, and its time is not over.
    InTime,
    /// Held beyond its time, with an attempt to pay: anybody may take its seats, and the money may come.
    Late,
    /// Given up with an attempt to pay open: all seats are free, and the money may come all the same.
    Released,
    /// Paid.
    Paid,
}

impl Standing {
    pub const ALL: [Self; 4] = [Self::InTime, Self::Late, Self::Released, Self::Paid];
}

/// A show with a race ahead of it.
#[derive(Clone, Debug)]
pub struct Scene {
    pub show: ShowId,
    /// Ann's booking.
    pub booking: BookingId,
    /// The webhook that tells of her money, as it stands in Kafka.
    pub money: Record,
    /// Under which the coordinator owns the show's partition, which is the show's alone.
    pub epoch: i64,
}

/// The place.
pub struct Ring {
    /// A store without a gate.
    pub store: PgStore,
    pub gates: Each<Gate>,
    pub stores: Each<PgStore>,
    pub apis: Each<Router>,
    pub gateways: Arc<Gateways>,
    /// The names of all tables.
    pub tables: Vec<String>,
}

impl Ring {
    pub async fn new() -> Self {
        let url = servers::shared().database().await;
        let options: PgConnectOptions = url.parse().expect("a database URL");
        let options = options.ssl_mode(PgSslMode::Disable);
        let server = (options.get_host().to_owned(), options.get_port());
        let store = PgStore::new(options.clone(), 4, Arc::new(Notify::new()));
        let tables = sqlx::query_scalar(
            "select relname::text from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace
             and not relispartition",
        );
        let tables = tables.fetch_all(store.pool()).await.expect("the tables");
        let gates = Each {
            left: Gate::before(server.clone()).await,
            right: Gate::before(server).await,
        };
        let behind = |gate: &Gate| {
            let options = options.clone().host("127.0.0.1").port(gate.port());
            PgStore::new(options, 1, Arc::new(Notify::new()))
        };
        let stores = Each {
            left: behind(&gates.left),
            right: behind(&gates.right),
        };
        let secret = SigningSecret::new("facts of races");
        let gateways = Arc::new(Gateways::new(Vec::new(), vec![secret]).expect("gateways"));
        let apis = Each {
            left: api(&stores.left, &gateways),
            right: api(&stores.right, &gateways),
        };
        Self {
            store,
            gates,
            stores,
            apis,
            gateways,
            tables,
        }
    }

    /// A fresh show with four seats, and Ann's booking of two of them.
    pub async fn scene(&self, standing: Standing) -> Scene {
        let db = self.store.pool();
        // What earlier scenes left to do is of no interest, and must not be leased in the place of this one's.
        sqlx::query("delete from tasks")
            .execute(db)
            .await
            .expect("no tasks");
        let starts_at = time::macros::datetime!(2099-05-01 20:00 UTC);
        let show = NewShow::hall("A race", starts_at, inr(), 1, 4, PRICE);
        let show = create_show(db, &show).await.expect("a show");
        put_on_sale(db, show).await.expect("on sale");
        let booking = BookingId::pack(show.number(), show, rand::random());
        let payment = PaymentId::from(Uuid::from_u128(u128::from(show.number())));
        let in_time = Terms::usual(inr());
        let terms = match standing {
            Standing::InTime | Standing::Released | Standing::Paid => in_time,
            Standing::Late => Terms {
                hold_ms: 1,
                grace_ms: 0,
                extension_ms: 0,
                extension_limit_ms: 0,
                warning_ms: 0,
                ..in_time
            },
        };
        let mut inputs = vec![Input::Hold {
            user: UserId("ann".to_owned()),
            seats: vec!["A-1".to_owned(), "A-2".to_owned()],
            contact: Contact::default(),
            terms: terms.clone(),
        }];
        let account = GatewayAccount::new("stripe", "default");
        let captured = |id: &str| PaymentFact {
            account: account.clone(),
            gateway_payment_id: format!("pi_{id}_{show}"),
            opened_as: None,
            reference: Reference::Booking {
                booking,
                payment: None,
            },
            state: PaymentState::Captured,
            amount: Money::new(2 * PRICE, inr()),
            live: false,
            reason: None,
        };
        match standing {
            Standing::InTime => {}
            Standing::Late | Standing::Released => inputs.extend([
                Input::OpenAttempt {
                    payment,
                    account: account.clone(),
                    terms,
                    capture: CaptureMode::default(),
                },
                Input::AttemptCreated {
                    payment,
                    gateway_payment_id: format!("pi_race_{show}"),
                },
            ]),
            Standing::Paid => inputs.push(Input::Payment(captured("first"))),
        }
        if standing == Standing::Released {
            inputs.push(Input::Release);
        }
        let before = Before { booking, inputs };
        let outcomes = run(&self.store, &before).await.expect("a turn");
        let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
        assert!(!outcomes.iter().any(refused), "{outcomes:?}");
        let partition = partition(show);
        let owned = self
            .store
            .claim_position(CONSUMER.name, WEBHOOKS, partition, || true)
            .await
            .expect("a claim")
            .expect("it is ours");
        let now = self.until_reclaimable(show, standing).await;
        let told = self
            .gateways
            .facts()
            .payment(captured("race"), 0, now)
            .expect("a record");
        let (key, headers) = (show.kafka_key(), told.to_headers());
        let money = Record::new(0, None, Some(key.as_bytes()), &headers, &told.body);
        Scene {
            show,
            booking,
            money,
            epoch: owned.epoch,
        }
    }

    /// How many deadlocks the database has seen.
    pub async fn deadlocks(&self) -> i64 {
        let seen = "select deadlocks from pg_stat_database where datname = current_database()";
        sqlx::query_scalar(seen)
            .fetch_one(self.store.pool())
            .await
            .expect("statistics")
    }

    /// Waits until the clock has passed the end of a late booking, makes its timer due, and tells the time.
    async fn until_reclaimable(&self, show: ShowId, standing: Standing) -> time::OffsetDateTime {
        let look = "update tasks t set due_at = least(t.due_at, clock_timestamp()) from bookings b
                    where t.kind = 'hold_timer' and t.subject = b.booking_id and b.show_id = $1
                    returning b.reclaim_at < clock_timestamp() or $2";
        loop {
            let look = sqlx::query_scalar(look)
                .bind(show.as_i64())
                .bind(standing != Standing::Late);
            let over: Option<bool> = look
                .fetch_optional(self.store.pool())
                .await
                .expect("a timer");
            if over != Some(false) {
                return sqlx::query_scalar("select clock_timestamp()")
                    .fetch_one(self.store.pool())
                    .await
                    .expect("a clock");
            }
        }
    }
}

/// The partition of the webhooks' topic that a show has to itself here.
pub fn partition(show: ShowId) -> i32 {
    i32::try_from(show.number()).expect("few shows")
}

fn inr() -> Currency {
    "INR".parse().expect("a currency")
}

fn api(store: &PgStore, gateways: &Arc<Gateways>) -> Router {
    let auth = AuthOptions {
        secret: Some(JWT_SECRET.into()),
        jwks_url: None,
        issuer: None,
        audience: None,
        roles_claim: "roles".to_owned(),
    };
    let often = Rate {
        per_second: 0,
        burst: 1,
    };
    router(Api::new(Parts {
        store: store.clone(),
        gateways: gateways.clone(),
        verifier: TokenVerifier::new(&auth).expect("a secret"),
        status_tokens: StatusTokens::new(JWT_SECRET.as_bytes()).expect("a secret"),
        ticket_keys: TicketKeys::generate(),
        options: Options {
            user_rate: often,
            address_rate: often,
            trusted_proxies: TrustedProxies::default(),
            ..Options::default()
        },
    }))
}

/// What has happened to Ann's booking before the race, as one turn.
struct Before {
    booking: BookingId,
    inputs: Vec<Input>,
}

impl Plan for Before {
    type Answer = Vec<Outcome>;

    fn role(&self) -> Role {
        Role::HoldDesk
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        let show = self.booking.show();
        let mut wanted = Wanted::default();
        for input in &self.inputs {
            if let Input::Hold { user, seats, .. } = input {
                wanted.slots.insert((show, user.clone()), self.booking);
                wanted.seats.extend(seats.iter().map(|seat| SeatKey {
                    show,
                    seat: seat.clone(),
                }));
            }
        }
        wanted
    }

    fn decide(&self, _: &Claimed, _: &Held, world: &mut World, _: &mut Appends) -> Vec<Outcome> {
        let apply = |input: &Input| world.apply(self.booking, input.clone());
        self.inputs.iter().map(apply).collect()
    }
}
