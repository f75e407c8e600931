//! What can go wrong with one answer, as data: each fault turns the answer of an honest server into another one.

use std::io::Write;

use coracle::base::fault::Kind;

use super::super::server::{Answer, Asked, End};

/// Where a request belongs in a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// `/v2/`, which is asked for how to speak with this registry.
    Door,
    Token,
    /// A manifest by HEAD, for its digest alone.
    Head,
    Manifest,
    Config,
    /// The large layer.
    Layer,
    /// The small one.
    Small,
    /// Either, at the signed address that a registry leads to.
    Stored,
}

/// Where a redirect leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// To a signed address at a storage, good for one request.
    Storage,
    /// To the storage, with an address that is good no more.
    Expired,
    /// To another address of the same server, by its path.
    Path,
    /// To another address of the same server, by the last part of its path.
    Relative,
    /// To itself.
    Itself,
    /// To exactly this.
    Address(&'static str),
    Nowhere,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is closed without an answer.
    HangUp,
    /// So many bytes of the body, then the connection is closed, or reset, or nothing more comes, or one byte at a time.
    Cut(usize),
    Reset(usize),
    Silence(usize),
    Trickle(usize),
    /// Half a head, and then nothing.
    StalledHead,
    /// No length; the end of the connection is that of the body. The second loses the rest after so many bytes.
    Unframed,
    UnframedCut(usize),
    Chunked,
    /// Chunks of which the last never comes, after so many bytes.
    Unended(usize),
    /// Two lengths, of which the second is wrong.
    TwoLengths,
    /// A byte more, or one fewer, and the length says so.
    Longer,
    Shorter,
    /// The length is that of half the body.
    Understated,
    /// One bit is another.
    Flip,
    /// Other bytes, as many.
    Other,
    /// Compressed, and called so.
    Gzip,
    /// Called compressed, and not so.
    CalledGzip,
    /// The right part without a word about which it is, another part, the right part of a length that is not said.
    NoRange,
    WrongRange,
    OpenRange,
    /// A part, although the whole was asked for.
    PartForWhole,
    Unsatisfiable,
    /// So many header lines; one of so many bytes.
    Headers(usize),
    LongHeader(usize),
    /// Something that is not HTTP.
    Garbage,
    /// HTTP of 1996, without a length.
    Http10,
    /// Another answer first, that is only an interim one.
    EarlyHints,
    /// A status, with an error that a registry writes; and with `Retry-After`.
    Status(u16),
    Busy(u16, &'static str),
    /// A page for people instead of what was asked for.
    Page(u16),
    /// A status with an error of so many bytes.
    LongError(u16, usize),
    Redirect(Where),
    /// To another address of the same server, with that status.
    Moved(u16),
    /// What a 401 demands; `REGISTRY` and `STORAGE` are the servers' addresses.
    Demand(&'static str),
    /// Whatever was shown, it does not suffice, for that reason.
    Refused(&'static str),
    /// A header more, or another one; `SECRET` is what was shown.
    Header(&'static str, &'static str),
    NoHeader(&'static str),
    /// Exactly this body.
    Body(&'static str),
    /// A body of so many blanks.
    Blanks(usize),
}

/// What a fault may look up.
pub(super) struct Around<'a> {
    /// `http://HOST` of the servers.
    pub(super) registry: String,
    pub(super) storage: &'a str,
    /// The query of a signed address that is good once.
    pub(super) signature: &'a dyn Fn() -> String,
}

impl Fault {
    /// Whether it makes sense of this answer: some are about demands, or about ranges.
    pub(super) fn fits(self, at: At, asked: &Asked, honest: &Answer) -> bool {
        let is_part = asked.header("range").is_some();
        match self {
            Fault::Demand(_) => honest.status() == 401,
            // How one speaks with a registry is asked before anybody knows who asks.
            _ if honest.status() == 401 && at != At::Door => false,
            Fault::NoRange | Fault::WrongRange | Fault::OpenRange => honest.status() == 206,
            Fault::Unsatisfiable => is_part,
            Fault::PartForWhole => !is_part && honest.status() == 200,
            Fault::Moved(_) | Fault::Redirect(Where::Path | Where::Relative) => {
                !asked.path.contains("?again")
            }
            _ => true,
        }
    }

    /// The error that it may lead to; none where a pull has to bear it, however often it comes.
    pub(super) fn kind(self) -> Option<Kind> {
        Some(match self {
            Fault::Unframed
            | Fault::Chunked
            | Fault::CalledGzip
            | Fault::OpenRange
            | Fault::Unsatisfiable
            | Fault::EarlyHints
            | Fault::Http10
            | Fault::Moved(_)
            | Fault::Demand(_)
            | Fault::Redirect(Where::Storage | Where::Path | Where::Relative)
            | Fault::Header(..)
            | Fault::NoHeader(_) => return None,
            Fault::HangUp
            | Fault::Cut(_)
            | Fault::Reset(_)
            | Fault::Silence(_)
            | Fault::Trickle(_)
            | Fault::StalledHead
            | Fault::UnframedCut(_)
            | Fault::Unended(_)
            | Fault::TwoLengths
            | Fault::Headers(_)
            | Fault::LongHeader(_)
            | Fault::Garbage
            | Fault::Busy(..)
            | Fault::LongError(..) => Kind::Network,
            Fault::Status(401 | 403) | Fault::Refused(_) | Fault::Redirect(Where::Expired) => {
                Kind::Denied
            }
            Fault::Status(404) | Fault::Page(404) => Kind::NotFound,
            Fault::Status(_) | Fault::Page(400..) => Kind::Network,
            Fault::Longer
            | Fault::Shorter
            | Fault::Understated
            | Fault::Flip
            | Fault::Other
            | Fault::Gzip
            | Fault::NoRange
            | Fault::WrongRange
            | Fault::PartForWhole
            | Fault::Redirect(_)
            | Fault::Page(_)
            | Fault::Body(_)
            | Fault::Blanks(_) => Kind::Integrity,
        })
    }

    /// What is answered instead of `honest`.
    pub(super) fn instead(self, asked: &Asked, honest: Answer, around: &Around<'_>) -> Answer {
        let length = honest.length();
        match self {
            Fault::HangUp => Answer::raw(""),
            Fault::Cut(count) => honest.cut_after(count),
            Fault::Reset(count) => honest.ending(count, End::Reset),
            Fault::Silence(count) => honest.ending(count, End::Silence),
            Fault::Trickle(count) => honest.ending(count, End::Trickle),
            Fault::StalledHead => {
                Answer::raw("HTTP/1.1 200 OK\r\nContent-Le").ending(0, End::Silence)
            }
            Fault::Unframed => honest.unframed(),
            Fault::UnframedCut(count) => honest.unframed().cut_after(count),
            Fault::Chunked => chunked(honest, length, true),
            Fault::Unended(count) => chunked(honest, count, false),
            Fault::TwoLengths => honest.header("Content-Length", "7"),
            Fault::Longer => edited(honest, |body| body.push(b'+')),
            Fault::Shorter => edited(honest, |body| body.truncate(length.saturating_sub(1))),
            Fault::Understated => honest.claiming(length / 2),
            Fault::Flip => edited(honest, |body| {
                if let Some(byte) = body.get_mut(length / 2) {
                    *byte ^= 4;
                }
            }),
            Fault::Other => edited(honest, |body| body.fill(b'x')),
            Fault::Gzip => edited(honest, gzip).header("Content-Encoding", "gzip"),
            Fault::CalledGzip => honest.header("Content-Encoding", "gzip"),
            Fault::Page(status) => Answer::new(status)
                .body("<html><body>Please log in to the network of this hotel</body></html>")
                .header("Content-Type", "text/html"),
            Fault::Body(text) => edited(honest, |body| *body = text.into()),
            Fault::Blanks(count) => edited(honest, |body| *body = vec![b' '; count]),
            Fault::Redirect(to) => redirect(asked, to, around),
            Fault::Moved(status) => redirect(asked, Where::Path, around).with_status(status),
            Fault::Http10 => honest.unframed().version("1.0"),
            _ => self.other_head(asked, honest, around),
        }
    }

    /// The same for faults of status and headers.
    fn other_head(self, asked: &Asked, honest: Answer, around: &Around<'_>) -> Answer {
        let filled = |text: &str| {
            let text = text.replace("REGISTRY", &around.registry);
            let text = text.replace("STORAGE", around.storage);
            text.replace("SECRET", asked.header("authorization").unwrap_or("nothing"))
        };
        match self {
            Fault::NoRange => honest.without("Content-Range"),
            Fault::WrongRange => honest
                .without("Content-Range")
                .header("Content-Range", "bytes 7-9/10"),
            Fault::OpenRange => {
                let range = asked.header("range").unwrap_or("bytes=0-").to_owned();
                let from: usize = range["bytes=".len()..]
                    .trim_end_matches('-')
                    .parse()
                    .expect("an open range");
                let end = from + honest.length() - 1;
                honest
                    .without("Content-Range")
                    .header("Content-Range", format!("bytes {from}-{end}/*"))
            }
            Fault::PartForWhole => {
                let length = honest.length();
                let half = honest.bytes()[length / 2..].to_vec();
                let range = format!("bytes {}-{}/{length}", length / 2, length - 1);
                honest
                    .with_status(206)
                    .body(half)
                    .header("Content-Range", range)
            }
            Fault::Unsatisfiable => error(416, "RANGE_INVALID"),
            Fault::Headers(count) => (0..count).fold(honest, |answer, number| {
                answer.header(&format!("X-{number}"), "x")
            }),
            Fault::LongHeader(length) => honest.header("X-Long", "x".repeat(length)),
            Fault::Garbage => Answer::raw("SSH-2.0-OpenSSH_10.0\r\n\r\n"),
            Fault::EarlyHints => honest.preceded("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
            Fault::Status(status) => error(status, "UNKNOWN"),
            Fault::Busy(status, after) => error(status, "UNKNOWN").header("Retry-After", after),
            Fault::LongError(status, length) => Answer::new(status).body(vec![b'['; length]),
            Fault::Demand(text) => honest
                .without("WWW-Authenticate")
                .header("WWW-Authenticate", filled(text)),
            Fault::Refused(reason) => {
                let demand =
                    "Bearer realm=\"REGISTRY/token\",service=\"s\",scope=\"more\",error=\"REASON\"";
                error(401, "UNAUTHORIZED").header(
                    "WWW-Authenticate",
                    filled(&demand.replace("REASON", reason)),
                )
            }
            Fault::Header(name, value) => honest.without(name).header(name, filled(value)),
            Fault::NoHeader(name) => honest.without(name),
            other => unreachable!("{other:?} is about a body"),
        }
    }
}

/// An answer with another body, of which the length is right.
fn edited(honest: Answer, edit: impl FnOnce(&mut Vec<u8>)) -> Answer {
    let mut body = honest.bytes().to_vec();
    edit(&mut body);
    honest.body(body)
}

/// The body in chunks, as far as `count`.
fn chunked(honest: Answer, count: usize, has_end: bool) -> Answer {
    let body = &honest.bytes()[..count.min(honest.length())];
    let mut chunks = Vec::new();
    for piece in body.chunks(5000) {
        chunks.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        chunks.extend([piece, b"\r\n"].concat());
    }
    if has_end {
        chunks.extend(b"0\r\n\r\n");
    }
    honest.body(chunks).header("Transfer-Encoding", "chunked")
}

fn gzip(body: &mut Vec<u8>) {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).expect("in memory");
    *body = encoder.finish().expect("in memory");
}

fn error(status: u16, code: &str) -> Answer {
    let error = serde_json::json!({"errors": [{"code": code, "message": "not now."}]});
    Answer::new(status).body(error.to_string())
}

fn redirect(asked: &Asked, to: Where, around: &Around<'_>) -> Answer {
    let name = asked.path.rsplit('/').next().unwrap_or_default();
    let name = name.split('?').next().unwrap_or_default();
    let (storage, path) = (around.storage, &asked.path);
    let location = match to {
        Where::Storage => format!("{storage}/stored/{name}?{}", (around.signature)()),
        Where::Expired => format!("{storage}/stored/{name}?X-Signature=canary-signature-old"),
        Where::Path => format!("{path}?again"),
        Where::Relative => format!("./{name}?again"),
        Where::Itself => path.clone(),
        Where::Address(address) => address.to_owned(),
        Where::Nowhere => return Answer::new(307),
    };
    Answer::new(307).header("Location", location)
}
