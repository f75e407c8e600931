//! Where images are kept and how they are brought here: what every verb about images needs.

use crate::base::path::HostPath;
use crate::oci::platform::Platform;
use crate::registry::{self, Patience};

/// Where images are kept and how they are brought here.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The home of the store and of the unpacked payload.
    pub home: HostPath,
    /// Registries that may be spoken to without TLS or valid certificate; `*` for all.
    pub insecure: Vec<String>,
    /// Mirrors that are asked before those of the host's files; see [`registry::registries::Registries::load`].
    pub mirrors: Vec<String>,
    /// Whether layers that no registry may hand out are fetched from where their manifest says.
    pub foreign_layers: bool,
    /// A PEM file of authorities that are trusted besides the host's.
    pub tls_ca: Option<HostPath>,
    /// The proxy for every registry; those of the environment where absent.
    pub proxy: Option<String>,
    /// Seconds for which a registry may be silent; a minute where absent.
    pub net_timeout: Option<u64>,
    /// The platform wanted; the host's where absent.
    pub platform: Option<Platform>,
    /// When a registry is asked.
    pub pull: Pull,
    /// Whether signatures are brought with images of which no policy demands any.
    pub with_signatures: bool,
    /// A lock file that must have each image, and the image be what it says.
    pub locked: Option<HostPath>,
}

/// When a registry is asked for an image. docker-run(1), "--pull".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pull {
    /// When the image is not here.
    #[default]
    Missing,
    /// Every time: a tag may mean another image by now.
    Always,
    /// Never; an image that is not here is an error.
    Never,
}

impl Reach {
    /// A reach of the host's own platform, without exceptions to TLS.
    pub fn new(home: HostPath) -> Reach {
        Reach {
            home,
            insecure: Vec::new(),
            mirrors: Vec::new(),
            foreign_layers: false,
            tls_ca: None,
            proxy: None,
            net_timeout: None,
            platform: None,
            pull: Pull::Missing,
            with_signatures: false,
            locked: None,
        }
    }

    /// How to speak to registries.
    pub fn registry_options(&self) -> registry::Options {
        registry::Options {
            insecure: self.insecure.clone(),
            tls_ca: self.tls_ca.clone(),
            proxy: self.proxy.clone(),
            patience: self.net_timeout.map(Patience::seconds).unwrap_or_default(),
            ..registry::Options::default()
        }
    }
}
