//! One conversation with a mail server, step by step.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::DEFAULT_MECHANISMS;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use tokio::time::{Instant, timeout};

use super::smtp_url::{Security, ServerAddress};
use crate::delivery_error::DeliveryError;

/// Connections kept for the next letters, at most: as many as leave at once with `mail.per_second` as it is by default.
const IDLE_CONNECTIONS: usize = 10;
/// How long one is kept: less than servers wait before they hang up.
const IDLE_TIME: Duration = Duration::from_secs(20);
/// How long an idle connection may take to show that it is alive.
const PROBE: Duration = Duration::from_secs(2);
/// How long a goodbye may take; the verdict is known by then.
const GOODBYE: Duration = Duration::from_secs(1);

/// How far the conversation has come. Before [`Stage::HandedOver`] a broken connection means that nothing
/// was delivered (RFC 5321, section 4.1.1.4); after it, nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Sender,
    Recipient,
    Content,
    HandedOver,
}

impl Stage {
    const fn words(self) -> &'static str {
        match self {
            Self::Connecting => "connecting to the mail server",
            Self::Sender => "naming the sender",
            Self::Recipient => "naming the recipient",
            Self::Content => "announcing the letter",
            Self::HandedOver => "handing over the letter",
        }
    }
}

/// The mail server, and what is open towards it.
pub(super) struct SmtpServer {
    address: ServerAddress,
    limit: Duration,
    idle: Mutex<Vec<(Instant, AsyncSmtpConnection)>>,
}

impl SmtpServer {
    /// `limit` is for one letter, from connecting to the receipt.
    pub fn new(address: ServerAddress, limit: Duration) -> Self {
        Self {
            address,
            limit,
            idle: Mutex::new(Vec::new()),
        }
    }

    pub async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<(), DeliveryError> {
        let mut stage = Stage::Connecting;
        match timeout(self.limit, self.converse(envelope, message, &mut stage)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Refusal::Reply(error))) => Err(verdict(stage, &error)),
            Ok(Err(Refusal::Address)) => Err(DeliveryError::Permanent {
                reason: "the mail server cannot take an address with other than ASCII letters"
                    .into(),
            }),
            Err(_) => {
                let reason = format!("{}: no answer within {:?}", stage.words(), self.limit);
                Err(match stage {
                    Stage::HandedOver => DeliveryError::Unknown { reason },
                    _ => DeliveryError::later(reason),
                })
            }
        }
    }

    async fn converse(
        &self,
        envelope: &Envelope,
        message: &[u8],
        stage: &mut Stage,
    ) -> Result<(), Refusal> {
        let mut connection = self.connection().await?;
        match hand_over(&mut connection, envelope, message, stage).await {
            Ok(()) => {
                self.keep(connection);
                Ok(())
            }
            Err(refusal) => {
                let _ = timeout(GOODBYE, connection.abort()).await;
                Err(refusal)
            }
        }
    }

    /// A connection that was just seen alive: an idle one, or a new one, logged in.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Error> {
        while let Some(mut connection) = self.take_idle() {
            if timeout(PROBE, connection.test_connected()).await == Ok(true) {
                return Ok(connection);
            }
        }
        let address = &self.address;
        let wrapped = match &address.security {
            Security::Wrapped(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            (address.host.as_str(), address.port),
            Some(self.limit),
            &address.hello_name,
            wrapped,
            None,
        )
        .await?;
        match &address.security {
            Security::Required(parameters) => {
                connection
                    .starttls(parameters.clone(), &address.hello_name)
                    .await?;
            }
            Security::Opportunistic(parameters) if connection.can_starttls() => {
                connection
                    .starttls(parameters.clone(), &address.hello_name)
                    .await?;
            }
            _ => {}
        }
        if let Some(credentials) = &address.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    fn take_idle(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, _)| since.elapsed() < IDLE_TIME);
        idle.pop().map(|(_, connection)| connection)
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS {
            idle.push((Instant::now(), connection));
        }
    }
}

enum Refusal {
    Reply(Error),
    /// The server does not speak SMTPUTF8 and the address needs it.
    Address,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Reply(error)
    }
}

async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    message: &[u8],
    stage: &mut Stage,
) -> Result<(), Refusal> {
    let server = connection.server_info();
    let mut parameters = Vec::new();
    let mut addresses = envelope.to().iter().chain(envelope.from());
    if !addresses.all(|address| address.to_string().is_ascii()) {
        if !server.supports_feature(Extension::SmtpUtfEight) {
            return Err(Refusal::Address);
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    // Bodies are always encoded; only the address in the `To` header can be other than ASCII.
    if !message.is_ascii() && server.supports_feature(Extension::EightBitMime) {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    *stage = Stage::Sender;
    connection
        .command(Mail::new(envelope.from().cloned(), parameters))
        .await?;
    *stage = Stage::Recipient;
    for recipient in envelope.to() {
        connection
            .command(Rcpt::new(recipient.clone(), Vec::new()))
            .await?;
    }
    *stage = Stage::Content;
    connection.command(Data).await?;
    *stage = Stage::HandedOver;
    connection.message(message).await?;
    Ok(())
}

/// Whose fault it is. A 5xx is the letter's only where the server speaks about the letter: about its
/// recipient or its content. A refused login or sender is ours to repair, and the letter waits meanwhile.
fn verdict(stage: Stage, error: &Error) -> DeliveryError {
    let reason = format!("{}: {error}", stage.words());
    // 530: log in first; 503: out of order. Neither speaks about the recipient.
    let about_us = error
        .status()
        .is_some_and(|code| matches!(code.to_string().as_str(), "503" | "530"));
    match stage {
        Stage::Connecting | Stage::Sender => DeliveryError::later(reason),
        Stage::Recipient | Stage::Content | Stage::HandedOver
            if error.is_permanent() && !about_us =>
        {
            DeliveryError::Permanent { reason }
        }
        Stage::HandedOver if error.status().is_none() => DeliveryError::Unknown { reason },
        _ => DeliveryError::later(reason),
    }
}
