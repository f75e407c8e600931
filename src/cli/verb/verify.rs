//! `coracle verify`: read images again and compare them with their digests.

use std::process::ExitCode;

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::report::plain;
use crate::cli::verb::{Verb, each};
use crate::ops::verify::{self, Finding, Report};

#[derive(clap::Args)]
pub(crate) struct Verify {
    /// All images that are here
    #[arg(long, conflicts_with = "images")]
    all: bool,
    /// Names, or the first digits of digests
    #[arg(required_unless_present = "all", value_name = "IMAGE")]
    images: Vec<String>,
}

/// Something in the store is not what its digest says.
#[derive(Debug, thiserror::Error)]
#[error("{0} of what was read is damaged")]
struct Damaged(usize);

impl Fault for Damaged {
    fn kind(&self) -> Kind {
        Kind::Integrity
    }

    fn hints(&self) -> Vec<String> {
        vec!["`coracle pull` the images again: only what is missing is fetched".into()]
    }
}

impl Verb for Verify {
    const NAME: &'static str = "verify";
    const ABOUT: &'static str = "Read images again and compare every byte with their digests";
    const ARGUMENTS: &'static str = "IMAGE... | --all";
    const MORE: &'static str = "\
Checked are all blobs, the documents among each other, the layers' content, and the extracted tree.
Damaged parts are taken out of the store, so that the next pull fetches them anew.";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        let progress = meant.progress();
        if self.all {
            return show(&verify::verify(&home, None, &*progress)?, meant);
        }
        each(&self.images, meant, |image| {
            show(&verify::verify(&home, Some(image), &*progress)?, meant)
        })
    }
}

fn show(report: &Report, meant: &Meant) -> Result<ExitCode, BoxFault> {
    let finding = |finding: &Finding| {
        let fate = if finding.discarded { ", taken out" } else { "" };
        let Finding {
            image,
            object,
            problem,
            ..
        } = finding;
        plain(&format!("{image}: {object}: {problem}{fate}"))
    };
    let mut lines: Vec<String> = report.findings.iter().map(finding).collect();
    if !meant.quiet() {
        lines.push(format!(
            "images: {}, blobs: {} ({}), trees: {}, damaged: {}",
            report.images,
            report.blobs,
            render::size(report.bytes),
            report.trees,
            report.findings.len(),
        ));
    }
    render::lines(lines.into_iter())?;
    match report.findings.len() {
        0 => Ok(ExitCode::SUCCESS),
        count => Err(Damaged(count).into()),
    }
}
