//! Headers and bodies that somebody has touched on the way.

use boxoffice_gateways::Refusal;
use boxoffice_saga::fact::Fact;

use crate::door::{Became, Covers, Sent, T, Tested, became};
use crate::doors;

/// What is changed says nothing that the genuine message did not say.
pub fn says_no_more(tested: &Tested, genuine: &[Fact], changed: &Became, what: &str) {
    let plain = |fact: &Fact| match fact.clone() {
        // Why it failed is for people to read, and may stand outside of what is signed.
        Fact::Payment(mut fact) => {
            fact.reason = None;
            // Adyen does not sign by which link a payment was made. Nothing is paid out by that name.
            if tested.covers == Covers::Fields {
                fact.opened_as = None;
            }
            Fact::Payment(fact)
        }
        Fact::Refund(mut fact) => {
            fact.reason = None;
            Fact::Refund(fact)
        }
        Fact::Dispute(mut fact) => {
            fact.reason = None;
            Fact::Dispute(fact)
        }
        other => other,
    };
    let genuine: Vec<Fact> = genuine.iter().map(plain).collect();
    for fact in changed.facts() {
        assert!(
            matches!(fact, Fact::Nothing)
                || (tested.covers == Covers::Nothing && matches!(fact, Fact::Hint(_)))
                || genuine.contains(&plain(&fact)),
            "{}: {what} made it say {fact:?}",
            tested.name
        );
    }
    if tested.covers == Covers::All {
        let a_hint = |fact: &Fact| matches!(fact, Fact::Hint(_));
        if changed.facts().iter().any(a_hint) {
            return;
        }
        assert!(
            matches!(changed, Became::Refused(_)),
            "{}: {what} was not noticed",
            tested.name
        );
    }
}

fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..bytes.len() * 8).map(move |bit| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    })
}

#[test]
fn every_flipped_bit_of_the_body_is_noticed() {
    for tested in doors::all() {
        let gateways = tested.gateways();
        let sent = tested.sent(tested.samples[0].body.as_bytes());
        let genuine = became(&tested, &gateways, &sent, T).facts();
        for body in flipped(&sent.body) {
            let touched = Sent {
                body,
                ..sent.clone()
            };
            let changed = became(&tested, &gateways, &touched, T);
            says_no_more(&tested, &genuine, &changed, "a bit of the body");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_header_that_counts_is_refused() {
    for tested in doors::all() {
        let gateways = tested.gateways();
        let sent = tested.sent(tested.samples[0].body.as_bytes());
        for (nth, (name, value, counts)) in sent.headers.iter().enumerate() {
            for other in flipped(value) {
                let mut touched = sent.clone();
                touched.headers[nth].1 = other.clone();
                let same = tested.any_case && other.eq_ignore_ascii_case(value);
                if touched.map().is_none() || same || !counts {
                    continue;
                }
                let changed = became(&tested, &gateways, &touched, T);
                assert!(
                    matches!(changed, Became::Refused(_)),
                    "{}: {name}: {}",
                    tested.name,
                    String::from_utf8_lossy(&other)
                );
            }
        }
    }
}

#[test]
fn headers_that_cannot_be_are_refused() {
    for tested in doors::all() {
        let gateways = tested.gateways();
        let sent = tested.sent(tested.samples[0].body.as_bytes());
        for nth in 0..sent.headers.len() {
            if !sent.headers[nth].2 {
                continue;
            }
            let what = format!("{} {}", tested.name, sent.headers[nth].0);
            let refused = |change: &dyn Fn(&mut Sent)| {
                let mut touched = sent.clone();
                change(&mut touched);
                match became(&tested, &gateways, &touched, T) {
                    Became::Refused(refusal) => refusal,
                    other => panic!("{what}: {other:?}"),
                }
            };
            let missing = refused(&|sent| {
                sent.headers.remove(nth);
            });
            assert_eq!(missing, Refusal::Missing, "{what}");
            let empty = refused(&|sent| sent.headers[nth].1.clear());
            assert_eq!(empty, Refusal::Missing, "{what}");
            // Twice, with two readers that could each believe another one. (The same twice may be a genuine way to
            // send two signatures.)
            refused(&|sent| {
                let mut second = sent.headers[nth].clone();
                second.1 = b"something else".to_vec();
                sent.headers.insert(nth, second.clone());
                second.1 = b"again".to_vec();
                sent.headers[nth + 1].1 = second.1;
            });
            refused(&|sent| sent.headers[nth].1 = vec![b'x'; 9_000]);
            refused(&|sent| {
                let value = sent.headers[nth].1.clone();
                sent.headers[nth].1 = value.repeat(9_000 / value.len() + 1);
            });
            for odd in [
                &b"\xff\xfe"[..],
                b"\xc3\xa4",
                b"=",
                b",",
                b"v1,",
                b"t=",
                b"sha256=",
            ] {
                refused(&|sent| sent.headers[nth].1 = odd.to_vec());
            }
            for shorter in 1..sent.headers[nth].1.len() {
                refused(&|sent| sent.headers[nth].1.truncate(shorter));
            }
        }
    }
}
