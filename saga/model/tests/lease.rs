//! A refund task, its workers and the gateway.
use boxoffice_model::explore;
use boxoffice_model::lease::{Faults, Lease, Rule};

#[test]
fn a_refund_is_made_once() {
    let e = |n: &str, d: u8| {
        std::env::var(n)
            .ok()
            .and_then(|v| v.parse().ok())
            .unwrap_or(d)
    };
    let t = std::time::Instant::now();
    let without: Vec<Rule> = std::env::var("WO")
        .map(|w| {
            Rule::ALL
                .into_iter()
                .filter(|r| w.split(',').any(|x| x == format!("{r:?}")))
                .collect()
        })
        .unwrap_or_default();
    println!("{without:?}");
    let found = explore(Lease {
        faults: Faults {
            crashes: e("CR", 0),
            lost: e("LO", 1),
            breaks: e("BR", 0),
            declines: e("DE", 0),
            refused: e("RE", 0),
            failures: e("FA", 0),
            ticks: [e("T0", 1), e("T1", 1), e("T2", 1)],
        },
        decided: e("OK", 1) == 1,
        without,
    });
    println!(
        "{} states, depth {} {:?} never {:?}\n{}",
        found.states,
        found.depth,
        t.elapsed(),
        found.never,
        found.story()
    );
}
