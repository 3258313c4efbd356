//! The mail server beside the gateway: it takes letters whole, and when it is closed nobody is there.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]
#![allow(dead_code, reason = "each test file uses its own part of the stage")]

mod stage;

use std::net::SocketAddr;

use boxoffice_gateway_sim::{MailServerOptions, Options};
use serde_json::{Value, json};
use stage::{KEY, Sim};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const LETTER: &str =
    "Message-ID: <one.ticket.booking-7@example.com>\r\nSubject: Hello\r\n\r\n.. a dot\r\n";

/// Says each line and returns the answers' codes; the greeting's first.
async fn say(address: SocketAddr, lines: &[&str]) -> std::io::Result<Vec<String>> {
    let (reader, mut writer) = TcpStream::connect(address).await?.into_split();
    let mut answers = BufReader::new(reader).lines();
    let mut codes = Vec::new();
    let mut lines = lines.iter();
    while let Some(answer) = answers.next_line().await? {
        if answer.as_bytes().get(3) == Some(&b'-') {
            continue;
        }
        codes.push(answer[..3].to_owned());
        match lines.next() {
            Some(line) => writer.write_all(format!("{line}\r\n").as_bytes()).await?,
            None => break,
        }
    }
    Ok(codes)
}

struct Mail {
    sim: Sim,
    address: SocketAddr,
    dir: tempfile::TempDir,
}

async fn mail() -> Mail {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(KEY);
    options.mail = Some(MailServerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        letters: dir.path().join("mail"),
    });
    let sim = Sim::with(options, 5_000).await;
    let told = sim.get("/_sim/mail").await;
    let address = told["address"].as_str().unwrap().parse().unwrap();
    Mail { sim, address, dir }
}

fn ids(listed: &Value) -> Vec<&str> {
    let letters = listed["letters"].as_array().unwrap().iter();
    letters
        .map(|letter| letter["message_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_letter_is_kept_whole_and_listed() {
    let mail = mail().await;
    let data = format!("{LETTER}.");
    let hello = [
        "EHLO test",
        "MAIL FROM:<box@example.com>",
        "RCPT TO:<ann@example.com>",
        "DATA",
        &data,
        "QUIT",
    ];
    for _ in 0..2 {
        let codes = say(mail.address, &hello).await.unwrap();
        assert_eq!(codes, ["220", "250", "250", "250", "354", "250", "221"]);
    }
    let file = mail
        .dir
        .path()
        .join("mail/one.ticket.booking-7@example.com.eml");
    let kept = std::fs::read_to_string(file).unwrap();
    assert_eq!(
        kept,
        LETTER.replace("..", "."),
        "as it was before SMTP hid its dot"
    );
    let files = std::fs::read_dir(mail.dir.path().join("mail")).unwrap();
    assert_eq!(files.count(), 1, "sent twice, one file");
    let listed = mail.sim.get("/_sim/mail?about=booking-7").await;
    assert_eq!(ids(&listed).len(), 2, "{listed}");
    assert_eq!(listed["letters"][0]["to"], "ann@example.com");
    assert!(ids(&mail.sim.get("/_sim/mail?about=booking-8").await).is_empty());
    mail.sim.stop().await;
}

#[tokio::test]
async fn an_id_that_is_no_file_name_leads_nowhere() {
    let mail = mail().await;
    let data = "Message-ID: <../../escaped@example.com>\r\n\r\nHello\r\n.";
    let hello = [
        "EHLO test",
        "MAIL FROM:<>",
        "RCPT TO:<ann@example.com>",
        "DATA",
        data,
        "QUIT",
    ];
    say(mail.address, &hello).await.unwrap();
    let inside = std::fs::read_dir(mail.dir.path().join("mail")).unwrap();
    assert_eq!(inside.count(), 1);
    mail.sim.stop().await;
}

#[tokio::test]
async fn out_of_order_is_refused() {
    let mail = mail().await;
    let codes = say(
        mail.address,
        &["EHLO test", "DATA", "RCPT TO:<ann@example.com>", "VRFY ann"],
    )
    .await;
    assert_eq!(codes.unwrap(), ["220", "250", "503", "503", "502"]);
    mail.sim.stop().await;
}

#[tokio::test]
async fn closed_is_not_there_and_opened_is_back() {
    let mail = mail().await;
    // A conversation that stands open is ended too.
    let (reader, _writer) = TcpStream::connect(mail.address).await.unwrap().into_split();
    let mut idle = BufReader::new(reader).lines();
    assert!(idle.next_line().await.unwrap().unwrap().starts_with("220"));
    mail.sim.post("/_sim/mail", json!({ "open": false })).await;
    assert!(idle.next_line().await.unwrap().unwrap().starts_with("421"));
    let refused = say(mail.address, &[]).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(mail.sim.get("/_sim/mail").await["open"], false);
    for _ in 0..2 {
        mail.sim.post("/_sim/mail", json!({ "open": true })).await;
    }
    assert_eq!(say(mail.address, &["NOOP"]).await.unwrap(), ["220", "250"]);
    mail.sim.stop().await;
}
