//! Fetching blobs: a reader that survives broken connections.
//!
//! distribution-spec, "Pulling blobs"; RFC 9110, 14 (ranges).

use std::io::{self, Read};
use std::ops::Deref;

use ureq::BodyReader;

use crate::base::digest::Mismatch;
use crate::oci::descriptor::Descriptor;
use crate::registry::Registry;
use crate::registry::error::RegistryError;
use crate::registry::pace::Paced;
use crate::registry::transport::{Call, Reply};

/// Bytes after which a connection counts as having worked: failures before do not add up
/// with failures after, so that a large blob gets through a bad network.
const WORTHWHILE: u64 = 1 << 20;

impl Registry<'_> {
    /// The blob of `descriptor` from `offset` on, without a check of the digest: for those
    /// who hash what they had before together with what comes now. No request is sent
    /// before the first read.
    pub fn blob(&self, descriptor: &Descriptor, offset: u64) -> BlobStream<'_> {
        BlobStream {
            registry: Held::Shared(self),
            descriptor: descriptor.clone(),
            body: None,
            got: offset,
            failures: 0,
            got_at_failure: offset,
        }
    }

    /// The bytes of a blob from `offset` on.
    fn open_blob(&self, descriptor: &Descriptor, offset: u64) -> Result<Part, RegistryError> {
        let what = format!("blob {}", descriptor.digest);
        // Always from the registry, never from where it redirected to: signed addresses expire.
        let url = match &self.blob {
            Some(url) => url.clone(),
            None => self.url(&format!("{}/blobs/{}", self.repository, descriptor.digest))?,
        };
        let mut call = Call::get(url);
        if offset > 0 {
            call.headers.push(("Range", format!("bytes={offset}-")));
        }
        let reply = match self.request(call.clone(), &what) {
            Err(RegistryError::Status { status: 416, .. }) if offset > 0 => {
                call.headers.clear();
                self.request(call, &what)?
            }
            other => other?,
        };
        match reply.status {
            200 => whole_body(reply, descriptor, offset, what),
            206 => {
                let part = partial_body(reply, descriptor.size, offset);
                part.map_err(|error| self.authority.veiled(error))
            }
            status => Err(RegistryError::Status {
                host: reply.origin.authority(),
                what,
                status,
                message: None,
            }),
        }
    }
}

/// The body of a 200, which starts at the first byte: `offset` bytes are skipped.
fn whole_body(
    reply: Reply,
    descriptor: &Descriptor,
    offset: u64,
    object: String,
) -> Result<Part, RegistryError> {
    let expected = descriptor.size;
    if let Some(got) = reply
        .body
        .content_length()
        .filter(|length| *length != expected)
    {
        return Err(Mismatch::Size {
            object,
            got,
            expected,
        }
        .into());
    }
    Ok(Part {
        body: reply.into_reader(),
        before: offset,
    })
}

/// The body of a 206, which must start at `offset` and reach to the end.
fn partial_body(reply: Reply, size: u64, offset: u64) -> Result<Part, RegistryError> {
    let range = reply.header("content-range").unwrap_or_default();
    if is_rest(range, offset, size) {
        return Ok(Part {
            body: reply.into_reader(),
            before: 0,
        });
    }
    let last = size.saturating_sub(1);
    Err(RegistryError::Protocol {
        host: reply.origin.authority(),
        how: format!(
            "got `Content-Range: {}`, expected `bytes {offset}-{last}/{size}`",
            super::reply::one_line(range)
        ),
    })
}

/// Whether a `Content-Range` says: from `offset` to the end of a blob of `size` bytes. RFC 9110, 14.4.
pub fn is_rest(content_range: &str, offset: u64, size: u64) -> bool {
    let expected = format!("bytes {offset}-{}/", size.saturating_sub(1));
    let total = content_range.strip_prefix(&expected);
    total.is_some_and(|total| total == "*" || total == size.to_string())
}

/// What one answer has of a blob.
struct Part {
    body: Paced<BodyReader<'static>>,
    /// Bytes of it that are here already.
    before: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.before > 0 {
            let most = usize::try_from(self.before).unwrap_or(usize::MAX);
            let most = most.min(buffer.len());
            match self.body.read(&mut buffer[..most])? {
                0 => return Ok(0),
                count => self.before -= count as u64,
            }
        }
        self.body.read(buffer)
    }
}

/// The conversation of a stream.
pub(super) enum Held<'a> {
    Shared(&'a Registry<'a>),
    Own(Box<Registry<'a>>),
}

impl<'a> Deref for Held<'a> {
    type Target = Registry<'a>;

    fn deref(&self) -> &Registry<'a> {
        match self {
            Held::Shared(registry) => registry,
            Held::Own(registry) => registry,
        }
    }
}

impl<'a> BlobStream<'a> {
    /// The blob of `descriptor` from `offset` on, by a conversation that ends with it.
    pub(super) fn of(registry: Registry<'a>, descriptor: &Descriptor, offset: u64) -> Self {
        BlobStream {
            registry: Held::Own(Box::new(registry)),
            descriptor: descriptor.clone(),
            body: None,
            got: offset,
            failures: 0,
            got_at_failure: offset,
        }
    }
}

/// A stream that goes on from the last byte where its connection breaks. Its bytes are
/// unverified; its errors are [`RegistryError`]s inside the [`io::Error`].
pub struct BlobStream<'a> {
    registry: Held<'a>,
    descriptor: Descriptor,
    body: Option<Part>,
    got: u64,
    failures: u32,
    got_at_failure: u64,
}

impl Read for BlobStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let body = match &mut self.body {
                Some(body) => body,
                // All of it was there before; a range behind the end is an error to ask for.
                None if self.got == self.descriptor.size => return Ok(0),
                None => self
                    .body
                    .insert(self.registry.open_blob(&self.descriptor, self.got)?),
            };
            let reason = match body.read(buffer) {
                Ok(0) if self.got < self.descriptor.size => io::ErrorKind::UnexpectedEof.into(),
                Ok(count) => {
                    self.got += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            self.body = None;
            self.wait_after(reason)?;
        }
    }
}

impl BlobStream<'_> {
    /// Waits before the next connection; an error where there have been too many.
    fn wait_after(&mut self, source: io::Error) -> Result<(), RegistryError> {
        if self.got - self.got_at_failure >= WORTHWHILE {
            self.failures = 0;
        }
        self.got_at_failure = self.got;
        self.failures += 1;
        let broken = RegistryError::Broken {
            object: format!("blob {}", self.descriptor.digest),
            got: self.got,
            expected: self.descriptor.size,
            source,
        };
        self.registry.pause(self.failures, None, broken, "going on")
    }
}
