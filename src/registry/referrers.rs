//! What refers to a manifest, signatures above all: by the registry's own list, or by a tag where it keeps none.
//!
//! distribution-spec, "Listing Referrers" and "Referrers Tag Schema"; cosign, "Signature Storage".

use std::io::Read;

use crate::base::digest::Digest;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::Document;
use crate::oci::{DocumentError, MAX_DOCUMENT, media};
use crate::registry::Registry;
use crate::registry::error::RegistryError;
use crate::registry::link;
use crate::registry::manifest::Served;
use crate::registry::transport::{Call, Reply};
use crate::registry::url::Url;

/// Pages of a list of referrers that are read. A page holds what fits into 4 MiB, some thousands; whoever needs more
/// than a few does not want to be read to the end.
const MAX_PAGES: usize = 20;
/// Digits of a digest that stand in a tag; distribution-spec, "Referrers Tag Schema".
const TAG_DIGITS: usize = 64;

/// The tag that stands for the list of what refers to `digest`, where a registry keeps no such list itself.
pub fn referrers_tag(digest: &Digest) -> String {
    let digits = &digest.hex()[..TAG_DIGITS.min(digest.hex().len())];
    format!("{}-{digits}", digest.algorithm().name())
}

/// The tag at which cosign keeps signatures of `digest`, unless it makes bundles.
pub fn signature_tag(digest: &Digest) -> String {
    format!("{}-{}.sig", digest.algorithm().name(), digest.hex())
}

impl Registry<'_> {
    /// The manifests of the kind `artifact_type` that refer to the manifest `digest`, in the registry's order, at most
    /// `limit`. Whether they do so is only claimed: the `subject` in each of them says it. Entries that do not name
    /// their kind are among them.
    ///
    /// Kinds are told apart here whether or not the registry does that (`OCI-Filters-Applied`): what it applied it may
    /// have misapplied. A registry that knows no such list, or says so, is asked for the tag that stands for it.
    pub fn referrers(
        &self,
        digest: &Digest,
        artifact_type: &str,
        limit: usize,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let is_wanted = |entry: &Descriptor| {
            let kind = entry.artifact_type.as_deref();
            kind.is_none_or(|kind| kind == artifact_type)
        };
        let mut found = Vec::new();
        let listed = self.list(digest, artifact_type, |page| {
            found.extend(page.into_iter().filter(is_wanted));
            found.len() < limit
        });
        match listed {
            Ok(()) => {}
            // 404 is what the specification wants of who has no list; others say that they do not understand.
            Err(
                RegistryError::NotFound { .. }
                | RegistryError::Status {
                    status: 400 | 405 | 501,
                    ..
                },
            ) => {
                let tag = referrers_tag(digest);
                let list = self.tagged(&tag)?;
                found = match list.map(|list| list.document) {
                    None => Vec::new(),
                    Some(Document::Index(index)) => index.manifests,
                    Some(Document::Manifest(_)) => {
                        return Err(self.odd(&format!("its tag `{tag}` is no list of referrers")));
                    }
                };
                found.retain(is_wanted);
            }
            Err(error) => return Err(error),
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The manifest or index at `tag`, in the repository that is spoken about; `None` where there is no such tag.
    pub fn tagged(&self, tag: &str) -> Result<Option<Served>, RegistryError> {
        match self.fetch(tag, None, None, &format!("tag `{tag}`")) {
            Ok(served) => Ok(Some(served)),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives each page of the registry's own list to `each`, until that has enough.
    fn list(
        &self,
        digest: &Digest,
        artifact_type: &str,
        mut each: impl FnMut(Vec<Descriptor>) -> bool,
    ) -> Result<(), RegistryError> {
        let what = format!("list of referrers of `{digest}`");
        let url = self.url(&format!("{}/referrers/{digest}", self.repository))?;
        let mut url = url.with_query(&[("artifactType", artifact_type)]);
        for _page in 0..MAX_PAGES {
            let mut call = Call::get(url.clone());
            call.headers.push(("Accept", media::OCI_INDEX.to_owned()));
            let page = self.request_and(call, &what, Page::read)?;
            let document = Document::parse(&page.bytes, page.content_type.as_deref())?;
            let Document::Index(index) = document else {
                return Err(self.odd(&format!("its {what} is a manifest")));
            };
            if !each(index.manifests) {
                return Ok(());
            }
            match page.next {
                None => return Ok(()),
                Some(next) => url = self.next(&url, &next)?,
            }
        }
        Err(self.odd(&format!("its {what} has more than {MAX_PAGES} pages")))
    }

    /// Where the page after the one at `url` is: at the same host, as whoever lists must not send us elsewhere.
    fn next(&self, url: &Url, target: &str) -> Result<Url, RegistryError> {
        link::follow(url, target)
            .ok_or_else(|| self.odd("it names a next page that is not its own"))
    }
}

/// One page of a list.
struct Page {
    content_type: Option<String>,
    /// The target of its `Link` to the next one.
    next: Option<String>,
    bytes: Vec<u8>,
}

impl Page {
    fn read(reply: Reply) -> Result<Page, RegistryError> {
        let content_type = reply.header("content-type").map(str::to_owned);
        let next = reply
            .header("link")
            .and_then(link::target)
            .map(str::to_owned);
        let host = reply.origin.authority();
        let mut bytes = Vec::new();
        let body = reply.into_reader();
        let read = body.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes);
        read.map_err(|source| RegistryError::Unreachable { host, source })?;
        let (what, got) = ("list of referrers", bytes.len() as u64);
        if got > MAX_DOCUMENT {
            return Err(DocumentError::TooLarge { what, got }.into());
        }
        Ok(Page {
            content_type,
            next,
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_those_of_the_specifications() {
        let digest = Digest::of(b"");
        let hex = digest.hex();
        assert_eq!(referrers_tag(&digest), format!("sha256-{hex}"));
        assert_eq!(signature_tag(&digest), format!("sha256-{hex}.sig"));
        let long = format!("sha512:{}", "0".repeat(128));
        let long: Digest = long.parse().expect("well-formed");
        assert_eq!(referrers_tag(&long), format!("sha512-{}", "0".repeat(64)));
    }
}
