//! Facts for a plan, gathered from the host and from the image's tree.

use std::ffi::OsString;
use std::io::IsTerminal;

use nix::unistd::{getegid, geteuid, gethostname};

use crate::base::env;
use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath, RootDir};
use crate::gpu::nvidia::Verdict;
use crate::gpu::vantage::Vantage;
use crate::gpu::{Findings, fit, guest, nvidia};
use crate::oci::config::RunConfig;
use crate::plan::wish::{Caller, Facts, GpuWish, Text, Via, Wish};
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
    ) -> fsx::Result<Gathered> {
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
            hostname: hostname.to_string_lossy().into_owned(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            in_pmi_launch: env::in_pmi_launch(),
            has_apt: lower.join(&apt::DIRECTORY[1..]).is_dir(),
            gpu: graphics(&trees, &wish.gpu, image)?,
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
            hostname: &self.hostname,
            stdin_is_terminal: self.stdin_is_terminal,
            in_pmi_launch: self.in_pmi_launch,
            has_apt: self.has_apt,
            gpu: self.gpu.as_ref(),
        }
    }
}

/// What of graphics processors matters to a run: nothing, where none were asked for now or in an earlier run.
fn graphics(trees: &[RootDir], wish: &GpuWish, image: &RunConfig) -> fsx::Result<Option<Findings>> {
    // An image as it was pulled was told nothing; only what a container has written over it may say so.
    let written = &trees[..trees.len() - 1];
    if !wish.is_any() && read(written, guest::OWN_CONF)?.is_none() {
        return Ok(None);
    }
    let vantage = match &wish.driver_root {
        Some(Text(root)) => Vantage::of_root(HostPath::new(root)),
        None => Vantage::host(),
    };
    let nvidia = wish.via().filter(|via| *via == Via::Discovery);
    let nvidia = nvidia.map(|_| nvidia::discover(&vantage));
    let files = nvidia.iter().flat_map(|nvidia| &nvidia.files);
    let sonames = fit::sonames(files.filter(|file| file.verdict == Verdict::Taken));
    let guest = guest::look(trees, &sonames, &library_path(image));
    Ok(Some(Findings { nvidia, guest }))
}

/// The directories that the image's own `LD_LIBRARY_PATH` names.
fn library_path(image: &RunConfig) -> Vec<GuestPath> {
    let mut entries = image
        .env
        .iter()
        .rev()
        .filter_map(|entry| entry.split_once('='));
    let path = entries.find(|(name, _)| *name == env::LD_LIBRARY_PATH);
    let dirs = path.iter().flat_map(|(_, value)| value.split(':'));
    dirs.filter_map(GuestPath::new).collect()
}

/// The trees that make a guest's root, the uppermost first. What a container has written lies over the image: in
/// `upper`, or in a copy of everything.
fn trees(lower: &HostPath, view: &View) -> Vec<RootDir> {
    let mut trees = vec![lower.clone()];
    if let View::Kept { dir } = view {
        trees.splice(0..0, [dir.join("rootfs"), dir.join("upper")]);
    }
    trees.into_iter().map(RootDir::new).collect()
}

/// A file of the guest as the guest would read it.
fn read(trees: &[RootDir], path: &str) -> fsx::Result<Option<Vec<u8>>> {
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
