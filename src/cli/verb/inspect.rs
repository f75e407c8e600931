//! `coracle inspect`: a container or an image as JSON.

use std::process::ExitCode;

use serde_json::Value;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::inspect;

#[derive(clap::Args)]
pub(crate) struct Inspect {
    /// Containers or images, by name, id or digest
    #[arg(required = true, value_name = "CONTAINER|IMAGE")]
    names: Vec<String>,
}

impl Verb for Inspect {
    const NAME: &'static str = "inspect";
    const ABOUT: &'static str = "Print what is known of containers or images, as JSON";
    const ARGUMENTS: &'static str = "CONTAINER|IMAGE...";
    const MORE: &'static str = "\
The words are those of `docker inspect`; what Docker has no word for is under `Coracle`.

Example:
  coracle inspect debian | jq -r '.[0].Coracle.Rootfs'";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        let mut all = Vec::new();
        for name in &self.names {
            match inspect::inspect(&home, name)? {
                Value::Array(found) => all.extend(found),
                other => all.push(other),
            }
        }
        render::json(&Value::Array(all))
    }
}
