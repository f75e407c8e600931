//! `coracle completions`: what a shell completes after `coracle`.

use std::process::ExitCode;

use clap::ValueEnum;

use crate::base::fault::BoxFault;
use crate::cli::help::completion;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::{containers, images};

#[derive(clap::Args)]
pub(crate) struct Completions {
    /// For which shell; `containers` and `images` are names for the scripts themselves
    #[arg(value_enum, value_name = "bash|zsh|fish")]
    shell: Shell,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    /// GNU's shell
    Bash,
    /// The Z shell
    Zsh,
    /// The friendly one
    Fish,
    #[value(hide = true)]
    Containers,
    #[value(hide = true)]
    Images,
}

impl Verb for Completions {
    const NAME: &'static str = "completions";
    const ABOUT: &'static str =
        "Print a script by which a shell completes commands, flags and names";
    const ARGUMENTS: &'static str = "bash|zsh|fish";
    const MORE: &'static str = "\
Examples:
  coracle completions bash > ~/.local/share/bash-completion/completions/coracle
  coracle completions zsh > ~/.zsh/completions/_coracle
  coracle completions fish > ~/.config/fish/completions/coracle.fish";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        match self.shell {
            Shell::Bash => render::text(&completion::bash()),
            Shell::Zsh => render::text(&completion::zsh()),
            Shell::Fish => render::text(&completion::fish()),
            Shell::Containers => {
                let rows = containers::list(&meant.home()?)?;
                render::lines(rows.into_iter().flat_map(|row| row.names))
            }
            Shell::Images => {
                let rows = images::list(&meant.home()?)?;
                render::lines(
                    rows.into_iter()
                        .filter_map(|row| Some(format!("{}:{}", row.repository, row.tag?))),
                )
            }
        }
    }
}
