//! Lines with the clock in our hands. What a real gateway sees of them is tested with the simulator.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use futures::future::join_all;

use super::*;

/// A client of a gateway that answers at once, well or not.
#[derive(Default)]
struct Other {
    account: Option<GatewayAccount>,
    calls: AtomicU32,
    answer: AtomicU32,
    /// How long an answer takes.
    takes_ms: AtomicU64,
}

const FINE: u32 = 0;
const SILENT: u32 = 1;
const UNREACHABLE: u32 = 2;
const DECLINES: u32 = 3;

impl Other {
    fn line(config: LineConfig) -> (Arc<Self>, Line) {
        let client = Arc::new(Self {
            account: Some(GatewayAccount::new("other", "default")),
            ..Self::default()
        });
        (client.clone(), Line::new(client, &config))
    }

    fn answers(&self, answer: u32) {
        self.answer.store(answer, Ordering::Relaxed);
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    async fn answer<T>(&self) -> Result<T, CallError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(self.takes_ms.load(Ordering::Relaxed))).await;
        match self.answer.load(Ordering::Relaxed) {
            SILENT => Err(CallError::unknown("no answer in time")),
            UNREACHABLE => Err(CallError::RetryLater {
                after: None,
                why: "connection refused".into(),
                said_by: SaidBy::Nobody,
            }),
            DECLINES => Err(CallError::Declined {
                code: "no".into(),
                message: "no".into(),
            }),
            _ => Err(CallError::NotFound),
        }
    }
}

impl GatewayClient for Other {
    fn account(&self) -> &GatewayAccount {
        self.account.as_ref().unwrap()
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn create_payment<'a>(&'a self, _: &'a CreatePayment) -> Answer<'a, Created> {
        self.answer().boxed()
    }

    fn fetch_payment<'a>(&'a self, _: &'a str) -> Answer<'a, PaymentFact> {
        self.answer().boxed()
    }

    fn void_payment<'a>(&'a self, _: &'a Attempt) -> Answer<'a, VoidAnswer> {
        self.answer().boxed()
    }

    fn capture_payment<'a>(&'a self, _: &'a Attempt) -> Answer<'a, CaptureAnswer> {
        self.answer().boxed()
    }

    fn refund<'a>(&'a self, _: &'a RefundOrder) -> Answer<'a, RefundFact> {
        self.answer().boxed()
    }

    fn fetch_refund<'a>(&'a self, _: &'a str) -> Answer<'a, RefundFact> {
        self.answer().boxed()
    }

    fn refunds_of<'a>(&'a self, _: &'a str) -> Answer<'a, Vec<RefundFact>> {
        self.answer().boxed()
    }
}

fn config() -> LineConfig {
    LineConfig {
        calls_per_second: 100,
        burst: 100,
        mass_share_percent: 80,
        open_after: 5,
        open_seconds: 10,
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_answers_by_itself_and_one_probe_closes_it() {
    for ill in [SILENT, UNREACHABLE] {
        let (gateway, line) = Other::line(config());
        gateway.answers(ill);
        for _ in 0..50 {
            line.fetch_payment("p").await.unwrap_err();
        }
        assert_eq!(gateway.calls(), 5);
        assert!(line.is_shut());
        let held_back = line.refunds_of("p").await.unwrap_err().held_back();
        assert_eq!(
            held_back,
            Some(Duration::from_secs(10)),
            "every kind of call, at once"
        );

        gateway.answers(FINE);
        gateway.takes_ms.store(200, Ordering::Relaxed);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!line.is_shut());
        let answers = join_all((0..20).map(|_| line.fetch_payment("p"))).await;
        assert_eq!(gateway.calls(), 6, "one probe");
        let held_back = answers.into_iter().filter(|answer| {
            answer
                .as_ref()
                .is_err_and(|error| error.held_back().is_some())
        });
        assert_eq!(held_back.count(), 19);
        assert!(!line.is_shut());
    }
}

#[tokio::test(start_paused = true)]
async fn no_is_an_answer() {
    let (gateway, line) = Other::line(config());
    gateway.answers(DECLINES);
    for _ in 0..50 {
        line.fetch_payment("p").await.unwrap_err();
    }
    assert_eq!((gateway.calls(), line.is_shut()), (50, false));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_nobody_waits_for_is_no_answer_and_frees_its_place() {
    let (gateway, line) = Other::line(config());
    gateway.answers(SILENT);
    for _ in 0..5 {
        line.fetch_payment("p").await.unwrap_err();
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    gateway.answers(FINE);
    gateway.takes_ms.store(60_000, Ordering::Relaxed);
    let given_up = tokio::time::timeout(Duration::from_secs(1), line.fetch_payment("p")).await;
    assert!(given_up.is_err() && line.is_shut());
    gateway.takes_ms.store(0, Ordering::Relaxed);
    tokio::time::advance(Duration::from_secs(10)).await;
    let answer = line.fetch_payment("p").await.unwrap_err();
    assert_eq!(answer, CallError::NotFound, "the next one is the probe");
    assert!(!line.is_shut());
}

/// How many calls a crowd gets through in ten seconds, and how many were held back.
async fn crowd(line: Line, callers: u32) -> (u32, u32) {
    let until = Instant::now() + Duration::from_secs(10);
    let calls = join_all((0..callers).map(async |_| {
        let (mut made, mut held_back) = (0, 0);
        while Instant::now() < until {
            match line.refunds_of("p").await.unwrap_err().held_back() {
                Some(after) => {
                    held_back += 1;
                    tokio::time::sleep(after).await;
                }
                None => made += 1,
            }
        }
        (made, held_back)
    }));
    let calls = calls.await.into_iter();
    calls.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

#[tokio::test(start_paused = true)]
async fn mass_refunds_get_their_share_and_others_are_not_starved() {
    let (gateway, line) = Other::line(config());
    let ordinary = line.clone();
    let others = async move {
        // Fifteen a second, while the mass would take whatever it gets.
        let mut pace = tokio::time::interval(Duration::from_nanos(66_666_667));
        let mut held_back = 0;
        for _ in 0..150 {
            pace.tick().await;
            let error = ordinary.refunds_of("p").await.unwrap_err();
            held_back += u32::from(error.held_back().is_some());
        }
        held_back
    };
    let ((mass, _), held_back) = tokio::join!(crowd(line.mass(), 200), others);
    assert_eq!(held_back, 0, "there was room for every other call");
    // Ten seconds at 80 a second, the burst of 80, and those that were in the queue at the end.
    assert!((800..=1_080).contains(&mass), "{mass}");
    assert_eq!(gateway.calls(), mass + 150);
}

#[tokio::test(start_paused = true)]
async fn alone_ordinary_calls_get_the_whole_rate_and_nobody_more() {
    let (gateway, line) = Other::line(config());
    let (made, held_back) = crowd(line, 1_000).await;
    // A thousand in ten seconds, the burst of a hundred, and two seconds' worth of those that waited at the end.
    assert!((1_000..=1_300).contains(&made), "{made}");
    assert_eq!(gateway.calls(), made);
    assert!(held_back > 0, "nobody waits for longer than the patience");
}
