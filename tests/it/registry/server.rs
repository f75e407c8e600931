//! A server on the loopback that answers as a test says, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    /// As text.
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// How many bytes of the body are sent before the connection is closed.
    sent: Option<usize>,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            sent: None,
        }
    }

    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Answer {
        Answer::new(200).body(body)
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Answer {
        self.body = body.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The bytes of its body.
    pub(crate) fn length(&self) -> usize {
        self.body.len()
    }

    /// The same with another status.
    pub(crate) fn with_status(mut self, status: u16) -> Answer {
        self.status = status;
        self
    }

    /// Promises the whole body, and closes the connection after `count` bytes of it.
    pub(crate) fn cut_after(mut self, count: usize) -> Answer {
        self.sent = Some(count);
        self
    }

    fn send(&self, method: &str, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", self.status);
        if !self
            .headers
            .iter()
            .any(|(name, _)| name == "Transfer-Encoding")
        {
            head += &format!("Content-Length: {}\r\n", self.body.len());
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        if method != "HEAD" {
            let whole = self.body.len();
            stream.write_all(&self.body[..self.sent.unwrap_or(whole).min(whole)])?;
        }
        stream.flush()
    }
}

/// A server until it is dropped.
pub(crate) struct Server {
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers each request, and its number from 0, by `answer`.
    pub(crate) fn start(answer: impl Fn(&Asked, usize) -> Answer + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (log, stopped) = (asked.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Some((request, mut stream)) = stream.ok().and_then(read) else {
                    continue;
                };
                let number = {
                    let mut log = log.lock().expect("no test panics while it holds the log");
                    log.push(request.clone());
                    log.len() - 1
                };
                // A client that hangs up early is what some tests are about.
                drop(answer(&request, number).send(&request.method, &mut stream));
            }
        });
        Server {
            host: address.to_string(),
            asked,
            stop,
            thread: Some(thread),
        }
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .expect("no test panics while it holds the log")
            .clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.host));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Reads a request; `None` for what is not HTTP, such as TLS, which is told so.
fn read(stream: TcpStream) -> Option<(Asked, TcpStream)> {
    let mut reader = BufReader::new(stream);
    if *reader.fill_buf().ok()?.first()? == 0x16 {
        drop(
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        );
        return None;
    }
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.by_ref().take(64 << 10).read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines.first()?.split(' ');
    let header = |line: &String| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let mut asked = Asked {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        headers: lines[1..].iter().filter_map(header).collect(),
        body: String::new(),
    };
    let length = asked.header("content-length").unwrap_or("0").parse().ok()?;
    let mut body = reader.by_ref().take(length);
    body.read_to_string(&mut asked.body).ok()?;
    Some((asked, reader.into_inner()))
}
