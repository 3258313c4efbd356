//! A server that gives prepared answers, for gateways that the simulator does not speak.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The requests that came, whole, in order.
pub type Asked = Arc<Mutex<Vec<String>>>;
/// A status and a body.
pub type Scripted = (u16, Value);

/// Answers with these, one after the other, and notes what was asked.
pub fn serve(listener: TcpListener, answers: Vec<Scripted>) -> Asked {
    let asked = Asked::default();
    let notes = Arc::clone(&asked);
    tokio::spawn(async move {
        for (status, answer) in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !whole(&request) {
                let read = stream.read(&mut buffer).await.unwrap();
                assert_ne!(read, 0, "the request ends early");
                request.extend_from_slice(&buffer[..read]);
            }
            notes
                .lock()
                .unwrap()
                .push(String::from_utf8(request).unwrap());
            let body = answer.to_string();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    asked
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.parse().unwrap())
}
