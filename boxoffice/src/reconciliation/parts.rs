//! A window, part by part: as long as it fits into memory, and no longer.

use boxoffice_gateways::Window;
use time::Duration;

/// The shortest part, however much changed in it.
const SHORTEST: Duration = Duration::seconds(10);
/// The gateway is asked for so much more on both sides of a part: what it did at one side of an edge we may have written
/// down at the other.
const EDGE: Duration = Duration::seconds(5);

/// The parts of a window: one after the other, nothing between them and nothing twice. The first is the whole.
#[derive(Debug)]
pub struct Parts {
    rest: Window,
    length: Duration,
}

impl Parts {
    pub fn of(window: &Window) -> Self {
        Self {
            rest: *window,
            length: window.until - window.since,
        }
    }

    /// The next part; the same again until it is [done](Self::done). None: there is none left.
    pub fn next(&self) -> Option<Window> {
        (self.rest.since < self.rest.until).then(|| Window {
            since: self.rest.since,
            until: self.rest.until.min(self.rest.since + self.length),
        })
    }

    /// Whether parts are longer than they have to be.
    pub fn can_be_shorter(&self) -> bool {
        self.length > SHORTEST
    }

    /// That was too much at once: half as long from here on.
    pub fn shorten(&mut self) {
        if self.can_be_shorter() {
            self.length = SHORTEST.max(self.length / 2_i32);
        }
    }

    /// The part is done with.
    pub fn done(&mut self, part: &Window) {
        self.rest.since = part.until;
    }
}

/// What a gateway is asked for about a part.
pub fn around(part: &Window) -> Window {
    Window {
        since: part.since - EDGE,
        until: part.until + EDGE,
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    /// The lengths in seconds of the parts of a window, of which those are too much for which `much` says so.
    fn walked(seconds: i64, mut much: impl FnMut() -> bool) -> Vec<i64> {
        let since = OffsetDateTime::UNIX_EPOCH;
        let window = Window {
            since,
            until: since + Duration::seconds(seconds),
        };
        let (mut parts, mut at, mut lengths) = (Parts::of(&window), since, Vec::new());
        while let Some(part) = parts.next() {
            assert_eq!(
                part.since, at,
                "nothing is left out, and nothing taken twice"
            );
            assert!(part.until > part.since && part.until <= window.until);
            if parts.can_be_shorter() && much() {
                parts.shorten();
                continue;
            }
            parts.done(&part);
            at = part.until;
            lengths.push((part.until - part.since).whole_seconds());
        }
        assert_eq!(at, window.until, "the end belongs to it");
        lengths
    }

    #[test]
    fn every_moment_is_in_one_part_whatever_is_too_much() {
        for seconds in [1, 9, 10, 11, 60, 299, 3_600] {
            for pattern in 0_u32..256 {
                let mut nth = 0;
                walked(seconds, || {
                    nth += 1;
                    nth <= 8 && pattern & (1 << (nth - 1)) != 0
                });
            }
        }
    }

    #[test]
    fn what_is_always_too_much_is_taken_ten_seconds_at_a_time() {
        assert_eq!(walked(65, || true), [10, 10, 10, 10, 10, 10, 5]);
        assert_eq!(walked(65, || false), [65]);
        assert_eq!(walked(7, || true), [7]);
    }
}
