//! `coracle gc`: free what nothing needs.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::gc;

#[derive(clap::Args)]
pub(crate) struct Gc {}

impl Verb for Gc {
    const NAME: &'static str = "gc";
    const ABOUT: &'static str = "Free what no image, no container and no running pull needs";
    const ARGUMENTS: &'static str = "";
    const MORE: &'static str = "\
Pulls and runs may go on meanwhile. Only programs on other hosts that run from an image which was
removed here are not seen, and lose their files.";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let swept = gc::collect(&meant.home()?)?;
        let removed = swept.removed.iter();
        let mut lines: Vec<String> = removed
            .map(|removed| format!("removed {} ({})", removed.path, render::size(removed.bytes)))
            .collect();
        let in_use = swept.in_use.iter();
        lines.extend(in_use.map(|tree| format!("kept {tree}: something runs from it")));
        if !meant.quiet() {
            lines.push(format!("freed {}", render::size(swept.freed())));
        }
        render::lines(lines.into_iter())
    }
}
