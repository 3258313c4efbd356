fn main() {
    let n: u64 = std::env::args()
        .nth(1)
        .and_then(|a| a.parse().ok())
        .unwrap_or(100);
    let s: u64 = std::env::args()
        .nth(2)
        .and_then(|a| a.parse().ok())
        .unwrap_or(0);
    let t: usize = std::env::args()
        .nth(3)
        .and_then(|a| a.parse().ok())
        .unwrap_or(1);
    let started = std::time::Instant::now();
    let e = boxoffice_simulation::explore::explore(s, n, boxoffice_simulation::act::Faults::ALL, t);
    eprintln!(
        "{} histories {} acts in {:?}",
        e.histories,
        e.acts,
        started.elapsed()
    );
    if let Some(b) = e.broken {
        eprintln!(
            "seed {} acts {}: {:#?}",
            b.history.seed,
            b.history.acts.len(),
            b.broken
        );
        let h = boxoffice_simulation::shrink::shrink(&b.history);
        for a in &h.acts {
            eprintln!("{}", serde_json::to_string(a).unwrap());
        }
        let e = boxoffice_simulation::history::again(&h);
        for j in e.journal {
            eprintln!("  {j}");
        }
        eprintln!("{:?} {:#?}", h.setting, e.broken);
    } else if std::env::args().nth(4).is_some() {
        for (c, m) in e.coverage.cells {
            eprintln!("{:7} {c}", m.times);
        }
    }
}
