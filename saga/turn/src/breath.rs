//! Between two turns.

use std::time::Duration;

/// The longest rest: behind a database that stands still nobody shall wait for this too.
const LONGEST: Duration = Duration::from_millis(20);

/// How long whoever runs one turn after the other rests after one that took so long: a quarter of that, at most 20 ms.
///
/// A turn is the same handful of round trips and one commit for a single booking and for hundreds. Under load whatever
/// arrives during the rest shares the next turn, which saves more than the rest costs; and as it follows what turns take,
/// it is as short as they are where nobody else wants the processor.
pub fn breath(took: Duration) -> Duration {
    (took / 4).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_follows_what_the_turn_took_up_to_a_bound() {
        let ms = Duration::from_millis;
        for (took, rest) in [(0, 0), (4, 1), (60, 15), (80, 20), (15_000, 20)] {
            assert_eq!(breath(ms(took)), ms(rest));
        }
    }
}
