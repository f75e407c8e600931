//! `coracle df`: what images and containers take on disk.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::{Verb, ps};
use crate::ops::prune::{self, Disk};

#[derive(clap::Args)]
pub(crate) struct Df {
    /// List each image and each container
    #[arg(short = 'v')]
    each: bool,
}

impl Verb for Df {
    const NAME: &'static str = "df";
    const ABOUT: &'static str = "Show what images and containers take on disk";
    const ARGUMENTS: &'static str = "";
    const MORE: &'static str = "\
An image is active while there is a container of it, a container while something runs in it on this
host. What is reclaimable goes with `coracle prune --all`.";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let disk = prune::disk(&meant.home()?)?;
        let rows: Vec<_> = disk
            .kinds
            .iter()
            .map(|kind| {
                vec![
                    kind.kind.to_owned(),
                    kind.total.to_string(),
                    kind.active.to_string(),
                    render::size(kind.size),
                    render::size(kind.reclaimable),
                ]
            })
            .collect();
        render::table(&["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"], &rows)?;
        match self.each {
            true => each(&disk),
            false => Ok(ExitCode::SUCCESS),
        }
    }
}

fn each(disk: &Disk) -> Result<ExitCode, BoxFault> {
    let images = disk.images.iter().map(|(row, count)| {
        vec![
            row.repository.clone(),
            row.tag.clone().unwrap_or_else(|| "<none>".to_owned()),
            render::size(row.size),
            render::size(row.unique),
            count.to_string(),
        ]
    });
    let containers = disk.containers.iter().map(|it| {
        vec![
            it.row.id[..12].to_owned(),
            it.row.image.clone(),
            render::size(it.size),
            ps::status(&it.row),
            it.row.names.join(", "),
        ]
    });
    let headings = ["REPOSITORY", "TAG", "SIZE", "UNIQUE SIZE", "CONTAINERS"];
    render::text("\n")?;
    render::table(&headings, &images.collect::<Vec<_>>())?;
    let headings = ["CONTAINER ID", "IMAGE", "SIZE", "STATUS", "NAMES"];
    render::text("\n")?;
    render::table(&headings, &containers.collect::<Vec<_>>())
}
