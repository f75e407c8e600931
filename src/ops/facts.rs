//! Facts for a plan, gathered from the host and from the image's tree.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::Path;

use nix::sys::statvfs::statvfs;
use nix::unistd::{User, getegid, geteuid, gethostname};

use crate::base::env;
use crate::base::fault::BoxFault;
use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath, RootDir};
use crate::base::stack::Stack;
use crate::engine::select::Mode;
use crate::gpu::Findings;
use crate::oci::config::RunConfig;
use crate::ops::options::working_dir;
use crate::ops::{findings, ids};
use crate::plan::binds;
use crate::plan::wish::{Accounts, Around, Caller, Changer, Facts, Wish};
use crate::plan::{View, apt, resolver};
use crate::store::Store;

/// Bytes of one file of the image, such as `/etc/passwd`; the largest sites have some MiB of users.
const DATABASE_LIMIT: u64 = 16 << 20;

/// Where programs share memory. shm_open(3).
const SHARED_MEMORY: &str = "/dev/shm";

/// Facts with their storage.
#[derive(Debug)]
pub struct Gathered {
    passwd: Vec<u8>,
    group: Vec<u8>,
    environment: Vec<(OsString, OsString)>,
    caller: Caller,
    cwd: Option<HostPath>,
    hostname: String,
    stdin_is_terminal: bool,
    in_pmi_launch: bool,
    has_apt: bool,
    gpu: Option<Findings>,
    host_accounts: [Vec<u8>; 2],
    changer: Option<Changer>,
    around: Around,
}

impl Gathered {
    /// Gathers them for a guest that sees `lower` through `view`, run by one of `modes`.
    pub fn of(
        store: &Store,
        lower: &HostPath,
        view: &View,
        wish: &Wish,
        image: &RunConfig,
        modes: &[Mode],
    ) -> Result<Gathered, BoxFault> {
        let hostname = gethostname().unwrap_or_default();
        let trees = trees(lower, view);
        Ok(Gathered {
            passwd: read(&trees, "/etc/passwd")?.unwrap_or_default(),
            group: read(&trees, "/etc/group")?.unwrap_or_default(),
            environment: env::all(),
            caller: caller(),
            cwd: match wish.surroundings.cwd {
                true => Some(working_dir()?),
                false => None,
            },
            hostname: hostname.to_string_lossy().into_owned(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            in_pmi_launch: env::in_pmi_launch(),
            has_apt: lower.join(&apt::DIRECTORY[1..]).is_dir(),
            gpu: findings::gather(&trees, lower, &wish.gpu, image)?,
            host_accounts: match wish.accounts {
                Some(Accounts::Host) => [host_file("/etc/passwd")?, host_file("/etc/group")?],
                _ => Default::default(),
            },
            changer: ids::changer(&trees, wish, image, modes),
            around: around(wish, store)?,
        })
    }

    /// The same for a guest that gets a terminal of its own.
    pub fn with_terminal(self) -> Gathered {
        Gathered {
            stdin_is_terminal: true,
            ..self
        }
    }

    /// The facts, for an image with this config.
    pub fn facts<'a>(&'a self, image: &'a RunConfig) -> Facts<'a> {
        Facts {
            image,
            passwd: &self.passwd,
            group: &self.group,
            environment: &self.environment,
            caller: &self.caller,
            cwd: self.cwd.as_ref(),
            hostname: &self.hostname,
            stdin_is_terminal: self.stdin_is_terminal,
            in_pmi_launch: self.in_pmi_launch,
            has_apt: self.has_apt,
            gpu: self.gpu.as_ref(),
            host_accounts: (&self.host_accounts[0], &self.host_accounts[1]),
            changer: self.changer.as_ref(),
            around: &self.around,
        }
    }
}

/// Who runs coracle. The environment goes first: it has also those of a directory service, whom only the host's own C
/// library finds; where it has been emptied, the host's file may know him.
fn caller() -> Caller {
    let mut caller = Caller {
        uid: geteuid().as_raw(),
        gid: getegid().as_raw(),
        name: env::get(env::USER).and_then(|name| name.into_string().ok()),
        home: env::get(env::HOME).map(HostPath::new),
    };
    if caller.name.is_none() || caller.home.is_none() {
        let listed = User::from_uid(geteuid()).ok().flatten();
        if let Some(listed) = listed {
            caller.name.get_or_insert(listed.name);
            caller.home.get_or_insert(HostPath::new(listed.dir));
        }
    }
    caller
}

/// A file of the host's accounts; empty where there is none.
fn host_file(path: &str) -> fsx::Result<Vec<u8>> {
    Ok(fsx::read_if_there(Path::new(path), DATABASE_LIMIT)?.unwrap_or_default())
}

/// What the wish needs to know of the host beside all that.
fn around(wish: &Wish, store: &Store) -> Result<Around, BoxFault> {
    let text = |path: &str, is_needed: bool| match is_needed {
        true => fsx::read_if_there(path, DATABASE_LIMIT),
        false => Ok(None),
    };
    let mut volumes = BTreeMap::new();
    for named in binds::named(wish)? {
        let path = store.volume_content(&named.name);
        volumes.insert(named.name, path);
    }
    let shared_memory = wish
        .shm_size
        .as_ref()
        .and_then(|_| statvfs(SHARED_MEMORY).ok());
    Ok(Around {
        volumes,
        hosts: text(resolver::HOSTS, resolver::needs_hosts(wish))?.unwrap_or_default(),
        resolver: text(resolver::RESOLVER, resolver::needs_resolver(wish))?.unwrap_or_default(),
        shared_memory: shared_memory.map(|it| it.blocks() * it.fragment_size()),
    })
}

/// The trees that make a guest's root, the uppermost first. What a container has written lies over the image in
/// `upper`, or it is in a copy of everything: what was removed there must not show through from the image.
fn trees(lower: &HostPath, view: &View) -> Vec<RootDir> {
    let trees = match view {
        View::Kept { dir } => match dir.join("rootfs") {
            copy if copy.is_dir() => vec![copy],
            _ => vec![dir.join("upper"), lower.clone()],
        },
        View::Discarded { .. } | View::ReadOnly => vec![lower.clone()],
    };
    trees.into_iter().map(RootDir::new).collect()
}

/// A file of the guest as the guest would read it: one that was removed in a container does not show through from the
/// image.
pub(super) fn read(trees: &[RootDir], path: &str) -> fsx::Result<Option<Vec<u8>>> {
    let guest = GuestPath::root().join(path);
    let [tree] = trees else {
        let found = Stack::of(trees).file(&guest);
        return found
            .map(|found| fsx::read(found.host, DATABASE_LIMIT))
            .transpose();
    };
    let Ok(host) = tree.resolve(&guest) else {
        return Ok(None);
    };
    let meta = fsx::absent_as_none(fsx::metadata(&host))?;
    match meta.is_some_and(|meta| meta.is_file()) {
        true => fsx::read(&host, DATABASE_LIMIT).map(Some),
        false => Ok(None),
    }
}
