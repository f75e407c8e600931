//! `coracle logout`: forget credentials.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::verb::Verb;
use crate::cli::verb::login::DEFAULT_REGISTRY;
use crate::ops::login;

#[derive(clap::Args)]
pub(crate) struct Logout {
    /// The registry [default: docker.io]
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,
}

impl Verb for Logout {
    const NAME: &'static str = "logout";
    const ABOUT: &'static str = "Forget the credentials for a registry";
    const ARGUMENTS: &'static str = "[REGISTRY]";
    const MORE: &'static str = "";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let registry = self.registry.as_deref().unwrap_or(DEFAULT_REGISTRY);
        for keeper in login::logout(registry)? {
            meant.progress().note(&format!("forgotten {keeper}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}
