//! `coracle run`: run a program in a container.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;
use crate::cli::verb::flags::{ContainerFlags, ImageFlags, target_and_args};
use crate::ops::life;
use crate::ops::reach::Reach;
use crate::ops::run::{self, Lifetime, Request};

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Run {
    /// Keep nothing: what the guest writes vanishes with it
    #[arg(long)]
    rm: bool,
    /// Let it run without this terminal, print its id, and return
    #[arg(short, long)]
    detach: bool,
    /// Write the container's id into this file, which must not exist
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// Share only these of our streams: stdin, stdout, stderr (repeatable)
    #[arg(short, long, value_name = "STREAM")]
    attach: Vec<String>,
    /// Call the new container so
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Which engine runs it: `auto`, `ns`, `proot`, `apptainer`, or one of udocker's mode names
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,
    /// Print what would be done, and why by this engine, instead of doing it
    #[arg(
        long,
        value_enum,
        value_name = "FORM",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "text"
    )]
    explain: Option<Explain>,
    #[command(flatten)]
    image: ImageFlags,
    #[command(flatten)]
    container: ContainerFlags,
    /// An image (pulled if it is not here) or a container, then the command to run in it
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, value_name = "IMAGE|CONTAINER")]
    words: Vec<OsString>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Explain {
    /// Lines for people
    Text,
    /// One JSON document
    Json,
}

impl Verb for Run {
    const NAME: &'static str = "run";
    const ABOUT: &'static str =
        "Run a program in a new container of an image, or in an existing container";
    const ARGUMENTS: &'static str = "IMAGE|CONTAINER [COMMAND [ARG...]]";
    const MORE: &'static str = "\
A container keeps what the guest writes, and can be run again by its name; with --rm nothing is
kept. Flags stand before the image: all words behind it belong to the guest. Network, processes
and users are the host's; this is no security boundary.

With -d the guest goes on when you log out, its output is kept for `coracle logs`, and `coracle stop`
ends it. With --rm its container is removed after it.

With --nvidia or --gpus the host's driver is found anew at each run, and its files appear in the
guest's /usr/local/nvidia; the image needs none. `coracle gpu list` shows what there is to choose, and
why something is left out. Without a flag that chooses, `-e NVIDIA_VISIBLE_DEVICES=…` counts, else
your own variable, never the image's; CUDA_VISIBLE_DEVICES is passed on as it is.

The exit status is the guest's, 128+n if signal n ended it; 125 if coracle failed, 126 if the
program cannot be executed, 127 if it does not exist. A container made for such a guest stays, as
Docker's does.

Examples:
  coracle run --rm -it debian bash
  coracle run --rm -v $PWD:/work -w /work python:3.13 python train.py
  coracle run --name tools debian apt-get update
  coracle run tools sh -c 'echo this container still has what it fetched'
  coracle run -d --name web nginx && coracle logs -f web
  coracle run --rm --nvidia ubuntu nvidia-smi
  coracle run --rm --gpus 0,1 -v $PWD:/work -w /work \\
      pytorch/pytorch python train.py
  coracle run --rm --rocm rocm/pytorch rocminfo
  srun -n 8 coracle run --rm -v $PWD:$PWD -w $PWD lammps:2024 lmp -in in.melt
  coracle run --explain=json --engine proot debian";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let (target, args) = target_and_args(self.words)?;
        if self.detach && !self.attach.is_empty() {
            return Err(Misuse::of(
                "`--attach` cannot be used with `--detach`: its output goes to `coracle logs`"
                    .to_owned(),
            )
            .into());
        }
        let attach = self.attach.iter().map(|stream| stream.parse());
        let request = Request {
            target,
            options: self.container.into_options(args, meant)?,
            lifetime: if self.rm {
                Lifetime::Run
            } else {
                Lifetime::Kept
            },
            name: self.name,
            engine: self.engine,
            cidfile: self.cidfile,
            attach: attach.collect::<Result<_, _>>()?,
        };
        let reach = Reach {
            pull: self.image.pull(meant),
            platform: self.image.platform(meant)?,
            locked: self.image.locked(),
            ..meant.reach()?
        };
        let progress = meant.progress();
        match self.explain {
            None if self.detach => {
                let id = life::detach(&request, &reach, &*progress)?;
                render::text(&format!("{id}\n"))
            }
            None => run::run(&request, &reach, &*progress),
            Some(form) => {
                let explanation = run::explain(&request, &reach, &*progress)?;
                match form {
                    Explain::Text => render::text(&explanation.text()),
                    Explain::Json => render::json(&explanation.json()),
                }
            }
        }
    }
}
