//! `coracle version`: which coracle this is.

use std::process::ExitCode;

use serde_json::json;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;

#[derive(clap::Args)]
pub(crate) struct Version {
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Verb for Version {
    const NAME: &'static str = "version";
    const ABOUT: &'static str = "Say which coracle this is";
    const MORE: &'static str = "";
    const ARGUMENTS: &'static str = "";
    const NEEDS_CONFIG: bool = false;

    fn carry_out(self, _meant: &Meant) -> Result<ExitCode, BoxFault> {
        let version = env!("CARGO_PKG_VERSION");
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        if self.json {
            return render::json(&json!({ "version": version, "target": target }));
        }
        render::text(&format!("coracle {version} ({target})\n"))
    }
}
