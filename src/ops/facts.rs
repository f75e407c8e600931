//! Facts for a plan, gathered from the host and from the image's tree.

use std::ffi::OsString;
use std::io::IsTerminal;

use nix::unistd::{getegid, geteuid, gethostname};

use crate::base::env;
use crate::base::fault::BoxFault;
use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath, RootDir};
use crate::gpu::Findings;
use crate::oci::config::RunConfig;
use crate::ops::findings;
use crate::ops::options::working_dir;
use crate::plan::wish::{Caller, Facts, Wish};
use crate::plan::{View, apt};

/// Bytes of one file of the image, such as `/etc/passwd`; the largest sites have some MiB of users.
const DATABASE_LIMIT: u64 = 16 << 20;

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
}

impl Gathered {
    /// Gathers them for a guest that sees `lower` through `view`.
    pub fn of(
        lower: &HostPath,
        view: &View,
        wish: &Wish,
        image: &RunConfig,
    ) -> Result<Gathered, BoxFault> {
        let hostname = gethostname().unwrap_or_default();
        let trees = trees(lower, view);
        Ok(Gathered {
            passwd: read(&trees, "/etc/passwd")?.unwrap_or_default(),
            group: read(&trees, "/etc/group")?.unwrap_or_default(),
            environment: env::all(),
            caller: Caller {
                uid: geteuid().as_raw(),
                gid: getegid().as_raw(),
                name: env::get(env::USER).and_then(|name| name.into_string().ok()),
                home: env::get(env::HOME).map(HostPath::new),
            },
            cwd: match wish.surroundings.cwd {
                true => Some(working_dir()?),
                false => None,
            },
            hostname: hostname.to_string_lossy().into_owned(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            in_pmi_launch: env::in_pmi_launch(),
            has_apt: lower.join(&apt::DIRECTORY[1..]).is_dir(),
            gpu: findings::gather(&trees, lower, &wish.gpu, image)?,
        })
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
        }
    }
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

/// A file of the guest as the guest would read it.
pub(super) fn read(trees: &[RootDir], path: &str) -> fsx::Result<Option<Vec<u8>>> {
    let guest = GuestPath::root().join(path);
    for tree in trees {
        let Ok(host) = tree.resolve(&guest) else {
            continue;
        };
        // A file that was removed in the container lies there as a device, a whiteout.
        let meta = fsx::absent_as_none(fsx::metadata(&host))?;
        if meta.is_some_and(|meta| meta.is_file()) {
            return fsx::read(&host, DATABASE_LIMIT).map(Some);
        }
    }
    Ok(None)
}
