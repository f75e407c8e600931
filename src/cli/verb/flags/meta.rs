//! What a container remembers of itself.

use std::path::PathBuf;

use crate::ops::options::MetaOptions;

/// Docker's flags for what is only kept and shown, or counts when the guest ends.
#[derive(clap::Args)]
pub(super) struct MetaFlags {
    /// Label the container; `ps --filter` and `inspect` know it (repeatable)
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    label: Vec<String>,
    /// Take labels from a file, one a line (repeatable)
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Annotate the container; `inspect` shows it (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    annotation: Vec<String>,
    /// `coracle stop` asks the guest to end with this signal [default: the image's, else TERM]
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,
    /// `coracle stop` kills the guest after so many seconds [default: 10]; -1 never
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    stop_timeout: Option<i64>,
}

impl MetaFlags {
    /// What was typed.
    pub(super) fn into_options(self) -> MetaOptions {
        MetaOptions {
            label: self.label,
            label_file: self.label_file,
            annotation: self.annotation,
            stop_signal: self.stop_signal,
            stop_timeout: self.stop_timeout,
        }
    }
}
