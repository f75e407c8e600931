//! A registry as the origin of an image, with its mirrors before it.
//!
//! One conversation per endpoint, tried in their order. A mirror that fails, in whatever way, is not asked again by
//! this pull; the next one goes on from the byte that was reached. What the registry itself says is final.

use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::base::digest::Digest;
use crate::base::fault::BoxFault;
use crate::base::progress::Progress;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::Document;
use crate::oci::media;
use crate::oci::reference::Reference;
use crate::ops::pull::origin::{BlobReader, Origin};
use crate::ops::reach::Reach;
use crate::registry::registries::{Endpoint, Places, Registries};
use crate::registry::{BlobStream, Options, Registry, RegistryError, Served, blob_at, host_of};

/// Addresses of a foreign layer that are tried: each that fails costs time.
const MAX_ADDRESSES: usize = 8;

/// A registry and its mirrors.
pub(super) struct Remote<'a> {
    /// Never empty; the last one is no mirror.
    ways: Vec<Way<'a>>,
    /// The rest of something was asked for, of which an earlier pull had left the beginning.
    has_gone_on: AtomicBool,
    /// How to speak to whoever hands out foreign layers; none where nobody is to.
    elsewhere: Option<Options>,
    progress: &'a dyn Progress,
}

/// The conversation with one endpoint.
struct Way<'a> {
    registry: Registry<'a>,
    /// What the image is called there.
    reference: Reference,
    is_mirror: bool,
    /// It failed, and something else is asked from now on.
    is_demoted: AtomicBool,
    /// Something came from it.
    has_served: AtomicBool,
}

impl<'a> Way<'a> {
    fn new(endpoint: Endpoint, reach: &Reach, progress: &'a dyn Progress) -> Way<'a> {
        let mut options = reach.registry_options();
        options.has_others = endpoint.is_mirror;
        if endpoint.insecure {
            options
                .insecure
                .push(endpoint.reference.api_host().to_owned());
        }
        Way {
            registry: Registry::new(&endpoint.reference, &options, progress),
            reference: endpoint.reference,
            is_mirror: endpoint.is_mirror,
            is_demoted: AtomicBool::new(false),
            has_served: AtomicBool::new(false),
        }
    }

    fn host(&self) -> &str {
        self.reference.registry()
    }
}

impl<'a> Remote<'a> {
    /// The endpoints of `reference`, of which none is asked anything yet.
    pub(super) fn new(
        reference: &Reference,
        reach: &Reach,
        progress: &'a dyn Progress,
    ) -> Result<Remote<'a>, BoxFault> {
        let registries = Registries::load(&Places::of_host(), &reach.mirrors)?;
        for note in registries.notes() {
            progress.note(&note.to_string());
        }
        let endpoints = registries.endpoints(reference)?.into_iter();
        Ok(Remote {
            ways: endpoints
                .map(|endpoint| Way::new(endpoint, reach, progress))
                .collect(),
            has_gone_on: AtomicBool::new(false),
            elsewhere: reach.foreign_layers.then(|| reach.registry_options()),
            progress,
        })
    }

    /// Those that are still asked, in their order.
    fn ways(&self) -> impl Iterator<Item = &Way<'a>> {
        let is_asked = |way: &&Way<'_>| !way.is_demoted.load(Ordering::Relaxed);
        self.ways.iter().filter(is_asked)
    }

    /// What the first one gives that gives something; `what` names it in notes.
    fn first<T>(
        &self,
        what: &str,
        ask: impl Fn(&Way<'a>) -> Result<T, RegistryError>,
    ) -> Result<T, BoxFault> {
        for way in self.ways() {
            match ask(way) {
                Ok(given) => {
                    self.has_served(way, what);
                    return Ok(given);
                }
                Err(error) if self.goes_on_after(way, &error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        unreachable!("the last endpoint is no mirror, and only mirrors are gone on after")
    }

    /// What the first one has of what none need have; many mirrors keep no signatures.
    fn first_that_has<T>(
        &self,
        ask: impl Fn(&Way<'a>) -> Result<Option<T>, RegistryError>,
    ) -> Result<Option<T>, BoxFault> {
        for way in self.ways() {
            match ask(way) {
                Ok(None) => {}
                Err(error) if self.goes_on_after(way, &error) => {}
                answer => {
                    // Also a tag that it was only asked about may be out of date there.
                    way.has_served.fetch_or(answer.is_ok(), Ordering::Relaxed);
                    return Ok(answer?);
                }
            }
        }
        Ok(None)
    }

    /// Whether another endpoint is to be asked after the `error` of `way`, which then is asked no more.
    fn goes_on_after(&self, way: &Way<'_>, error: &RegistryError) -> bool {
        // What is wrong on this host is wrong for all of them.
        let is_ours = matches!(error, RegistryError::File(_) | RegistryError::Config { .. });
        if !way.is_mirror || is_ours {
            return false;
        }
        if !way.is_demoted.swap(true, Ordering::Relaxed) {
            let message = format!("the mirror `{}` is left: {error}", way.host());
            match error {
                RegistryError::NotFound { .. } => self.progress.note(&message),
                _ => self.progress.warn(&message),
            }
        }
        true
    }

    fn has_served(&self, way: &Way<'_>, what: &str) {
        way.has_served.store(true, Ordering::Relaxed);
        self.progress
            .note(&format!("{what} is from `{}`", way.host()));
    }
}

impl Origin for Remote<'_> {
    fn target_digest(&self) -> Result<Option<Digest>, BoxFault> {
        if let Some(digest) = self.ways[0].reference.digest() {
            return Ok(Some(digest.clone()));
        }
        self.first_that_has(|way| way.registry.digest_of(&way.reference))
    }

    fn target(&self) -> Result<Served, BoxFault> {
        self.first("the image's manifest", |way| {
            way.registry.manifest(&way.reference)
        })
    }

    fn document(&self, entry: &Descriptor) -> Result<Served, BoxFault> {
        if let Some(bytes) = entry.inline() {
            return Ok(Served {
                document: Document::parse(&bytes, Some(&entry.media_type))?,
                digest: entry.digest.clone(),
                bytes,
            });
        }
        let what = format!("manifest {}", entry.digest.short());
        self.first(&what, |way| way.registry.manifest_of(entry))
    }

    fn blob(&self, descriptor: &Descriptor, offset: u64) -> Result<BlobReader<'_>, BoxFault> {
        if let Some(bytes) = descriptor.inline() {
            let mut cursor = Cursor::new(bytes);
            cursor.set_position(offset);
            return Ok(Box::new(cursor));
        }
        self.has_gone_on.fetch_or(offset > 0, Ordering::Relaxed);
        Ok(Box::new(Changing {
            remote: self,
            descriptor: descriptor.clone(),
            got: offset,
            current: None,
            tried: 0,
            abroad: None,
        }))
    }

    fn tagged(&self, tag: &str) -> Result<Option<Served>, BoxFault> {
        self.first_that_has(|way| way.registry.tagged(tag))
    }

    fn referrers(
        &self,
        digest: &Digest,
        artifact_type: &str,
        limit: usize,
    ) -> Result<Vec<Descriptor>, BoxFault> {
        let found = self.first_that_has(|way| {
            let found = way.registry.referrers(digest, artifact_type, limit)?;
            Ok((!found.is_empty()).then_some(found))
        })?;
        Ok(found.unwrap_or_default())
    }

    fn doubt(&self) -> bool {
        // What was left by a host that lost its power may be anything; it is gone by now.
        let mut any = self.has_gone_on.swap(false, Ordering::Relaxed);
        for way in self.ways.iter().filter(|way| way.is_mirror) {
            let is_new = !way.is_demoted.swap(true, Ordering::Relaxed);
            any |= way.has_served.load(Ordering::Relaxed) && is_new;
        }
        any
    }
}

/// A blob whose bytes come from another endpoint where one fails in the midst of it.
struct Changing<'a> {
    remote: &'a Remote<'a>,
    descriptor: Descriptor,
    got: u64,
    current: Option<(&'a Way<'a>, BlobStream<'a>)>,
    /// How many of a foreign layer's addresses were tried.
    tried: usize,
    /// Its stream from the last of them.
    abroad: Option<BlobStream<'a>>,
}

impl Changing<'_> {
    /// Goes on at the next address of a foreign layer after `error`; that error where there is none, or none is to be
    /// asked.
    fn go_abroad(&mut self, error: io::Error) -> io::Result<()> {
        let layer = &self.descriptor;
        if !media::is_foreign_layer(&layer.media_type) {
            return Err(error);
        }
        let Some(options) = &self.remote.elsewhere else {
            return Err(match RegistryError::from_io(&error) {
                Some(RegistryError::NotFound { host, .. }) if !layer.urls.is_empty() => {
                    let places = layer.urls.iter().take(MAX_ADDRESSES);
                    RegistryError::Foreign {
                        host: host.clone(),
                        digest: layer.digest.clone(),
                        places: places.filter_map(|url| host_of(url)).collect(),
                    }
                    .into()
                }
                _ => error,
            });
        };
        while let Some(url) = layer
            .urls
            .get(self.tried)
            .filter(|_| self.tried < MAX_ADDRESSES)
        {
            self.tried += 1;
            let progress = self.remote.progress;
            self.abroad = blob_at(url, layer, self.got, options, progress);
            if let Some(host) = host_of(url).filter(|_| self.abroad.is_some()) {
                let digest = layer.digest.short();
                progress.note(&format!("{error}; layer {digest} is asked of `{host}`"));
                return Ok(());
            }
        }
        Err(error)
    }
}

impl Read for Changing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(stream) = &mut self.abroad {
                match stream.read(buffer) {
                    Ok(count) => {
                        self.got += count as u64;
                        return Ok(count);
                    }
                    Err(error) => self.go_abroad(error)?,
                }
                continue;
            }
            let is_new = self.current.is_none();
            let (way, stream) = match &mut self.current {
                Some(current) => current,
                None => {
                    let way = self.remote.ways().next();
                    let way = way.expect("the last endpoint is no mirror and stays");
                    let stream = way.registry.blob(&self.descriptor, self.got);
                    self.current.insert((way, stream))
                }
            };
            match stream.read(buffer) {
                Ok(count) => {
                    if is_new {
                        let what = format!("blob {}", self.descriptor.digest.short());
                        self.remote.has_served(way, &what);
                    }
                    self.got += count as u64;
                    return Ok(count);
                }
                Err(error) => match RegistryError::from_io(&error) {
                    Some(cause) if self.remote.goes_on_after(way, cause) => self.current = None,
                    Some(RegistryError::NotFound { .. }) => self.go_abroad(error)?,
                    _ => return Err(error),
                },
            }
        }
    }
}
