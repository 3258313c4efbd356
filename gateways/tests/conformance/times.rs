//! Signed times: the tolerance has two edges, and a time may be any text.

use boxoffice_gateways::Refusal;

use crate::door::{Became, Message, T, became};
use crate::doors;

#[test]
fn both_edges_of_the_tolerance() {
    for tested in doors::all() {
        let sent = tested.sent(tested.samples[0].body.as_bytes());
        let gateways = tested.gateways();
        let at = |seconds: i64| became(&tested, &gateways, &sent, seconds);
        let Some(tolerance) = tested.tolerance else {
            // Nothing says when it was signed, so it is as good as ever a year later.
            assert!(
                matches!(at(T + 31_536_000), Became::Read(_)),
                "{}",
                tested.name
            );
            continue;
        };
        for good in [T - tolerance, T, T + tolerance] {
            assert!(
                matches!(at(good), Became::Read(_)),
                "{}: {good}",
                tested.name
            );
        }
        for late in [T + tolerance + 1, T + 31_536_000, 253_402_300_799] {
            let refused = at(late);
            assert!(
                matches!(refused, Became::Refused(Refusal::Stale)),
                "{}: {refused:?}",
                tested.name
            );
        }
        for early in [T - tolerance - 1, 0, -62_135_596_800] {
            let refused = at(early);
            assert!(
                matches!(refused, Became::Refused(Refusal::Future)),
                "{}: {refused:?}",
                tested.name
            );
        }
    }
}

#[test]
fn a_time_that_cannot_be_is_refused_though_it_is_signed() {
    for tested in doors::all() {
        if tested.tolerance.is_none() {
            continue;
        }
        let gateways = tested.gateways();
        for at in [
            "",
            "-1700000000",
            "+1700000000",
            " 1700000000",
            "1700000000.0",
            "1.7e9",
            "0x6553f100",
            "NaN",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "18446744073709551616",
            "99999999999999999999999999999999",
            "1700000000,1700000000",
        ] {
            let message = Message {
                id: "evt-1",
                at,
                body: tested.samples[0].body.as_bytes(),
            };
            let sent = (tested.sign)(&tested.secrets[0], &message);
            let refused = became(&tested, &gateways, &sent, T);
            assert!(
                matches!(refused, Became::Refused(_)),
                "{} {at}: {refused:?}",
                tested.name
            );
        }
    }
}
