//! What of the host comes along, under a name.

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::ops::options::ProfileOptions;

/// The flags for profiles.
#[derive(clap::Args)]
pub(super) struct ProfileFlags {
    /// Take along of this host what a profile says: `hpc`, or one of a configuration file
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Be on this node as without a container: home, working directory, /tmp, scratch, your own ids, and the
    /// environment of the job; same as `--profile hpc`
    #[arg(long)]
    hpc: bool,
}

impl ProfileFlags {
    /// What was typed.
    pub(super) fn into_options(self, meant: &Meant) -> Result<Vec<ProfileOptions>, BoxFault> {
        let hpc = self.hpc.then(|| "hpc".to_owned());
        let mut names: Vec<String> = self.profile.into_iter().chain(hpc).collect();
        names.dedup();
        names
            .iter()
            .map(|name| meant.config().profile(name))
            .collect()
    }
}
