//! Token buckets: how often one user may act, and one address may ask.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use boxoffice_saga::identity::UserId;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::metric;
use crate::problem::{Code, Problem};

/// Buckets that are full again are forgotten after so many requests.
const SWEEP: u32 = 16_384;

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second in the long run; 0: no limit.
    pub per_second: u32,
    /// Requests at once after a rest; at least 1.
    pub burst: u32,
}

struct Buckets<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    asked: AtomicU32,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    fn new(rate: Rate) -> Option<Self> {
        let per_second = NonZeroU32::new(rate.per_second)?;
        let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
        Some(Self {
            limiter: RateLimiter::keyed(Quota::per_second(per_second).allow_burst(burst)),
            asked: AtomicU32::new(0),
        })
    }

    /// Takes a token, or says after how many seconds there is one.
    fn take(&self, key: &K) -> Result<(), u32> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|early| {
            let wait = early.wait_time_from(DefaultClock::default().now());
            u32::try_from(wait.as_secs())
                .unwrap_or(60)
                .saturating_add(1)
        })
    }
}

/// The buckets of this process: several instances allow several times as much.
pub(crate) struct Rates {
    users: Option<Buckets<UserId>>,
    addresses: Option<Buckets<IpAddr>>,
}

impl Rates {
    /// Buckets that fill at these rates.
    pub(crate) fn new(user: Rate, address: Rate) -> Self {
        Self {
            users: Buckets::new(user),
            addresses: Buckets::new(address),
        }
    }

    /// A user acts.
    ///
    /// # Errors
    /// `slow_down`.
    pub(crate) fn user(&self, user: &UserId) -> Result<(), Problem> {
        limit(self.users.as_ref(), user, "user", "You ask too often.")
    }

    /// An address asks.
    ///
    /// # Errors
    /// `slow_down`.
    pub(crate) fn address(&self, address: IpAddr) -> Result<(), Problem> {
        limit(
            self.addresses.as_ref(),
            &address,
            "address",
            "Too many requests come from your address.",
        )
    }
}

fn limit<K: Hash + Eq + Clone>(
    buckets: Option<&Buckets<K>>,
    key: &K,
    reason: &'static str,
    detail: &str,
) -> Result<(), Problem> {
    let Some(Err(after)) = buckets.map(|buckets| buckets.take(key)) else {
        return Ok(());
    };
    metrics::counter!(metric::REQUESTS_TURNED_AWAY, "reason" => reason).increment(1);
    let detail = format!("{detail} Nothing was done; try again in a moment.");
    Err(Problem::new(Code::SlowDown, detail).retry_after(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_bucket_of_their_own() {
        let rate = Rate {
            per_second: 1,
            burst: 3,
        };
        let rates = Rates::new(
            rate,
            Rate {
                per_second: 0,
                ..rate
            },
        );
        let (ann, bob) = (UserId("ann".into()), UserId("bob".into()));
        for _ in 0..3 {
            assert!(rates.user(&ann).is_ok());
        }
        assert_eq!(rates.user(&ann).unwrap_err().code(), Code::SlowDown);
        assert!(rates.user(&bob).is_ok());
        for _ in 0..1_000 {
            assert!(
                rates.address(IpAddr::from([127, 0, 0, 1])).is_ok(),
                "no limit"
            );
        }
    }

    #[test]
    fn buckets_that_nobody_uses_are_forgotten() {
        let rate = Rate {
            per_second: u32::MAX,
            burst: u32::MAX,
        };
        let buckets = Buckets::new(rate).unwrap();
        for key in 0..3 * SWEEP {
            assert_eq!(buckets.take(&key), Ok(()));
        }
        assert!(
            buckets.limiter.len() <= SWEEP as usize,
            "{}",
            buckets.limiter.len()
        );
    }
}
