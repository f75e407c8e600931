//! Scripts by which shells complete a command line, each made of the one definition of it.
//!
//! Names of containers and images are asked of coracle itself when they are needed, so that they are those of the
//! store that the next command will use.

use std::fmt::Write as _;

use crate::cli::help::TOPICS;
use crate::cli::help::grammar::{Flag, Page, pages};

/// What of the store an argument names.
const KINDS: [(&str, &str); 2] = [("CONTAINER", "containers"), ("IMAGE", "images")];

/// For bash(1), "Programmable Completion".
pub(crate) fn bash() -> String {
    let all = pages();
    let (verbs, below) = parts(&all);
    let mut text = String::from(
        "# bash completion for coracle, made by `coracle completions bash`\n_coracle() {\n",
    );
    text += "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb= sub= flags= words= i\n";
    text += "    COMPREPLY=()\n    [[ $cur == = ]] && cur=\n";
    text += "    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}\n";
    text += "    for ((i = 1; i < COMP_CWORD; i++)); do\n        case $verb,${COMP_WORDS[i]} in\n";
    let _ = writeln!(
        text,
        "        {}) verb=${{COMP_WORDS[i]}} ;;",
        alternatives(&verbs, ",")
    );
    for page in &below {
        let (verb, sub) = page.words.split_once(' ').unwrap_or_default();
        let _ = writeln!(text, "        {verb},{sub}) sub={sub} ;;");
    }
    text += "        esac\n    done\n    case $verb${sub:+ $sub} in\n";
    for page in &all {
        let _ = write!(
            text,
            "    {})\n        flags='{}'\n        words='{}'\n",
            pattern(&page.words),
            names(page).join(" "),
            words(page).join(" ")
        );
        for (_, kind) in kinds(page) {
            let _ = writeln!(
                text,
                "        [[ $cur == -* ]] || words+=\" $(command \"$1\" completions {kind} 2>/dev/null)\""
            );
        }
        text += "        case $prev in\n";
        for flag in page.flags.iter().filter(|flag| !flag.words.is_empty()) {
            let _ = writeln!(
                text,
                "        {}) flags= words='{}' ;;",
                spelled(flag).join("|"),
                flag.words.join(" ")
            );
        }
        text += "        esac ;;\n";
    }
    text += "    esac\n    if [[ $cur == -* ]]; then words=$flags; fi\n";
    // Names have colons, at which readline breaks words: what stands before the last one is typed already.
    text += "    local line; while IFS= read -r line; do COMPREPLY+=(\"$line\"); done < <(compgen -W \"$words\" -- \"$cur\")\n";
    text + "}\ncomplete -o default -o bashdefault -F _coracle coracle\n"
}

/// For zshcompsys(1).
pub(crate) fn zsh() -> String {
    let all = pages();
    let (verbs, below) = parts(&all);
    let mut text = String::from(
        "#compdef coracle\n# zsh completion for coracle, made by `coracle completions zsh`\n",
    );
    text += "local verb= sub= word\nlocal -a flags names values\n";
    text += "for word in ${words[2,CURRENT-1]}; do\n    case $verb,$word in\n";
    let _ = writeln!(text, "    {}) verb=$word ;;", alternatives(&verbs, ","));
    for page in &below {
        let (verb, sub) = page.words.split_once(' ').unwrap_or_default();
        let _ = writeln!(text, "    {verb},{sub}) sub={sub} ;;");
    }
    text += "    esac\ndone\ncase $verb${sub:+ $sub} in\n";
    for page in &all {
        let _ = write!(text, "{})\n    flags=(", pattern(&page.words));
        for flag in &page.flags {
            for name in spelled(flag) {
                let _ = write!(text, " {}", described(&name, &flag.help));
            }
        }
        text += " )\n    names=(";
        for (name, about) in &page.commands {
            let _ = write!(text, " {}", described(name, about));
        }
        for word in words(page).iter().skip(page.commands.len()) {
            let _ = write!(text, " {word}");
        }
        text += " )\n";
        for (_, kind) in kinds(page) {
            let _ = writeln!(
                text,
                "    names+=( ${{(f)\"$(_call_program names $words[1] completions {kind} 2>/dev/null | sed 's/:/\\\\:/g')\"}} )"
            );
        }
        text += "    case $words[CURRENT-1] in\n";
        for flag in page.flags.iter().filter(|flag| !flag.words.is_empty()) {
            let _ = writeln!(
                text,
                "    {}) values=({}) ;;",
                spelled(flag).join("|"),
                flag.words.join(" ")
            );
        }
        text += "    esac ;;\n";
    }
    text +=
        "esac\nif (( $#values )); then\n    compadd -a values\nelif [[ $PREFIX == -* ]]; then\n";
    text += "    _describe -o flag flags\nelse\n    _describe name names\n    _files\nfi\n";
    text
}

/// For fish(1), `complete`.
pub(crate) fn fish() -> String {
    let all = pages();
    let mut text =
        String::from("# fish completion for coracle, made by `coracle completions fish`\n");
    for page in &all {
        let condition = match page.words.split_once(' ') {
            _ if page.words.is_empty() => "__fish_use_subcommand".to_owned(),
            None => format!("__fish_seen_subcommand_from {}", page.words),
            Some((verb, sub)) => {
                format!("__fish_seen_subcommand_from {verb}; and __fish_seen_subcommand_from {sub}")
            }
        };
        let start = format!("complete -c coracle -n '{condition}'");
        for (name, about) in &page.commands {
            let _ = writeln!(text, "{start} -a {name} -d {}", quoted(&first_line(about)));
        }
        for word in words(page).iter().skip(page.commands.len()) {
            let _ = writeln!(text, "{start} -a {word}");
        }
        for flag in &page.flags {
            let short = flag.short.map(|letter| format!(" -s {letter}"));
            let longs: String = flag
                .longs
                .iter()
                .map(|long| format!(" -l {long}"))
                .collect();
            let takes = match (&flag.value, flag.words.is_empty()) {
                (Some(_), false) => format!(" -x -a {}", quoted(&flag.words.join(" "))),
                (Some(_), true) if !flag.optional => " -r".to_owned(),
                _ => String::new(),
            };
            let short = short.unwrap_or_default();
            let _ = writeln!(
                text,
                "{start}{short}{longs}{takes} -d {}",
                quoted(&first_line(&flag.help))
            );
        }
        for (_, kind) in kinds(page) {
            let _ = writeln!(
                text,
                "{start} -a '(coracle completions {kind} 2>/dev/null)'"
            );
        }
    }
    text
}

/// The commands, and the commands below commands.
fn parts(all: &[Page]) -> (Vec<&str>, Vec<&Page>) {
    let named = all.iter().filter(|page| !page.words.is_empty());
    let (below, verbs): (Vec<&Page>, Vec<&Page>) = named.partition(|page| page.words.contains(' '));
    (verbs.into_iter().map(|page| &*page.words).collect(), below)
}

fn alternatives(words: &[&str], before: &str) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{before}{word}")).collect();
    words.join("|")
}

/// The words of a page as a pattern of `case`.
fn pattern(words: &str) -> String {
    format!("'{words}'")
}

/// A flag as it is typed.
fn spelled(flag: &Flag) -> Vec<String> {
    let short = flag.short.map(|letter| format!("-{letter}"));
    let longs = flag.longs.iter().map(|long| format!("--{long}"));
    short.into_iter().chain(longs).collect()
}

fn names(page: &Page) -> Vec<String> {
    page.flags.iter().flat_map(spelled).collect()
}

/// Words that can stand where a command or an argument does.
fn words(page: &Page) -> Vec<&str> {
    let commands = page.commands.iter().map(|(name, _)| &**name);
    let arguments = page
        .arguments
        .iter()
        .flat_map(|one| one.words.iter().map(String::as_str));
    let topics = TOPICS
        .iter()
        .filter(|_| page.words == "help")
        .map(|topic| topic.name);
    commands.chain(arguments).chain(topics).collect()
}

/// What of the store the arguments of a page name.
fn kinds(page: &Page) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let names = |kind: &str| {
        page.arguments
            .iter()
            .any(|one| one.name.split('|').any(|name| name == kind))
    };
    KINDS.iter().filter(move |(name, _)| names(name))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// In single quotes, for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A name and what it is, for `_describe`.
fn described(name: &str, about: &str) -> String {
    let about = first_line(about).replace('\'', "'\\''");
    format!("'{}:{about}'", name.replace(':', "\\:"))
}
