//! What of the host's resources the guest may use.

use crate::ops::options::LimitOptions;

/// Docker's flags for resources and rights.
#[derive(clap::Args)]
pub(super) struct LimitFlags {
    /// Let the guest use these processors only
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Limit a resource of each process, such as `nofile=1024:4096`; -1 is no limit (repeatable)
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    ulimit: Vec<String>,
    /// Insist on this much shared memory; it is the host's
    #[arg(long, value_name = "SIZE")]
    shm_size: Option<String>,
    /// `no-new-privileges`; `seccomp=unconfined`, `apparmor=unconfined`, `systempaths=unconfined` and
    /// `label=disable` are so anyway (repeatable)
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<String>,
}

impl LimitFlags {
    /// What was typed.
    pub(super) fn into_options(self) -> LimitOptions {
        LimitOptions {
            cpuset_cpus: self.cpuset_cpus,
            ulimit: self.ulimit,
            shm_size: self.shm_size,
            security_opt: self.security_opt,
        }
    }
}
