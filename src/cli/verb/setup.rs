//! `coracle setup`: what a container remembers for its later runs.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;
use crate::ops::setup::{self, Nvidia};

#[derive(clap::Args)]
pub(crate) struct Setup {
    /// Have every run of the container show NVIDIA's GPUs, as with `run --nvidia`; `off` undoes that
    #[arg(
        long,
        value_name = "host|cdi|off",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "host"
    )]
    nvidia: Option<String>,
    /// Taken for udocker's sake; there is never anything to overwrite, so this changes nothing
    #[arg(long)]
    force: bool,
    /// Have every run of the container take this engine, by any name that `run --engine` takes; `auto` undoes that
    #[arg(long, visible_alias = "engine", value_name = "NAME")]
    execmode: Option<String>,
    /// Make all that was written in the container your own, readable and writable: also what guests wrote as
    /// one of your sub-ids
    #[arg(long)]
    fixperm: bool,
    /// Taken for udocker's sake; no run leaves anything to purge, so this changes nothing
    #[arg(long)]
    purge: bool,
    /// The container, by a name or id
    container: String,
}

impl Verb for Setup {
    const NAME: &'static str = "setup";
    const ABOUT: &'static str = "Have a container remember what its runs are to be given";
    const ARGUMENTS: &'static str = "CONTAINER";
    const MORE: &'static str = "\
Nothing of the driver is copied: each run finds it anew on the host where it runs, so the container
can be set up on a login node without a GPU, moved, and outlive a change of the driver. What is
missing here and now is a warning; the status is 0 if the container remembers the setting. Without
a flag, what is remembered is printed.

Examples:
  coracle setup --nvidia trainer
  coracle run trainer nvidia-smi -L
  coracle setup --nvidia=off trainer
  coracle setup --execmode=P1 trainer";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let home = meant.home()?;
        let nvidia = self.nvidia.as_deref().map(nvidia).transpose()?;
        if let Some(mode) = &self.execmode {
            setup::set_execmode(&home, &self.container, mode)?;
        }
        if let Some(nvidia) = nvidia {
            setup::remember(&home, &self.container, nvidia, &*meant.progress())?;
        }
        if self.fixperm {
            setup::fix_permissions(&home, &self.container)?;
        }
        if self.execmode.is_some() || nvidia.is_some() || self.fixperm || self.purge {
            return Ok(ExitCode::SUCCESS);
        }
        let nvidia = setup::remembered(&home, &self.container)?;
        let engine = setup::execmode(&home, &self.container)?;
        let engine = engine.as_deref().unwrap_or("auto");
        render::text(&format!("nvidia: {}\nengine: {engine}\n", nvidia.word()))
    }
}

fn nvidia(word: &str) -> Result<Nvidia, Misuse> {
    let all = [Nvidia::Host, Nvidia::Cdi, Nvidia::Off];
    let known = all.into_iter().find(|known| known.word() == word);
    known.ok_or_else(|| {
        let word: String = word.escape_debug().take(80).collect();
        Misuse::of(format!(
            "got `{word}` for `--nvidia`, expected `host`, `cdi` or `off`"
        ))
    })
}
