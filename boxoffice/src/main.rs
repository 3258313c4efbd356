//! boxoffice drives ticket bookings from seat hold to paid ticket. See `boxoffice --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    boxoffice::cli::main()
}
