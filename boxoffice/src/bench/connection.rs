//! A client with as little of its own as possible: what it costs is taken from what is measured, for both share a machine.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take. Whoever waits longer has lost something.
const PATIENCE: Duration = Duration::from_secs(60);
/// Room for an answer's head and a small body.
const ROOM: usize = 2_048;

/// One connection to one server, kept open: HTTP/1.1, one request at a time.
pub struct Connection {
    host: String,
    socket: TcpStream,
    question: Vec<u8>,
    answer: Vec<u8>,
}

/// What was answered. Borrows the connection's room.
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The entity tag, if there is one.
    pub tag: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// The text of the JSON field `name`, wherever it is first. Only for documents that we know.
    pub fn text(&self, name: &str) -> Option<&str> {
        let body = std::str::from_utf8(self.body).ok()?;
        let rest = body.split_once(&format!("\"{name}\":\""))?.1;
        Some(rest.split_once('"')?.0)
    }

    /// # Errors
    /// With the body, if the status is another.
    pub fn expect(self, status: u16) -> anyhow::Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        bail!(
            "answered {} instead of {status}: {}",
            self.status,
            String::from_utf8_lossy(self.body)
        )
    }
}

impl Connection {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn open(host: &str) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(host)
            .await
            .with_context(|| format!("nobody listens at {host}"))?;
        socket.set_nodelay(true)?;
        Ok(Self {
            host: host.to_owned(),
            socket,
            question: Vec::with_capacity(ROOM),
            answer: Vec::with_capacity(ROOM),
        })
    }

    /// Asks, and reads the whole answer. `headers` are whole lines, each with its line break.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is not HTTP, or nothing comes within a minute.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> anyhow::Result<Answer<'_>> {
        self.send(method, path, headers, body).await?;
        timeout(PATIENCE, self.receive())
            .await
            .context("no answer within a minute")?
    }

    /// Sends a request. [`Connection::receive`] reads its answer.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> anyhow::Result<()> {
        use std::io::Write as _;
        self.question.clear();
        self.answer.clear();
        let host = &self.host;
        write!(
            self.question,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}"
        )?;
        if method != "GET" {
            write!(self.question, "content-length: {}\r\n", body.len())?;
        }
        self.question.extend_from_slice(b"\r\n");
        self.question.extend_from_slice(body);
        Ok(self.socket.write_all(&self.question).await?)
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// When the connection breaks, or what comes is not HTTP with a `content-length`.
    pub async fn receive(&mut self) -> anyhow::Result<Answer<'_>> {
        let (status, tag, body, end) = loop {
            if self.socket.read_buf(&mut self.answer).await? == 0 {
                bail!("the connection was closed");
            }
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut head = httparse::Response::new(&mut headers);
            let httparse::Status::Complete(begin) = head.parse(&self.answer)? else {
                continue;
            };
            let status = head.code.context("an answer without a status")?;
            let (mut length, mut tag) = (0, None);
            for header in head.headers.iter() {
                let value = std::str::from_utf8(header.value)?;
                if header.name.eq_ignore_ascii_case("content-length") {
                    length = value.parse()?;
                } else if header.name.eq_ignore_ascii_case("etag") {
                    let from = value.as_ptr() as usize - self.answer.as_ptr() as usize;
                    tag = Some(from..from + value.len());
                }
            }
            break (status, tag, begin, begin + length);
        };
        while self.answer.len() < end {
            if self.socket.read_buf(&mut self.answer).await? == 0 {
                bail!("the connection was closed");
            }
        }
        let tag = match tag {
            Some(place) => Some(std::str::from_utf8(&self.answer[place])?),
            None => None,
        };
        Ok(Answer {
            status,
            tag,
            body: &self.answer[body..end],
        })
    }

    /// Waits for the next event of a stream (`text/event-stream`) that was asked for. Returns its lines, its name left out;
    /// comments are passed over.
    ///
    /// # Errors
    /// When the stream was refused, or the connection breaks.
    pub async fn event(&mut self, name: &str) -> anyhow::Result<String> {
        loop {
            // Between two events stand the frame of a chunk and, before the first, the answer's head.
            if let Some(end) = self.answer.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.answer.drain(..end + 2).collect();
                let block = String::from_utf8(block)?;
                if let Some((_, lines)) = block.split_once(&format!("event: {name}\n")) {
                    return Ok(lines.to_owned());
                }
                continue;
            }
            let read = self.socket.read_buf(&mut self.answer).await?;
            let refused =
                self.answer.starts_with(b"HTTP/1.1 ") && !self.answer.starts_with(b"HTTP/1.1 200");
            if read == 0 || refused {
                bail!("no event stream: {}", String::from_utf8_lossy(&self.answer));
            }
        }
    }
}
