//! A gate between a turn's session and PostgreSQL: it lets one statement of a transaction through at a time, when
//! it is told to. It speaks no SQL, it only cuts the protocol into messages; so the turn, its SQL and sqlx are
//! those of production.
//!
//! What is outside of transactions passes freely, and so does `BEGIN`, which touches nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Where a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// In no transaction.
    Outside,
    /// In a transaction, with nothing asked of the server.
    Between,
    /// This statement waits at the gate.
    Waits(Arc<str>),
    /// The statement was let through and is not answered.
    Under,
}

/// What is done with a statement at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    /// The server never hears of it: the session is cut first.
    CutBefore,
    /// The server does it, and its answer is lost: the session is cut then.
    CutAfter,
}

struct Shared {
    stand: watch::Sender<Stand>,
    passes: Semaphore,
    verdict: Mutex<Verdict>,
    /// Of the session's server process.
    pid: watch::Sender<i32>,
    /// SQLSTATEs of all errors that the server has told since they were last taken.
    errors: Mutex<Vec<String>>,
}

/// The gate of one session at a time.
#[derive(Clone)]
pub struct Gate {
    shared: Arc<Shared>,
    port: u16,
}

impl Gate {
    /// A gate before the server at `host:port`. It stands open on a port of its own as long as the runtime lives.
    pub async fn before(server: (String, u16)) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            stand: watch::Sender::new(Stand::Outside),
            passes: Semaphore::new(0),
            verdict: Mutex::new(Verdict::Pass),
            pid: watch::Sender::new(0),
            errors: Mutex::new(Vec::new()),
        });
        let gate = Self {
            shared: shared.clone(),
            port,
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (shared, server) = (shared.clone(), server.clone());
                tokio::spawn(async move {
                    // A session that ends, whoever ends it, is an error of its stream.
                    let _ = Session::open(client, &server, shared.clone()).await;
                    shared.stand.send_replace(Stand::Outside);
                });
            }
        });
        gate
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Of the server process that serves the session.
    pub fn pid(&self) -> i32 {
        *self.shared.pid.borrow()
    }

    pub fn stand(&self) -> watch::Receiver<Stand> {
        self.shared.stand.subscribe()
    }

    /// Lets the statement that waits through.
    pub fn pass(&self) {
        self.answer(Verdict::Pass);
    }

    /// Cuts the session: before the statement that waits reaches the server, or after it was done there.
    pub fn cut(&self, done: bool) {
        self.answer(if done {
            Verdict::CutAfter
        } else {
            Verdict::CutBefore
        });
    }

    fn answer(&self, verdict: Verdict) {
        *self.shared.verdict() = verdict;
        self.shared.stand.send_replace(Stand::Under);
        self.shared.passes.add_permits(1);
    }

    /// The SQLSTATEs of the errors since the last time.
    pub fn errors(&self) -> Vec<String> {
        let mut errors = self
            .shared
            .errors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *errors)
    }
}

impl Shared {
    fn verdict(&self) -> std::sync::MutexGuard<'_, Verdict> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One message: its type, and everything behind the type.
struct Message {
    kind: u8,
    body: Vec<u8>,
}

struct Session {
    client: BufStream<TcpStream>,
    server: BufStream<TcpStream>,
    shared: Arc<Shared>,
    /// The SQL of prepared statements, by name.
    prepared: HashMap<Vec<u8>, Arc<str>>,
    in_transaction: bool,
}

impl Session {
    async fn open(
        client: TcpStream,
        server: &(String, u16),
        shared: Arc<Shared>,
    ) -> std::io::Result<()> {
        let server = TcpStream::connect(server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let mut session = Self {
            client: BufStream::new(client),
            server: BufStream::new(server),
            shared,
            prepared: HashMap::new(),
            in_transaction: false,
        };
        session.start().await?;
        loop {
            session.exchange().await?;
        }
    }

    /// Until the server is ready for the first time. The client's first message has no type; a password may
    /// follow.
    async fn start(&mut self) -> std::io::Result<()> {
        let length = self.client.read_u32().await?;
        let mut rest = vec![0; length as usize - 4];
        self.client.read_exact(&mut rest).await?;
        self.server.write_u32(length).await?;
        self.server.write_all(&rest).await?;
        self.server.flush().await?;
        loop {
            let message = read(&mut self.server).await?;
            write(&mut self.client, &message).await?;
            self.client.flush().await?;
            match message.kind {
                b'K' => {
                    let pid = i32::from_be_bytes(message.body[..4].try_into().expect("four bytes"));
                    self.shared.pid.send_replace(pid);
                }
                b'Z' => return Ok(()),
                // Of the server's questions about who we are, these want no answer.
                b'R' if !matches!(message.body[..4], [0, 0, 0, 0 | 12]) => {
                    let answer = read(&mut self.client).await?;
                    write(&mut self.server, &answer).await?;
                    self.server.flush().await?;
                }
                _ => {}
            }
        }
    }

    /// What the client asks up to a point where it waits for the server, and the server's answer.
    async fn exchange(&mut self) -> std::io::Result<()> {
        let mut asked = Vec::new();
        let mut statement: Option<Arc<str>> = None;
        loop {
            let message = read(&mut self.client).await?;
            match message.kind {
                b'P' => {
                    let mut parts = message.body.splitn(3, |byte| *byte == 0);
                    if let (Some(name), Some(sql)) = (parts.next(), parts.next()) {
                        let sql = String::from_utf8_lossy(sql).into();
                        self.prepared.insert(name.to_vec(), sql);
                    }
                }
                b'B' => {
                    let name = message.body.splitn(3, |byte| *byte == 0).nth(1);
                    statement = name.and_then(|name| self.prepared.get(name)).cloned();
                }
                b'Q' => {
                    let sql = message.body.split(|byte| *byte == 0).next();
                    statement = sql.map(|sql| String::from_utf8_lossy(sql).into());
                }
                _ => {}
            }
            let last = matches!(message.kind, b'S' | b'Q' | b'X');
            asked.push(message);
            if last {
                break;
            }
        }
        let mut verdict = Verdict::Pass;
        if let Some(statement) = statement.filter(|_| self.in_transaction) {
            self.shared.stand.send_replace(Stand::Waits(statement));
            if let Ok(permit) = self.shared.passes.acquire().await {
                permit.forget();
            }
            verdict = *self.shared.verdict();
        }
        if verdict == Verdict::CutBefore {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        for message in &asked {
            write(&mut self.server, message).await?;
        }
        self.server.flush().await?;
        loop {
            let message = read(&mut self.server).await?;
            if message.kind == b'E' {
                let fields = message.body.split(|byte| *byte == 0);
                let state = fields.filter_map(|field| field.strip_prefix(b"C"));
                let mut errors = self
                    .shared
                    .errors
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                errors.extend(state.map(|code| String::from_utf8_lossy(code).into_owned()));
            }
            let ready = message.kind == b'Z';
            if ready {
                self.in_transaction = message.body.first() != Some(&b'I');
                if verdict == Verdict::CutAfter {
                    return Err(std::io::ErrorKind::ConnectionReset.into());
                }
                // Before the client hears of it: what it does next must not be seen earlier.
                let stand = if self.in_transaction {
                    Stand::Between
                } else {
                    Stand::Outside
                };
                self.shared.stand.send_replace(stand);
            }
            if verdict != Verdict::CutAfter {
                write(&mut self.client, &message).await?;
            }
            if ready {
                return self.client.flush().await;
            }
        }
    }
}

async fn read(from: &mut BufStream<TcpStream>) -> std::io::Result<Message> {
    let kind = from.read_u8().await?;
    let length = from.read_u32().await?;
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body).await?;
    Ok(Message { kind, body })
}

async fn write(to: &mut BufStream<TcpStream>, message: &Message) -> std::io::Result<()> {
    to.write_u8(message.kind).await?;
    let length = u32::try_from(message.body.len() + 4).expect("a message that was read");
    to.write_u32(length).await?;
    to.write_all(&message.body).await
}
