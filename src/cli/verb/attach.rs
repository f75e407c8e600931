//! `coracle attach`: refused, with what does the same.

use std::process::ExitCode;

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::cli::meant::Meant;
use crate::cli::verb::Verb;

#[derive(clap::Args)]
pub(crate) struct Attach {
    /// A name or an id
    #[arg(value_name = "CONTAINER", num_args = 0.., allow_hyphen_values = true, trailing_var_arg = true)]
    words: Vec<String>,
}

/// There is no daemon that would hold the streams.
#[derive(Debug, thiserror::Error)]
#[error(
    "`attach` is not possible: without a daemon nobody holds the streams of a guest for whoever comes later"
)]
struct Unattachable(String);

impl Fault for Unattachable {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        let name = &self.0;
        vec![
            format!("`coracle logs -f {name}` shows what it writes"),
            format!("`coracle exec -it {name} sh` is a shell beside it"),
            format!("`coracle start -ai {name}` runs it with this terminal from the beginning"),
        ]
    }
}

impl Verb for Attach {
    const NAME: &'static str = "attach";
    const ABOUT: &'static str = "Not possible here; says what does the same";
    const ARGUMENTS: &'static str = "CONTAINER";
    const MORE: &'static str = "\
Without a daemon nobody holds the streams of a guest for whoever comes later. `coracle logs -f` shows
what it writes, `coracle exec -it` is a shell beside it.";

    fn carry_out(self, _meant: &Meant) -> Result<ExitCode, BoxFault> {
        let name = self.words.into_iter().next_back();
        Err(Unattachable(name.unwrap_or_else(|| "CONTAINER".to_owned())).into())
    }
}
