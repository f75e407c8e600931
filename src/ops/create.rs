//! `coracle create`, and what it shares with `run`: finding what to run, and planning it.

use std::error::Error;
use std::fmt;

use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::fsx::{self, PathError};
use crate::base::near;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::engine::select::{self, EngineWish, Mode};
use crate::oci::MAX_DOCUMENT;
use crate::oci::config::{ImageConfig, RunConfig};
use crate::oci::source::Source as ImageSource;
use crate::ops::facts::Gathered;
use crate::ops::foreign;
use crate::ops::ids;
use crate::ops::images;
use crate::ops::names;
use crate::ops::options::Options;
use crate::ops::pull;
use crate::ops::reach::Reach;
use crate::ops::volume;
use crate::ops::vouch;
use crate::plan::binds;
use crate::plan::wish::{Facts, GpuWish, Wish};
use crate::plan::{Ids, Root, RunPlan, Source, View, build};
use crate::store::{Container, ContainerRecord, ImageRecord, Store, StoreError, Tree};

/// What to create.
#[derive(Clone, Debug)]
pub struct Request {
    /// The image, as typed.
    pub image: String,
    /// What was typed for it.
    pub options: Options,
    /// What the container is to be called; otherwise a name is made up.
    pub name: Option<String>,
}

/// What a container cannot be made of or run with.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A mount whose source is not there.
    #[error("cannot show `{}` in the container", source.path.display())]
    NoSource {
        /// What was tried on it.
        source: PathError,
    },
    /// A container without what it was made of.
    #[error("the image of container `{id}` is no longer in the store, nor in one of `stores`")]
    NoTree {
        /// The container.
        id: String,
        /// What to pull for the very same image.
        again: String,
    },
    /// A container where a locked image was wanted.
    #[error("`--locked` is about images, but `{0}` is a container")]
    Unlockable(String),
    /// A container's record that another program wrote.
    #[error("the options of container `{id}` make no sense")]
    Options {
        /// The container.
        id: String,
        /// Where they stop doing so.
        source: serde_json::Error,
    },
}

impl CreateError {
    /// That the image of this container is gone: another user's store lost it, or is no longer read.
    pub(super) fn no_tree(record: &ContainerRecord) -> CreateError {
        let again = match record.image.parse() {
            Ok(ImageSource::Registry(reference)) => reference.at(&record.manifest).familiar(),
            _ => record.image.clone(),
        };
        CreateError::NoTree {
            id: record.id.clone(),
            again,
        }
    }
}

impl Fault for CreateError {
    fn kind(&self) -> Kind {
        match self {
            CreateError::NoSource { source } if source.is_not_found() || source.is_denied() => {
                Kind::Usage
            }
            CreateError::NoSource { source } => source.kind(),
            CreateError::Unlockable(_) => Kind::Usage,
            CreateError::NoTree { .. } => Kind::NotFound,
            CreateError::Options { .. } => Kind::Integrity,
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            CreateError::NoSource { source } if !source.is_not_found() && !source.is_denied() => {
                return source.hints();
            }
            // Docker would create a directory, which hides the typing error until later.
            CreateError::NoSource { .. } => "create it, or correct the path".to_owned(),
            CreateError::Unlockable(_) => {
                "`coracle create --locked` makes a new one of the locked image".to_owned()
            }
            CreateError::NoTree { again, .. } => {
                format!("`coracle pull {again}` brings it into your own store")
            }
            CreateError::Options { id, .. } => format!("remove it with `coracle rm {id}`"),
        }]
    }
}

/// What is to be run: an image, perhaps with a container's own changes over it.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) container: Option<Container>,
    pub(super) image: Option<ImageRecord>,
    pub(super) config: RunConfig,
    pub(super) lower: HostPath,
    pub(super) sidecar: HostPath,
    pub(super) wish: Wish,
    /// Where it was found.
    pub(super) store: Store,
    /// Whether the guest will have a terminal of its own instead of the caller's streams.
    pub(super) own_terminal: bool,
}

/// Makes a container.
pub fn create(
    request: Request,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Container, BoxFault> {
    let store = Store::open(reach.home.clone())?;
    if let Some(name) = &request.name {
        store.check_name_is_free(name)?;
    }
    let standing = request.options.standing_wish()?;
    let lenders = request.options.files.volumes_from.clone();
    let mut wish = standing.overlaid(request.options.into_wish()?);
    volume::borrow(&store, &lenders, &mut wish)?;
    let mut subject = of_image(&store, &request.image, reach, progress)?;
    // What cannot be planned is told now; only the terminal may come later, and the processors of another host: many
    // a container is made on a login node that has none.
    subject.wish = Wish {
        terminal: false,
        gpu: GpuWish::default(),
        ..wish.clone()
    };
    subject.plan(View::ReadOnly)?;
    subject.wish = wish;
    subject.create(&store, request.name.as_deref())
}

/// The container called `target`, else the image of that name, brought here if need be.
pub(super) fn find(
    store: &Store,
    target: &str,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Subject, BoxFault> {
    match container(store, target)? {
        Some(_) if reach.locked.is_some() => Err(CreateError::Unlockable(target.to_owned()).into()),
        Some(container) => of_container(store, container),
        None => of_image(store, target, reach, progress).map_err(|cause| {
            // Where the store or this machine fails, the word says nothing.
            let is_of_word = !matches!(cause.kind(), Kind::Storage | Kind::Internal);
            if is_of_word && may_be_name(target) {
                let target = target.to_owned();
                let known = store.names().unwrap_or_default().into_iter();
                let known = known.map(|(name, _)| name);
                let known: Vec<String> = known.chain(images::familiar_names(store)).collect();
                let meant = near::question(&target, known.iter().map(String::as_str));
                NeitherNor {
                    target,
                    cause,
                    meant,
                }
                .into()
            } else {
                cause
            }
        }),
    }
}

/// No container can be called what has one of these; most images have.
fn may_be_name(word: &str) -> bool {
    !word.contains(['/', ':', '@'])
}

/// A word that is no container, and no image that can be had: one of them was mistyped.
#[derive(Debug)]
struct NeitherNor {
    target: String,
    cause: BoxFault,
    meant: Option<String>,
}

impl fmt::Display for NeitherNor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "there is no container `{}`, and no such image can be had",
            self.target
        )
    }
}

impl Error for NeitherNor {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl Fault for NeitherNor {
    fn kind(&self) -> Kind {
        self.cause.kind()
    }

    fn hints(&self) -> Vec<String> {
        let mut hints: Vec<String> = self.meant.iter().cloned().collect();
        hints.extend(self.cause.hints());
        hints.push("`coracle ps -a` lists the containers, `coracle images` the images".to_owned());
        hints
    }
}

/// Digits of an id that make a container of a word; shorter ones are names of images
/// such as `ada`.
const ID_DIGITS: usize = 12;

/// The container that a word means: by its name, or by at least [`ID_DIGITS`] of its id.
pub(super) fn container(store: &Store, word: &str) -> Result<Option<Container>, StoreError> {
    let is_id = word.len() >= ID_DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !may_be_name(word) || !is_id && store.named(word)?.is_none() {
        return Ok(None);
    }
    match store.container(word) {
        Ok(container) => Ok(Some(container)),
        Err(StoreError::NoContainer(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn of_container(store: &Store, container: Container) -> Result<Subject, BoxFault> {
    let record = &container.record;
    let gone = || CreateError::no_tree(record);
    let options = |source| CreateError::Options {
        id: record.id.clone(),
        source,
    };
    let wish = serde_json::from_value(record.options.clone()).map_err(options)?;
    let tree = store.tree(&record.chain)?.ok_or_else(gone)?;
    let config = store.read_blob(&record.config, MAX_DOCUMENT)?;
    Ok(Subject {
        config: ImageConfig::parse(&config)?.config,
        lower: tree.rootfs,
        sidecar: tree.sidecar,
        container: Some(container),
        image: None,
        wish,
        store: store.clone(),
        own_terminal: false,
    })
}

/// The image that is here under no name of that sort but with such an id: `sha256:` and digits, or at least
/// [`ID_DIGITS`] of them. Docker takes names first, and a shorter word for a name.
fn by_id(store: &Store, word: &str) -> Result<Option<(ImageRecord, Tree)>, BoxFault> {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_id = match word.strip_prefix("sha256:") {
        Some(digits) => is_hex(digits),
        None => word.len() >= ID_DIGITS && is_hex(word),
    };
    if !is_id {
        return Ok(None);
    }
    let found = match images::find(store, word) {
        Ok(found) => found.into_iter().next(),
        // It may still be the name of an image elsewhere.
        Err(fault) if fault.kind() == Kind::NotFound && !word.contains(':') => None,
        Err(fault) => return Err(fault),
    };
    let Some(image) = found else {
        return Ok(None);
    };
    let tree = store.tree(&image.chain)?;
    Ok(tree.map(|tree| (image, tree)))
}

fn of_image(
    store: &Store,
    name: &str,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<Subject, BoxFault> {
    let (image, tree) = match by_id(store, name)? {
        Some((image, tree)) => {
            vouch::require_trusted(store, &image, reach)?;
            (image, tree)
        }
        None => {
            let source = names::in_store(store, name)?;
            pull::ensure_image(store, &source, reach, progress)?
        }
    };
    foreign::check(&image, reach.platform.as_ref())?;
    let config = store.read_blob(&image.config, MAX_DOCUMENT)?;
    Ok(Subject {
        config: ImageConfig::parse(&config)?.config,
        lower: tree.rootfs,
        sidecar: tree.sidecar,
        container: None,
        image: Some(image),
        wish: Wish::default(),
        store: store.clone(),
        own_terminal: false,
    })
}

impl Subject {
    /// The plan for its wish, by whatever engine.
    pub(super) fn plan(&self, view: View) -> Result<RunPlan, BoxFault> {
        self.plan_for(view, select::candidates(EngineWish::Auto))
    }

    /// The plan for its wish, by one of `modes`; sources of mounts are looked at.
    pub(super) fn plan_for(&self, view: View, modes: &[Mode]) -> Result<RunPlan, BoxFault> {
        let mut plan = self.plan_of_running(view, modes)?;
        if plan.user.ids == Ids::Ranges {
            plan.user.owners = ids::owners(&self.sidecar)?;
        }
        // Volumes are made when the guest starts.
        let volumes = binds::named(&self.wish)?;
        let is_volume = |path: &HostPath| {
            let mut names = volumes.iter().map(|volume| &volume.name);
            names.any(|name| self.store.volume_content(name) == *path)
        };
        for mount in plan.mounts.iter().filter(|mount| !mount.optional) {
            if let Source::Bind(path) = &mount.source
                && !is_volume(path)
            {
                fsx::metadata(path).map_err(|source| CreateError::NoSource { source })?;
            }
        }
        Ok(plan)
    }

    /// The same for a guest whose mounts are there already.
    pub(super) fn plan_of_running(&self, view: View, modes: &[Mode]) -> Result<RunPlan, BoxFault> {
        let mut gathered = Gathered::of(
            &self.store,
            &self.lower,
            &view,
            &self.wish,
            &self.config,
            modes,
        )?;
        if self.own_terminal {
            gathered = gathered.with_terminal();
        }
        let facts: Facts<'_> = gathered.facts(&self.config);
        let root = Root {
            lower: self.lower.clone(),
            view,
        };
        Ok(build::build(&self.wish, &facts, root)?)
    }

    /// Makes a container of this image that remembers this wish.
    pub(super) fn create(&self, store: &Store, name: Option<&str>) -> Result<Container, BoxFault> {
        let image = self.image.as_ref();
        let image = image.expect("only what was found as an image is made a container of");
        let options = self.wish.to_options();
        let container = store.create_container(image, name, options)?;
        if name.is_none() {
            give_made_up_name(store, &container)?;
        }
        Ok(container)
    }
}

/// Names a new container that was given no name.
pub(super) fn give_made_up_name(store: &Store, container: &Container) -> Result<(), BoxFault> {
    let made_up = made_up_name(&container.record.image, &container.record.id);
    store
        .add_name(&made_up, &container.record.id)
        .map_err(|error| While::new("cannot name the new container", error))?;
    Ok(())
}

/// A name for a container that was given none: that of its image and the start of its id.
pub(super) fn made_up_name(image: &str, id: &str) -> String {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    let last = image.rsplit('/').next().unwrap_or(image);
    let last = last.strip_prefix("embedded:").unwrap_or(last);
    let word = last.split(':').next().unwrap_or(last);
    let kept = word
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_.-".contains(*c));
    let word: String = kept.take(40).collect();
    format!("{}-{}", word.trim_start_matches(['.', '-']), &id[..6])
        .trim_start_matches('-')
        .to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn made_up_names_are_those_of_the_image() {
        let id = "0123456789abcdef";
        for (image, name) in [
            ("docker.io/library/debian:13-slim", "debian-012345"),
            ("embedded:hello", "hello-012345"),
            ("h.example:5000/a/b@sha256:00", "b-012345"),
            ("oci:/srv/x y", "xy-012345"),
            ("oci-archive:/srv/.x.tar", "x.tar-012345"),
        ] {
            assert_eq!(super::made_up_name(image, id), name);
        }
    }
}
