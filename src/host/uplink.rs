//! The programs that connect a network namespace with the host's network without privilege.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{AccessFlags, access};

use super::Fact;
use crate::base::env;
use crate::base::path::HostPath;

/// The device by which such a program hands packets to the kernel.
const TUN: &str = "/dev/net/tun";

/// Which program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// pasta(1), of the package `passt`.
    Pasta,
    /// slirp4netns(1).
    Slirp4netns,
}

/// The best one in PATH, and where.
pub fn program() -> Option<(Program, HostPath)> {
    let known = [
        (Program::Pasta, "pasta"),
        (Program::Slirp4netns, "slirp4netns"),
    ];
    let mut known = known.into_iter();
    known.find_map(|(program, name)| Some((program, in_path(name)?)))
}

/// Whether one is there and may work.
pub(super) fn usable() -> Fact {
    let Some((_, path)) = program() else {
        return Fact::no("neither `pasta` nor `slirp4netns` is in PATH").with_remedy(
            "to give guests ports of their own, install the package `passt` (or `slirp4netns`)",
        );
    };
    match open(TUN, OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(_) => Fact::yes(path.to_string()),
        Err(errno) => Fact::no(format!("{TUN} cannot be opened, which `{path}` needs: {}", errno.desc()))
            .with_remedy(format!("the administrator would have to load the kernel module `tun` and let everybody use {TUN} (mode 666, as udev has it)")),
    }
}

/// Where the program `name` lies in PATH.
pub fn in_path(name: &str) -> Option<HostPath> {
    let path = env::get(env::PATH).unwrap_or_else(|| "/usr/bin:/bin".into());
    let dirs = path.as_bytes().split(|byte| *byte == b':');
    let mut files = dirs.map(|dir| HostPath::new(OsStr::from_bytes(dir)).join(name));
    files.find(|file| file.is_file() && access(file.as_os_str(), AccessFlags::X_OK).is_ok())
}
