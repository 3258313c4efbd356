//! Whether Kafka answers: a Metadata request by hand, so that no Kafka client is needed here.
//!
//! An ApiVersions request would be answered too early, before the controller has unfenced the broker; until then clients
//! see a cluster without brokers.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(2);
const LARGEST: usize = 1 << 20;

/// Metadata (key 3), version 1, correlation id 7, no client id, an empty list of topics (which means none).
const REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0];

/// True when the broker on `port` knows of at least one live broker, which can only be itself.
pub(crate) async fn answers(port: u16) -> bool {
    matches!(
        tokio::time::timeout(PATIENCE, brokers(port)).await,
        Ok(Ok(1..))
    )
}

async fn brokers(port: u16) -> std::io::Result<i32> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(&REQUEST).await?;
    let size = usize::try_from(stream.read_i32().await?).unwrap_or(0);
    if !(8..=LARGEST).contains(&size) {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let correlation = stream.read_i32().await?;
    if correlation != 7 {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    stream.read_i32().await
}
