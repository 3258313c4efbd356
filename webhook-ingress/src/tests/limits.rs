//! Large bodies, slow ones, broken ones, and too many.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::HttpBody;
use futures::{FutureExt, StreamExt, stream};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, sleep};

use super::*;

const LARGEST: usize = 512 << 10;

/// Says how long it is, and must not be read.
struct Unread(u64);

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body was read")
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

fn pieces(pieces: Vec<Bytes>) -> Body {
    Body::from_stream(stream::iter(pieces).map(Ok::<_, Infallible>))
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_413_unread() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let request = signed_stream(b"", Body::new(Unread(LARGEST as u64 + 1)));
    assert_eq!(
        refusal(ask(&door(&kafka), request).await).await,
        refused(413, "body_too_large")
    );
}

#[tokio::test]
async fn a_body_without_length_is_413_as_soon_as_it_is_too_large() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let endless = stream::repeat_with(move || {
        counter.fetch_add(1_000, Ordering::Relaxed);
        Ok::<_, Infallible>(Bytes::from_static(&[7; 1_000]))
    });
    let response = ask(
        &door(&kafka),
        signed_stream(b"", Body::from_stream(endless)),
    )
    .await;
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(refusal(response).await, refused(413, "body_too_large"));
    assert!(read.load(Ordering::Relaxed) <= LARGEST + 1_000);
    assert!(kafka.published().is_empty());
}

#[tokio::test]
async fn the_largest_body_is_taken_whole_however_it_is_cut() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    let body: Vec<u8> = (0..LARGEST).map(|n| (n % 251) as u8).collect();
    for cut in [LARGEST, LARGEST / 2, 100_000, 1_447] {
        let cut = body
            .chunks(cut)
            .map(Bytes::copy_from_slice)
            .flat_map(|piece| [Bytes::new(), piece])
            .collect();
        assert_eq!(
            ask(&door, signed_stream(&body, pieces(cut))).await.status(),
            200
        );
        assert_eq!(kafka.only().record.body, body);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_or_drips_is_408_within_the_budget() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    let stops =
        stream::once(async { Ok::<_, Infallible>(Bytes::from("{")) }).chain(stream::pending());
    let drips = stream::repeat(()).then(|()| async {
        sleep(Duration::from_millis(100)).await;
        Ok::<_, Infallible>(Bytes::from(" "))
    });
    for body in [Body::from_stream(stops), Body::from_stream(drips)] {
        let asked = Instant::now();
        let response = ask(&door, signed_stream(b"", body)).await;
        assert_eq!(response.headers()["connection"], "close");
        assert_eq!(refusal(response).await, refused(408, "body_too_slow"));
        assert!(asked.elapsed() < Duration::from_millis(2_500));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_and_a_silent_broker_together_stay_within_the_budget() {
    let kafka = TestKafka::new(Kafka::Hangs);
    let slow = stream::once(async {
        sleep(Duration::from_millis(1_400)).await;
        Ok::<_, Infallible>(Bytes::from(PAID))
    });
    let asked = Instant::now();
    let response = ask(
        &door(&kafka),
        signed_stream(PAID.as_bytes(), Body::from_stream(slow)),
    )
    .await;
    assert_eq!(refusal(response).await, refused(503, "broker_unavailable"));
    assert!(asked.elapsed() < Duration::from_millis(2_500));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400_and_nothing_is_published() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let broken = stream::iter([Ok(Bytes::from(PAID)), Err(io::Error::other("gone"))]);
    let request = signed_stream(PAID.as_bytes(), Body::from_stream(broken));
    assert_eq!(
        refusal(ask(&door(&kafka), request).await).await,
        refused(400, "body_incomplete")
    );
    assert!(kafka.published().is_empty());
}

#[tokio::test]
async fn too_many_at_a_time_are_503_and_the_place_comes_back() {
    let kafka = TestKafka::new(Kafka::Waits);
    let options = IngressOptions {
        in_flight_requests: 1,
        ..IngressOptions::default()
    };
    let door = router(ingress(&kafka, options));
    let mut first = Box::pin(ask(&door, signed(PAID)));
    assert!(first.as_mut().now_or_never().is_none());
    assert_eq!(
        refusal(ask(&door, signed(PAID)).await).await,
        refused(503, "too_busy")
    );
    // The first one's gateway hangs up: its place must come back too.
    drop(first);
    kafka.does(Kafka::Acknowledges);
    assert_eq!(ask(&door, signed(PAID)).await.status(), 200);
}

#[tokio::test]
async fn too_many_bytes_at_a_time_are_503_and_handing_over_frees_them() {
    let kafka = TestKafka::new(Kafka::Hangs);
    let options = IngressOptions {
        largest_body: 1_000,
        in_flight_bytes: 1_000,
        ..IngressOptions::default()
    };
    let door = router(ingress(&kafka, options));
    // Handed to Kafka, though not acknowledged: not held by us any more.
    let mut waiting = Box::pin(ask(
        &door,
        signed_stream(&[b' '; 900], Body::from(vec![b' '; 900])),
    ));
    assert!(waiting.as_mut().now_or_never().is_none());
    assert_eq!(kafka.published().len(), 1);

    let half = stream::once(async { Ok::<_, Infallible>(Bytes::from(vec![b' '; 900])) })
        .chain(stream::pending());
    let mut half = Box::pin(ask(&door, signed_stream(b"", Body::from_stream(half))));
    assert!(half.as_mut().now_or_never().is_none());
    assert_eq!(
        refusal(ask(&door, signed_stream(b"", Body::from(vec![b' '; 200]))).await).await,
        refused(503, "too_busy")
    );
}
