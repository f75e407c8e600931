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
    #[arg(long, hide = true, num_args = 0..=1)]
    execmode: Option<Option<String>>,
    #[arg(long, hide = true)]
    purge: bool,
    #[arg(long, hide = true)]
    fixperm: bool,
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
  coracle setup --nvidia=off trainer";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        self.refuse()?;
        let home = meant.home()?;
        let Some(word) = &self.nvidia else {
            let nvidia = setup::remembered(&home, &self.container)?;
            return render::text(&format!("nvidia: {}\n", nvidia.word()));
        };
        let all = [Nvidia::Host, Nvidia::Cdi, Nvidia::Off];
        let nvidia = all.into_iter().find(|known| known.word() == word);
        let nvidia = nvidia.ok_or_else(|| {
            let word: String = word.escape_debug().take(80).collect();
            Misuse::of(format!(
                "got `{word}` for `--nvidia`, expected `host`, `cdi` or `off`"
            ))
        })?;
        setup::remember(&home, &self.container, nvidia, &*meant.progress())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Setup {
    /// Refuses by name the flags of udocker's `setup` that mean nothing here.
    fn refuse(&self) -> Result<(), Misuse> {
        let all = [
            (
                self.execmode.is_some(),
                "`--execmode` is not supported: no container has a mode; choose with `coracle run --engine`",
            ),
            (
                self.purge,
                "`--purge` is not supported: no run leaves mount points behind",
            ),
            (self.fixperm, "`--fixperm` is not supported"),
        ];
        match all.into_iter().find(|(given, _)| *given) {
            Some((_, why)) => Err(Misuse::of(why.to_owned())),
            None => Ok(()),
        }
    }
}
