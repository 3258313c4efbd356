//! How a command fails: one line a cause, what to do last.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use crate::config::ConfigError;

/// Why a command ends without having done its work.
#[derive(Debug)]
pub struct Failure {
    causes: Vec<String>,
    advice: Option<String>,
    status: u8,
}

/// The exit status for unusable arguments and configuration.
const UNUSABLE: u8 = 2;

impl Failure {
    /// With exit status 1.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            causes: vec![what.into()],
            advice: None,
            status: 1,
        }
    }

    /// Of unusable arguments: exit status 2.
    pub fn unusable(what: impl Into<String>) -> Self {
        Self {
            status: UNUSABLE,
            ..Self::new(what)
        }
    }

    /// `what` could not be done because of `error` and all that lies beneath it.
    pub fn because(what: impl Into<String>, error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(what);
        failure.causes.extend(causes(error));
        failure
    }

    /// Says what to do.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The causes in one line, for a log.
    pub fn in_one_line(&self) -> String {
        self.causes.join(": ")
    }

    /// Writes it to standard error.
    pub fn report(&self) -> ExitCode {
        let mut err = std::io::stderr().lock();
        for (nth, cause) in self.causes.iter().enumerate() {
            let _ = if nth == 0 {
                writeln!(err, "boxoffice: {cause}")
            } else {
                writeln!(err, "  because: {cause}")
            };
        }
        if let Some(advice) = &self.advice {
            let _ = writeln!(err, "{advice}");
        }
        ExitCode::from(self.status)
    }
}

/// The texts of an error and of all that lies beneath it. A cause that its error has already quoted is not
/// said twice.
pub fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !texts.last().is_some_and(|last| last.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::unusable(error.to_string())
            .advise("`boxoffice config` prints every setting with its documentation.")
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let mut failure = Self::new(String::new());
        failure.causes = causes(error.as_ref());
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer: {0}")]
    struct Quoting(#[source] std::io::Error);

    #[test]
    fn a_cause_that_was_quoted_is_not_said_twice() {
        let error = Quoting(std::io::Error::other("the disk is full"));
        assert_eq!(causes(&error), ["outer: the disk is full"]);
    }
}
