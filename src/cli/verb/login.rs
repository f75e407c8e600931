//! `coracle login`: show credentials to a registry and keep them.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::progress::Progress;
use crate::cli::meant::Meant;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;
use crate::ops::login;
use crate::ops::reach::Reach;

/// Docker Hub, where none is named.
pub(crate) const DEFAULT_REGISTRY: &str = "docker.io";
/// Bytes of a password or token; tokens of clouds have some thousands.
const PASSWORD_LIMIT: u64 = 64 << 10;

#[derive(clap::Args)]
pub(crate) struct Login {
    /// Your name there
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// Your password; other users of this machine can read it there, so rather leave it away
    #[arg(short, long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Take the password from standard input
    #[arg(long, conflicts_with = "password")]
    password_stdin: bool,
    /// The registry [default: docker.io]
    #[arg(value_name = "REGISTRY")]
    registry: Option<String>,
}

/// Standard input does not give what was asked of it.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the {what}")]
struct Unreadable {
    what: &'static str,
    source: io::Error,
}

impl Fault for Unreadable {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl Verb for Login {
    const NAME: &'static str = "login";
    const ABOUT: &'static str = "Show credentials to a registry, and keep them if it accepts them";
    const ARGUMENTS: &'static str = "[REGISTRY]";
    const MORE: &'static str = "\
They are kept where Docker keeps them, in ~/.docker/config.json, or in the file that
REGISTRY_AUTH_FILE names; or by the credential helper that this file names. What is missing is asked
for on the terminal.

Example:
  coracle login -u ada --password-stdin registry.site.example < token";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let typed = Typed {
            username: self.username,
            password: self.password,
            password_stdin: self.password_stdin,
            registry: self.registry,
        };
        typed.log_in(&meant.reach()?, &*meant.progress())
    }
}

/// What was typed of a login, in either tongue.
pub(crate) struct Typed {
    /// `--username`.
    pub(crate) username: Option<String>,
    /// `--password`.
    pub(crate) password: Option<String>,
    /// `--password-stdin`.
    pub(crate) password_stdin: bool,
    /// The registry; Docker Hub where none is named.
    pub(crate) registry: Option<String>,
}

impl Typed {
    /// Asks for what is missing, shows it to the registry, and keeps it.
    pub(crate) fn log_in(
        self,
        reach: &Reach,
        progress: &dyn Progress,
    ) -> Result<ExitCode, BoxFault> {
        let registry = self.registry.as_deref().unwrap_or(DEFAULT_REGISTRY);
        if self.password_stdin && self.username.is_none() {
            return Err(Misuse::of("`--password-stdin` needs `--username`".to_owned()).into());
        }
        let user = match self.username {
            Some(user) => user,
            None => ask("user name", Echo::On)?,
        };
        let password = match self.password {
            Some(password) => {
                progress.warn("a password on the command line can be read by every user of this machine; `--password-stdin` is safer");
                password
            }
            None if self.password_stdin => all_of_stdin()?,
            None => ask("password", Echo::Off)?,
        };
        let keeper = login::login(registry, &user, &password, reach, progress)?;
        progress.note(&format!("kept {keeper}"));
        Ok(ExitCode::SUCCESS)
    }
}

fn all_of_stdin() -> Result<String, BoxFault> {
    let mut text = String::new();
    let read = io::stdin()
        .lock()
        .take(PASSWORD_LIMIT)
        .read_to_string(&mut text);
    read.map_err(|source| Unreadable {
        what: "password",
        source,
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Whether what is typed can be seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    On,
    Off,
}

/// Asks on the terminal.
fn ask(what: &'static str, echo: Echo) -> Result<String, BoxFault> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        let text = format!("the {what} is missing, and standard input is no terminal to ask on");
        return Err(Misuse::of(text).into());
    }
    let unreadable = |source| Unreadable { what, source };
    let hidden = (echo == Echo::Off).then(Hidden::new).transpose();
    let hidden = hidden.map_err(|errno| unreadable(errno.into()))?;
    let mut line = String::new();
    let asked = write!(io::stderr(), "{what}: ").and_then(|()| {
        let mut bounded = stdin.lock().take(PASSWORD_LIMIT);
        bounded.read_line(&mut line)
    });
    if hidden.is_some() {
        let _the_cursor_stays_where_it_is = writeln!(io::stderr());
    }
    asked.map_err(unreadable)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While this lives, the terminal does not show what is typed. termios(3), "ECHO".
struct Hidden(Termios);

impl Hidden {
    fn new() -> nix::Result<Hidden> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &silent)?;
        Ok(Hidden(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _a_terminal_that_is_gone_shows_nothing =
            tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &self.0);
    }
}
