//! `coracle man`: manual pages.

use std::path::Path;
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::base::fsx;
use crate::base::near;
use crate::cli::help::{grammar, man};
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;

#[derive(clap::Args)]
pub(crate) struct Man {
    /// A directory, into which all pages are written, or a command, whose page is printed; without one, the page of
    /// coracle itself is
    #[arg(value_name = "DIR|COMMAND")]
    words: Vec<String>,
}

impl Verb for Man {
    const NAME: &'static str = "man";
    const ABOUT: &'static str = "Print or write manual pages";
    const ARGUMENTS: &'static str = "[DIR|COMMAND]";
    const NEEDS_CONFIG: bool = false;
    const MORE: &'static str = "\
A directory is a word with a slash in it. It is created if absent, and what is in it is replaced.

Examples:
  coracle man run | man -l -
  coracle man ~/.local/share/man/man1/";

    fn carry_out(self, _meant: &Meant) -> Result<ExitCode, BoxFault> {
        match self.words.as_slice() {
            [dir] if dir.contains('/') => write(Path::new(dir)),
            words => {
                let words = words.join(" ");
                let page = man::page(&words).ok_or_else(|| unknown(&words))?;
                render::text(&page)
            }
        }
    }
}

fn write(dir: &Path) -> Result<ExitCode, BoxFault> {
    fsx::create_dir_all(dir)?;
    for (name, page) in man::all() {
        fsx::write_atomic(dir.join(name), page.as_bytes(), 0o644)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(words: &str) -> Misuse {
    let shown: String = words.escape_debug().take(80).collect();
    let pages = grammar::pages();
    let near = near::question(words, pages.iter().map(|page| &*page.words));
    let hint = "write `./DIR` for a directory".to_owned();
    Misuse::with_hints(
        format!("there is no command `{shown}`"),
        near.into_iter().chain([hint]).collect(),
    )
}
