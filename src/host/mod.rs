//! Facts of this host, each found by trying and kept with its evidence.
//!
//! A fact is asked for by name ([`Ask`]) and found once; nothing is tried that nobody
//! asked for, because a start of a container must not pay for what `doctor` shows.

pub mod apptainer;
mod limits;
mod namespaces;
mod place;
mod tracing;
pub mod uplink;

use std::cell::OnceCell;

use crate::base::env;
use crate::base::path::HostPath;
pub use place::{Free, free};

/// What can be asked of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Which kernel this is.
    Kernel,
    /// Whether it is worth just trying a user namespace; costs no fork.
    NamespacesLikely,
    /// Whether a user namespace can be entered and something mounted in it.
    Namespaces,
    /// Whether an overlay with its upper on a tmpfs works in a user namespace.
    OverlayOnTmpfs,
    /// Whether an overlay with its upper in the store works in a user namespace.
    OverlayInStore,
    /// Whether this user has id ranges and the program that maps them.
    IdRanges,
    /// Whether a seccomp filter can be put in force.
    Seccomp,
    /// Whether a child can be traced.
    Ptrace,
    /// What yama says of tracing; holds where it forbids nothing that PRoot needs.
    Yama,
    /// Whether `/dev/fuse` can be opened.
    Fuse,
    /// Whether files in the store can be executed.
    StoreExec,
    /// Whether files in the temporary directory can be executed.
    TemporaryExec,
    /// Whether a guest can have a network of its own from which the host's is reached.
    Uplink,
    /// Whether apptainer or singularity is installed.
    Apptainer,
    /// What file system the store is on, and its room.
    StoreRoom,
    /// What file system the temporary directory is on, and its room.
    TemporaryRoom,
}

impl Ask {
    /// Every question, in the order in which `doctor` shows them.
    pub const ALL: [Ask; 16] = [
        Ask::Kernel,
        Ask::NamespacesLikely,
        Ask::Namespaces,
        Ask::OverlayOnTmpfs,
        Ask::OverlayInStore,
        Ask::IdRanges,
        Ask::Seccomp,
        Ask::Ptrace,
        Ask::Yama,
        Ask::Fuse,
        Ask::StoreExec,
        Ask::TemporaryExec,
        Ask::Uplink,
        Ask::Apptainer,
        Ask::StoreRoom,
        Ask::TemporaryRoom,
    ];

    /// The fact in a few words; also its key in JSON, with blanks.
    pub fn title(self) -> &'static str {
        match self {
            Ask::Kernel => "kernel",
            Ask::NamespacesLikely => "no filter or profile in the way",
            Ask::Namespaces => "user namespaces",
            Ask::OverlayOnTmpfs => "overlay on tmpfs",
            Ask::OverlayInStore => "overlay in the store",
            Ask::IdRanges => "sub-id ranges",
            Ask::Seccomp => "seccomp filter",
            Ask::Ptrace => "ptrace",
            Ask::Yama => "yama",
            Ask::Fuse => "/dev/fuse",
            Ask::StoreExec => "programs run from the store",
            Ask::TemporaryExec => "programs run from the temporary directory",
            Ask::Uplink => "ports of a guest's own",
            Ask::Apptainer => "apptainer",
            Ask::StoreRoom => "room in the store",
            Ask::TemporaryRoom => "room in the temporary directory",
        }
    }
}

/// One answer, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Whether the host can do it, or is as we need it.
    pub holds: bool,
    /// What was tried and what came of it, in one line.
    pub evidence: String,
    /// Who would have to change what, where the fact does not hold and we know it.
    pub remedy: Option<String>,
}

impl Fact {
    /// A fact that holds.
    pub fn yes(evidence: impl Into<String>) -> Fact {
        Fact {
            holds: true,
            evidence: evidence.into(),
            remedy: None,
        }
    }

    /// A fact that does not hold.
    pub fn no(evidence: impl Into<String>) -> Fact {
        Fact {
            holds: false,
            evidence: evidence.into(),
            remedy: None,
        }
    }

    /// This fact with the way out.
    #[must_use]
    pub fn with_remedy(self, remedy: impl Into<String>) -> Fact {
        Fact {
            remedy: Some(remedy.into()),
            ..self
        }
    }
}

impl From<Result<String, String>> for Fact {
    fn from(tried: Result<String, String>) -> Fact {
        match tried {
            Ok(evidence) => Fact::yes(evidence),
            Err(evidence) => Fact::no(evidence),
        }
    }
}

/// The facts of this host, found when first asked for.
///
/// Several of them fork, so ask while the process has one thread.
#[derive(Debug)]
pub struct HostFacts {
    store: HostPath,
    temporary: HostPath,
    known: [OnceCell<Fact>; Ask::ALL.len()],
}

impl HostFacts {
    /// Nothing known yet. `store` is where images and containers lie (it may not exist
    /// yet), `temporary` where temporary files go.
    pub fn new(store: HostPath, temporary: HostPath) -> HostFacts {
        HostFacts {
            store,
            temporary,
            known: Default::default(),
        }
    }

    /// These facts with the answer to `ask` given instead of tried, so that what is
    /// decided from facts can be examined for hosts that are not at hand.
    #[must_use]
    pub fn assume(mut self, ask: Ask, fact: Fact) -> HostFacts {
        self.known[ask as usize] = OnceCell::from(fact);
        self
    }

    /// The answer to `ask`, tried now if nobody has asked before.
    pub fn ask(&self, ask: Ask) -> &Fact {
        self.known[ask as usize].get_or_init(|| self.find_out(ask))
    }

    fn find_out(&self, ask: Ask) -> Fact {
        match ask {
            Ask::Kernel => limits::kernel(),
            Ask::NamespacesLikely => namespaces::likely(),
            Ask::Namespaces => namespaces::try_one(&self.temporary),
            Ask::OverlayOnTmpfs => namespaces::try_overlay_on_tmpfs(&self.temporary),
            Ask::OverlayInStore => namespaces::try_overlay_in(&self.store),
            Ask::IdRanges => limits::id_ranges(),
            Ask::Seccomp => tracing::try_filter(),
            Ask::Ptrace => tracing::try_trace(),
            Ask::Yama => tracing::yama(),
            Ask::Fuse => place::fuse(),
            Ask::StoreExec => place::try_exec(&self.store, env::CORACLE_HOME),
            Ask::TemporaryExec => place::try_exec(&self.temporary, env::CORACLE_TMPDIR),
            Ask::Uplink => uplink::usable(),
            Ask::Apptainer => apptainer::present(),
            Ask::StoreRoom => place::room(&self.store),
            Ask::TemporaryRoom => place::room(&self.temporary),
        }
    }
}

/// A sysctl's value; `None` where the kernel does not have it. `name` as a path, such as
/// `kernel/yama/ptrace_scope`. proc_sys(5).
fn sysctl(name: &str) -> Option<String> {
    let path = HostPath::new("/proc/sys").join(name);
    let bytes = crate::base::fsx::read(&path, 4096).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// `dir`, or the nearest directory above it that exists.
fn nearest_existing(dir: &HostPath) -> HostPath {
    let found = dir.ancestors().find(|above| above.is_dir());
    HostPath::new(found.unwrap_or(std::path::Path::new("/")))
}
