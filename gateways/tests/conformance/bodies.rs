//! Bodies that are genuine and impossible: a gateway's own mistake, or a customer's text in a field of it. They are
//! signed anew, so what stands between them and our books is the parser alone.

use boxoffice_saga::fact::{Fact, Reference};

use crate::accepts::kept;
use crate::door::{Became, T, Tested, became};
use crate::doors;

/// Genuine, and no money: refused, unreadable (a person looks), or of no interest.
fn no_money(tested: &Tested, body: &[u8], what: &str) {
    let gateways = tested.gateways();
    let read = became(tested, &gateways, &tested.sent(body), T);
    for fact in read.facts() {
        assert!(
            matches!(fact, Fact::Nothing | Fact::Hint(_)),
            "{}: {what} was read as {fact:?}",
            tested.name
        );
    }
}

#[test]
fn an_amount_that_cannot_be_is_no_money() {
    for tested in doors::all() {
        for amount in [
            "9223372036854775808",
            "\"9223372036854775808\"",
            "18446744073709551616",
            "1e30",
            "1e-3",
            "-1",
            "\"-1.00\"",
            "-9223372036854775808",
            "4.5e2",
            "450.0001",
            "\"450.0001\"",
            "\"4 50\"",
            "\"450,00\"",
            "\"0x10\"",
            "\"NaN\"",
            "\"Infinity\"",
            "\"\"",
            "null",
            "true",
            "[]",
            "{}",
            "\"٤٥٠\"",
            "\"\\u0000\"",
            "450.00.00",
            "+450",
            ".",
        ] {
            if let Some(body) = tested.with(&tested.amount, amount) {
                no_money(&tested, &body, amount);
            }
        }
    }
}

#[test]
fn an_amount_that_is_there_twice_is_no_money() {
    for tested in doors::all() {
        if let Some((before, amount)) = &tested.amount {
            let joint = if before.ends_with('=') { '&' } else { ',' };
            let key = before.trim_start_matches(['{', ',', '&']);
            let twice = format!("{amount}{joint}{key}1");
            let body = tested.with(&tested.amount, &twice).unwrap();
            no_money(&tested, &body, "two amounts");
        }
    }
}

#[test]
fn a_reference_that_cannot_be_is_never_a_booking_and_can_be_stored() {
    for tested in doors::all() {
        for odd in [
            "\"a\\u0000b\"",
            "\"\\ud83d\\ude00\\r\\n\"",
            "\"\"",
            "\"00000000-0000-0000-0000-000000000000\"",
            "7",
            "[]",
            "{\"a\":1}",
            "true",
            "null",
        ] {
            let Some(body) = tested.with(&tested.booking, odd) else {
                continue;
            };
            let gateways = tested.gateways();
            let sent = tested.sent(&body);
            let read = became(&tested, &gateways, &sent, T);
            for fact in read.facts() {
                let reference = match &fact {
                    Fact::Payment(fact) => &fact.reference,
                    Fact::Refund(fact) => &fact.reference,
                    Fact::Dispute(fact) => &fact.reference,
                    Fact::Hint(fact) => &fact.reference,
                    Fact::Nothing => continue,
                };
                match reference {
                    Reference::Absent => {}
                    Reference::Malformed { found } => {
                        assert!(
                            !found.chars().any(char::is_control),
                            "{}: {found:?}",
                            tested.name
                        );
                    }
                    Reference::Booking { .. } => panic!("{}: {odd} is {reference:?}", tested.name),
                }
            }
            if matches!(read, Became::Read(_)) {
                let _ = kept(&tested, &gateways, &sent);
            }
        }
    }
}

#[test]
fn a_body_that_ends_early_is_no_money() {
    for tested in doors::all() {
        let body = tested.samples[0].body.as_bytes();
        for length in 0..body.len() {
            no_money(&tested, &body[..length], "a body that ends early");
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_no_reason_to_panic() {
    for tested in doors::all() {
        let body = tested.samples[0].body.as_bytes();
        let gateways = tested.gateways();
        for place in 0..body.len() {
            for odd in [
                &b"\xff"[..],
                b"\xc3",
                b"\0",
                b"\xed\xa0\x80",
                b"\xf0\x9f\x98\x80",
            ] {
                let mut touched = body.to_vec();
                touched.splice(place..place, odd.iter().copied());
                let sent = tested.sent(&touched);
                let read = became(&tested, &gateways, &sent, T);
                // Whatever is read can be written down and read again.
                if matches!(read, Became::Read(_)) {
                    let _ = kept(&tested, &gateways, &sent);
                }
            }
        }
    }
}

#[test]
fn depth_and_size_are_no_money_and_no_stack() {
    let deep = 100_000;
    for tested in doors::all() {
        for body in [
            "[".repeat(10 << 20),
            "{\"a\":".repeat(2 << 20),
            format!("{}{}", "[".repeat(deep), "]".repeat(deep)),
            format!(
                "{{\"data\":{}1{}}}",
                "{\"data\":".repeat(deep),
                "}".repeat(deep)
            ),
            "null".to_owned(),
            "7".to_owned(),
            "\"\"".to_owned(),
            "{}".to_owned(),
            "[]".to_owned(),
            String::new(),
            "\u{feff}{}".to_owned(),
            "&".repeat(1 << 20),
            "=&".repeat(1 << 20),
            "a=b&".repeat(1 << 18),
            "%".repeat(1 << 20),
        ] {
            no_money(&tested, body.as_bytes(), &body[..body.len().min(20)]);
        }
        // A genuine event with something deep beside what matters is still one, or a person's.
        let body = &tested.samples[0].body;
        if body.starts_with('{') {
            let inner = format!("{}{}", "[".repeat(deep), "]".repeat(deep));
            let body = body.replacen('{', &format!("{{\"beside\":{inner},"), 1);
            let gateways = tested.gateways();
            let read = became(&tested, &gateways, &tested.sent(body.as_bytes()), T);
            assert!(!matches!(read, Became::Refused(_)), "{}", tested.name);
        }
    }
}
