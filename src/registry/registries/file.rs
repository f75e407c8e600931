//! One `registries.conf`, read strictly in what it means to us: what is malformed is an error with its line, what is
//! not known is told.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::path::HostPath;
use crate::oci::reference::Reference;
use crate::registry::registries::{Asked, Mirror, RegistriesError, Rule};

/// Tables of one file; all are looked at for each pull.
const MAX_RULES: usize = 1000;
/// Mirrors of one table: each that fails costs time.
const MAX_MIRRORS: usize = 100;
/// Short names of one file; distributions ship some hundred.
const MAX_ALIASES: usize = 10_000;

/// What one file says.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub(super) rules: Vec<Rule>,
    pub(super) aliases: BTreeMap<String, String>,
    pub(super) notes: Vec<Note>,
}

/// Something in a file that is not obeyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    path: HostPath,
    line: usize,
    what: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` line {}: {}", self.path, self.line, self.what)
    }
}

/// A host with what may stand behind it: what a prefix is replaced by. Its words are those of a reference; the first
/// one must be plainly a host.
pub(super) fn location(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    let host = text.split('/').next().unwrap_or_default();
    let is_host = host.contains(['.', ':']) || host == "localhost";
    let shown: String = text.escape_debug().take(255).collect();
    if !is_host || text.contains("://") {
        return Err(format!(
            "got `{shown}`, expected a host with a dot or a port, and no scheme before it"
        ));
    }
    let fits = format!("{text}/x").parse::<Reference>().map(drop);
    // A prefix may reach to a tag or a digest, and so may what replaces it.
    let whole = || text.parse::<Reference>().map(drop);
    fits.or_else(|_| whole())
        .map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

/// The beginning of names: a location, or one with `*.` in the place of the first labels of its host.
pub(super) fn prefix(text: &str) -> Result<String, String> {
    match text.strip_prefix("*.") {
        // What stands for the star makes a host of it.
        Some(rest) => location(&format!("x.{rest}")).map(|it| it.replacen('x', "*", 1)),
        None => location(text),
    }
}

impl File {
    /// Reads the `bytes` of the file at `path`.
    pub fn parse(bytes: &[u8], path: &HostPath) -> Result<File, RegistriesError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            RegistriesError::Wrong {
                path: path.clone(),
                line: line_of(before),
                what: "not UTF-8".to_owned(),
            }
        })?;
        let mut reading = Reading {
            path,
            text,
            notes: Vec::new(),
        };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            reading.wrong(at, error.message().to_owned())
        })?;
        let mut file = File::default();
        for (word, value) in table.get_ref() {
            match &**word.get_ref() {
                "registry" => file.rules = reading.rules(value)?,
                "aliases" => file.aliases = reading.aliases(value)?,
                "unqualified-search-registries" => reading.searched(value)?,
                other => reading.unknown(word.span().start, other),
            }
        }
        file.notes = reading.notes;
        Ok(file)
    }
}

/// The number of the line that begins or goes on after `before`.
fn line_of(before: &[u8]) -> usize {
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// A file while it is read.
struct Reading<'a> {
    path: &'a HostPath,
    text: &'a str,
    notes: Vec<Note>,
}

type Value<'a> = Spanned<DeValue<'a>>;
type Read<T> = Result<T, RegistriesError>;

impl Reading<'_> {
    fn line(&self, at: usize) -> usize {
        line_of(&self.text.as_bytes()[..at.min(self.text.len())])
    }

    fn wrong(&self, at: usize, what: String) -> RegistriesError {
        RegistriesError::Wrong {
            path: self.path.clone(),
            line: self.line(at),
            what,
        }
    }

    fn note(&mut self, at: usize, what: String) {
        self.notes.push(Note {
            path: self.path.clone(),
            line: self.line(at),
            what,
        });
    }

    fn unknown(&mut self, at: usize, word: &str) {
        let shown: String = word.escape_debug().take(80).collect();
        self.note(
            at,
            format!("`{shown}` is not for coracle, and is left alone"),
        );
    }

    fn rules(&mut self, value: &Value<'_>) -> Read<Vec<Rule>> {
        let mut rules: Vec<Rule> = Vec::new();
        for table in self.tables("registry", value, MAX_RULES)? {
            let rule = self.rule(table)?;
            match rules.iter().any(|known| known.prefix == rule.prefix) {
                true => {
                    let what = format!("`{}` has a table already, which counts", rule.prefix);
                    self.note(table.span().start, what);
                }
                false => rules.push(rule),
            }
        }
        Ok(rules)
    }

    fn rule(&mut self, table: &Value<'_>) -> Read<Rule> {
        let start = table.span().start;
        let (mut begin, mut replaced, mut mirrors) = (None, None, Vec::new());
        let (mut insecure, mut blocked, mut digest_only) = (false, false, false);
        for (word, value) in self.table("registry", table)? {
            match &**word.get_ref() {
                "prefix" => begin = self.text("prefix", value)?,
                "location" => replaced = self.text("location", value)?,
                "insecure" => insecure = self.switch("insecure", value)?,
                "blocked" => blocked = self.switch("blocked", value)?,
                "mirror-by-digest-only" => {
                    digest_only = self.switch("mirror-by-digest-only", value)?;
                }
                "mirror" => {
                    for mirror in self.tables("registry.mirror", value, MAX_MIRRORS)? {
                        mirrors.push((self.mirror(mirror)?, mirror.span().start));
                    }
                }
                other => self.unknown(word.span().start, other),
            }
        }
        for (mirror, at) in &mut mirrors {
            if digest_only && mirror.asked != Asked::Always {
                let what = "`pull-from-mirror` and `mirror-by-digest-only` exclude each other";
                return Err(self.wrong(*at, what.to_owned()));
            }
            if digest_only {
                mirror.asked = Asked::ByDigest;
            }
        }
        let is_wild = begin.as_deref().is_some_and(|it| it.starts_with("*."));
        let word = begin.or_else(|| replaced.clone());
        let word = word.ok_or_else(|| {
            self.wrong(
                start,
                "expected `prefix` or `location`, got neither".to_owned(),
            )
        })?;
        let checked = |text: Result<String, String>| text.map_err(|what| self.wrong(start, what));
        if replaced.is_none() && !is_wild {
            return Err(self.wrong(
                start,
                "expected a `location` beside the `prefix`".to_owned(),
            ));
        }
        Ok(Rule {
            prefix: checked(prefix(&word))?,
            location: replaced.map(|it| checked(location(&it))).transpose()?,
            insecure,
            blocked,
            mirrors: mirrors.into_iter().map(|(mirror, _)| mirror).collect(),
            by: format!("{} line {}", self.path, self.line(start)),
        })
    }

    fn mirror(&mut self, table: &Value<'_>) -> Read<Mirror> {
        let start = table.span().start;
        let mut place = None;
        let (mut insecure, mut asked) = (false, Asked::Always);
        for (word, value) in self.table("registry.mirror", table)? {
            match &**word.get_ref() {
                "location" => place = self.text("location", value)?,
                "insecure" => insecure = self.switch("insecure", value)?,
                "pull-from-mirror" => {
                    asked = match self.text("pull-from-mirror", value)?.as_deref() {
                        None | Some("all") => Asked::Always,
                        Some("digest-only") => Asked::ByDigest,
                        Some("tag-only") => Asked::ByTag,
                        Some(_) => {
                            let what =
                                "`pull-from-mirror`: expected `all`, `digest-only` or `tag-only`";
                            return Err(self.wrong(value.span().start, what.to_owned()));
                        }
                    }
                }
                other => self.unknown(word.span().start, other),
            }
        }
        let place = place.ok_or_else(|| {
            self.wrong(
                start,
                "expected a `location` of the mirror, got none".to_owned(),
            )
        })?;
        Ok(Mirror {
            location: location(&place).map_err(|what| self.wrong(start, what))?,
            insecure,
            asked,
        })
    }

    /// Short names. An empty one takes an alias of an earlier file back, which ours need not.
    fn aliases(&mut self, value: &Value<'_>) -> Read<BTreeMap<String, String>> {
        let table = self.table("aliases", value)?;
        if table.len() > MAX_ALIASES {
            let what = format!(
                "got {} aliases, expected at most {MAX_ALIASES}",
                table.len()
            );
            return Err(self.wrong(value.span().start, what));
        }
        let mut aliases = BTreeMap::new();
        for (word, value) in table {
            let at = word.span().start;
            let Some(full) = self.text("aliases", value)? else {
                continue;
            };
            let full = location(&full).map_err(|what| self.wrong(at, what))?;
            aliases.insert(word.get_ref().to_string(), full);
        }
        Ok(aliases)
    }

    fn searched(&mut self, value: &Value<'_>) -> Read<()> {
        let at = value.span().start;
        let array = value.get_ref().as_array();
        let is_text = |item: &Value<'_>| item.get_ref().is_str();
        let Some(items) = array.filter(|items| items.iter().all(is_text)) else {
            let what = "`unqualified-search-registries`: expected a list of texts";
            return Err(self.wrong(at, what.to_owned()));
        };
        let is_hub = |item: &Value<'_>| item.get_ref().as_str() == Some("docker.io");
        if !items.iter().all(is_hub) {
            let what = "no registry is searched for a short name: it means docker.io, or what an alias says";
            self.note(at, what.to_owned());
        }
        Ok(())
    }

    fn tables<'v>(&self, name: &str, value: &'v Value<'v>, most: usize) -> Read<&'v [Value<'v>]> {
        let at = value.span().start;
        let Some(items) = value.get_ref().as_array() else {
            return Err(self.wrong(at, format!("expected tables, each under `[[{name}]]`")));
        };
        if items.len() > most {
            let what = format!(
                "got {} tables `[[{name}]]`, expected at most {most}",
                items.len()
            );
            return Err(self.wrong(at, what));
        }
        Ok(items)
    }

    fn table<'v>(&self, name: &str, value: &'v Value<'v>) -> Read<&'v DeTable<'v>> {
        let table = value.get_ref().as_table();
        table.ok_or_else(|| self.wrong(value.span().start, format!("`{name}`: expected a table")))
    }

    /// A text; an empty one is as good as none.
    fn text(&self, word: &str, value: &Value<'_>) -> Read<Option<String>> {
        let text = value.get_ref().as_str();
        let text = text
            .ok_or_else(|| self.wrong(value.span().start, format!("`{word}`: expected a text")))?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn switch(&self, word: &str, value: &Value<'_>) -> Read<bool> {
        match value.get_ref() {
            DeValue::Boolean(switch) => Ok(*switch),
            _ => {
                let what = format!("`{word}`: expected `true` or `false`");
                Err(self.wrong(value.span().start, what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_malformed_is_an_error_with_its_line() {
        for (text, line, part) in [
            ("\n[[registry]\n", 2, ""),
            ("[[registry]]\nblocked = 'yes'\n", 2, "`blocked`"),
            (
                "[[registry]]\ninsecure = true\n",
                1,
                "`prefix` or `location`",
            ),
            ("\n\n[[registry]]\nprefix = 'a.example'\n", 3, "`location`"),
            (
                "[[registry]]\nlocation = 'https://a.example'\n",
                1,
                "scheme",
            ),
            ("[[registry]]\nlocation = 'host'\n", 1, "host"),
            (
                "[[registry]]\nlocation='a.example'\n[[registry.mirror]]\ninsecure=true\n",
                3,
                "mirror",
            ),
            (
                "[[registry]]\nlocation='a.example'\n[[registry.mirror]]\nlocation='b.example'\npull-from-mirror='x'\n",
                5,
                "`tag-only`",
            ),
            ("registry = 1\n", 1, "[[registry]]"),
            ("[aliases]\nx = 'UPPER'\n", 2, ""),
            ("unqualified-search-registries = 'docker.io'\n", 1, "list"),
        ] {
            let error = File::parse(text.as_bytes(), &HostPath::new("/f"));
            let error = error.expect_err(text).to_string();
            assert!(error.contains(&format!("line {line}:")), "{text}: {error}");
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(File::parse(b"x = '\xff'", &HostPath::new("/f")).is_err());
    }

    #[test]
    fn what_is_not_known_is_told_and_left_alone() {
        let text = "short-name-mode = 'permissive'\nunqualified-search-registries = ['q.example']\n\
                    [[registry]]\nlocation = 'a.example'\ncolour = 1\n[[registry]]\nlocation='a.example'\n[registries.search]\nregistries = ['x']\n";
        let file = File::parse(text.as_bytes(), &HostPath::new("/f")).expect("well-formed");
        let notes: Vec<String> = file.notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes.len(), 5, "{notes:?}");
        assert!(
            notes
                .iter()
                .any(|note| note.contains("line 5") && note.contains("`colour`"))
        );
        assert_eq!(file.rules.len(), 1);
    }
}
