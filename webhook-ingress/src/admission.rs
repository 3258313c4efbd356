//! How much is let in at a time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use metrics::Gauge;

use crate::metric;
use crate::options::IngressOptions;
use crate::problem::Refused;

/// Counts webhooks and their bytes, and turns away what is too much.
pub(crate) struct Admission {
    draining: AtomicBool,
    requests: AtomicUsize,
    bytes: AtomicUsize,
    most_requests: usize,
    most_bytes: usize,
    in_flight: Gauge,
}

/// One webhook that was let in. Gives everything back when dropped.
pub(crate) struct Admitted<'a> {
    admission: &'a Admission,
    bytes: usize,
}

impl Admission {
    pub(crate) fn new(options: &IngressOptions) -> Self {
        Self {
            draining: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            most_requests: options.in_flight_requests,
            most_bytes: options.in_flight_bytes,
            in_flight: metrics::gauge!(metric::IN_FLIGHT),
        }
    }

    /// From now on nobody is let in. Those who are inside may finish.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Lets one in.
    pub(crate) fn enter(&self) -> Result<Admitted<'_>, Refused> {
        if self.is_draining() {
            return Err(Refused::Draining);
        }
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_flight.increment(1.0);
        // From here on dropping it gives the place back.
        let admitted = Admitted {
            admission: self,
            bytes: 0,
        };
        if before >= self.most_requests {
            Err(Refused::TooBusy)
        } else {
            Ok(admitted)
        }
    }
}

impl Admitted<'_> {
    /// Takes room for so many more bytes.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Refused> {
        let before = self.admission.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes > self.admission.most_bytes {
            Err(Refused::TooBusy)
        } else {
            Ok(())
        }
    }

    /// The bytes are held no longer.
    pub(crate) fn release(&mut self) {
        self.admission
            .bytes
            .fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.release();
        self.admission.requests.fetch_sub(1, Ordering::Relaxed);
        self.admission.in_flight.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(requests: usize, bytes: usize) -> Admission {
        Admission::new(&IngressOptions {
            in_flight_requests: requests,
            in_flight_bytes: bytes,
            ..IngressOptions::default()
        })
    }

    #[test]
    fn places_and_bytes_come_back() {
        let admission = admission(1, 10);
        for _ in 0..3 {
            let mut first = admission.enter().unwrap();
            assert_eq!(admission.enter().err(), Some(Refused::TooBusy));
            assert_eq!(first.hold(6), Ok(()));
            assert_eq!(first.hold(6), Err(Refused::TooBusy));
        }
        assert_eq!(admission.bytes.load(Ordering::Relaxed), 0);
        assert_eq!(admission.requests.load(Ordering::Relaxed), 0);
    }
}
