//! A mail server beside the gateway: it speaks SMTP, keeps each letter as a file, and can be closed, so that
//! a broken mail server can be tried on a running system.
//!
//! While it is closed nobody listens on its port: to those who send letters it is simply not there.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::books::fresh_id;
use crate::clock::Clock;

/// The longest line that is read, in bytes. RFC 5321 asks for 1,000 and more.
const LONGEST_LINE: u64 = 64 << 10;
/// The largest letter that is taken, in bytes.
const LARGEST_LETTER: usize = 8 << 20;
/// How long a sender may pause within a letter.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the mail server listens, and where it keeps letters.
#[derive(Clone, Debug)]
pub struct MailServerOptions {
    /// The address of its SMTP port: without TLS, so one that only this machine reaches. Port 0 is any free
    /// one, kept from then on.
    pub listen: SocketAddr,
    /// The directory of its letters, made if it is missing: `<Message-ID>.eml`. A letter that is sent twice
    /// is one file. Empty: they are kept nowhere.
    pub letters: PathBuf,
}

/// The mail server, open or closed.
pub(crate) struct MailServer {
    letters: PathBuf,
    taken: Arc<Mutex<Vec<Taken>>>,
    door: tokio::sync::Mutex<Door>,
}

struct Door {
    address: SocketAddr,
    /// While it is open.
    running: Option<Running>,
}

/// A letter that was taken since the start.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Taken {
    pub(crate) message_id: String,
    to: String,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

struct Running {
    close: CancellationToken,
    task: JoinHandle<()>,
}

impl MailServer {
    /// A server that is still closed.
    pub(crate) fn new(options: MailServerOptions) -> Self {
        Self {
            letters: options.letters,
            taken: Arc::default(),
            door: tokio::sync::Mutex::new(Door {
                address: options.listen,
                running: None,
            }),
        }
    }

    /// Listens from now on, if it does not already.
    pub(crate) async fn open(&self) -> io::Result<()> {
        let mut door = self.door.lock().await;
        if door.running.is_some() {
            return Ok(());
        }
        let listener = TcpListener::bind(door.address).await?;
        door.address = listener.local_addr()?;
        let close = CancellationToken::new();
        let desk = Desk {
            letters: self.letters.clone(),
            taken: Arc::clone(&self.taken),
            close: close.clone(),
        };
        let task = tokio::spawn(serve(listener, desk));
        door.running = Some(Running { close, task });
        Ok(())
    }

    /// Takes what is being handed over, ends every conversation, and listens no longer.
    pub(crate) async fn close(&self) {
        if let Some(Running { close, task }) = self.door.lock().await.running.take() {
            close.cancel();
            let _ = task.await;
        }
    }

    /// Where it listens, and whether it does now.
    pub(crate) async fn door(&self) -> (SocketAddr, bool) {
        let door = self.door.lock().await;
        (door.address, door.running.is_some())
    }

    /// The letters taken since the start whose Message-ID contains `about`.
    pub(crate) fn taken(&self, about: &str) -> Vec<Taken> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let about = taken
            .iter()
            .filter(|letter| letter.message_id.contains(about));
        about.cloned().collect()
    }
}

/// What a conversation needs of the server.
#[derive(Clone)]
struct Desk {
    letters: PathBuf,
    taken: Arc<Mutex<Vec<Taken>>>,
    close: CancellationToken,
}

async fn serve(listener: TcpListener, desk: Desk) {
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            () = desk.close.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let desk = desk.clone();
                    conversations.spawn(async move {
                        let (reader, writer) = stream.into_split();
                        if let Err(error) = converse(BufReader::new(reader), writer, &desk).await {
                            tracing::debug!(%error, "a conversation with the mail server broke off");
                        }
                    });
                }
                // Out of file descriptors, for example: others will end.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = conversations.join_next() => {}
        }
    }
    drop(listener);
    while conversations.join_next().await.is_some() {}
}

/// One conversation. It ends between two commands when the server closes, never within a letter.
async fn converse(
    mut reader: impl AsyncBufRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    desk: &Desk,
) -> io::Result<()> {
    writer.write_all(b"220 localhost ready\r\n").await?;
    let mut from_given = false;
    let mut to = Vec::new();
    loop {
        let line = tokio::select! {
            line = line(&mut reader) => line?,
            () = desk.close.cancelled() => {
                return writer.write_all(b"421 4.3.2 closing\r\n").await;
            }
        };
        let Some(line) = line else {
            return Ok(());
        };
        let line = String::from_utf8_lossy(&line);
        let line = line.trim();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => "250-localhost\r\n250 8BITMIME\r\n",
            "HELO" | "NOOP" => "250 2.0.0 fine\r\n",
            "RSET" => {
                (from_given, to) = (false, Vec::new());
                "250 2.0.0 fine\r\n"
            }
            "MAIL" => {
                (from_given, to) = (true, Vec::new());
                "250 2.1.0 fine\r\n"
            }
            "RCPT" if from_given => {
                to.push(address(rest));
                "250 2.1.5 fine\r\n"
            }
            "DATA" if !to.is_empty() => {
                writer
                    .write_all(b"354 go on, and end with a dot\r\n")
                    .await?;
                let letter = tokio::time::timeout(PATIENCE, letter(&mut reader)).await??;
                from_given = false;
                match keep(desk, &letter, &std::mem::take(&mut to)).await {
                    Ok(()) => "250 2.0.0 taken\r\n",
                    Err(error) => {
                        tracing::warn!(%error, "a letter cannot be kept");
                        "451 4.3.0 cannot be kept now\r\n"
                    }
                }
            }
            "RCPT" | "DATA" => "503 5.5.1 not in this order\r\n",
            "QUIT" => return writer.write_all(b"221 2.0.0 bye\r\n").await,
            _ => "502 5.5.1 not known here\r\n",
        };
        writer.write_all(answer.as_bytes()).await?;
    }
}

/// The next line with its end. None: the sender has gone.
async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut limited = reader.take(LONGEST_LINE);
    let read = limited.read_until(b'\n', &mut line).await?;
    match line.last() {
        None if read == 0 => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line without an end, or too long",
        )),
    }
}

/// A letter up to its dot, with the dots taken back that hid lines from being the end.
async fn letter(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut letter = Vec::new();
    loop {
        let line = line(reader).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line == b".\r\n" {
            return Ok(letter);
        }
        letter.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        if letter.len() > LARGEST_LETTER {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the letter is too large",
            ));
        }
    }
}

/// Writes the letter to its file, whole or not at all, and then remembers it.
async fn keep(desk: &Desk, letter: &[u8], to: &[String]) -> io::Result<()> {
    let message_id = message_id(letter).unwrap_or_else(|| fresh_id("letter"));
    if !desk.letters.as_os_str().is_empty() {
        write(&desk.letters, &message_id, letter).await?;
    }
    let taken = Taken {
        message_id,
        to: to.join(", "),
        at: Clock::machine(),
    };
    desk.taken
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(taken);
    Ok(())
}

async fn write(dir: &Path, message_id: &str, letter: &[u8]) -> io::Result<()> {
    tokio::fs::create_dir_all(dir).await?;
    let beside = dir.join(format!(".{}.part", fresh_id("letter")));
    tokio::fs::write(&beside, letter).await?;
    tokio::fs::rename(&beside, dir.join(format!("{message_id}.eml"))).await
}

/// What stands between `<` and `>` in the Message-ID, if it can be a file's name.
fn message_id(letter: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(letter);
    let mut headers = text.lines().take_while(|line| !line.is_empty());
    let header = headers.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("message-id").then_some(value)
    })?;
    let id = header.trim().strip_prefix('<')?.strip_suffix('>')?;
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.@".contains(&c);
    let fits = (1..=240).contains(&id.len()) && !id.starts_with('.') && id.bytes().all(plain);
    fits.then(|| id.to_owned())
}

/// The address in `TO:<address>`, or the words as they are.
fn address(words: &str) -> String {
    let inside = words
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or(words, |(address, _)| address).to_owned()
}
