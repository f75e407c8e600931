//! Finding images: a registry's search, and the tags of one repository.
//!
//! Neither is of the distribution specification but the tags ("Listing Tags"): Docker Hub's web pages have a search, old
//! registries had one (`/v1/search`), and the plain list of all repositories (`/v2/_catalog`) is distribution's own.

use std::io::Read;

use serde::Deserialize;

use crate::base::progress::Progress;
use crate::oci::MAX_DOCUMENT;
use crate::oci::reference::Reference;
use crate::registry::error::RegistryError;
use crate::registry::link;
use crate::registry::transport::{Call, Reply};
use crate::registry::url::Url;
use crate::registry::{Options, Registry};

/// Where Docker Hub is searched: its web pages, and what it had before.
const HUB_PAGES: [&str; 2] = ["hub.docker.com", "index.docker.io"];
/// Names on one page of a list; registries may send fewer.
const PAGE: &str = "1000";
/// Pages of one list; with full ones a million names.
const MAX_PAGES: usize = 1000;

/// An image that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its repository, without the registry.
    pub name: String,
    /// What it is, in its maker's words.
    pub description: String,
    /// How many people like it.
    pub stars: u64,
    /// Whether the registry vouches for its maker.
    pub official: bool,
}

/// Both kinds of answers: `/v2/search/repositories` has the first names, `/v1/search` the second.
#[derive(Deserialize)]
struct Results {
    results: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(alias = "repo_name")]
    name: Option<String>,
    #[serde(alias = "short_description")]
    description: Option<String>,
    star_count: Option<u64>,
    is_official: Option<bool>,
}

#[derive(Deserialize)]
struct Names {
    #[serde(alias = "repositories", alias = "tags")]
    names: Option<Vec<String>>,
}

/// At most `limit` images of the registry called `registry` (`docker.io` for Docker Hub) that have to do with `term`;
/// asked of the search of `index` where that is given, then of the registry's own, then found in its list.
pub fn search(
    registry: &str,
    index: Option<&str>,
    term: &str,
    limit: usize,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<Found>, RegistryError> {
    let mut hosts: Vec<&str> = index.into_iter().collect();
    if registry == "docker.io" && index.is_none() {
        hosts.extend(HUB_PAGES);
    } else if registry != "docker.io" {
        hosts.push(registry);
    }
    let mut first = None;
    for host in hosts {
        let conversation = Registry::about(host, "", options, progress);
        for (path, name, size) in [
            ("/v2/search/repositories/", "query", "page_size"),
            ("/v1/search", "q", "n"),
        ] {
            match conversation.results(path, &[(name, term), (size, &limit.to_string())]) {
                Ok(found) => return Ok(found.into_iter().take(limit).collect()),
                Err(error) if error.is_passing() => return Err(error),
                Err(error) => drop(first.get_or_insert(error)),
            }
        }
    }
    if registry != "docker.io" {
        return Registry::about(registry, "", options, progress).catalog(term, limit);
    }
    Err(first.unwrap_or_else(|| RegistryError::Protocol {
        host: registry.to_owned(),
        how: "it has no search".to_owned(),
    }))
}

/// All tags of the repository of `reference`, in the registry's order.
pub fn tags(
    reference: &Reference,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<String>, RegistryError> {
    let registry = Registry::new(reference, options, progress);
    let url = registry.url(&format!("{}/tags/list", reference.repository()))?;
    let what = format!("repository `{}`", reference.repository());
    let mut tags = Vec::new();
    registry.pages(url, &what, |names| {
        tags.extend(names);
        true
    })?;
    Ok(tags)
}

impl Registry<'_> {
    fn results(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Found>, RegistryError> {
        let url = self.address(path)?.with_query(query);
        let answer: Results = self.read_json(url, "search")?.0;
        let items = answer
            .results
            .ok_or_else(|| self.odd("its search gave no results"))?;
        Ok(items
            .into_iter()
            .filter_map(|item| {
                Some(Found {
                    name: item.name?,
                    description: item.description.unwrap_or_default(),
                    stars: item.star_count.unwrap_or(0),
                    official: item.is_official.unwrap_or(false),
                })
            })
            .collect())
    }

    /// The repositories of which `term` is a part of the name.
    fn catalog(&self, term: &str, limit: usize) -> Result<Vec<Found>, RegistryError> {
        let term = term.to_ascii_lowercase();
        let mut found = Vec::new();
        self.pages(self.url("_catalog")?, "list of repositories", |names| {
            for name in names.into_iter().filter(|name| name.contains(&term)) {
                found.push(Found {
                    name,
                    ..Found::default()
                });
            }
            found.len() < limit
        })?;
        found.truncate(limit);
        Ok(found)
    }

    /// Gives the names of each page of a list to `each`, until that has enough. The next page is the one that `Link`
    /// names, if it is of the same host.
    fn pages(
        &self,
        first: Url,
        what: &str,
        mut each: impl FnMut(Vec<String>) -> bool,
    ) -> Result<(), RegistryError> {
        let mut url = first.with_query(&[("n", PAGE)]);
        for _page in 0..MAX_PAGES {
            let (page, link): (Names, _) = self.read_json(url.clone(), what)?;
            if !each(page.names.unwrap_or_default()) {
                return Ok(());
            }
            let Some(link) = link else { return Ok(()) };
            let next = link::target(&link).and_then(|target| link::follow(&url, target));
            url = next.ok_or_else(|| self.odd("it names a next page that is not its own"))?;
        }
        Err(self.odd(&format!("its {what} has more than {MAX_PAGES} pages")))
    }

    /// A document, and the `Link` to the next one.
    fn read_json<T: serde::de::DeserializeOwned>(
        &self,
        url: Url,
        what: &str,
    ) -> Result<(T, Option<String>), RegistryError> {
        let (bytes, link) = self.request_and(Call::get(url), what, read)?;
        let document = serde_json::from_slice(&bytes);
        let document =
            document.map_err(|_| self.odd(&format!("its {what} is not as it should be")))?;
        Ok((document, link))
    }

    pub(super) fn odd(&self, how: &str) -> RegistryError {
        RegistryError::Protocol {
            host: self.api_host.clone(),
            how: how.to_owned(),
        }
    }
}

/// The body of a reply, at most as large as a manifest may be, and its `Link` with another page.
fn read(reply: Reply) -> Result<(Vec<u8>, Option<String>), RegistryError> {
    let link = reply
        .header("link")
        .filter(|link| link::target(link).is_some());
    let link = link.map(str::to_owned);
    let host = reply.origin.authority();
    let mut bytes = Vec::new();
    let body = reply.into_reader();
    let read = body.take(MAX_DOCUMENT + 1).read_to_end(&mut bytes);
    read.map_err(|source| RegistryError::Unreachable {
        host: host.clone(),
        source,
    })?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(RegistryError::Protocol {
            host,
            how: format!("it answers with more than {MAX_DOCUMENT} bytes"),
        });
    }
    Ok((bytes, link))
}
