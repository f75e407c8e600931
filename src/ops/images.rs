//! `images`: what is in the store, and which image a text means.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::digest::Digest;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::near;
use crate::base::path::HostPath;
use crate::oci::MAX_DOCUMENT;
use crate::oci::config::ImageConfig;
use crate::oci::platform::Platform;
use crate::oci::source::Source;
use crate::ops::names;
use crate::store::{ImageRecord, Store};

/// The fewest digits of a digest that are taken for one.
const MIN_DIGITS: usize = 4;

/// One image under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The name without tag and digest, as short as Docker shows it.
    pub repository: String,
    /// The tag; none for what was pulled by digest alone or comes from no registry.
    pub tag: Option<String>,
    /// The digest that the name had where it came from.
    pub digest: Digest,
    /// The digest of the config, which Docker calls the image's id.
    pub id: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// When it was made, RFC 3339, as its maker claims.
    pub created: Option<String>,
    /// When it was pulled, RFC 3339.
    pub pulled: String,
    /// Bytes of its blobs and its tree.
    pub size: u64,
    /// The part of `size` that no other name shares: what removing it frees.
    pub unique: u64,
    /// The home of the other user's store in which it is.
    pub site: Option<HostPath>,
}

/// No image fits, or several do.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// Nothing in the store has this name or digest.
    #[error("there is no image `{0}` in the store")]
    None(String),
    /// The same, and something is called nearly so.
    #[error("there is no image `{text}` in the store")]
    Mistyped {
        /// What was given.
        text: String,
        /// What may have been meant.
        meant: String,
    },
    /// The digits are the start of several images' digests.
    #[error("`{text}` is the start of {count} images' digests, expected one")]
    Ambiguous {
        /// What was given.
        text: String,
        /// How many different images it fits.
        count: usize,
    },
}

/// The way out where there is no image.
const LIST: &str = "`coracle images` lists them, `coracle pull` fetches one";

impl Fault for FindError {
    fn kind(&self) -> Kind {
        match self {
            FindError::None(_) | FindError::Mistyped { .. } => Kind::NotFound,
            FindError::Ambiguous { .. } => Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            FindError::None(_) => vec![LIST.to_owned()],
            FindError::Mistyped { meant, .. } => {
                vec![format!("did you mean `{meant}`?"), LIST.to_owned()]
            }
            FindError::Ambiguous { .. } => vec!["give more digits".into()],
        }
    }
}

/// All images in the store at `home`, by name.
pub fn list(home: &HostPath) -> Result<Vec<Row>, BoxFault> {
    let store = Store::open(home.clone())?;
    let images = store.images()?;
    let sizes = images.iter().map(|image| parts(&store, image));
    let sizes = sizes.collect::<Result<Vec<_>, _>>()?;
    let mut shares: BTreeMap<&String, usize> = BTreeMap::new();
    for name in sizes.iter().flat_map(BTreeMap::keys) {
        *shares.entry(name).or_default() += 1;
    }
    let rows = images.iter().zip(&sizes).map(|(image, parts)| {
        let own = parts
            .iter()
            .filter(|(name, _)| shares.get(name) == Some(&1));
        Row {
            size: parts.values().sum(),
            unique: match image.site {
                None => own.map(|(_, bytes)| bytes).sum(),
                Some(_) => 0,
            },
            ..row(&store, image)
        }
    });
    Ok(rows.collect())
}

/// That no image is called `text`, and which one may have been meant.
fn none(store: &Store, text: &str) -> FindError {
    let names = familiar_names(store);
    let meant = near::nearest(text, names.iter().map(String::as_str));
    let text = text.to_owned();
    match meant.map(str::to_owned) {
        Some(meant) => FindError::Mistyped { text, meant },
        None => FindError::None(text),
    }
}

/// The names of images as people type them, with and without their tags.
pub(super) fn familiar_names(store: &Store) -> Vec<String> {
    let images = store.images().unwrap_or_default();
    let names = images.iter().flat_map(|image| {
        let row = row(store, image);
        let tagged = row.tag.map(|tag| format!("{}:{tag}", row.repository));
        tagged.into_iter().chain([row.repository])
    });
    names.collect()
}

/// What an image consists of, with bytes: blobs by digest, and its tree.
fn parts(store: &Store, image: &ImageRecord) -> Result<BTreeMap<String, u64>, BoxFault> {
    let blobs = image.content.iter();
    let mut parts: BTreeMap<_, _> = blobs
        .map(|content| (content.digest.to_string(), content.size))
        .collect();
    if let Some(tree) = store.tree(&image.chain)? {
        parts.insert(format!("tree {}", image.chain), tree.extent.bytes);
    }
    Ok(parts)
}

fn row(store: &Store, image: &ImageRecord) -> Row {
    let (repository, tag) = match image.name.parse() {
        Ok(Source::Registry(reference)) => {
            // The shortest name with a digest, of which only the name is wanted.
            let familiar = reference.at(&image.target).familiar();
            let repository = familiar.split('@').next().unwrap_or_default().to_owned();
            (repository, reference.tag().map(str::to_owned))
        }
        _ => (image.name.clone(), None),
    };
    // A damaged config is for `verify` to report, not for a list to fail on.
    let config = store.read_blob(&image.config, MAX_DOCUMENT).ok();
    let config = config.and_then(|bytes| ImageConfig::parse(&bytes).ok());
    Row {
        repository,
        tag,
        digest: image.target.clone(),
        id: image.config.clone(),
        platform: image.platform.clone(),
        created: config.and_then(|config| config.created),
        pulled: image.pulled.clone(),
        size: 0,
        unique: 0,
        site: image.site.clone(),
    }
}

/// The names that `text` means: itself, if an image has it, else all names of the one
/// image whose id, manifest or index starts with these digits. Never empty.
pub(super) fn find(store: &Store, text: &str) -> Result<Vec<ImageRecord>, BoxFault> {
    let source = text.parse::<Source>();
    if let Ok(source) = &source
        && let Some(image) = store.image(source)?
    {
        return Ok(vec![image]);
    }
    if source.is_ok()
        && let Some(image) = store.image(&names::in_store(store, text)?)?
    {
        return Ok(vec![image]);
    }
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || digits.len() < MIN_DIGITS {
        source?;
        return Err(none(store, text).into());
    }
    let fits = |digest: &Digest| digest.hex().starts_with(digits);
    let mut images = store.images()?;
    images.retain(|image| {
        [&image.config, &image.manifest, &image.target]
            .into_iter()
            .any(fits)
    });
    // One image may have come by several manifests: packed otherwise, or with other annotations.
    let ids: BTreeSet<_> = images.iter().map(|image| &image.config).collect();
    let text = text.to_owned();
    match ids.len() {
        0 => Err(FindError::None(text).into()),
        1 => Ok(images),
        count => Err(FindError::Ambiguous { text, count }.into()),
    }
}
