//! What customers are told, by letter, SMS and push: on real servers, some of which are away.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use boxoffice::demo::Stage;
use mail_parser::MessageParser;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::analytics;
use crate::servers;
use crate::system::{Setup, System};
use crate::{mail_server, mail_server::Letters};

/// What providers were handed: the channel, the idempotency key and the message.
type Handed = Arc<Mutex<Vec<(String, String, Value)>>>;

/// A provider of both sorts. It never answers about a message to [`SILENT`].
async fn provider() -> (SocketAddr, Handed) {
    let handed = Handed::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let routes = Router::new()
        .route("/{channel}", post(take))
        .with_state(handed.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, handed)
}

const SILENT: &str = "+912255500000";

async fn take(
    State(handed): State<Handed>,
    Path(channel): Path<String>,
    headers: HeaderMap,
    message: axum::Json<Value>,
) -> StatusCode {
    if headers
        .get("authorization")
        .is_none_or(|token| token != "Bearer t0k3n")
    {
        return StatusCode::UNAUTHORIZED;
    }
    let key = headers["idempotency-key"]
        .to_str()
        .expect("a key")
        .to_owned();
    let silent = message["to"] == SILENT;
    handed
        .lock()
        .expect("no test panics here")
        .push((channel, key, message.0));
    if silent {
        std::future::pending::<()>().await;
    }
    StatusCode::ACCEPTED
}

/// The delivery log of a booking: channel, template, language and outcome, with how often each.
type Log = BTreeMap<(String, String, Option<String>, String), usize>;

async fn log(stage: &Stage, booking: &str) -> anyhow::Result<Log> {
    let rows = sqlx::query_as::<_, (String, String, Option<String>, String)>(
        "select channel, template, language, outcome from deliveries where booking_id = $1",
    )
    .bind(booking.parse::<Uuid>()?)
    .fetch_all(&stage.database)
    .await?;
    let mut log = Log::new();
    for row in rows {
        *log.entry(row).or_default() += 1;
    }
    Ok(log)
}

fn told(
    channel: &str,
    template: &str,
    language: Option<&str>,
    outcome: &str,
) -> (String, String, Option<String>, String) {
    (
        channel.to_owned(),
        template.to_owned(),
        language.map(str::to_owned),
        outcome.to_owned(),
    )
}

fn handed_to(handed: &Handed, channel: &str, to: &str) -> Vec<(String, Value)> {
    let handed = handed.lock().expect("no test panics here");
    handed
        .iter()
        .filter(|(way, _, message)| way == channel && message["to"] == to)
        .map(|(_, key, message)| (key.clone(), message.clone()))
        .collect()
}

/// Subject and text of the letters about a booking.
fn letters_about(letters: &Letters, booking: &str) -> Vec<(String, String)> {
    let letters = letters.lock().expect("no test panics here");
    letters
        .iter()
        .filter_map(|bytes| {
            let letter = MessageParser::default().parse(bytes)?;
            let text = letter.body_text(0)?.into_owned();
            let about = letter.message_id()?.contains(booking);
            about.then(|| (letter.subject().unwrap_or_default().to_owned(), text))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_channel_goes_its_own_way() {
    let dir = servers::fresh_dir("messages");
    let fetched = servers::fetched().await;
    let (kafka, postgres) = tokio::join!(
        servers::own_kafka(&fetched, &dir),
        servers::own_postgres(&fetched, &dir)
    );
    let database = servers::empty_database(&postgres).await;
    let (provider, handed) = provider().await;
    // The mail server is away, and will come to this address.
    let mail = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mail_address = mail.local_addr().expect("an address");
    drop(mail);
    let settings = vec![
        ("BOXOFFICE_MAIL__FILES", String::new()),
        ("BOXOFFICE_MAIL__SMTP_URL", format!("smtp://{mail_address}")),
        ("BOXOFFICE_MAIL__TIMEOUT_SECONDS", "2".to_owned()),
        ("BOXOFFICE_MAIL__UTC_OFFSET", "+05:30".to_owned()),
        ("BOXOFFICE_SMS__URL", format!("http://{provider}/sms")),
        ("BOXOFFICE_SMS__TOKEN", "t0k3n".to_owned()),
        ("BOXOFFICE_SMS__TIMEOUT_SECONDS", "1".to_owned()),
        ("BOXOFFICE_PUSH__URL", format!("http://{provider}/push")),
        ("BOXOFFICE_PUSH__TOKEN", "t0k3n".to_owned()),
        ("BOXOFFICE_PUSH__TIMEOUT_SECONDS", "1".to_owned()),
    ];
    let setup = Setup {
        settings,
        ..Setup::default()
    };
    let system = System::start_with(&kafka.bootstrap(), &database, setup).await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("Messages", 600_000).await.expect("a show");
    // The warning comes at once.
    sqlx::query("update shows set warning_ms = 599990 where show_id = $1")
        .bind(show.as_i64())
        .execute(&stage.database)
        .await
        .expect("a show");

    // Asha is confirmed although no letter can be delivered, and her phone says so in Hindi.
    let asha = stage.customer("asha").await.expect("a customer");
    let contact =
        json!({ "email": "asha@example.com", "phone": "+91 (22) 555-0100", "language": "hi-IN" });
    let booking = asha.hold_as(show, &["A-1", "A-2"], &contact).await;
    let booking = booking.expect("a hold");
    let user: String = sqlx::query_scalar("select user_id from bookings where booking_id = $1")
        .bind(booking.parse::<Uuid>().expect("an id"))
        .fetch_one(&stage.database)
        .await
        .expect("a booking");
    let ways = [("sms", "+91225550100"), ("push", user.as_str())];
    for (channel, to) in ways {
        let warned = stage
            .until(&1, async || Ok(handed_to(&handed, channel, to).len()))
            .await;
        assert_eq!(warned.expect("a count"), 1, "{channel}\n{}", system.log());
    }
    let attempt = asha.open_payment(&booking).await.expect("an attempt");
    asha.pay(&attempt).await.expect("the gateway takes it");
    asha.wait_for(&booking, "CONFIRMED")
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", system.log()));
    for (channel, to) in ways {
        let count = stage
            .until(&2, async || Ok(handed_to(&handed, channel, to).len()))
            .await;
        assert_eq!(count.expect("a count"), 2, "{channel}\n{}", system.log());
        let told = handed_to(&handed, channel, to);
        let kinds: Vec<_> = told.iter().map(|(_, message)| &message["kind"]).collect();
        assert_eq!(kinds, ["hold_expiring", "booking_confirmed"]);
        let (key, message) = &told[1];
        assert_eq!(message["message_id"], key.as_str());
        let text = message["text"].as_str().expect("a text");
        assert!(text.starts_with("बुकिंग पक्की: Messages, "), "{text}");
        assert!(text.contains("A-1, A-2"), "{text}");
    }
    let waiting = told("email", "booking_confirmed", Some("hi"), "later");
    let tried = stage
        .until(&true, async || {
            Ok(log(&stage, &booking).await?.contains_key(&waiting))
        })
        .await;
    assert!(tried.expect("a log"), "{}", system.log());

    // The mail server comes back, and so does the letter, once.
    let letters = mail_server::start(mail_address).await;
    let arrived = stage
        .until(&true, async || {
            Ok(!letters_about(&letters, &booking).is_empty())
        })
        .await;
    assert!(arrived.expect("letters"), "{}", system.log());
    let delivered = told("email", "booking_confirmed", Some("hi"), "delivered");
    let logged = stage
        .until(&true, async || {
            Ok(log(&stage, &booking).await?.contains_key(&delivered))
        })
        .await;
    assert!(logged.expect("a log"), "{}", system.log());
    let [(subject, text)] = letters_about(&letters, &booking)
        .try_into()
        .expect("one letter");
    assert_eq!(subject, "आपके टिकट: Messages");
    assert!(
        text.contains("₹900.00") && text.contains("(UTC+05:30)"),
        "{text}"
    );
    // The warning's letter found its moment gone.
    let expected = [
        delivered,
        told("sms", "booking_confirmed", Some("hi"), "delivered"),
        told("push", "booking_confirmed", Some("hi"), "delivered"),
        told("sms", "hold_expiring", Some("hi"), "delivered"),
        told("push", "hold_expiring", Some("hi"), "delivered"),
        told("email", "hold_expiring", None, "not_sent"),
    ];
    let missing = stage
        .until(&Vec::new(), async || {
            let log = log(&stage, &booking).await?;
            let missing = expected.iter().filter(|line| log.get(*line) != Some(&1));
            Ok(missing.cloned().collect())
        })
        .await;
    assert_eq!(missing.expect("a log"), [], "{}", system.log());

    // All that was published comes again, as after a crash of the relay.
    analytics::publish(&kafka.bootstrap(), &analytics::topic(&kafka.bootstrap()));
    let ashas = booking;

    // A provider that says nothing delays no letter and is not asked twice. Bob reads English.
    let bob = stage.customer("bob").await.expect("a customer");
    let contact = json!({ "email": "bob@example.com", "phone": SILENT });
    let booking = bob.hold_as(show, &["A-3"], &contact).await.expect("a hold");
    let attempt = bob.open_payment(&booking).await.expect("an attempt");
    bob.pay(&attempt).await.expect("the gateway takes it");
    let unknown = told("sms", "booking_confirmed", Some("en"), "unknown");
    let delivered = told("email", "booking_confirmed", Some("en"), "delivered");
    let both = stage
        .until(&true, async || {
            let log = log(&stage, &booking).await?;
            Ok(log.contains_key(&unknown) && log.contains_key(&delivered))
        })
        .await;
    assert!(both.expect("a log"), "{}", system.log());

    // Bob's news came behind what came again, on the same partition: nobody was told anything twice.
    let open: i64 = sqlx::query_scalar(
        "select count(*) from tasks where kind in ('mail', 'sms', 'push') and booking_id = $1",
    )
    .bind(ashas.parse::<Uuid>().expect("an id"))
    .fetch_one(&stage.database)
    .await
    .expect("a count");
    assert_eq!(open, 0);
    let told_once = log(&stage, &ashas).await.expect("a log");
    assert!(
        expected.iter().all(|line| told_once.get(line) == Some(&1)),
        "{told_once:?}"
    );
    for (channel, to) in ways {
        assert_eq!(handed_to(&handed, channel, to).len(), 2, "{channel}");
    }
    let left = stage
        .until(&0_i64, async || {
            let left = sqlx::query_scalar("select count(*) from tasks where kind = 'sms'");
            Ok(left.fetch_one(&stage.database).await?)
        })
        .await;
    assert_eq!(left.expect("a count"), 0, "it is not asked again");
    let asked = handed_to(&handed, "sms", SILENT);
    let asked = asked
        .iter()
        .filter(|(_, message)| message["kind"] == "booking_confirmed");
    assert_eq!(asked.count(), 1);

    // Cy lets his hold lapse. He is told by letter, and his phone stays still.
    let short = stage.show("Short", 1_500).await.expect("a show");
    let cy = stage.customer("cy").await.expect("a customer");
    let contact = json!({ "email": "cy@example.com", "phone": "+912255501111" });
    let booking = cy.hold_as(short, &["A-1"], &contact).await.expect("a hold");
    let lapsed = BTreeMap::from([(told("email", "hold_expired", Some("en"), "delivered"), 1)]);
    let logged = stage
        .until(&lapsed, async || log(&stage, &booking).await)
        .await;
    assert_eq!(logged.expect("a log"), lapsed, "{}", system.log());
    let [(subject, _)] = letters_about(&letters, &booking)
        .try_into()
        .expect("one letter");
    assert_eq!(subject, "Your seats are no longer held: Short");
    assert!(handed_to(&handed, "sms", "+912255501111").is_empty());

    // The log names nobody, and every try is counted.
    let rows: Vec<String> = sqlx::query_scalar("select deliveries::text from deliveries")
        .fetch_all(&stage.database)
        .await
        .expect("a log");
    for row in rows {
        for personal in ["asha@", "bob@", "cy@", "225550100", "2255500000", "₹"] {
            assert!(!row.contains(personal), "{personal} in {row}");
        }
    }
    let metrics = stage
        .http
        .get(format!("{}/metrics", system.target.api))
        .timeout(Duration::from_secs(5))
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("a text");
    let counted = metrics.lines().any(|line| {
        line.starts_with("boxoffice_messages_total{")
            && ["\"sms\"", "\"booking_confirmed\"", "\"unknown\""]
                .iter()
                .all(|label| line.contains(label))
    });
    assert!(counted, "{metrics}");
    system.audit();
}
