//! What every list takes: where the page begins, and how long it is.

use serde::de::DeserializeOwned;

use crate::operators::page::{self, Limit};
use crate::problem::{Code, Problem};

/// The place that a cursor names.
pub(super) fn place<P: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<P>, Problem> {
    match cursor.map(page::place) {
        None => Ok(None),
        Some(Some(place)) => Ok(Some(place)),
        Some(None) => Err(Problem::new(
            Code::InvalidRequest,
            "`cursor` must be the `next` of an earlier page.",
        )),
    }
}

/// The length that is asked for.
pub(super) fn limit(asked: Option<&str>) -> Result<Limit, Problem> {
    let Some(asked) = asked else {
        return Ok(Limit::default());
    };
    asked.parse().ok().and_then(Limit::new).ok_or_else(|| {
        Problem::new(
            Code::InvalidRequest,
            format!("`limit` must be a whole number from 1 to {}.", Limit::MOST),
        )
    })
}
