//! `coracle cp`: files between a container and the host, by Docker's rules for paths.
//!
//! This process opens the host's side, enters the container, and copies from one descriptor to the other by way of a
//! tar stream. Inside, the container's root is its own, so that no link leads out; where the host has no namespaces,
//! the container is a copy of its image, and [`crate::base::rooted`] follows links as if that were the root.

mod pack;
mod unpack;

use std::ffi::OsStr;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::base::rooted::{self, Last, Spot};
use crate::engine::select::Mode;
use crate::engine::{Stop, ns};
use crate::layer::codec;
use crate::ops::beside;
use crate::ops::create::{self, Subject};
use crate::ops::run::{Lifetime, first_view};
use crate::plan::{RunPlan, Source, View};
use crate::store::Store;
use pack::Pack;
use unpack::{Manner, Unpack};

/// One side of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// `CONTAINER:PATH`.
    Container {
        /// Its name or id.
        name: String,
        /// A path in it, from its root.
        path: PathBuf,
    },
    /// A path of the host.
    Host(PathBuf),
    /// `-`: a tar archive, from stdin or to stdout.
    Archive,
}

impl Side {
    /// Reads an argument as Docker does: what has a slash or a dot before its colon is a path.
    pub fn parse(text: &OsStr) -> Side {
        if text == "-" {
            return Side::Archive;
        }
        let bytes = text.as_bytes();
        let colon = bytes.iter().position(|byte| *byte == b':');
        let name = colon.and_then(|colon| std::str::from_utf8(&bytes[..colon]).ok());
        match (name, colon) {
            (Some(name), Some(colon))
                if !name.is_empty() && !name.contains('/') && !name.starts_with('.') =>
            {
                let path = Path::new(OsStr::from_bytes(&bytes[colon + 1..])).to_owned();
                let name = name.to_owned();
                Side::Container { name, path }
            }
            _ => Side::Host(text.into()),
        }
    }
}

/// What to copy, and how.
#[derive(Clone, Debug)]
pub struct Request {
    /// From where.
    pub from: Side,
    /// To where.
    pub to: Side,
    /// Whether a link as the source stands for what it leads to (`-L`).
    pub last: Last,
    /// Whether owners are kept (`-a`).
    pub keeps_owners: bool,
}

/// Why nothing is copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Neither side is a container, or both are.
    #[error("expected one container and one path of the host, got {0}")]
    Sides(&'static str),
    /// The source is not there.
    #[error("there is no `{0}` to copy")]
    NoSource(String),
    /// The destination does not suit.
    #[error("cannot copy to `{to}`: {why}")]
    Destination {
        /// As typed.
        to: String,
        /// What is in the way.
        why: &'static str,
    },
    /// The source is something that no file can be made of.
    #[error("cannot copy {0}: it has no content")]
    Special(String),
    /// The host has no namespaces, and the container's files are no tree without them.
    #[error("cannot see the files of container `{container}`: {why}")]
    Unseen {
        /// As typed.
        container: String,
        /// Why.
        why: String,
    },
}

impl Fault for CopyError {
    fn kind(&self) -> Kind {
        match self {
            CopyError::NoSource(_) => Kind::NotFound,
            CopyError::Unseen { .. } => Kind::Refused,
            _ => Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            CopyError::Sides(_) => {
                "write `coracle cp NAME:/path file` or `coracle cp file NAME:/path`".into()
            }
            CopyError::NoSource(_) => return Vec::new(),
            CopyError::Destination { .. } => {
                "name a directory that is there, or a file in one".into()
            }
            CopyError::Special(_) => "the devices of the host are in each container already".into(),
            CopyError::Unseen { container, .. } => format!(
                "`coracle run --engine proot {container} true` makes a copy of the image that can be seen"
            ),
        }]
    }
}

/// A place to copy from or to: where it is, and what its path says besides.
struct Place {
    spot: Spot,
    /// Whether the path ends in `/.`: the content is meant.
    is_content: bool,
    /// Whether it ends in a slash: a directory is meant.
    is_folder: bool,
    shown: String,
}

impl Place {
    /// Below the descriptor `root`, which is `/` for the host.
    fn of(root: &OwnedFd, path: &Path, last: Last, shown: String) -> io::Result<Place> {
        let bytes = path.as_os_str().as_bytes();
        let is_content = bytes == b"." || bytes.ends_with(b"/.");
        let is_folder = is_content || bytes.ends_with(b"/");
        let last = if is_folder { Last::Followed } else { last };
        Ok(Place {
            spot: rooted::locate(root, path, last)?,
            is_content,
            is_folder,
            shown,
        })
    }
}

/// Copies, and tells `progress` of what could not be as it was. Must be called while there is one thread.
pub fn copy(request: &Request, home: &HostPath, progress: &dyn Progress) -> Result<(), BoxFault> {
    let (name, path, is_source) = match (&request.from, &request.to) {
        (Side::Container { .. }, Side::Container { .. }) => {
            return Err(CopyError::Sides("two containers").into());
        }
        (Side::Container { name, path }, _) => (name, path, true),
        (_, Side::Container { name, path }) => (name, path, false),
        _ => return Err(CopyError::Sides("no container").into()),
    };
    let (own, other, others) = match is_source {
        true => (Role::Source, Role::Destination, &request.to),
        false => (Role::Destination, Role::Source, &request.from),
    };
    let last = |role| match role {
        Role::Source => request.last,
        Role::Destination => Last::Followed,
    };
    let host = match others {
        Side::Host(path) => Some(on_host(path, other, last(other))?),
        _ => None,
    };
    let root = enter(home, name, own, progress)?;
    let shown = format!("{name}:{}", path.display());
    let inside = Place::of(&root, path, last(own), shown.clone())
        .map_err(|error| unreachable(error, own, shown))?;
    let manner = |mode_mask| Manner {
        keeps_owners: request.keeps_owners,
        mode_mask,
    };
    match (is_source, host) {
        (true, Some(host)) => between(&inside, &host, manner(0o777), progress),
        (true, None) => {
            let source = source(&inside, top_name(&inside))?;
            let mut pack = Pack::new(io::stdout().lock());
            pack.add(&inside.spot.dir, &inside.spot.name, &source)?;
            tell(&pack.finish()?, false, progress);
            Ok(())
        }
        (false, Some(host)) => between(&host, &inside, manner(0o7777), progress),
        (false, None) => {
            if !inside.spot.is_dir() {
                return Err(destination(&inside, "an archive needs a directory"));
            }
            let mut unpack = Unpack::new(open_folder(&inside)?, manner(0o7777));
            unpack.all(codec::decompress(io::stdin())?)?;
            tell(&[], unpack.lost_owners, progress);
            Ok(())
        }
    }
}

/// Whether a place is copied from or to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Source,
    Destination,
}

/// Why there is no way to a place.
fn unreachable(error: io::Error, role: Role, shown: String) -> BoxFault {
    match (error.kind(), role) {
        (io::ErrorKind::NotFound, Role::Source) => CopyError::NoSource(shown).into(),
        (io::ErrorKind::NotFound, Role::Destination) => CopyError::Destination {
            to: shown,
            why: "its directory is not there",
        }
        .into(),
        _ => fsx::PathError {
            operation: "resolve",
            path: shown.into(),
            source: error,
        }
        .into(),
    }
}

/// A path of the host, from the working directory.
fn on_host(path: &Path, role: Role, last: Last) -> Result<Place, BoxFault> {
    let root: OwnedFd = fsx::open("/")?.into();
    let cwd = std::env::current_dir().context("find the working directory", ".")?;
    let shown = path.display().to_string();
    Place::of(&root, &joined(&cwd, path), last, shown.clone())
        .map_err(|error| unreachable(error, role, shown))
}

/// `path` from `cwd`, with the `/.` or `/` at its end, which [`Path::join`] keeps as well.
fn joined(cwd: &Path, path: &Path) -> PathBuf {
    match path.as_os_str().as_bytes() {
        b"." => cwd.join("./."),
        _ => cwd.join(path),
    }
}

/// What it is called as a member of an archive: its name, or `.` for the content.
fn top_name(place: &Place) -> Vec<u8> {
    match place.is_content {
        true => b".".to_vec(),
        false => place.spot.name.as_bytes().to_vec(),
    }
}

/// Makes sure that there is something to copy, under `name`.
fn source(place: &Place, name: Vec<u8>) -> Result<Vec<u8>, BoxFault> {
    let Some(stat) = place.spot.stat else {
        return Err(CopyError::NoSource(place.shown.clone()).into());
    };
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFCHR | libc::S_IFBLK => {
            Err(CopyError::Special(format!("the device `{}`", place.shown)).into())
        }
        libc::S_IFSOCK => Err(CopyError::Special(format!("the socket `{}`", place.shown)).into()),
        libc::S_IFDIR => Ok(name),
        _ if place.is_folder => {
            Err(CopyError::NoSource(format!("{} as a directory", place.shown)).into())
        }
        _ => Ok(name),
    }
}

fn destination(place: &Place, why: &'static str) -> BoxFault {
    let to = place.shown.clone();
    CopyError::Destination { to, why }.into()
}

/// Into which directory, and under which name: docker-cp(1), "DESCRIPTION".
fn target(from: &Place, to: &Place) -> Result<(OwnedFd, Vec<u8>), BoxFault> {
    let is_tree = from.spot.is_dir();
    let own =
        || -> Result<OwnedFd, BoxFault> { Ok(to.spot.dir.try_clone().context("open", &to.shown)?) };
    match to.spot.stat {
        Some(_) if to.spot.is_dir() => Ok((open_folder(to)?, top_name(from))),
        Some(_) if to.is_folder => Err(destination(to, "it is no directory")),
        Some(_) if is_tree => Err(destination(
            to,
            "a directory cannot take the place of a file",
        )),
        None if to.is_folder && !is_tree => Err(destination(to, "there is no such directory")),
        _ => Ok((own()?, to.spot.name.as_bytes().to_vec())),
    }
}

fn open_folder(place: &Place) -> fsx::Result<OwnedFd> {
    let opened = rooted::folder(&place.spot.dir, Path::new("")).and_then(|dir| {
        use nix::fcntl::{OFlag, openat};
        // Its links were followed before: what is one now was put there by a guest that runs.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(
            &dir,
            &*place.spot.name,
            flags,
            nix::sys::stat::Mode::empty(),
        )?)
    });
    opened.context("open", &place.shown)
}

/// Copies from one place to the other: one thread packs, this one unpacks.
fn between(
    from: &Place,
    to: &Place,
    manner: Manner,
    progress: &dyn Progress,
) -> Result<(), BoxFault> {
    let (dir, name) = target(from, to)?;
    let name = source(from, name)?;
    let (reader, writer) = io::pipe().context("make a pipe for", &from.shown)?;
    let mut unpack = Unpack::new(dir, manner);
    let (packed, unpacked) = std::thread::scope(|scope| {
        let packing = scope.spawn(move || packed(from, &name, writer));
        let unpacked = unpacked(&mut unpack, reader);
        (packing.join(), unpacked)
    });
    let doing = || format!("cannot copy `{}` to `{}`", from.shown, to.shown);
    match packed {
        Ok(Ok(left_out)) => {
            unpacked.map_err(|cause| While::new(doing(), cause))?;
            tell(&left_out, unpack.lost_owners, progress);
            Ok(())
        }
        // The other side has gone first, and knows why.
        Ok(Err(error)) if error.source.kind() == io::ErrorKind::BrokenPipe && unpacked.is_err() => {
            Ok(unpacked.map_err(|cause| While::new(doing(), cause))?)
        }
        Ok(Err(error)) => Err(While::new(doing(), error).into()),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn packed(from: &Place, name: &[u8], writer: impl Write) -> fsx::Result<Vec<String>> {
    let mut pack = Pack::new(io::BufWriter::with_capacity(1 << 16, writer));
    pack.add(&from.spot.dir, &from.spot.name, name)?;
    pack.finish()
}

/// The reader goes with the call, so that a packer whose stream nobody takes any more hears of it.
fn unpacked(unpack: &mut Unpack, reader: PipeReader) -> Result<(), BoxFault> {
    unpack.all(reader.take(u64::MAX))
}

fn tell(left_out: &[String], lost_owners: bool, progress: &dyn Progress) {
    for thing in left_out {
        progress.warn(&format!("left out {thing}: it cannot be copied"));
    }
    if lost_owners {
        progress.warn("owners are not those of the source: a plain user cannot give files away");
    }
}

/// Makes the container's files this process's own, and opens their root.
fn enter(
    home: &HostPath,
    name: &str,
    role: Role,
    progress: &dyn Progress,
) -> Result<OwnedFd, BoxFault> {
    let store = Store::open(home.clone())?;
    let container = store.container(name)?;
    let dir = container.dir.clone();
    let beside = match beside::look(&store, &container, name)? {
        Ok(beside) if beside.mode == Mode::Ns => Some(beside.pid),
        Ok(_) | Err(beside::NotThere::Stopped(_)) => None,
        Err(elsewhere) => return Err(elsewhere.into()),
    };
    let subject = create::of_container(&store, container)?;
    let plan = plan(subject, &store)?;
    if plan.root.view == View::ReadOnly && beside.is_none() && role == Role::Destination {
        let to = name.to_owned();
        return Err(CopyError::Destination {
            to,
            why: "the container was made with `--read-only`",
        }
        .into());
    }
    match ns::visit(&plan, beside, progress) {
        Ok(()) => Ok(fsx::open("/")?.into()),
        Err(Stop::Failed(fault)) => Err(fault),
        Err(Stop::NotHere(why)) => match fsx::absent_as_none(fsx::open(dir.join("rootfs")))? {
            Some(copy) => Ok(copy.into()),
            None => Err(CopyError::Unseen {
                container: name.to_owned(),
                why,
            }
            .into()),
        },
    }
}

/// The container's plan, with the mounts that were asked for alone.
fn plan(mut subject: Subject, store: &Store) -> Result<RunPlan, BoxFault> {
    subject.wish.terminal = false;
    subject.wish.gpu = crate::plan::wish::GpuWish::default();
    let view = first_view(&subject, Lifetime::Kept, store)?;
    let mut plan = subject.plan_of_running(view, &[Mode::Ns])?;
    let is_system = |target: &Path| {
        ["/proc", "/sys", "/dev"]
            .iter()
            .any(|system| target.starts_with(system))
    };
    plan.mounts.retain(|mount| {
        let is_bind = matches!(mount.source, Source::Bind(_));
        is_bind && !mount.optional && !is_system(mount.target.as_path())
    });
    Ok(plan)
}
