//! `coracle verify`: read images again and compare them with their digests.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::path::HostPath;
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
    /// Demand that the key in this file has signed, in the place of what policies demand
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
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

/// Bytes are right, and nobody who counts vouches for them.
#[derive(Debug, thiserror::Error)]
#[error("{0} of the images must not be used")]
struct Untrusted(usize);

impl Fault for Untrusted {
    fn kind(&self) -> Kind {
        Kind::Integrity
    }

    fn hints(&self) -> Vec<String> {
        vec![
            "`coracle pull --with-signatures` asks where the images come from for signatures; see `coracle help trust`"
                .into(),
        ]
    }
}

impl Verb for Verify {
    const NAME: &'static str = "verify";
    const ABOUT: &'static str = "Read images again and compare every byte with their digests";
    const ARGUMENTS: &'static str = "IMAGE... | --all";
    const MORE: &'static str = "\
Checked are all blobs, the documents among each other, the layers' content, and the signatures that are
kept with the image against trust.toml and policy.json. Of the extracted tree the names are counted and
the sizes added up; what its files hold is not read again. Nobody is asked.
Damaged parts are taken out of the store, so that the next pull fetches them anew.

Examples:
  coracle verify --all
  coracle verify --key team.pub registry.example/team/app:1";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        let progress = meant.progress();
        let key = self.key.map(HostPath::new);
        if self.all {
            let report = verify::verify(&home, None, key.as_ref(), &*progress)?;
            return show(&report, meant);
        }
        each(&self.images, meant, |image| {
            let report = verify::verify(&home, Some(image), key.as_ref(), &*progress)?;
            show(&report, meant)
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
    let untrusted = report.untrusted.iter();
    lines.extend(untrusted.map(|it| plain(&format!("{}: not trusted: {}", it.image, it.why))));
    if !meant.quiet() {
        let signed = report.signed.iter();
        lines.extend(signed.map(|it| {
            let keys = it.keys.join(", ");
            plain(&format!("{}: signed with {keys}", it.image))
        }));
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
    match (report.findings.len(), report.untrusted.len()) {
        (0, 0) => Ok(ExitCode::SUCCESS),
        (0, count) => Err(Untrusted(count).into()),
        (count, _) => Err(Damaged(count).into()),
    }
}
