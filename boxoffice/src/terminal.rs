//! What goes to standard output: the answers of commands, for people and for scripts.

use std::io::{IsTerminal, Write};

/// Writes a line. A reader that has gone away (`boxoffice config | head`) is no error of ours.
pub fn line(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", text.as_ref());
    let _ = out.flush();
}

/// Writes text as it stands.
pub fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Whether a person may be looking: colours only then, and not where NO_COLOR is set.
pub fn coloured() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `text` in bold, where a person may be looking.
pub fn bold(text: &str) -> String {
    if coloured() {
        format!("\u{1b}[1m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// `text` in a weaker colour, where a person may be looking.
pub fn dim(text: &str) -> String {
    if coloured() {
        format!("\u{1b}[2m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Says on standard error how many of how many are done, while a person may be looking and `wanted`. `usize::MAX`:
/// nobody knows of how many.
pub fn progress(what: &'static str, wanted: bool) -> impl Fn(usize, usize) {
    let seen = wanted && std::io::stderr().is_terminal();
    move |done, all| {
        if seen {
            let mut err = std::io::stderr().lock();
            let _ = match all {
                usize::MAX => write!(err, "\r{what} {done}\r"),
                all if done == all => write!(err, "\r\u{1b}[K"),
                all => write!(err, "\r{what} {done} of {all}"),
            };
            let _ = err.flush();
        }
    }
}
