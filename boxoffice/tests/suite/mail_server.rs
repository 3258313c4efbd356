//! A mail server that takes every letter, once it is there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The letters that arrived, each as its bytes.
pub type Letters = Arc<Mutex<Vec<Vec<u8>>>>;

/// Takes letters at `address` until the test's runtime ends.
pub async fn start(address: SocketAddr) -> Letters {
    let listener = TcpListener::bind(address).await.expect("the port is free");
    let letters = Letters::default();
    let taken = letters.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let taken = taken.clone();
            tokio::spawn(async move {
                // Whoever hangs up in the middle has sent nothing.
                let _ = talk(stream, &taken).await;
            });
        }
    });
    letters
}

async fn talk(stream: TcpStream, taken: &Letters) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 test\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match line.split([' ', ':']).next().unwrap_or_default() {
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                let mut letter = Vec::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    letter.extend_from_slice(line.as_bytes());
                    letter.extend_from_slice(b"\r\n");
                }
                taken.lock().expect("no test panics here").push(letter);
                "250 taken\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 fine\r\n",
        };
        writer.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
