//! Manual pages, in the language of man(7).

use crate::cli::config::keys::KEYS;
use crate::cli::help::grammar::{Flag, Page, pages};

/// The manual page of the command with these words; none for words that are no command.
pub(crate) fn page(words: &str) -> Option<String> {
    let pages = pages();
    let page = pages.iter().find(|page| page.words == words)?;
    Some(roff(page, &pages))
}

/// All manual pages with their file names.
pub(crate) fn all() -> Vec<(String, String)> {
    let pages = pages();
    let each = pages.iter();
    each.map(|page| (format!("{}.1", name(page)), roff(page, &pages)))
        .collect()
}

/// The name of a page: `coracle-gpu-list`.
fn name(page: &Page) -> String {
    match page.words.is_empty() {
        true => "coracle".to_owned(),
        false => format!("coracle-{}", page.words.replace(' ', "-")),
    }
}

fn roff(page: &Page, pages: &[Page]) -> String {
    let name = name(page);
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        ".TH {} 1 \"\" \"coracle {version}\" \"Coracle\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}\n",
        escaped(&name.to_uppercase()),
        escaped(&name),
        escaped(&page.about),
        escaped(&page.usage),
    );
    text += &section("DESCRIPTION", &paragraphs(&page.prose));
    text += &section("EXAMPLES", &examples(&page.examples));
    text += &section("COMMANDS", &commands(page));
    let arguments = page.arguments.iter();
    let arguments =
        arguments.map(|one| tagged(&format!("\\fI{}\\fR", escaped(&one.name)), &one.help));
    text += &section("ARGUMENTS", &arguments.collect::<String>());
    let mut headings: Vec<&str> = Vec::new();
    for flag in &page.flags {
        if !headings.contains(&&*flag.heading) {
            headings.push(&flag.heading);
        }
    }
    for heading in headings {
        let flags = page.flags.iter().filter(|flag| flag.heading == heading);
        let flags: String = flags.map(|flag| tagged(&tag(flag), &flag.help)).collect();
        text += &section(&escaped(&heading.to_uppercase()), &flags);
    }
    if page.words.is_empty() {
        let variables = KEYS.iter();
        let variables =
            variables.map(|key| tagged(&format!("\\fB{}\\fR", key.variable), key.meaning));
        text += &section("ENVIRONMENT", &variables.collect::<String>());
    }
    text + &section("SEE ALSO", &see_also(page, pages))
}

fn section(heading: &str, body: &str) -> String {
    match body.is_empty() {
        true => String::new(),
        false => format!(".SH {heading}\n{body}"),
    }
}

/// Paragraphs; lines that are moved in are kept as they are.
fn paragraphs(prose: &str) -> String {
    let mut text = String::new();
    // The first paragraph of a section begins by itself.
    for paragraph in prose
        .trim()
        .split("\n\n")
        .filter(|text| !text.trim().is_empty())
    {
        let as_is = paragraph.lines().any(|line| line.starts_with("  "));
        text += if text.is_empty() { "" } else { ".PP\n" };
        text += if as_is { ".nf\n" } else { "" };
        for line in paragraph.lines() {
            text += &format!("{}\n", escaped(line));
        }
        text += if as_is { ".fi\n" } else { "" };
    }
    text
}

fn examples(examples: &str) -> String {
    let lines = examples.trim().lines();
    let lines = lines.filter(|line| !line.starts_with("Example"));
    let lines: String = lines
        .map(|line| format!("{}\n", escaped(line.trim_start())))
        .collect();
    match lines.is_empty() {
        true => lines,
        false => format!(".nf\n{lines}.fi\n"),
    }
}

fn commands(page: &Page) -> String {
    let commands = page.commands.iter();
    let commands =
        commands.map(|(name, about)| tagged(&format!("\\fB{}\\fR", escaped(name)), about));
    commands.collect()
}

fn tagged(tag: &str, help: &str) -> String {
    format!(".TP\n{tag}\n{}\n", escaped(&help.replace('\n', " ")))
}

/// The names of a flag, as they head its paragraph.
fn tag(flag: &Flag) -> String {
    let short = flag.short.map(|letter| format!("\\fB\\-{letter}\\fR"));
    let longs = flag
        .longs
        .iter()
        .map(|long| format!("\\fB\\-\\-{}\\fR", escaped(long)));
    let names: Vec<String> = short.into_iter().chain(longs).collect();
    let value = flag.value.as_ref().map(|value| match flag.optional {
        true => format!("[=\\fI{}\\fR]", escaped(value)),
        false => format!(" \\fI{}\\fR", escaped(value)),
    });
    names.join(", ") + &value.unwrap_or_default()
}

fn see_also(page: &Page, pages: &[Page]) -> String {
    let others = pages.iter().filter(|other| match page.words.is_empty() {
        true => !other.words.is_empty() && !other.words.contains(' '),
        false => other.words.is_empty() || page.words.starts_with(&format!("{} ", other.words)),
    });
    let others: Vec<String> = others
        .map(|other| format!("\\fB{}\\fR(1)", escaped(&name(other))))
        .collect();
    match others.is_empty() {
        true => String::new(),
        false => others.join(",\n") + "\n",
    }
}

/// Text that means nothing to roff. groff_char(7): `\-` is the minus that can be copied, `\(ga` the backtick, and
/// lines that begin with a dot or a quote would be requests.
fn escaped(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            '\\' => clean.push_str("\\e"),
            '-' => clean.push_str("\\-"),
            '`' => clean.push_str("\\(ga"),
            '\'' => clean.push_str("\\(aq"),
            '.' if at == 0 => clean.push_str("\\&."),
            '…' => clean.push_str("..."),
            '–' => clean.push_str("\\(en"),
            c => clean.push(c),
        }
    }
    clean
}
