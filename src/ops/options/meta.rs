//! What was typed that a container only keeps and shows, or that counts when it ends.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::BadValue;
use crate::base::fault::{BoxFault, While};
use crate::base::fsx;
use crate::ops::life::stop;
use crate::plan::wish::Wish;

/// What was typed, as it was typed.
#[derive(Clone, Debug, Default)]
pub struct MetaOptions {
    /// `--label`.
    pub label: Vec<String>,
    /// `--label-file`.
    pub label_file: Vec<PathBuf>,
    /// `--annotation`.
    pub annotation: Vec<String>,
    /// `--stop-signal`.
    pub stop_signal: Option<String>,
    /// `--stop-timeout`, in seconds; -1 waits for ever.
    pub stop_timeout: Option<i64>,
}

/// Bytes of a file of labels.
const LABEL_FILE_LIMIT: u64 = 4 << 20;

/// Reads `NAME[=VALUE]`.
fn pair(
    flag: &'static str,
    text: &str,
    pairs: &mut BTreeMap<String, String>,
) -> Result<(), BadValue> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(BadValue::of(flag, text, "`NAME=VALUE`"));
    }
    pairs.insert(name.to_owned(), value.to_owned());
    Ok(())
}

impl MetaOptions {
    /// Adds what this asks for.
    pub(super) fn add_to(self, wish: &mut Wish) -> Result<(), BoxFault> {
        for path in &self.label_file {
            let doing = || format!("cannot use label file `{}`", path.display());
            let bytes = fsx::read(path, LABEL_FILE_LIMIT).map_err(|e| While::new(doing(), e))?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines = text.lines().map(str::trim_start);
            for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
                pair("--label-file", line, &mut wish.labels)?;
            }
        }
        for text in &self.label {
            pair("--label", text, &mut wish.labels)?;
        }
        for text in &self.annotation {
            pair("--annotation", text, &mut wish.annotations)?;
        }
        if let Some(signal) = &self.stop_signal {
            stop::signal(signal)?;
        }
        wish.stop_signal = self.stop_signal;
        wish.stop_timeout = self.stop_timeout;
        Ok(())
    }
}
