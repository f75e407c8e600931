//! The argument vector: image, `--entrypoint` and command, by Docker's rules.
//!
//! docker-run(1), "ENTRYPOINT" and "CMD"; moby, `runconfig` merge of user and image config.

use std::ffi::OsString;

use crate::oci::config::RunConfig;
use crate::plan::fault::PlanError;
use crate::plan::wish::{Text, Wish};

/// What is executed. Arguments replace the image's `Cmd` and follow its `Entrypoint`.
/// `--entrypoint` replaces the `Entrypoint` by one word, which may be empty for none,
/// and makes the image's `Cmd` meaningless. No word is ever split or dropped.
pub fn argv(wish: &Wish, image: &RunConfig) -> Result<Vec<OsString>, PlanError> {
    let words = |texts: &[String]| texts.iter().map(OsString::from).collect::<Vec<_>>();
    let mut argv: Vec<OsString> = match &wish.entrypoint {
        None => words(&image.entrypoint),
        Some(Text(none)) if none.is_empty() => Vec::new(),
        Some(Text(program)) => vec![program.clone()],
    };
    if wish.args.is_empty() && wish.entrypoint.is_none() {
        argv.extend(words(&image.cmd));
    } else {
        argv.extend(wish.args.iter().map(|Text(word)| word.clone()));
    }
    if argv.is_empty() {
        return Err(PlanError::NoCommand);
    }
    Ok(argv)
}
