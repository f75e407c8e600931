//! `coracle licenses`: what is inside this program.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::licenses;

#[derive(clap::Args)]
pub(crate) struct Licenses {
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Verb for Licenses {
    const NAME: &'static str = "licenses";
    const ABOUT: &'static str =
        "Say what is inside this program, under which terms, and where its source is";
    const ARGUMENTS: &'static str = "";
    const NEEDS_CONFIG: bool = false;
    const MORE: &'static str = "";

    fn carry_out(self, _meant: &Meant) -> Result<ExitCode, BoxFault> {
        let parts = licenses::licenses();
        if self.json {
            let value = serde_json::to_value(&parts);
            return render::json(&value.expect("parts are strings"));
        }
        let rows = parts.iter().map(|part| {
            [part.name, part.version, part.licence, part.source]
                .map(str::to_owned)
                .to_vec()
        });
        let heading = ["NAME", "VERSION", "LICENCE", "SOURCE"];
        render::table(&heading, &rows.collect::<Vec<_>>())
    }
}
