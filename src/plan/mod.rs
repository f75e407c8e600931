//! `RunPlan`: everything that a run needs, as data.
//!
//! A plan is a pure function of what was typed, the image's config and facts
//! that `ops` gathered; the same inputs give the same plan. Engines receive it
//! finished and add nothing. `run --explain` prints it.

pub mod accounts;
pub mod apt;
pub mod argv;
pub mod binds;
pub mod build;
pub mod environ;
pub mod explain;
pub mod farm;
pub mod fault;
pub mod gpu;
pub mod limits;
mod network;
pub mod resolver;
pub mod surroundings;
pub mod user;
pub mod wish;

use std::ffi::OsString;
use std::net::IpAddr;

use nix::sys::resource::Resource;

use crate::base::path::{GuestPath, HostPath};
use crate::plan::farm::Farm;

/// Everything that a run needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// The tree that the guest sees as `/`.
    pub root: Root,
    /// What is mounted over the root, in this order.
    pub mounts: Vec<Mount>,
    /// Texts that the guest finds as files, such as a synthesised `/etc/passwd`.
    pub files: Vec<GuestFile>,
    /// Symbolic links that the guest finds in its writable view.
    pub links: Vec<GuestLink>,
    /// The program as typed, looked up in the guest's `PATH`, and its arguments; never empty.
    pub argv: Vec<OsString>,
    /// The guest's whole environment, in this order, each name once.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory.
    pub cwd: Cwd,
    /// Who the guest believes to be.
    pub user: UserView,
    /// The guest's host name, where it differs from the host's.
    pub hostname: Option<String>,
    /// The processors that the guest may use, where they are limited. sched_setaffinity(2).
    pub cpus: Option<Vec<usize>>,
    /// Limits of resources that are not the caller's, each resource once. setrlimit(2).
    pub limits: Vec<Limit>,
    /// Whom the guest can reach.
    pub network: Network,
    /// What uname(2) answers as release, where that is not the kernel's own.
    pub kernel: Option<String>,
    /// Whether an exec never gives the guest rights that it does not have. PR_SET_NO_NEW_PRIVS(2const).
    pub no_new_privileges: bool,
    /// What was decided and the user should know before the guest starts.
    pub notes: Vec<Note>,
}

/// A limit of one resource, in the units of setrlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Of what.
    pub resource: Resource,
    /// Where the guest feels it.
    pub soft: u64,
    /// How far the guest may raise that.
    pub hard: u64,
}

/// Whom the guest can reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Whom the host can; its ports are the host's.
    #[default]
    Host,
    /// Nobody but itself.
    None,
    /// Whom the host can, and ports of the guest are others of the host: from a network of its own to which a program
    /// of the host passes them on (pasta(1), slirp4netns(1)), or by changing what the guest asks of the kernel.
    Mapped(Vec<Port>),
}

/// A port of the host behind which there is one of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The address of the host at which it listens; any where absent.
    pub address: Option<IpAddr>,
    /// On the host.
    pub host: u16,
    /// In the guest.
    pub guest: u16,
    /// Of what.
    pub protocol: Protocol,
}

/// What a port belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// tcp(7)
    Tcp,
    /// udp(7)
    Udp,
}

/// The tree that the guest sees as `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The image's flattened tree, shared by all containers and never written.
    pub lower: HostPath,
    /// Where the guest's writes go.
    pub view: View,
}

/// Where the guest's writes go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// They vanish with the guest (`run --rm IMAGE`).
    Discarded {
        /// A directory of this run alone, for engines that cannot keep the writes in
        /// memory. It does not exist yet; who creates it removes it.
        scratch: HostPath,
    },
    /// They stay in a container's directory, which exists. An engine keeps in it `upper` and
    /// `work` (overlayfs), or `rootfs`, a copy of the lower tree.
    Kept {
        /// The container's directory.
        dir: HostPath,
    },
    /// They fail with EROFS (`--read-only`).
    ReadOnly,
}

/// Something of the host made visible in the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub source: Source,
    /// Where it appears; created in the writable view (never in the lower tree) if absent.
    pub target: GuestPath,
    /// Whether writes through this mount fail with EROFS.
    pub read_only: bool,
    /// Whether a missing source leaves the mount out instead of failing the run.
    pub optional: bool,
}

/// What a mount shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file or directory of the host with all mounts below it.
    Bind(HostPath),
    /// An empty directory in memory, at most `size` bytes where given.
    Tmpfs {
        /// The limit in bytes.
        size: Option<u64>,
        /// Permission bits of its root.
        mode: u32,
        /// Whether nothing in it can be executed.
        noexec: bool,
    },
    /// A directory made for this run alone, which the guest cannot change. At its place there is a directory of the
    /// guest's own to begin with: a link or a file goes, as a link may lead to where the guest's libraries are.
    Farm(Farm),
    /// Nobody can open what is there: a device of the host that was not asked for. It spares the guest a mistake; it
    /// keeps nobody who wants to from a device of his own user.
    Masked,
}

/// A text that the guest finds as an ordinary file of its own, which it may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestFile {
    /// Where.
    pub path: GuestPath,
    /// The whole content.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// A symbolic link in the guest's writable view. It takes the place of a link or a file; a directory is not removed
/// for it, but fails the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestLink {
    /// Where.
    pub path: GuestPath,
    /// Its text, not looked at.
    pub target: OsString,
}

/// Something that was decided for this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Who should see it.
    pub level: Level,
    /// One line.
    pub text: String,
}

/// Who should see a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Everybody.
    Warning,
    /// Who asks for details.
    Detail,
}

/// The working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cwd {
    /// Where the guest starts.
    pub path: GuestPath,
    /// Whether it is created if absent, as Docker does.
    pub create: bool,
}

/// Who the guest believes to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserView {
    /// The user id inside.
    pub uid: u32,
    /// The group id inside.
    pub gid: u32,
    /// Supplementary group ids wanted inside, where ids exist for them; with a single id the host's own stay in force.
    pub groups: Vec<u32>,
    /// Whether the host's own stay in force in any case (`--group-add keep-groups`).
    pub keeps_groups: bool,
    /// How ids inside are backed by ids of the host.
    pub ids: Ids,
    /// What of the image's tree belongs to others than root; looked up only where such ids exist.
    pub owners: Vec<Owner>,
}

/// To whom something of the image's tree belongs, which on disk is all the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Where it lies; links in it have been followed, the last component may be one itself.
    pub path: GuestPath,
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
}

/// How ids inside the container are backed by ids of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Only the guest's own id exists, and it is the caller's (`user_namespaces(7)`, single-id map).
    /// With uid 0, changes of owner and identity are answered as if they had worked.
    Single,
    /// The caller's id range from `/etc/subuid` and `/etc/subgid`, by newuidmap(1).
    Ranges,
}
