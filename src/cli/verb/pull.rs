//! `coracle pull`: bring images here.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::flags::{LockedFlag, PlatformFlag};
use crate::cli::verb::{Verb, each};
use crate::oci::source::Source;
use crate::ops::lock;
use crate::ops::names;
use crate::ops::pull;
use crate::ops::reach::Reach;

#[derive(clap::Args)]
pub(crate) struct Pull {
    #[command(flatten)]
    platform: PlatformFlag,
    /// Bring signatures along, also where no policy demands them: an air-gapped site can check them then
    #[arg(long)]
    with_signatures: bool,
    /// Write into this file what each name means now, for `--locked`
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    #[command(flatten)]
    locked: LockedFlag,
    /// Images: names in a registry, or archives and directories
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Verb for Pull {
    const NAME: &'static str = "pull";
    const ABOUT: &'static str = "Bring images here, and verify every byte of them";
    const ARGUMENTS: &'static str = "IMAGE...";
    const MORE: &'static str = "\
An image is [docker://][REGISTRY/]NAME[:TAG][@DIGEST], oci:DIR[:TAG], oci-archive:FILE[:TAG],
docker-archive:FILE[:NAME], or hello, which is inside this program. What was pulled is printed,
pinned to its digest. A pull that was interrupted goes on where it stopped.

--lock writes names with their digests into a file, such as coracle.lock; with --locked, pull, run and
create refuse whatever is not in it, or not the same any more.

Examples:
  coracle pull debian:13 quay.io/centos/centos:stream9
  coracle pull --platform linux/arm64 alpine
  coracle pull --lock coracle.lock debian:13 && coracle run --locked debian:13
  coracle pull oci-archive:/media/stick/image.tar
  coracle pull --tls-ca site-ca.pem registry.site.example:5000/md/gromacs:2024";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let reach = Reach {
            platform: self.platform.read(meant)?,
            with_signatures: self.with_signatures,
            locked: self.locked.file(),
            ..meant.reach()?
        };
        let progress = meant.progress();
        let lock = self.lock.map(HostPath::new);
        each(&self.images, meant, |image| {
            let source = names::meant(&reach.home, image)?;
            let pulled = pull::bring(&source, &reach, &*progress)?;
            if let Some(file) = &lock {
                lock::lock(file, &pulled.record)?;
            }
            let pinned = match pulled.record.name.parse() {
                Ok(Source::Registry(name)) => name.at(&pulled.record.target).to_string(),
                _ => pulled.record.name,
            };
            render::text(&format!("{pinned}\n"))
        })
    }
}
