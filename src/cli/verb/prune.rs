//! `coracle prune`: remove what does not run and what nothing needs.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;
use crate::ops::prune::{self, Kinds, Request};

#[derive(clap::Args)]
pub(crate) struct Prune {
    /// Also images of which there is no container
    #[arg(short, long)]
    all: bool,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Only what is older: `until=24h`, or a date
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Only containers, or only images
    #[arg(long, value_enum, value_name = "KIND")]
    only: Option<Only>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Only {
    /// Containers that do not run
    Containers,
    /// Images, and what nobody needs
    Images,
}

impl Verb for Prune {
    const NAME: &'static str = "prune";
    const ABOUT: &'static str = "Remove containers that do not run, and what nothing needs";
    const ARGUMENTS: &'static str = "";
    const MORE: &'static str = "\
What runs stays, and what is protected. With --all images go as well of which there is no container.
On a terminal it asks before; without one it needs --force.

Examples:
  coracle prune
  coracle prune -f --filter until=24h
  coracle prune -af";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let until = self.filter.as_deref().map(prune::until).transpose()?;
        let request = Request {
            kinds: match self.only {
                None => Kinds::All,
                Some(Only::Containers) => Kinds::Containers,
                Some(Only::Images) => Kinds::Images,
            },
            unused_images: self.all,
            until,
        };
        if !self.force && !agreed(&request, meant)? {
            return Ok(ExitCode::SUCCESS);
        }
        let pruned = prune::prune(&request, &meant.home()?, &*meant.progress())?;
        let mut lines = pruned.containers;
        lines.extend(pruned.images);
        if !meant.quiet() {
            lines.push(format!("freed {}", render::size(pruned.freed)));
        }
        render::lines(lines.into_iter())
    }
}

/// Asks on the terminal; anything but `y` or `yes` is a no.
fn agreed(request: &Request, meant: &Meant) -> Result<bool, BoxFault> {
    if !std::io::stdin().is_terminal() {
        let text = "there is no terminal to ask on whether to remove this".to_owned();
        let hints = vec!["add `--force` to remove without being asked".to_owned()];
        return Err(Misuse::with_hints(text, hints).into());
    }
    let images = match (request.kinds, request.unused_images) {
        (Kinds::Containers, _) => "",
        (_, true) => " and images without a container",
        (_, false) => " and what nothing needs",
    };
    let containers = match request.kinds {
        Kinds::Images => "",
        _ => " containers that do not run",
    };
    let what = format!("{containers}{images}").replacen(
        " and",
        if containers.is_empty() { "" } else { " and" },
        1,
    );
    meant.voice().ask(&format!("remove{what}? [y/N] "));
    let mut answer = String::new();
    let _no_answer_is_a_no = std::io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
