//! The server, over real connections.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Drained, serve};

struct Server {
    address: std::net::SocketAddr,
    shutdown: CancellationToken,
    ended: JoinHandle<Drained>,
    kafka: TestKafka,
}

async fn start(does: Kafka, options: IngressOptions) -> Server {
    let kafka = TestKafka::new(does);
    let ingress = ingress(&kafka, options);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(serve(
        listener,
        router(ingress.clone()),
        ingress,
        shutdown.clone(),
    ));
    Server {
        address,
        shutdown,
        ended,
        kafka,
    }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

fn post(body: &str) -> String {
    let signature = sign(body.as_bytes());
    let length = body.len();
    format!(
        "POST /webhooks/generic HTTP/1.1\r\nhost: x\r\n{SIGNATURE}: {signature}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// The next answer's head.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_connection_carries_many_webhooks() {
    let server = start(Kafka::Acknowledges, IngressOptions::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(post(PAID).as_bytes()).await.unwrap();
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(server.kafka.published().len(), 3);
}

#[tokio::test]
async fn the_413_survives_a_sender_that_keeps_sending() {
    let server = start(Kafka::Acknowledges, IngressOptions::default()).await;
    let stream = server.connect().await;
    let (mut from, mut to) = stream.into_split();
    let sending = tokio::spawn(async move {
        let head = "POST /webhooks/generic HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n";
        to.write_all(head.as_bytes()).await.unwrap();
        to.write_all(&vec![b'x'; 1_000_000]).await
    });
    // As a simple client does: all of the request first, then the answer.
    sending.await.unwrap().unwrap();
    let mut answer = String::new();
    from.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.ends_with("\"code\":\"body_too_large\"}"), "{answer}");
}

#[tokio::test]
async fn a_head_that_never_ends_closes_the_connection() {
    let options = IngressOptions {
        idle_within: Duration::from_millis(100),
        ..IngressOptions::default()
    };
    let server = start(Kafka::Acknowledges, options).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /webhooks/generic HTTP/1.1\r\nhost:")
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(!answer.starts_with(b"HTTP/1.1 200 "));
}

#[tokio::test]
async fn an_old_connection_is_closed_after_its_present_request() {
    let options = IngressOptions {
        connection_age: Duration::from_millis(50),
        ..IngressOptions::default()
    };
    let server = start(Kafka::Waits, options).await;
    let mut stream = server.connect().await;
    stream.write_all(post(PAID).as_bytes()).await.unwrap();
    server.kafka.a_record_came().await;
    // One that came later, and is idle, is closed for its age: then the first one's age is over too.
    let mut answer = String::new();
    server
        .connect()
        .await
        .read_to_string(&mut answer)
        .await
        .unwrap();
    assert!(answer.is_empty());
    server.kafka.acknowledge();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn closing_answers_what_is_inside_turns_new_ones_away_and_then_is_gone() {
    let options = IngressOptions {
        announce: Duration::from_millis(300),
        ..IngressOptions::default()
    };
    let server = start(Kafka::Waits, options).await;
    let (mut inside, mut idle) = (server.connect().await, server.connect().await);
    inside.write_all(post(PAID).as_bytes()).await.unwrap();
    server.kafka.a_record_came().await;
    server.shutdown.cancel();

    // Still accepting, so that load balancers see it; an answer shows that draining has begun.
    let mut late = server.connect().await;
    late.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(head(&mut late).await.starts_with("HTTP/1.1 503 "));
    idle.write_all(post(PAID).as_bytes()).await.unwrap();
    let refused = head(&mut idle).await.to_lowercase();
    assert!(
        refused.starts_with("http/1.1 503 ") && refused.contains("retry-after: "),
        "{refused}"
    );

    server.kafka.acknowledge();
    assert!(head(&mut inside).await.starts_with("HTTP/1.1 200 "));
    drop((inside, idle, late));
    assert_eq!(
        server.ended.await.unwrap(),
        Drained {
            cut_off: 0,
            flushed: true
        }
    );
    assert!(TcpStream::connect(server.address).await.is_err());
    assert_eq!(server.kafka.published().len(), 1);
}

#[tokio::test]
async fn a_broker_that_stays_silent_does_not_hold_the_door_open() {
    let options = IngressOptions {
        announce: Duration::ZERO,
        body_within: Duration::from_millis(100),
        answer_within: Duration::from_millis(800),
        ..IngressOptions::default()
    };
    let server = start(Kafka::Hangs, options).await;
    let mut stream = server.connect().await;
    stream.write_all(post(PAID).as_bytes()).await.unwrap();
    server.kafka.a_record_came().await;
    server.shutdown.cancel();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(stream);
    assert_eq!(
        server.ended.await.unwrap(),
        Drained {
            cut_off: 0,
            flushed: true
        }
    );
}
