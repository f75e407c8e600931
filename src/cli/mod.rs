//! The terminal: parse, find out what is meant, call one operation, render.
//!
//! There are two tongues: Docker's, in [`typed`] and [`verb`], and udocker's, in [`udocker`]. Both call the same operations.
//! Only here is anything printed, a flag read, or a fault turned into an exit status.

mod config;
mod groups;
mod help;
mod meant;
mod render;
pub mod report;
mod table;
mod typed;
mod udocker;
mod verb;

pub use udocker::page::page as udocker_page;

use std::ffi::OsString;
use std::process::ExitCode;

use nix::sys::stat::{Mode, umask};

use crate::base::fault::BoxFault;
use meant::Meant;
use report::Voice;
use typed::Typed;

/// Runs one command line, program name first; everything is reported before it returns.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    keep_own_rights();
    let args: Vec<OsString> = args.collect();
    if let Some(line) = udocker::line_of(&args) {
        return udocker::main(&line);
    }
    let args = groups::expanded(&args).unwrap_or(args);
    let verb = verb::named_in(&args);
    carry_out(&args).unwrap_or_else(|failure| {
        failure.voice.error(&*failure.fault);
        ExitCode::from(report::status(verb, failure.fault.kind()))
    })
}

/// A umask may take from us the right to enter the directories that we make. umask(2).
fn keep_own_rights() {
    let mask = umask(Mode::empty());
    umask(mask.difference(Mode::S_IRWXU));
}

/// A fault, and how the user wants to hear of it.
struct Failure {
    voice: Voice,
    fault: BoxFault,
}

fn carry_out(args: &[OsString]) -> Result<ExitCode, Failure> {
    let typed = typed::parse(args).map_err(|fault| Failure {
        voice: Voice::before_parsing(args),
        fault: fault.into(),
    })?;
    match typed {
        Typed::Text(text) => render::text(&text).map_err(|fault| Failure {
            voice: Voice::before_parsing(args),
            fault,
        }),
        Typed::Verb {
            globals,
            verb,
            matches,
        } => {
            let meant = match verb.needs_config {
                true => Meant::of(globals).map_err(|fault| Failure {
                    voice: Voice::before_parsing(args),
                    fault,
                })?,
                false => Meant::without_config(globals),
            };
            let result = (verb.carry_out)(&matches, &meant);
            result.map_err(|fault| Failure {
                voice: meant.voice(),
                fault,
            })
        }
    }
}
