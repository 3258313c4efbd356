//! The postman against a folder, and against a mail server that misbehaves on purpose.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use boxoffice_notifications::mail::{Letter, MailDomain, MessageId, Postman};
use boxoffice_notifications::{DeliveryError, Template};
use secrecy::SecretString;
use time::OffsetDateTime;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use uuid::Uuid;

const FROM: &str = "Box Office <tickets@example.com>";

fn letter(to: &str) -> Letter {
    let domain = MailDomain::new("example.com").unwrap();
    let id = MessageId::new(Uuid::nil(), Template::Refunded, Uuid::nil(), &domain);
    Letter {
        to: to.into(),
        message_id: id,
        written_at: OffsetDateTime::UNIX_EPOCH,
        subject: "Your refund".into(),
        text: "It is done.\n.\nReally.\n".into(),
        html: "<p>It is done.</p>".into(),
        picture: None,
    }
}

/// What the server does when a line beginning with this word comes.
#[derive(Clone, Copy)]
enum Whim {
    None,
    Answer(&'static str, &'static str),
    HangUpAt(&'static str),
    SilentAt(&'static str),
}

/// The word for the end of the letter.
const DOT: &str = ".";

#[derive(Default)]
struct Seen {
    connections: usize,
    letters: Vec<String>,
}

struct MailServer {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl MailServer {
    async fn start(whim: Whim) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let notes = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                notes.lock().await.connections += 1;
                tokio::spawn(talk(stream, whim, notes.clone()));
            }
        });
        Self { address, seen }
    }

    fn postman(&self) -> Postman {
        let url = SecretString::from(format!("smtp://user:pass@{}", self.address));
        Postman::smtp(&url, FROM, Duration::from_millis(700)).unwrap()
    }
}

async fn talk(stream: TcpStream, whim: Whim, seen: Arc<Mutex<Seen>>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    if matches!(whim, Whim::HangUpAt("")) {
        return;
    }
    writer.write_all(b"220 test\r\n").await.unwrap();
    let mut letter: Option<String> = None;
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(text) = &mut letter
            && line != DOT
        {
            text.push_str(&line);
            text.push('\n');
            continue;
        }
        let usual = match line.split([' ', ':']).next().unwrap() {
            "EHLO" => "250-test\r\n250 AUTH PLAIN\r\n",
            "AUTH" => "235 2.7.0 welcome\r\n",
            "DATA" => "354 go on\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 2.0.0 fine\r\n",
        };
        let answer = match whim {
            Whim::Answer(at, answer) if line.starts_with(at) => answer,
            Whim::HangUpAt(at) if line.starts_with(at) => return,
            Whim::SilentAt(at) if line.starts_with(at) => "",
            _ => usual,
        };
        if line == DOT && answer.starts_with('2') {
            seen.lock().await.letters.extend(letter.clone());
        }
        letter = answer.starts_with("354").then(String::new);
        if writer.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn outcome(whim: Whim) -> Result<(), DeliveryError> {
    let server = MailServer::start(whim).await;
    let outcome = server.postman().deliver(&letter("asha@example.com")).await;
    let delivered = server.seen.lock().await.letters.len();
    assert_eq!(delivered, usize::from(outcome.is_ok()));
    outcome
}

#[tokio::test]
async fn a_letter_arrives_whole_and_the_connection_is_used_again() {
    let server = MailServer::start(Whim::None).await;
    let postman = server.postman();
    for _ in 0..3 {
        postman
            .deliver(&letter(" asha@example.com "))
            .await
            .unwrap();
    }
    let seen = server.seen.lock().await;
    assert_eq!((seen.connections, seen.letters.len()), (1, 3));
    let text = &seen.letters[0];
    assert!(text.contains("\nTo: asha@example.com\n"), "{text}");
    assert!(
        text.contains("It is done.\n..\nReally."),
        "a lone dot is doubled: {text}"
    );
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_permanent() {
    for whim in [
        Whim::Answer("RCPT", "550 5.1.1 <asha@example.com> unknown\r\n"),
        Whim::Answer("DATA", "554 5.6.0 no\r\n"),
        Whim::Answer(DOT, "550 5.7.1 looks like spam\r\n"),
    ] {
        let error = outcome(whim).await.unwrap_err();
        assert!(
            matches!(error, DeliveryError::Permanent { .. }),
            "{error:?}"
        );
        assert!(!error.to_string().contains("asha@"), "{error}");
    }
}

#[tokio::test]
async fn a_busy_or_broken_server_and_our_own_faults_are_transient() {
    for whim in [
        Whim::Answer("RCPT", "451 4.7.1 greylisted\r\n"),
        Whim::Answer(DOT, "451 4.3.0 later\r\n"),
        Whim::Answer("EHLO", "554 5.3.2 closed today\r\n"),
        Whim::Answer("AUTH", "535 5.7.8 wrong password\r\n"),
        Whim::Answer("MAIL", "550 5.7.1 not your domain\r\n"),
        Whim::Answer("RCPT", "530 5.7.0 log in first\r\n"),
        Whim::HangUpAt(""),
        Whim::HangUpAt("MAIL"),
        Whim::HangUpAt("DATA"),
        Whim::SilentAt("EHLO"),
        Whim::SilentAt("RCPT"),
    ] {
        let error = outcome(whim).await.unwrap_err();
        assert!(
            matches!(error, DeliveryError::Transient { .. }),
            "{error:?}"
        );
    }
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let url = SecretString::from(format!("smtp://{nobody}"));
    let postman = Postman::smtp(&url, FROM, Duration::from_secs(5)).unwrap();
    let error = postman
        .deliver(&letter("asha@example.com"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, DeliveryError::Transient { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn after_the_letter_was_handed_over_a_lost_answer_is_unknown() {
    for whim in [
        Whim::HangUpAt(DOT),
        Whim::SilentAt(DOT),
        Whim::Answer(DOT, "what?\r\n"),
    ] {
        let error = outcome(whim).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Unknown { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_bad_address_is_permanent_and_reaches_nobody() {
    let server = MailServer::start(Whim::None).await;
    let postman = server.postman();
    let long = format!("{}@example.com", "a".repeat(300));
    for to in [
        "",
        "asha",
        "asha@",
        "a b@example.com",
        "asha@example.com, eve@example.com",
        "asha@example.com\r\nBcc: eve@example.com",
        "asha@example.com>\r\nRCPT TO:<eve@example.com",
        "Asha <asha@example.com>",
        "दीपा@example.com",
        &long,
    ] {
        let error = postman.deliver(&letter(to)).await.unwrap_err();
        assert!(
            matches!(error, DeliveryError::Permanent { .. }),
            "{to}: {error:?}"
        );
    }
    assert!(server.seen.lock().await.letters.is_empty());
}

#[tokio::test]
async fn a_subject_cannot_add_a_header() {
    let server = MailServer::start(Whim::None).await;
    let mut letter = letter("asha@example.com");
    letter.subject = "Hello\r\nBcc: eve@example.com\r\n\r\nbody".into();
    server.postman().deliver(&letter).await.unwrap();
    let seen = server.seen.lock().await;
    assert!(
        !seen.letters[0].lines().any(|line| line.starts_with("Bcc:")),
        "{}",
        seen.letters[0]
    );
}

#[tokio::test]
async fn in_a_folder_a_repeat_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("outbox");
    let postman = Postman::files(&inside, FROM).unwrap();
    for _ in 0..2 {
        postman.deliver(&letter("asha@example.com")).await.unwrap();
    }
    let names: Vec<_> = std::fs::read_dir(&inside)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        names,
        [format!("{}.eml", letter("").message_id.as_str()).as_str()]
    );

    std::fs::write(folder.path().join("file"), "").unwrap();
    let nowhere = Postman::files(folder.path().join("file"), FROM).unwrap();
    let error = nowhere
        .deliver(&letter("asha@example.com"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, DeliveryError::Transient { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn dates_out_of_range_do_not_panic() {
    let folder = tempfile::tempdir().unwrap();
    let postman = Postman::files(folder.path(), FROM).unwrap();
    for written_at in [
        OffsetDateTime::UNIX_EPOCH - Duration::from_secs(1),
        time::macros::datetime!(9999-12-31 23:59:59 -23:59),
    ] {
        let letter = Letter {
            written_at,
            ..letter("asha@example.com")
        };
        postman.deliver(&letter).await.unwrap();
    }
}

#[test]
fn settings_are_refused_with_a_reason() {
    let smtp = |url: &str, from: &str| {
        Postman::smtp(&SecretString::from(url), from, Duration::from_secs(1)).map(|_| ())
    };
    assert!(
        smtp("smtp://u:p@mail.example.com", FROM)
            .unwrap_err()
            .to_string()
            .contains("smtps")
    );
    assert!(
        smtp("smtp://localhost", "nobody")
            .unwrap_err()
            .to_string()
            .contains("sender")
    );
    assert!(Postman::files("x", "a@b\r\nBcc: c@d").is_err());
}
