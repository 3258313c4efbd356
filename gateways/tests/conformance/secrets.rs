//! Which secret signed, and whether it still counts.

use boxoffice_gateways::Refusal;
use serde_json::json;
use time::format_description::well_known::Rfc3339;

use crate::door::{Became, T, Tested, became, unix};
use crate::doors;

#[test]
fn another_secret_is_refused_and_each_of_several_counts() {
    for tested in doors::all().into_iter().filter(Tested::signs) {
        let body = tested.samples[0].body.as_bytes();
        let one = tested.gateways();
        let refused = became(&tested, &one, &tested.signed(1, body), T);
        assert!(
            matches!(refused, Became::Refused(Refusal::Mismatch)),
            "{}: {refused:?}",
            tested.name
        );
        let both = tested.gateways_with(json!(tested.secrets));
        for nth in 0..2 {
            let accepted = became(&tested, &both, &tested.signed(nth, body), T);
            assert!(
                matches!(accepted, Became::Read(_)),
                "{}: {accepted:?}",
                tested.name
            );
        }
    }
}

#[test]
fn a_retired_secret_counts_up_to_its_end_and_not_a_moment_longer() {
    for tested in doors::all().into_iter().filter(Tested::signs) {
        let body = tested.samples[0].body.as_bytes();
        let until = |end: i64| {
            let end = unix(end).format(&Rfc3339).unwrap();
            tested.gateways_with(json!([
                tested.secrets[0],
                { "secret": tested.secrets[1], "valid_until": end },
            ]))
        };
        let sent = tested.signed(1, body);
        let at_its_end = became(&tested, &until(T), &sent, T);
        assert!(
            matches!(at_its_end, Became::Read(_)),
            "{}: {at_its_end:?}",
            tested.name
        );
        let after = became(&tested, &until(T - 1), &sent, T);
        assert!(
            matches!(after, Became::Refused(Refusal::RetiredSecret)),
            "{}: {after:?}",
            tested.name
        );
        let other = became(&tested, &until(T - 1), &tested.signed(0, body), T);
        assert!(
            matches!(other, Became::Read(_)),
            "{}: {other:?}",
            tested.name
        );
    }
}
