//! `coracle help`: its topics, and everything else that is made of the one definition of the command line.

pub(crate) mod completion;
pub(crate) mod grammar;
pub(crate) mod man;
mod markdown;

use crate::base::near;
use crate::cli::config::keys::{FIELDS, KEYS};
use crate::cli::render;
use crate::cli::typed::{self, Misuse};

/// Columns where nobody says how many there are.
const WIDTH: usize = 80;
/// Columns that are used of a wide terminal: longer lines are hard to read.
const MAX_WIDTH: usize = 100;
/// Columns that are used of a narrow one.
const MIN_WIDTH: usize = 30;

/// One text about a subject.
struct Topic {
    /// What is typed.
    name: &'static str,
    /// The text, in Markdown; its first line is its title.
    text: &'static str,
}

/// All topics, in the order in which a newcomer would read them.
const TOPICS: [Topic; 15] = [
    topic("engines", include_str!("engines.md")),
    topic("gpu", include_str!("gpu.md")),
    topic("hpc", include_str!("hpc.md")),
    topic("volumes", include_str!("volumes.md")),
    topic("users", include_str!("users.md")),
    topic("network", include_str!("network.md")),
    topic("registries", include_str!("registries.md")),
    topic("trust", include_str!("trust.md")),
    topic("site", include_str!("site.md")),
    topic("config", include_str!("config.md")),
    topic("files", include_str!("files.md")),
    topic("udocker", include_str!("udocker.md")),
    topic("docker-run", include_str!("docker-run.md")),
    topic("exit-status", include_str!("exit-status.md")),
    topic("troubleshooting", include_str!("troubleshooting.md")),
];

const fn topic(name: &'static str, text: &'static str) -> Topic {
    Topic { name, text }
}

/// What is said to these words after `help`.
pub(crate) fn about(words: &[String]) -> Result<String, Misuse> {
    let Some(first) = words.first() else {
        return Ok(overview());
    };
    let topic = TOPICS.iter().find(|topic| topic.name == *first);
    if let Some(topic) = topic.filter(|_| words.len() == 1) {
        return Ok(rendered(topic));
    }
    let mut command = typed::whole();
    command.build();
    let mut found = &mut command;
    for word in words {
        if found.find_subcommand(word).is_none() {
            return Err(unknown(word));
        }
        found = found.find_subcommand_mut(word).expect("it was found above");
    }
    Ok(found.render_long_help().to_string())
}

/// The words that `help` knows: topics and commands.
fn known() -> Vec<String> {
    let command = typed::whole();
    let verbs = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned());
    let topics = TOPICS.iter().map(|topic| topic.name.to_owned());
    topics.chain(verbs).collect()
}

fn unknown(word: &str) -> Misuse {
    let shown: String = word.escape_debug().take(80).collect();
    let known = known();
    let near = near::question(word, known.iter().map(String::as_str));
    let hints = near
        .into_iter()
        .chain(["`coracle help` lists topics and commands".to_owned()]);
    Misuse::with_hints(format!("there is no help about `{shown}`"), hints.collect())
}

/// What there is: examples, commands, topics.
fn overview() -> String {
    let command = typed::whole();
    let row = |name: &str, about: &str| format!("  {name:16}{about}\n");
    let mut text = format!("{}\n\n{}\n\nCommands:\n", typed::ABOUT, typed::EXAMPLES);
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let about = verb.get_about().map(ToString::to_string);
        text += &row(verb.get_name(), &about.unwrap_or_default());
    }
    text += "\nTopics:\n";
    for topic in &TOPICS {
        text += &row(topic.name, title(topic.text));
    }
    text += "\n`coracle help COMMAND` and `coracle help TOPIC` say more.\n";
    markdown::wrapped_rows(&text, width())
}

fn title(text: &str) -> &str {
    text.lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("# ")
}

fn rendered(topic: &Topic) -> String {
    let text = match topic.name {
        "config" => topic
            .text
            .replace("{settings}", &settings())
            .replace("{fields}", &fields()),
        _ => topic.text.to_owned(),
    };
    markdown::render(&text, width())
}

/// The table of settings, as Markdown.
fn settings() -> String {
    let rows = KEYS.iter().map(|key| {
        let flag = key.flag.unwrap_or("");
        let default = match key.default {
            "" => String::new(),
            default => format!(" [default: {default}]"),
        };
        format!("| `{}` | {flag} | {}{default} |\n", key.word, key.meaning)
    });
    format!(
        "| key | flag | meaning |\n|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

/// The table of the keys of a profile, as Markdown.
fn fields() -> String {
    let rows = FIELDS
        .iter()
        .map(|field| format!("| `{}` | {} |\n", field.word, field.meaning));
    format!("| key | meaning |\n|---|---|\n{}", rows.collect::<String>())
}

/// Columns of the terminal that stdout is, within what is readable.
pub(crate) fn width() -> usize {
    render::terminal_width().map_or(WIDTH, |columns| columns.clamp(MIN_WIDTH, MAX_WIDTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_a_title_and_fits_its_width() {
        for topic in &TOPICS {
            assert!(topic.text.starts_with("# "), "{}", topic.name);
            for width in [40, 80] {
                let text = markdown::render(topic.text, width);
                let code = |line: &&str| !line.starts_with("    ");
                for line in text.lines().filter(code) {
                    let fits = line.chars().count() <= width || !line.trim().contains(' ');
                    assert!(fits, "{} at {width}: {line}", topic.name);
                }
            }
        }
    }
}
