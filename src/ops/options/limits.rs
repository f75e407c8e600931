//! What was typed of resources and rights.

use crate::base::fault::BoxFault;
use crate::plan::wish::Wish;

/// What was typed, as it was typed.
#[derive(Clone, Debug, Default)]
pub struct LimitOptions {
    /// `--cpuset-cpus`.
    pub cpuset_cpus: Option<String>,
    /// `--ulimit`.
    pub ulimit: Vec<String>,
    /// `--shm-size`.
    pub shm_size: Option<String>,
    /// `--security-opt`.
    pub security_opt: Vec<String>,
}

impl LimitOptions {
    /// Adds what this asks for.
    pub(super) fn add_to(self, wish: &mut Wish) -> Result<(), BoxFault> {
        wish.cpus = self.cpuset_cpus;
        wish.ulimits = self.ulimit;
        wish.shm_size = self.shm_size;
        wish.security = self.security_opt;
        Ok(())
    }
}
