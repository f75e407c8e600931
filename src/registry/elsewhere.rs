//! Layers that their makers hand out themselves: fetched from an address in the manifest, never with credentials.
//!
//! image-spec, layer.md, "Non-Distributable Layers". An address is a stranger's word: CVE-2020-15157.

use crate::base::progress::Progress;
use crate::oci::descriptor::Descriptor;
use crate::registry::blob::BlobStream;
use crate::registry::url::Url;
use crate::registry::{Login, Options, Registry};

/// The host of an address, as errors and notes name it; `None` where it is no plain http or https one.
pub fn host_of(address: &str) -> Option<String> {
    Some(Url::parse(address)?.origin.authority())
}

/// The blob of `descriptor` from `offset` on, from the web `address`, unverified as [`Registry::blob`]; `None` where that
/// is no plain http or https one. Nobody's credentials are looked up for it, and http takes an insecure host.
pub fn blob_at<'a>(
    address: &str,
    descriptor: &Descriptor,
    offset: u64,
    options: &Options,
    progress: &'a dyn Progress,
) -> Option<BlobStream<'a>> {
    let url = Url::parse(address)?;
    let options = Options {
        login: Login::Anonymous,
        ..options.clone()
    };
    let mut registry = Registry::about(&url.origin.authority(), "", &options, progress);
    registry.blob = Some(url);
    Some(BlobStream::of(registry, descriptor, offset))
}
