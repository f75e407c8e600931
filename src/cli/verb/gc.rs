//! `coracle gc`: free what nothing needs.

use std::process::ExitCode;

use crate::base::fault::BoxFault;
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::verb::Verb;
use crate::ops::gc;

#[derive(clap::Args)]
pub(crate) struct Gc {}

impl Verb for Gc {
    const NAME: &'static str = "gc";
    const ABOUT: &'static str = "Free what no image, no container and no running pull needs";
    const ARGUMENTS: &'static str = "";
    const MORE: &'static str = "\
Pulls and runs may go on meanwhile. Only programs on other hosts that run from an image which was
removed here are not seen, and lose their files.";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        let swept = gc::collect(&meant.home()?)?;
        let removed = swept.removed.iter();
        let mut lines: Vec<String> = removed
            .map(|removed| {
                format!(
                    "removed {} ({})",
                    short(&removed.path),
                    render::size(removed.bytes)
                )
            })
            .collect();
        let in_use = swept.in_use.iter();
        lines.extend(
            in_use.map(|kept| format!("kept {}: {} runs from it", short(&kept.tree), kept.by)),
        );
        if !meant.quiet() {
            lines.push(format!("freed {}", render::size(swept.freed())));
        }
        render::lines(lines.into_iter())
    }
}

/// Digits of an id that are shown.
const DIGITS: usize = 12;

/// `path` with the digits of its ids cut as in all tables, and without what follows them.
fn short(path: &str) -> String {
    let cut = |part: &str| {
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        match digits >= 32 {
            true => part[..DIGITS].to_owned(),
            false => part.to_owned(),
        }
    };
    let parts: Vec<String> = path.split('/').map(cut).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn ids_are_cut_and_names_are_not() {
        let id = "0123456789abcdef".repeat(4);
        let path = format!("trees/{id}-1");
        assert_eq!(short(&path), "trees/0123456789ab");
        assert_eq!(
            short("refs/feed.example/=13.json"),
            "refs/feed.example/=13.json"
        );
    }
}
