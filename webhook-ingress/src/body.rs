//! Reading a body whole, and no more of it than is allowed.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::admission::Admitted;
use crate::problem::Refused;

/// What is set aside at once for a body that comes in pieces. A sender's word alone reserves no more.
const FIRST_RESERVE: usize = 16 << 10;

/// The exact bytes. A body that says it is too large is refused unread; one that grows too large, as soon as
/// it has. A body that arrives in one piece is not copied.
///
/// # Errors
/// [`Refused::BodyTooLarge`], [`Refused::BodyIncomplete`], [`Refused::TooBusy`].
pub(crate) async fn whole(
    mut body: Body,
    largest: usize,
    admitted: &mut Admitted<'_>,
) -> Result<Bytes, Refused> {
    use axum::body::HttpBody;

    let said = body.size_hint().lower();
    if said > largest as u64 {
        return Err(Refused::BodyTooLarge);
    }
    let Some(first) = piece(&mut body, 0, largest, admitted).await? else {
        return Ok(Bytes::new());
    };
    if body.is_end_stream() {
        return Ok(first);
    }
    let Some(second) = piece(&mut body, first.len(), largest, admitted).await? else {
        return Ok(first);
    };
    let room = usize::try_from(said)
        .unwrap_or(largest)
        .min(FIRST_RESERVE)
        .max(first.len() + second.len());
    let mut all = BytesMut::with_capacity(room);
    all.extend_from_slice(&first);
    all.extend_from_slice(&second);
    drop((first, second));
    while let Some(more) = piece(&mut body, all.len(), largest, admitted).await? {
        all.extend_from_slice(&more);
    }
    Ok(all.freeze())
}

/// The next piece that is not empty; none at the end.
async fn piece(
    body: &mut Body,
    have: usize,
    largest: usize,
    admitted: &mut Admitted<'_>,
) -> Result<Option<Bytes>, Refused> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refused::BodyIncomplete)?;
        // Trailers are none of the signed bytes.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.is_empty() {
            continue;
        }
        if have + data.len() > largest {
            return Err(Refused::BodyTooLarge);
        }
        admitted.hold(data.len())?;
        return Ok(Some(data));
    }
    Ok(None)
}
