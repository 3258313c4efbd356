fn arg<T: std::str::FromStr>(n: usize) -> Option<T> { std::env::args().nth(n).and_then(|a| a.parse().ok()) }
fn main() {
    let n: u64 = arg(1).unwrap_or(100);
    let s: u64 = arg(2).unwrap_or(0);
    let t: usize = arg(3).unwrap_or(1);
    let m: String = arg(4).unwrap_or_default();
    use boxoffice_simulation::mistake::Mistake;
    let started = std::time::Instant::now();
    if m == "all" {
        for m in Mistake::ALL {
            let started = std::time::Instant::now();
            let e = boxoffice_simulation::explore::explore(s, n, boxoffice_simulation::act::Faults::ALL, Some(*m), t);
            let found = e.broken.map(|b| format!("{} {}", b.history.seed, b.broken[0]));
            eprintln!("{m:?}: {found:?} {:?}", started.elapsed());
        }
        return;
    }
    let mistake: Option<Mistake> = serde_json::from_str(&format!("{m:?}")).ok();
    let e = boxoffice_simulation::explore::explore(s, n, boxoffice_simulation::act::Faults::ALL, mistake, t);
    eprintln!("{} histories {} acts in {:?}", e.histories, e.acts, started.elapsed());
    if let Some(b) = e.broken {
        eprintln!("seed {} acts {}: {:#?}", b.history.seed, b.history.acts.len(), b.broken);
        let h = boxoffice_simulation::shrink::shrink(&b.history);
        for a in &h.acts { eprintln!("{}", serde_json::to_string(a).unwrap()); }
        let e = boxoffice_simulation::history::again(&h);
        for j in e.journal { eprintln!("  {j}"); }
        eprintln!("{:?} {:#?}", h.setting, e.broken);
    } else if m == "cells" {
        for (c, m) in e.coverage.cells { eprintln!("{:7} {c}", m.times); }
    }
}
