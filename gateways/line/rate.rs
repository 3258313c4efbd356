//! How often a gateway account is called: token buckets, one for each kind of call, as gateways count by endpoint.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use super::Call;

/// The clock that tests can move.
#[derive(Clone, Copy, Debug, Default)]
struct TokioClock;

impl Clock for TokioClock {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        Instant::now().into_std()
    }
}

type Limiter =
    RateLimiter<Call, HashMapStateStore<Call>, TokioClock, NoOpMiddleware<std::time::Instant>>;

/// Buckets that fill at one rate.
pub(super) struct Buckets {
    limiter: Limiter,
}

impl Buckets {
    /// Buckets that fill with `per_second` calls a second and hold `burst`, at least one.
    pub(super) fn new(per_second: f64, burst: u32) -> Option<Self> {
        let period = Duration::try_from_secs_f64(per_second.recip()).ok()?;
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period)?.allow_burst(burst);
        Some(Self {
            limiter: RateLimiter::hashmap_with_clock(quota, TokioClock),
        })
    }

    /// Waits for a call's turn, until `until` at most; or says after how long it could come.
    pub(super) async fn turn(&self, call: Call, until: Instant) -> Result<(), Duration> {
        loop {
            let Err(full) = self.limiter.check_key(&call) else {
                return Ok(());
            };
            let now = Instant::now();
            let wait = full.wait_time_from(now.into_std());
            if now + wait > until {
                return Err(wait);
            }
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn calls_within(buckets: &Buckets, call: Call, time: Duration) -> u32 {
        let until = Instant::now() + time;
        let mut calls = 0;
        while buckets.turn(call, until).await.is_ok() {
            calls += 1;
        }
        calls
    }

    #[tokio::test(start_paused = true)]
    async fn the_burst_at_once_and_then_the_rate() {
        let buckets = Buckets::new(10.0, 5).unwrap();
        assert_eq!(
            calls_within(&buckets, Call::Refund, Duration::ZERO).await,
            5
        );
        assert_eq!(
            calls_within(&buckets, Call::Refund, Duration::from_secs(2)).await,
            20
        );
        assert_eq!(
            calls_within(&buckets, Call::Create, Duration::ZERO).await,
            5,
            "another kind of call has a bucket of its own"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_be_served_in_time_is_told_at_once_when() {
        let buckets = Buckets::new(0.5, 1).unwrap();
        assert_eq!(buckets.turn(Call::Void, Instant::now()).await, Ok(()));
        let asked = Instant::now();
        let told = buckets
            .turn(Call::Void, asked + Duration::from_secs(1))
            .await;
        assert_eq!(asked.elapsed(), Duration::ZERO, "and does not wait in vain");
        let wait = told.unwrap_err();
        assert!(
            wait > Duration::from_millis(1_990) && wait <= Duration::from_secs(2),
            "{wait:?}"
        );
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert!(Buckets::new(0.0, 1).is_none());
    }
}
