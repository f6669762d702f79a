//! A backend that says what it is told to, byte for byte, and remembers what it was asked.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// Whatever is waited for comes within this, or the test fails.
pub const SOON: Duration = Duration::from_secs(10);

/// A backend for one test; it ends with the test's runtime.
pub struct Backend {
    /// `http://127.0.0.1:port/mcp`
    pub url: String,
    seen: Arc<Mutex<Vec<String>>>,
    closed: mpsc::Receiver<()>,
}

impl Backend {
    /// Answers each request with what `answer` makes of its head; connections stay open until the
    /// other side closes them.
    pub async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let (tell, closed) = mpsc::channel(100);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept) = (Arc::new(answer), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, kept, tell) = (Arc::clone(&answer), Arc::clone(&kept), tell.clone());
                tokio::spawn(async move {
                    serve(stream, &*answer, &kept).await;
                    tell.send(()).await.ok();
                });
            }
        });
        Self { url, seen, closed }
    }

    /// The heads of all requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// The latest request's head.
    pub fn last(&self) -> String {
        self.seen().pop().expect("the backend was asked")
    }

    /// Resolves when the gateway has closed a connection.
    pub async fn closed(&mut self) {
        timeout(SOON, self.closed.recv()).await.expect("the backend's connection stays open");
    }
}

async fn serve(mut stream: TcpStream, answer: &(dyn Fn(&str) -> String + Send + Sync), seen: &Mutex<Vec<String>>) {
    while let Some(head) = request(&mut stream).await {
        let answer = answer(&head);
        seen.lock().unwrap().push(head);
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The head of the next request; its body is read and forgotten.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let length = stream.read_buf(&mut bytes).await.ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let wanted = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |value| value.parse().unwrap());
            if body.len() >= wanted {
                return Some(head.to_owned());
            }
        }
        if length == 0 {
            return None;
        }
    }
}

/// A response with a body and these header lines.
pub fn response(status: &str, headers: &[&str], body: &str) -> String {
    let mut lines = vec![format!("HTTP/1.1 {status}"), format!("content-length: {}", body.len())];
    lines.extend(headers.iter().map(|line| (*line).to_owned()));
    lines.join("\r\n") + "\r\n\r\n" + body
}
