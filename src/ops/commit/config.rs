//! The config of an image that was a container: its image's, with what the container was given and what is asked for.

use serde_json::{Map, Value, json};

use crate::ops::commit::{CommitError, Request};
use crate::ops::import::changes;
use crate::plan::wish::{Text, Wish};

/// What Docker once noted of the container that an image was built in.
const STALE: [&str; 2] = ["container", "container_config"];

/// Changes `config`, that of the image, as Docker does: what the container was created with comes over it, then the
/// lines of `-c`. Variables that get their value from the host in each run have none to leave behind.
pub(super) fn change(
    config: &mut Map<String, Value>,
    wish: &Wish,
    request: &Request,
) -> Result<(), CommitError> {
    for key in STALE {
        config.remove(key);
    }
    let mut run = match config.remove("config") {
        Some(Value::Object(run)) if !wish.no_meta => run,
        _ => Map::new(),
    };
    give(&mut run, wish)?;
    for line in &request.changes {
        changes::apply(&mut run, line)?;
    }
    config.insert("config".to_owned(), Value::Object(run));
    if let Some(author) = &request.author {
        config.insert("author".to_owned(), json!(author));
    }
    Ok(())
}

/// Adds how the layer came about, and when.
pub(super) fn note(
    config: &mut Map<String, Value>,
    wish: &Wish,
    request: &Request,
    created: &str,
    is_empty: bool,
) {
    let words = wish.args.iter().map(|Text(word)| word.to_string_lossy());
    let mut entry = json!({
        "created": created,
        "created_by": words.collect::<Vec<_>>().join(" "),
    });
    for (key, value) in [("author", &request.author), ("comment", &request.message)] {
        if let Some(value) = value {
            entry[key] = json!(value);
        }
    }
    if is_empty {
        entry["empty_layer"] = json!(true);
    }
    config.insert("created".to_owned(), json!(created));
    let history = config.entry("history").or_insert(Value::Null);
    match history {
        Value::Array(entries) => entries.push(entry),
        other => *other = json!([entry]),
    }
}

fn give(run: &mut Map<String, Value>, wish: &Wish) -> Result<(), CommitError> {
    for Text(entry) in &wish.environment {
        if let Some((name, value)) = text(entry)?.split_once('=') {
            changes::set_variable(run, name, value);
        }
    }
    if let Some(Text(workdir)) = &wish.workdir {
        run.insert("WorkingDir".to_owned(), json!(text(workdir)?));
    }
    if let Some(user) = &wish.user {
        run.insert("User".to_owned(), json!(user));
    }
    if let Some(signal) = &wish.stop_signal {
        run.insert("StopSignal".to_owned(), json!(signal));
    }
    for (name, value) in &wish.labels {
        changes::entry(run, "Labels", name.clone(), json!(value));
    }
    let args = wish.args.iter().map(|Text(word)| text(word));
    let args = args.collect::<Result<Vec<_>, _>>()?;
    if let Some(Text(program)) = &wish.entrypoint {
        let program = text(program)?;
        match program.is_empty() {
            true => run.remove("Entrypoint"),
            false => run.insert("Entrypoint".to_owned(), json!([program])),
        };
    }
    if wish.entrypoint.is_some() || !args.is_empty() {
        run.insert("Cmd".to_owned(), json!(args));
    }
    Ok(())
}

fn text(word: &std::ffi::OsStr) -> Result<&str, CommitError> {
    let shown = || CommitError::NotText(word.to_string_lossy().into_owned());
    word.to_str().ok_or_else(shown)
}
