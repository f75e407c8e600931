//! A server on the loopback that answers as a test says, if need be down to the last byte, and remembers what it was
//! asked.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::wire::{Secured, Wire};

/// Between two bytes of a trickle.
const DRIP: Duration = Duration::from_millis(50);

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
    /// Reads the head of a request.
    pub(super) fn parse(head: &str) -> Option<Asked> {
        let mut lines = head.lines();
        let mut words = lines.next()?.split(' ');
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Some(Asked {
            method: words.next()?.to_owned(),
            path: words.next()?.to_owned(),
            headers: lines.filter_map(header).collect(),
            body: String::new(),
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The same without the headers of this name.
    pub(crate) fn without(mut self, name: &str) -> Asked {
        self.headers.retain(|(key, _)| key != name);
        self
    }
}

/// What an answer says of the length of its body.
#[derive(Clone, Copy, Debug)]
enum Length {
    True,
    Said(usize),
    Unsaid,
}

/// What follows the part of an answer that is sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The connection is closed.
    Close,
    /// It is reset.
    Reset,
    /// Nothing, until the client leaves.
    Silence,
    /// The rest, byte by byte.
    Trickle,
}

/// What to answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    length: Length,
    version: &'static str,
    /// What is sent before it.
    before: Vec<u8>,
    /// What is sent instead of status and headers.
    head: Option<Vec<u8>>,
    /// How many bytes of the body are sent at once; all where absent.
    sent: Option<usize>,
    end: End,
}

impl Answer {
    pub(crate) fn new(status: u16) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            length: Length::True,
            version: "1.1",
            before: Vec::new(),
            head: None,
            sent: None,
            end: End::Close,
        }
    }

    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Answer {
        Answer::new(200).body(body)
    }

    /// Exactly these bytes, and nothing else.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Answer {
        Answer {
            head: Some(bytes.into()),
            ..Answer::new(0)
        }
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Answer {
        self.body = body.into();
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Answer {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Without the headers of this name.
    pub(crate) fn without(mut self, name: &str) -> Answer {
        self.headers.retain(|(key, _)| key != name);
        self
    }

    /// Its status.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The bytes of its body.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// How many these are.
    pub(crate) fn length(&self) -> usize {
        self.body.len()
    }

    /// The same with another status.
    pub(crate) fn with_status(mut self, status: u16) -> Answer {
        self.status = status;
        self
    }

    /// Says that its body is so long.
    pub(crate) fn claiming(mut self, length: usize) -> Answer {
        self.length = Length::Said(length);
        self
    }

    /// By HTTP of that version.
    pub(crate) fn version(mut self, version: &'static str) -> Answer {
        self.version = version;
        self
    }

    /// After these bytes.
    pub(crate) fn preceded(mut self, bytes: impl Into<Vec<u8>>) -> Answer {
        self.before = bytes.into();
        self
    }

    /// Says nothing of its length: the body ends with the connection.
    pub(crate) fn unframed(mut self) -> Answer {
        self.length = Length::Unsaid;
        self
    }

    /// Promises the whole body, and closes the connection after `count` bytes of it.
    pub(crate) fn cut_after(self, count: usize) -> Answer {
        self.ending(count, End::Close)
    }

    /// Promises the whole body, sends `count` bytes of it, and then does this.
    pub(crate) fn ending(mut self, count: usize, end: End) -> Answer {
        self.sent = Some(count);
        self.end = end;
        self
    }

    fn head(&self) -> Vec<u8> {
        if let Some(head) = &self.head {
            return head.clone();
        }
        let (version, status) = (self.version, self.status);
        let mut head = format!("HTTP/{version} {status} Status\r\nConnection: close\r\n");
        let mut names = self.headers.iter().map(|(name, _)| name);
        let is_chunked = names.any(|name| name == "Transfer-Encoding");
        let length = match self.length {
            Length::True if !is_chunked => Some(self.body.len()),
            Length::Said(length) => Some(length),
            Length::True | Length::Unsaid => None,
        };
        if let Some(length) = length {
            head += &format!("Content-Length: {length}\r\n");
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        format!("{head}\r\n").into_bytes()
    }

    fn send(&self, method: &str, mut wire: Wire, over: &AtomicBool) -> std::io::Result<()> {
        let body = match method {
            "HEAD" => &[],
            _ => &self.body[..],
        };
        let (at_once, rest) = body.split_at(self.sent.unwrap_or(body.len()).min(body.len()));
        wire.write_all(&self.before)?;
        wire.write_all(&self.head())?;
        wire.write_all(at_once)?;
        wire.flush()?;
        match self.end {
            End::Close => return wire.close(),
            End::Reset => wire.reset(),
            End::Silence => return wire.fall_silent(over),
            End::Trickle => {
                for byte in rest.iter().take_while(|_| !over.load(Ordering::SeqCst)) {
                    wire.write_all(&[*byte])?;
                    wire.flush()?;
                    std::thread::sleep(DRIP);
                }
                return wire.close();
            }
        }
        Ok(())
    }
}

/// A server until it is dropped. It speaks with several clients at once.
pub(crate) struct Server {
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Answers each request, and its number from 0, by `answer`.
    pub(crate) fn start(
        answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Server {
        Server::at("127.0.0.1:0", None, answer)
    }

    /// The same at another address than 127.0.0.1, or with TLS.
    pub(crate) fn at(
        address: &str,
        secured: Option<Secured>,
        answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind(address).expect("the loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let desk = Arc::new(Desk {
            answer,
            secured,
            asked: asked.clone(),
            over: over.clone(),
        });
        let thread = std::thread::spawn(move || {
            let mut clients: Vec<JoinHandle<()>> = Vec::new();
            for stream in listener.incoming().filter_map(Result::ok) {
                if desk.over.load(Ordering::SeqCst) {
                    break;
                }
                clients.retain(|client| !client.is_finished());
                let desk = desk.clone();
                clients.push(std::thread::spawn(move || desk.serve(stream)));
            }
            clients.into_iter().for_each(|client| drop(client.join()));
        });
        Server {
            host: address.to_string(),
            asked,
            over,
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
        self.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.host));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// What all connections of a server share.
struct Desk<A> {
    answer: A,
    secured: Option<Secured>,
    asked: Arc<Mutex<Vec<Asked>>>,
    over: Arc<AtomicBool>,
}

impl<A: Fn(&Asked, usize) -> Answer> Desk<A> {
    fn serve(&self, stream: TcpStream) {
        let mut wire = Wire::new(stream, self.secured.as_ref());
        let Some(request) = wire.read_request() else {
            return;
        };
        let number = {
            let mut log = self.asked.lock();
            let log = log.as_mut().expect("no test panics while it holds the log");
            log.push(request.clone());
            log.len() - 1
        };
        let answer = (self.answer)(&request, number);
        // A client that hangs up early is what some tests are about.
        drop(answer.send(&request.method, wire, &self.over));
    }
}
