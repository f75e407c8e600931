//! `coracle import`: an image of the files in a tar archive.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::{Verb, input};
use crate::ops::import::{self, Request};

#[derive(clap::Args)]
pub(crate) struct Import {
    /// Change the image's config as this line of a Dockerfile would (repeatable)
    #[arg(short, long, value_name = "LINE", conflicts_with = "clone")]
    change: Vec<String>,
    /// Write this into the image's history
    #[arg(short, long, value_name = "TEXT", conflicts_with = "clone")]
    message: Option<String>,
    /// What the files run on, such as linux/arm64 [default: this host's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", conflicts_with = "clone")]
    platform: Option<String>,
    /// Make a container instead of an image
    #[arg(long, conflicts_with = "clone")]
    tocontainer: bool,
    /// Make the container that `export --clone` packed
    #[arg(long)]
    clone: bool,
    /// Call the container so
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Remove the archive when all of it is here
    #[arg(long)]
    mv: bool,
    /// A tar archive, compressed or not; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The name of the image
    #[arg(value_name = "IMAGE", conflicts_with_all = ["tocontainer", "clone"])]
    image: Option<String>,
}

/// What cannot be imported, and what can.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
struct Misplaced {
    what: String,
    hint: &'static str,
}

impl Fault for Misplaced {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![self.hint.to_owned()]
    }
}

impl Verb for Import {
    const NAME: &'static str = "import";
    const ABOUT: &'static str = "Make an image of the files in a tar archive; print its id";
    const ARGUMENTS: &'static str = "FILE|- [IMAGE]";
    const MORE: &'static str = "\
The archive may be compressed with gzip, zstd or xz. With --tocontainer or --clone a container is
made, and its id printed. `coracle load` reads the archives of `docker save`.

Examples:
  coracle import -c 'CMD [\"/bin/bash\"]' rootfs.tar.xz site/rocky:9
  docker export box | coracle import - box
  coracle import --tocontainer --name box rootfs.tar
  coracle import --clone --name tools tools.tar";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        self.check()?;
        let (home, progress) = (meant.home()?, meant.progress());
        let platform = self.platform.as_deref().map(str::parse).transpose()?;
        let request = Request {
            name: self.image,
            changes: self.change,
            platform,
            message: self.message,
        };
        let (archive, name) = (input(&self.file)?, self.name.as_deref());
        let id = if self.clone {
            import::clone(&home, archive, name, &*progress)?.record.id
        } else if self.tocontainer {
            let made = import::to_container(&home, archive, &request, name, &*progress)?;
            made.record.id
        } else {
            let image = import::import(&home, archive, &request, &*progress)?;
            image.config.to_string()
        };
        if self.mv {
            fsx::remove_file(HostPath::new(self.file))?;
        }
        render::text(&format!("{id}\n"))
    }
}

impl Import {
    fn check(&self) -> Result<(), Misplaced> {
        let file = self.file.display();
        if self.file.to_string_lossy().contains("://") {
            return Err(Misplaced {
                what: format!("`{file}` is an address, expected a file or `-`"),
                hint: "fetch it with `curl -fL ADDRESS | coracle import - IMAGE`, which says who vouches for it",
            });
        }
        if self.name.is_some() && !self.tocontainer && !self.clone {
            return Err(Misplaced {
                what: "`--name` is for containers, and this makes an image".to_owned(),
                hint: "write the image's name after the file, or add `--tocontainer`",
            });
        }
        if self.mv && self.file.as_os_str() == "-" {
            return Err(Misplaced {
                what: "`--mv` removes a file, but this reads standard input".to_owned(),
                hint: "leave `--mv` away",
            });
        }
        Ok(())
    }
}
