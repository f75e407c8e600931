//! What the global flags mean once environment and terminal are looked at.

use std::io::IsTerminal;

use crate::base::env;
use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::path::HostPath;
use crate::base::progress::{Progress, Silent};
use crate::cli::render::{Bars, Lines};
use crate::cli::report::Voice;
use crate::cli::typed::Globals;
use crate::ops::reach::Reach;

/// What holds for every command. Built objects are asked for, not fields.
pub(crate) struct Meant {
    globals: Globals,
    voice: Voice,
}

/// Neither flag nor environment says where images and containers live.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell where images and containers live: neither CORACLE_HOME nor HOME is set")]
struct Homeless;

impl Fault for Homeless {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["set CORACLE_HOME to a directory that you can write, or use --home DIR".into()]
    }
}

impl Meant {
    /// Looks at the terminal; nothing else is touched until it is asked for.
    pub(crate) fn of(globals: Globals) -> Meant {
        let voice = Voice::new(globals.log_format);
        Meant { globals, voice }
    }

    /// How the user wants to hear of things.
    pub(crate) fn voice(&self) -> Voice {
        self.voice
    }

    /// Whether only the essence is to be printed (`--quiet`).
    pub(crate) fn quiet(&self) -> bool {
        self.globals.quiet
    }

    /// Where images and containers live: `--home`, `$CORACLE_HOME`, `~/.coracle`.
    pub(crate) fn home(&self) -> Result<HostPath, BoxFault> {
        let typed = self.globals.home.clone().map(HostPath::new);
        Ok(typed.or_else(env::coracle_home).ok_or(Homeless)?)
    }

    /// Where images are kept and how they are brought here.
    pub(crate) fn reach(&self) -> Result<Reach, BoxFault> {
        Ok(Reach {
            insecure: self.globals.insecure.clone(),
            tls_ca: self.globals.tls_ca.clone().map(HostPath::new),
            ..Reach::new(self.home()?)
        })
    }

    /// Who hears of progress: nobody with `--quiet`, bars on a terminal, else lines.
    pub(crate) fn progress(&self) -> Box<dyn Progress> {
        if self.globals.quiet {
            return Box::new(Silent);
        }
        let lines = Lines::new(self.voice, self.globals.verbose);
        if lines.are_for_people() && std::io::stderr().is_terminal() {
            Box::new(Bars::new(lines))
        } else {
            Box::new(lines)
        }
    }
}
