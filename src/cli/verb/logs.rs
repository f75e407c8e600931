//! `coracle logs`: what a container's guest wrote while nobody was there.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;
use crate::ops::life::logs::{self, Shown, Wanted};

#[derive(clap::Args)]
pub(crate) struct Logs {
    /// Go on until the guest ends
    #[arg(short, long)]
    follow: bool,
    /// Begin each line with its time
    #[arg(short, long)]
    timestamps: bool,
    /// Only so many lines from the end, or `all`
    #[arg(
        short = 'n',
        long,
        value_name = "NUMBER",
        default_value = "all",
        allow_negative_numbers = true
    )]
    tail: String,
    /// Nothing older than this moment, or than so long ago, such as `10m`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Nothing newer
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// A name or an id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Logs {
    const NAME: &'static str = "logs";
    const ABOUT: &'static str = "Print what a container's guest wrote";
    const ARGUMENTS: &'static str = "CONTAINER";
    const MORE: &'static str = "\
What it wrote to stdout comes on stdout, what it wrote to stderr on stderr. Only guests of `run -d` and
`start` are logged. The newest 16 MiB at least are kept, 32 MiB at most.

Examples:
  coracle logs -f web
  coracle logs -n 20 -t web
  coracle logs --since 10m web 2>/dev/null";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let wanted = Wanted {
            follow: self.follow,
            tail: lines(&self.tail)?,
            since: self.since,
            until: self.until,
        };
        // What follows `P` of the format is the same line of the guest's: its time stands at the beginning only.
        let mut is_begun = [false; 2];
        logs::logs(&meant.home()?, &self.container, &wanted, &mut |line| {
            let mut text = Vec::new();
            if self.timestamps && !is_begun[usize::from(line.is_error)] {
                text.extend_from_slice(line.at.as_bytes());
                text.push(b' ');
            }
            text.extend_from_slice(&line.text);
            if line.is_whole {
                text.push(b'\n');
            }
            is_begun[usize::from(line.is_error)] = !line.is_whole;
            show(&line, &text)
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes a line where the guest wrote it; whether anybody still reads.
fn show(line: &Shown, text: &[u8]) -> Result<bool, BoxFault> {
    let written = match line.is_error {
        true => io::stderr().lock().write_all(text),
        false => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(text).and_then(|()| stdout.flush())
        }
    };
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(render::unwritable(error)),
    }
}

/// How many lines; `None` for all, which a negative number means, too.
fn lines(text: &str) -> Result<Option<usize>, Misuse> {
    match text.parse::<i64>() {
        _ if text == "all" => Ok(None),
        Ok(count) => Ok(usize::try_from(count).ok()),
        Err(_) => Err(Misuse::of(format!(
            "got `{text}` for `--tail`, expected a number or `all`"
        ))),
    }
}
