//! A TOML file while it is read: values of the kind that is wanted, and errors with their line.

use toml::Spanned;
use toml::de::DeValue;

use super::error::TrustError;
use crate::base::near;
use crate::base::path::HostPath;

/// A file and its bytes.
pub(super) struct Place<'a> {
    pub(super) path: &'a HostPath,
    pub(super) text: &'a [u8],
}

impl Place<'_> {
    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &self,
        key: &str,
        written: &Spanned<DeValue<'_>>,
        known: &[(&str, T)],
    ) -> Result<T, TrustError> {
        let text = self.text(key, written)?;
        if let Some((_, value)) = known.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let words: Vec<String> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
        let shown: String = text.escape_debug().take(80).collect();
        let what = format!(
            "`{key}`: got `{shown}`, expected one of {}",
            words.join(", ")
        );
        let question = near::question(text, known.iter().map(|(word, _)| *word));
        Err(self.wrong(written.span().start, &what, question))
    }

    /// A text.
    pub(super) fn text<'t>(
        &self,
        key: &str,
        written: &'t Spanned<DeValue<'_>>,
    ) -> Result<&'t str, TrustError> {
        written.get_ref().as_str().ok_or_else(|| {
            self.wrong(
                written.span().start,
                &format!("`{key}`: expected text in quotes"),
                None,
            )
        })
    }

    /// A truth.
    pub(super) fn truth(
        &self,
        key: &str,
        written: &Spanned<DeValue<'_>>,
    ) -> Result<bool, TrustError> {
        written.get_ref().as_bool().ok_or_else(|| {
            let what = format!("`{key}`: expected `true` or `false`");
            self.wrong(written.span().start, &what, None)
        })
    }

    /// A number of at least one.
    pub(super) fn count(
        &self,
        key: &str,
        written: &Spanned<DeValue<'_>>,
    ) -> Result<usize, TrustError> {
        let number = written.get_ref().as_integer();
        let number = number.and_then(|it| usize::from_str_radix(it.as_str(), it.radix()).ok());
        number.filter(|number| *number >= 1).ok_or_else(|| {
            let what = format!("`{key}`: expected a number of at least 1");
            self.wrong(written.span().start, &what, None)
        })
    }

    /// The error of a word that is none of `known`.
    pub(super) fn unknown(&self, at: usize, word: &str, known: &[&str]) -> TrustError {
        let shown: String = word.escape_debug().take(80).collect();
        let question = near::question(word, known.iter().copied());
        self.wrong(at, &format!("unknown key `{shown}`"), question)
    }

    /// On which line a byte stands.
    pub(super) fn line(&self, at: usize) -> usize {
        let before = self.text.iter().take(at);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    /// The error of what stands at a byte.
    pub(super) fn wrong(&self, at: usize, what: &str, hint: Option<String>) -> TrustError {
        wrong(self.path, format!("line {}: {what}", self.line(at)), hint)
    }
}

/// The error of a file that nobody understands.
pub(super) fn wrong(path: &HostPath, what: String, hint: Option<String>) -> TrustError {
    TrustError::Wrong {
        path: path.clone(),
        what,
        hint: hint.unwrap_or_else(|| "see `coracle help trust`".to_owned()),
    }
}
