//! Waiting until a booking's document is another one.

use std::time::Duration;

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::status::StatusDocument;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::case::Seen;
use super::tag::Tag;
use super::watchers::Watcher;
use crate::access::Access;
use crate::api::Api;
use crate::problem::Problem;

/// How long a reader that is behind what the client knows is given to catch up between looks.
const CATCH_UP: Duration = Duration::from_millis(200);
/// How many such looks it is given. A client may claim to know anything; who is still behind waits like all others.
const CATCH_UPS: u32 = 10;
/// How soon a look at the rows follows one at what this process has committed lately.
const LOOK_AFTER_MEMORY: Duration = Duration::from_secs(1);

/// How a wait ended.
pub(super) enum Change {
    /// There is another document.
    Changed(Seen, Box<StatusDocument>),
    /// Time is up, or this process ends: as it was, or as far as a reader that is behind can see.
    Unchanged(Box<StatusDocument>),
}

/// Waits until the document differs from `known`, by an event or by time alone, at most until `until`. A wait
/// in vain ends with a look at the row too: a follower that lags makes an answer late, never wrong. Whoever knows the
/// booking as this process has just left it begins without a look.
pub(super) async fn change(
    api: &Api,
    access: &Access,
    watcher: &Watcher,
    known: Tag,
    until: Instant,
) -> Result<Change, Problem> {
    let mut behind_for = 0;
    let mut last: Option<(u64, OffsetDateTime)> = None;
    loop {
        // Prepared before the read: a change after it rings.
        let mut ring = std::pin::pin!(watcher.bell().notified());
        ring.as_mut().enable();
        let remembered = match last {
            Some((version, moment)) => watcher.left_after(version, moment),
            None => api.watchers.lately(watcher.booking()),
        };
        let remembered = remembered.filter(|seen| seen.case.booking.version >= known.version);
        let from_memory = remembered.is_some();
        let (seen, document) = match remembered {
            Some(seen) => allowed(access, Some(seen))?,
            None => look(api, access, watcher.booking()).await?,
        };
        last = Some((document.version, seen.now));
        let behind = document.version < known.version;
        if is_news(&document, known) {
            return Ok(Change::Changed(seen, Box::new(document)));
        }
        if Instant::now() >= until || api.draining.is_cancelled() {
            return Ok(Change::Unchanged(Box::new(document)));
        }
        behind_for += u32::from(behind);
        let by_itself = if behind && behind_for <= CATCH_UPS {
            Some(CATCH_UP)
        } else {
            seen.changes_in(&document)
        };
        let unsure = from_memory.then_some(LOOK_AFTER_MEMORY);
        let look_again = [by_itself, unsure].into_iter().flatten().min();
        let look_again = look_again.map_or(until, |after| until.min(Instant::now() + after));
        // A waiting client holds as little as possible.
        drop((seen, document));
        tokio::select! {
            () = ring => {}
            () = tokio::time::sleep_until(look_again) => {}
            () = api.draining.cancelled() => {}
        }
    }
}

/// How it is now, for whoever knows `known` and does not wait.
pub(super) async fn poll(
    api: &Api,
    access: &Access,
    booking: BookingId,
    known: Tag,
) -> Result<Change, Problem> {
    let (seen, document) = allowed(access, api.cases.read_again(booking).await?)?;
    let document = Box::new(document);
    Ok(if is_news(&document, known) {
        Change::Changed(seen, document)
    } else {
        Change::Unchanged(document)
    })
}

/// Whether it differs from what the client has, which is never taken back: a reader that is behind has nothing newer.
fn is_news(document: &StatusDocument, known: Tag) -> bool {
    document.version >= known.version && Tag::from(document) != known
}

/// The document now.
pub(super) async fn look(
    api: &Api,
    access: &Access,
    booking: BookingId,
) -> Result<(Seen, StatusDocument), Problem> {
    allowed(access, api.cases.read(booking).await?)
}

fn allowed(access: &Access, seen: Option<Seen>) -> Result<(Seen, StatusDocument), Problem> {
    let seen = seen.filter(|seen| access.allows(&seen.case.booking));
    let seen = seen.ok_or_else(|| Problem::not_found("booking"))?;
    let document = seen.document();
    Ok((seen, document))
}
