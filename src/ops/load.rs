//! `load`: every image of an archive, of `docker save` of any age or an OCI layout, under the names that it has there.
//! An OCI layout may lie in a directory as well.

use std::path::Path;
use std::sync::Arc;

use crate::base::digest::Digest;
use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::oci::MAX_DOCUMENT;
use crate::oci::manifest::{Document, Index};
use crate::oci::reference::Reference;
use crate::oci::source::Source;
use crate::ops::pull::archive::{self, ArchiveError, INDEX, REF_NAME};
use crate::ops::pull::docker::{self, Images};
use crate::ops::pull::files::TarFiles;
use crate::ops::pull::keep::Keeper;
use crate::ops::pull::origin::{Local, Origin, Shelf};
use crate::ops::pull::{Input, resolve};
use crate::ops::reach::Reach;
use crate::ops::tag;
use crate::ops::vouch::Guard;
use crate::store::{ImageRecord, Lease, Store};

/// What an image is called that has no name in its archive; its digest follows.
const NAMELESS: &str = "localhost/loaded";
/// The full name of an entry of an OCI layout, as containerd and Docker write it.
pub(super) const FULL_NAME: &str = "io.containerd.image.name";

/// One name of one image that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// As short as Docker shows it; none for an image without a name.
    pub name: Option<String>,
    /// The digest of its config, which Docker calls its id.
    pub id: Digest,
    /// The full name under which it is in the store.
    pub stored: String,
}

/// A name for an archive that holds several images, or none.
#[derive(Debug, thiserror::Error)]
#[error("a name was given for one image, but there are {0}")]
struct NotOne(usize);

impl Fault for NotOne {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["load them under their own names, then use `coracle tag`".to_owned()]
    }
}

/// Loads all images of `input`, a directory, or a tar archive, compressed or not, which may come through a pipe; under
/// `name` where that is given and it holds one. Names are given when all images are there and verified: where something
/// fails, nothing is loaded.
pub fn load(
    input: Input,
    name: Option<&str>,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Vec<Loaded>, BoxFault> {
    let store = Store::open(reach.home.clone())?;
    let path = input.name.clone();
    let loaded = load_into(&store, input, name, reach, progress);
    loaded.map_err(|cause| {
        let _the_first_error_counts = store.sweep();
        While::new(format!("cannot load `{path}`"), cause).into()
    })
}

fn load_into(
    store: &Store,
    input: Input,
    name: Option<&str>,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Vec<Loaded>, BoxFault> {
    let path = input.name.clone();
    let place = Place::open(input, store)?;
    let mut images = place.images(&path)?;
    if images.is_empty() {
        return Err(ArchiveError::unknown(&path).into());
    }
    if let Some(name) = name {
        match images.as_mut_slice() {
            [(names, _)] => *names = vec![tag::new_name(name)?.to_string()],
            _ => return Err(NotOne(images.len()).into()),
        }
    }
    let lease = store.lease()?;
    let places = place.sources();
    let mut records = Vec::new();
    for (names, image) in images {
        records.extend(bring(&lease, &names, &places, &image, reach, progress)?);
    }
    for (source, _) in &records {
        store.require_unprotected(source)?;
    }
    publish(&lease, records)
}

/// Gives images that are here their names.
pub(super) fn publish(
    lease: &Lease,
    records: Vec<(Source, ImageRecord)>,
) -> Result<Vec<Loaded>, BoxFault> {
    let mut loaded = Vec::new();
    for (source, record) in records {
        lease.publish(&source, &record)?;
        let name = match &source {
            Source::Registry(reference) if reference.digest().is_none() => {
                Some(with_tag(reference))
            }
            _ => None,
        };
        let (id, stored) = (record.config, record.name);
        loaded.push(Loaded { name, id, stored });
    }
    Ok(loaded)
}

/// The familiar name with its tag, which Docker shows here.
pub(super) fn with_tag(reference: &Reference) -> String {
    let familiar = reference.familiar();
    match (familiar.rsplit('/').next(), reference.tag()) {
        (Some(last), Some(tag)) if !last.contains(':') => format!("{familiar}:{tag}"),
        _ => familiar,
    }
}

/// Brings one image into the store; what each of its names is to mean. `places` are where it comes from, of which
/// policies may speak as well.
pub(super) fn bring(
    lease: &Lease,
    names: &[String],
    places: &[Source],
    image: &Local,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Vec<(Source, ImageRecord)>, BoxFault> {
    let mut sources = Vec::new();
    for name in names {
        // What containerd was given by digest has a name with one.
        let digested: Result<Reference, _> = name.parse();
        let digested = digested
            .ok()
            .filter(|name| name.digest() == Some(&image.target.digest));
        sources.push(match digested {
            Some(reference) => Source::Registry(reference),
            None => tag::new_name(name)?,
        });
    }
    if sources.is_empty() {
        let nameless: Reference = NAMELESS.parse()?;
        sources.push(Source::Registry(nameless.at(&image.target.digest)));
    }
    let guard = Guard::of(&sources.iter().chain(places).collect::<Vec<_>>(), reach)?;
    let platform = reach.platform.as_ref();
    let chain = resolve::chain(image, platform)?;
    let brought = guard.admit(image, &chain.images(), progress)?;
    let resolved = chain.resolve(image, platform, progress)?;
    Keeper::new(lease, progress).bring(image, &resolved)?;
    let mut named = Vec::new();
    for source in sources {
        let mut record = resolved.record(&source);
        brought.keep(lease, &mut record, lease.store().image(&source)?.as_ref())?;
        named.push((source, record));
    }
    Ok(named)
}

/// An archive of images, or an OCI layout in a directory.
enum Place {
    Tar(TarFiles),
    Dir(HostPath),
}

impl Place {
    fn open(input: Input, store: &Store) -> Result<Place, BoxFault> {
        match fsx::metadata(&input.name).is_ok_and(|meta| meta.is_dir()) {
            true => Ok(Place::Dir(input.name)),
            false => Ok(Place::Tar(TarFiles::open(input, store)?)),
        }
    }

    fn read_if_there(&self, name: &str) -> Result<Option<Vec<u8>>, BoxFault> {
        match self {
            Place::Tar(files) => files.read_if_there(name),
            Place::Dir(dir) => Ok(fsx::read_if_there(dir.join(name), MAX_DOCUMENT)?),
        }
    }

    /// It by the names of what it is: policies may speak of either.
    fn sources(&self) -> Vec<Source> {
        let files = match self {
            Place::Tar(files) => files,
            Place::Dir(dir) => {
                let (dir, tag) = (dir.clone(), None);
                return vec![Source::OciDir { dir, tag }];
            }
        };
        // A pipe lies nowhere, above all not in the working directory.
        let file = match files.path.is_absolute() || files.path.exists() {
            true => files.path.clone(),
            false => HostPath::new("/dev/stdin"),
        };
        let mut places = Vec::new();
        if files.find(Path::new(INDEX)).is_some() {
            let (file, tag) = (file.clone(), None);
            places.push(Source::OciArchive { file, tag });
        }
        if places.is_empty() || files.find(Path::new(docker::MANIFEST)).is_some() {
            places.push(Source::DockerArchive { file, name: None });
        }
        places
    }

    fn shelf(&self) -> Shelf {
        match self {
            Place::Tar(files) => Shelf::Parts(archive::blobs(files)),
            Place::Dir(dir) => Shelf::Dir(dir.clone()),
        }
    }

    /// The names that the list of `docker save` has for configs; a directory has no such list.
    fn names_of_configs(&self) -> Result<Vec<(Digest, Vec<String>)>, BoxFault> {
        match self {
            Place::Tar(files) => docker::names_of_configs(files),
            Place::Dir(_) => Ok(Vec::new()),
        }
    }

    /// All images with their names: of an OCI layout, which has their manifests, else as `docker save` lists them.
    fn images(&self, path: &HostPath) -> Result<Images, BoxFault> {
        if let Some(bytes) = self.read_if_there(INDEX)?
            && let Document::Index(index) = Document::parse(&bytes, None)?
        {
            return self.layout(index);
        }
        match self {
            Place::Tar(files) => {
                let images = docker::all(files)?;
                images.ok_or_else(|| ArchiveError::unknown(path).into())
            }
            Place::Dir(dir) => Err(ArchiveError::no_layout(dir).into()),
        }
    }

    fn layout(&self, index: Index) -> Result<Images, BoxFault> {
        let mut images: Images = Vec::new();
        let mut listed = None;
        let entries: Arc<[_]> = Arc::from(index.manifests);
        for target in archive::images_in(&entries).cloned() {
            let annotation = |key| target.annotations.get(key).cloned();
            let (full, short) = (annotation(FULL_NAME), annotation(REF_NAME));
            let image = Local {
                target,
                shelf: self.shelf(),
                listed: entries.clone(),
            };
            let names = self.names(&image, full, short, &mut listed)?;
            let digest = &image.target.digest;
            // Docker lists an image once for each of its names.
            let known = images
                .iter_mut()
                .find(|(_, known)| known.target.digest == *digest);
            match known {
                Some((known, _)) => known.extend(names),
                None => images.push((names, image)),
            }
        }
        for (names, _) in &mut images {
            names.sort();
            names.dedup();
        }
        Ok(images)
    }

    /// The names of an entry of an OCI layout. Docker before version 25 and skopeo write the tag alone into it: the rest
    /// stands in `manifest.json`, or nowhere; then the host is `localhost`, as with Podman.
    fn names(
        &self,
        image: &Local,
        full: Option<String>,
        short: Option<String>,
        listed: &mut Option<Vec<(Digest, Vec<String>)>>,
    ) -> Result<Vec<String>, BoxFault> {
        if let Some(full) = full {
            return Ok(vec![full]);
        }
        let is_full = |name: &String| name.contains(['/', ':']);
        if let Some(name) = short.clone().filter(is_full) {
            return Ok(vec![name]);
        }
        if let Document::Manifest(manifest) = image.target()?.document {
            let listed = match listed {
                Some(listed) => listed,
                None => listed.insert(self.names_of_configs()?),
            };
            let is_it = |(config, _): &&(Digest, Vec<String>)| *config == manifest.config.digest;
            let found = listed.iter().find(is_it).map(|(_, names)| names);
            if let Some(names) = found.filter(|names| !names.is_empty()) {
                return Ok(names.clone());
            }
        }
        let local = short.map(|name| format!("localhost/{}:latest", name.to_ascii_lowercase()));
        Ok(local.into_iter().collect())
    }
}
