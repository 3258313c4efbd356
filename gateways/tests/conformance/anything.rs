//! Millions of messages that nobody signed: never a panic, never believed.
//!
//! Genuine messages are changed at random, and what the parsers are given is random as well, signed or not. The seed
//! is printed. `BOXOFFICE_DOORS_INPUTS` is how many inputs each door gets (150,000 without: about two million in all), `BOXOFFICE_DOORS_SEED`
//! which; for a long run: `BOXOFFICE_DOORS_INPUTS=10000000 cargo test -p boxoffice-gateways --test conformance anything`.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::door::{Sent, T, Tested, became, readings};
use crate::doors;
use crate::headers::says_no_more;

/// Pieces that parsers have opinions about.
const PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"9223372036854775808",
    b"\"id\":",
    b"\"type\":",
    b"\"data\":",
    b"\"amount\":",
    b"\"status\":",
    b"&",
    b"=",
    b"%",
    b"%00",
    b"+",
    b"|",
    b"\xff",
    b"\xf0\x9f\x98\x80",
    b"v1,",
    b"v1=",
    b"t=",
    b"sha256=",
    b" ",
    b"\n",
    b".",
    b"-",
];

fn setting(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// One to three changes, each of a bit, a byte, a stretch or a piece.
fn change(rng: &mut SmallRng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..=3) {
        let place = rng.random_range(0..=bytes.len());
        match rng.random_range(0..6) {
            0 if place < bytes.len() => bytes[place] ^= 1 << rng.random_range(0..8),
            1 if place < bytes.len() => bytes[place] = rng.random(),
            2 => bytes.truncate(place),
            3 => {
                let end = (place + rng.random_range(0..20)).min(bytes.len());
                bytes.drain(place..end);
            }
            4 => {
                let end = (place + rng.random_range(0..40)).min(bytes.len());
                let stretch = bytes[place..end].to_vec();
                let at = rng.random_range(0..=bytes.len());
                bytes.splice(at..at, stretch);
            }
            _ => {
                let piece = PIECES.choose(rng).unwrap();
                bytes.splice(place..place, piece.iter().copied());
            }
        }
    }
}

/// One message that is not genuine, and whatever its body says.
fn one(
    rng: &mut SmallRng,
    tested: &Tested,
    gateways: &boxoffice_gateways::Gateways,
    genuine: &[Genuine],
) {
    let genuine = genuine.choose(rng).unwrap();
    let mut sent = genuine.sent.clone();
    let (mut body_changed, mut header_changed) = (false, false);
    if sent.headers.is_empty() || rng.random_ratio(2, 3) {
        change(rng, &mut sent.body);
        body_changed = sent.body != genuine.sent.body;
    }
    if !sent.headers.is_empty() && (!body_changed || rng.random_ratio(1, 3)) {
        let nth = rng.random_range(0..sent.headers.len());
        change(rng, &mut sent.headers[nth].1);
        let (_, value, counts) = &sent.headers[nth];
        let was = &genuine.sent.headers[nth].1;
        // HTTP takes the spaces around a value away.
        header_changed = *counts
            && value.trim_ascii() != was.trim_ascii()
            && !(tested.any_case && value.eq_ignore_ascii_case(was));
    }
    if sent.map().is_none() {
        return;
    }
    let changed = became(tested, gateways, &sent, T);
    if body_changed {
        says_no_more(tested, &genuine.facts, &changed, "a change");
    } else if header_changed {
        // Another signature may stand beside the right one; what is said stays the same.
        for fact in changed.facts() {
            assert!(genuine.facts.contains(&fact), "{}: {fact:?}", tested.name);
        }
    }
    let door = gateways.door(&tested.account()).unwrap();
    let _ = readings(door, &sent.map().unwrap(), &sent.body);
    // The same signed: believed, and still to be read without harm.
    if rng.random_ratio(1, 8) {
        let again = tested.sent(&sent.body);
        let _ = became(tested, gateways, &again, T);
    }
}

struct Genuine {
    sent: Sent,
    facts: Vec<boxoffice_saga::fact::Fact>,
}

#[test]
fn nothing_that_is_changed_is_believed_and_nothing_panics() {
    let inputs = setting("BOXOFFICE_DOORS_INPUTS").unwrap_or(150_000);
    let seed = setting("BOXOFFICE_DOORS_SEED").unwrap_or_else(rand::random);
    println!("seed {seed}, {inputs} inputs for each door");
    let doors = doors::all();
    std::thread::scope(|scope| {
        for tested in &doors {
            scope.spawn(move || {
                let gateways = tested.gateways();
                let genuine: Vec<Genuine> = tested
                    .samples
                    .iter()
                    .map(|sample| {
                        let sent = tested.sent(sample.body.as_bytes());
                        let facts = became(tested, &gateways, &sent, T).facts();
                        Genuine { sent, facts }
                    })
                    .collect();
                for nth in 0..inputs {
                    let mut rng = SmallRng::seed_from_u64(seed.wrapping_add(nth));
                    let outcome = catch_unwind(AssertUnwindSafe(|| {
                        one(&mut rng, tested, &gateways, &genuine);
                    }));
                    assert!(
                        outcome.is_ok(),
                        "{}: BOXOFFICE_DOORS_SEED={} BOXOFFICE_DOORS_INPUTS=1 makes it happen again",
                        tested.name,
                        seed.wrapping_add(nth)
                    );
                }
            });
        }
    });
}
