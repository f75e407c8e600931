//! `import`: an image, or a container, of the files in a tar archive.

pub(super) mod changes;
mod layer;
mod repack;

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;
use crate::oci::source::Source;
use crate::ops::export::{CONFIG, Kept, RECORD};
use crate::ops::pull::Input;
use crate::ops::pull::keep::Keeper;
use crate::ops::pull::resolve::Resolved;
use crate::ops::{compose, create, tag};
use crate::plan::binds::{self, Origin};
use crate::plan::wish::{Text, Wish};
use crate::store::{Container, ImageRecord, Lease, Store};
use layer::Layer;
use repack::Malformed;

/// What an image is called that was given no name; its digest follows.
const NAMELESS: &str = "localhost/imported";
/// What udocker calls the image of a container that was imported.
const IMPORTED: &str = "IMPORTED:unknown";

/// How an archive becomes an image.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What the image is to be called; by its digest alone where absent.
    pub name: Option<String>,
    /// Lines of a Dockerfile that make its config (`-c`).
    pub changes: Vec<String>,
    /// What it runs on; the host's platform where absent.
    pub platform: Option<Platform>,
    /// What its history says (`-m`).
    pub message: Option<String>,
}

/// An archive that does not hold what makes a container.
#[derive(Debug, thiserror::Error)]
#[error("it is no archive of `export --clone`, it has no `{CONFIG}`")]
struct NoContainer;

impl Fault for NoContainer {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["without `--clone` the files of any archive are imported".to_owned()]
    }
}

/// Makes an image of one layer: the files of `input`, a tar archive, compressed or not, which may come through a pipe.
/// Where that fails nothing of it stays.
pub fn import(
    home: &HostPath,
    input: Input,
    request: &Request,
    progress: &dyn Progress,
) -> Result<ImageRecord, BoxFault> {
    let name = request.name.as_deref().map(tag::new_name).transpose()?;
    whole(home, input, progress, |work, input| {
        if let Some(name) = &name {
            work.lease.store().require_unprotected(name)?;
        }
        let resolved = work.image(input, request)?;
        let source = match &name {
            Some(name) => name.clone(),
            None => {
                let nameless: Reference = NAMELESS.parse()?;
                Source::Registry(nameless.at(&resolved.manifest_digest))
            }
        };
        let record = resolved.record(&source);
        work.lease.publish(&source, &record)?;
        Ok(record)
    })
}

/// Makes a container of these files, called `name` where that is given; its image has no name.
pub fn to_container(
    home: &HostPath,
    input: Input,
    request: &Request,
    name: Option<&str>,
    progress: &dyn Progress,
) -> Result<Container, BoxFault> {
    whole(home, input, progress, |work, input| {
        work.check_name(name)?;
        let resolved = work.image(input, request)?;
        work.container(&resolved, Kept::of(IMPORTED), name)
    })
}

/// Makes the container that `export --clone` packed, here or by udocker, called `name` where that is given.
pub fn clone(
    home: &HostPath,
    input: Input,
    name: Option<&str>,
    progress: &dyn Progress,
) -> Result<Container, BoxFault> {
    whole(home, input, progress, |work, input| {
        work.check_name(name)?;
        let packed = repack::repack(input, work.lease)?;
        let config = packed.config.ok_or(NoContainer)?;
        let resolved = work.finish(packed.layer, config)?;
        let image = packed.image.unwrap_or_else(|| IMPORTED.to_owned());
        let kept = packed.kept.unwrap_or_else(|| Kept::of(&image));
        let reach = reach_of(&kept)?;
        let container = work.container(&resolved, kept, name)?;
        if !reach.is_empty() {
            let reach = reach.join(", ");
            progress.warn(&format!(
                "as the archive says, runs of this container see of this host: {reach}; remove it with `coracle rm` if \
                 you do not trust whoever packed it"
            ));
        }
        Ok(container)
    })
}

/// What of this host the runs of a container see that was packed elsewhere, perhaps by a stranger.
fn reach_of(kept: &Kept) -> Result<Vec<String>, BoxFault> {
    let wish = serde_json::from_value(kept.options.clone());
    let wish: Wish = wish.map_err(|source| Malformed {
        file: RECORD,
        source,
    })?;
    let mut reach = Vec::new();
    for wanted in binds::wanted(&wish)? {
        if let Origin::Host(path) = wanted.origin {
            reach.push(format!("`{path}`"));
        }
    }
    let around = &wish.surroundings;
    for Text(path) in around.paths.iter().chain(&around.volumes) {
        reach.push(format!("`{}`", path.display()));
    }
    let names = wish.environment.iter().map(|Text(text)| text);
    for Text(name) in &around.environment {
        reach.push(format!("the variable `{}`", name.display()));
    }
    for name in names.filter(|text| !text.as_encoded_bytes().contains(&b'=')) {
        reach.push(format!("the variable `{}`", name.display()));
    }
    for (is_shown, what) in [
        (wish.home, "your home directory"),
        (around.cwd, "the working directory"),
        (
            wish.host_environment || around.host_environment,
            "your environment",
        ),
    ] {
        reach.extend(is_shown.then(|| what.to_owned()));
    }
    Ok(reach)
}

/// Does `work` under a lease; where it fails, takes away what it has put into the store.
fn whole<T>(
    home: &HostPath,
    input: Input,
    progress: &dyn Progress,
    work: impl FnOnce(&Work<'_>, Input) -> Result<T, BoxFault>,
) -> Result<T, BoxFault> {
    let store = Store::open(home.clone())?;
    let name = input.name.clone();
    let done = store.lease().map_err(BoxFault::from).and_then(|lease| {
        let lease = &lease;
        work(&Work { lease, progress }, input)
    });
    done.map_err(|cause| {
        let _the_first_error_counts = store.sweep();
        While::new(format!("cannot import `{name}`"), cause).into()
    })
}

impl Kept {
    /// What is known of a container of which only the name of its image is.
    fn of(image: &str) -> Kept {
        Kept {
            image: image.to_owned(),
            options: Wish::default().to_options(),
        }
    }
}

/// One import.
struct Work<'a> {
    lease: &'a Lease,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    /// Fails before minutes of work if that name cannot be had.
    fn check_name(&self, name: Option<&str>) -> Result<(), BoxFault> {
        if let Some(name) = name {
            self.lease.store().check_name_is_free(name)?;
        }
        Ok(())
    }

    /// An image of the files in `input`, in the store without a name.
    fn image(&self, input: Input, request: &Request) -> Result<Resolved, BoxFault> {
        let mut run = Map::new();
        for line in &request.changes {
            changes::apply(&mut run, line)?;
        }
        let comment = match &request.message {
            Some(message) => message.clone(),
            None => format!("Imported from {}", input.name),
        };
        let layer = Layer::of(input, self.lease)?;
        let host = Platform {
            variant: None,
            ..Platform::host()
        };
        let platform = request.platform.clone().unwrap_or(host);
        let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let mut config = Map::new();
        config.insert("created".to_owned(), json!(created));
        config.insert("architecture".to_owned(), json!(platform.architecture));
        config.insert("os".to_owned(), json!(platform.os));
        if let Some(variant) = platform.variant {
            config.insert("variant".to_owned(), json!(variant));
        }
        config.insert("config".to_owned(), Value::Object(run));
        let history = json!([{"created": created, "comment": comment}]);
        config.insert("history".to_owned(), history);
        self.finish(layer, config)
    }

    /// An image of one layer and a config that lacks only what it says of that.
    fn finish(&self, layer: Layer, config: Map<String, Value>) -> Result<Resolved, BoxFault> {
        let resolved = compose::compose(config, &[layer.descriptor], &[layer.diff_id])?;
        let keeper = Keeper::new(self.lease, self.progress);
        keeper.put_documents(&resolved)?;
        keeper.keep_tree(&resolved, layer.growing, &[&layer.read])?;
        Ok(resolved)
    }

    fn container(
        &self,
        resolved: &Resolved,
        kept: Kept,
        name: Option<&str>,
    ) -> Result<Container, BoxFault> {
        let source = Source::Registry(NAMELESS.parse()?);
        let image = ImageRecord {
            name: kept.image,
            ..resolved.record(&source)
        };
        let store = self.lease.store();
        let container = store.create_container(&image, name, kept.options)?;
        if name.is_none() {
            create::give_made_up_name(store, &container)?;
        }
        Ok(container)
    }
}
