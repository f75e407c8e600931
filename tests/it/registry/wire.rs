//! One connection to a server of ours, in the clear or over TLS: a request is read from it and bytes are written.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::server::Asked;

/// The longest head of a request, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// How often one who waits for a client looks whether the whole test has ended.
const GLANCE: Duration = Duration::from_millis(20);

/// How a server speaks TLS.
#[derive(Clone)]
pub(crate) struct Secured {
    config: Arc<ServerConfig>,
    /// How long it thinks before its first word.
    thinks: Duration,
}

impl Secured {
    /// With the certificate and the key of two PEM files; `clients` is a file with the authority of those that alone are let in.
    pub(crate) fn by(certificate: &Path, key: &Path, clients: Option<&Path>) -> Secured {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder
            .with_safe_default_protocol_versions()
            .expect("ring knows them all");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                let authority = CertificateDer::from_pem_file(file).expect("openssl made it");
                roots.add(authority).expect("it is an authority");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("it has a root"))
            }
        };
        let certificate = CertificateDer::from_pem_file(certificate).expect("openssl made it");
        let key = PrivateKeyDer::from_pem_file(key).expect("openssl made it");
        let config = builder.with_single_cert(vec![certificate], key);
        Secured {
            config: Arc::new(config.expect("they belong together")),
            thinks: Duration::ZERO,
        }
    }

    /// The same by one who thinks for so long before its first word.
    pub(crate) fn thinking(self, thinks: Duration) -> Secured {
        Secured { thinks, ..self }
    }
}

/// A connection.
pub(super) struct Wire {
    stream: Stream,
    /// Whether the last byte of a request is still to be read.
    is_owed: bool,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    pub(super) fn new(stream: TcpStream, secured: Option<&Secured>) -> Wire {
        let stream = match secured {
            None => Stream::Plain(stream),
            Some(secured) => {
                std::thread::sleep(secured.thinks);
                let connection = ServerConnection::new(secured.config.clone());
                let connection = connection.expect("it was checked");
                Stream::Tls(Box::new(StreamOwned::new(connection, stream)))
            }
        };
        Wire {
            stream,
            is_owed: false,
        }
    }

    /// Reads a request, where it has no body but for its last byte, so that [`Wire::reset`] is possible; `None` for what
    /// is not HTTP, such as TLS where that is not spoken, which is told so.
    pub(super) fn read_request(&mut self) -> Option<Asked> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r") {
            let mut byte = [0];
            self.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
            let is_plain = matches!(self.stream, Stream::Plain(_));
            if head.len() > MAX_HEAD || (is_plain && head == [0x16]) {
                // All of it, for what is left unread turns into a reset.
                drop(self.read(&mut [0; MAX_HEAD]));
                drop(self.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
                return None;
            }
        }
        self.is_owed = true;
        let mut asked = Asked::parse(&String::from_utf8_lossy(&head))?;
        let length: usize = asked.header("content-length").unwrap_or("0").parse().ok()?;
        if length > 0 {
            // The last byte of the head stands before the body.
            let mut body = vec![0; length.min(MAX_HEAD) + 1];
            self.read_exact(&mut body).ok()?;
            self.is_owed = false;
            asked.body = String::from_utf8_lossy(&body[1..]).into_owned();
        }
        Some(asked)
    }

    /// Closes in order.
    pub(super) fn close(mut self) -> io::Result<()> {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        match self.is_owed {
            true => self.read_exact(&mut [0]),
            false => Ok(()),
        }
    }

    /// Closes with a reset, which the kernel sends where something came that nobody has read. RFC 2525, 2.17.
    pub(super) fn reset(self) {
        drop(self);
    }

    /// Says nothing more until the client leaves, or all is `over`.
    pub(super) fn fall_silent(mut self, over: &AtomicBool) -> io::Result<()> {
        let stream = match &mut self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &mut stream.sock,
        };
        stream.set_read_timeout(Some(GLANCE))?;
        let mut rest = [0; 64];
        while !over.load(Ordering::SeqCst) {
            match stream.read(&mut rest) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}
