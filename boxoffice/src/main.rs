//! boxoffice drives ticket bookings from seat hold to paid ticket. See `boxoffice --help`.

use std::process::ExitCode;

/// See `docs/performance.md`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    boxoffice::cli::main()
}
