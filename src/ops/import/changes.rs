//! `-c`: lines of a Dockerfile that change an image's config. docker-image-import(1), "--change".

use std::mem::discriminant;

use serde_json::{Map, Value, json};

use crate::base::fault::{Fault, Kind};

/// A line that is not one of those.
#[derive(Debug, thiserror::Error)]
#[error("cannot apply the change `{line}`: {why}")]
pub struct ChangeError {
    line: String,
    why: String,
}

impl Fault for ChangeError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![
            "write it as in a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR"
                .to_owned(),
        ]
    }
}

/// Applies one line to `config`, the part of an image's config that says what to run.
pub(in crate::ops) fn apply(
    config: &mut Map<String, Value>,
    line: &str,
) -> Result<(), ChangeError> {
    let wrong = |why: &str| ChangeError {
        line: line.escape_debug().take(200).collect(),
        why: why.to_owned(),
    };
    let (word, rest) = line
        .trim()
        .split_once(char::is_whitespace)
        .ok_or_else(|| wrong("it has no argument"))?;
    let rest = rest.trim();
    match word.to_ascii_lowercase().as_str() {
        "cmd" => set(config, "Cmd", json!(command(rest))),
        "entrypoint" => {
            // As Docker: the image's CMD was for the entry point that it had.
            config.remove("Cmd");
            set(config, "Entrypoint", json!(command(rest)));
        }
        "env" => {
            for (name, value) in pairs(rest).map_err(|why| wrong(&why))? {
                set_variable(config, &name, &value);
            }
        }
        "label" => {
            for (name, value) in pairs(rest).map_err(|why| wrong(&why))? {
                entry(config, "Labels", name, json!(value));
            }
        }
        "expose" => {
            for port in rest.split_whitespace() {
                let port = port.to_ascii_lowercase();
                let has_protocol = port.contains('/');
                let port = if has_protocol { port } else { port + "/tcp" };
                check_port(&port).map_err(|why| wrong(&why))?;
                entry(config, "ExposedPorts", port, json!({}));
            }
        }
        "volume" => {
            let listed = serde_json::from_str::<Vec<String>>(rest).ok();
            let words = || rest.split_whitespace().map(str::to_owned).collect();
            for path in listed.unwrap_or_else(words) {
                entry(config, "Volumes", path, json!({}));
            }
        }
        "user" => set(config, "User", json!(rest)),
        "workdir" => {
            let before = config.get("WorkingDir").and_then(Value::as_str);
            let path = match rest.starts_with('/') {
                true => rest.to_owned(),
                false => format!("{}/{rest}", before.unwrap_or("").trim_end_matches('/')),
            };
            set(config, "WorkingDir", json!(path));
        }
        "stopsignal" => set(config, "StopSignal", json!(rest)),
        "onbuild" => {
            if let Value::Array(lines) = sort_of(config, "OnBuild", json!([])) {
                lines.push(json!(rest));
            }
        }
        "healthcheck" => return Err(wrong("coracle checks no container's health")),
        _ => return Err(wrong("no such instruction changes a config")),
    }
    Ok(())
}

fn set(config: &mut Map<String, Value>, key: &str, value: Value) {
    config.insert(key.to_owned(), value);
}

/// What is under `key`, or `empty` in its place where that is of another sort: Docker's builder writes `null` for none.
fn sort_of<'a>(config: &'a mut Map<String, Value>, key: &str, empty: Value) -> &'a mut Value {
    let value = config.entry(key).or_insert(Value::Null);
    if discriminant(value) != discriminant(&empty) {
        *value = empty;
    }
    value
}

/// Adds `name` to the object under `key`.
pub(in crate::ops) fn entry(
    config: &mut Map<String, Value>,
    key: &str,
    name: String,
    value: Value,
) {
    if let Value::Object(object) = sort_of(config, key, json!({})) {
        object.insert(name, value);
    }
}

/// Sets a variable of the environment.
pub(in crate::ops) fn set_variable(config: &mut Map<String, Value>, name: &str, value: &str) {
    if let Value::Array(list) = sort_of(config, "Env", json!([])) {
        let is_it = |known: &Value| {
            let known = known.as_str().and_then(|known| known.split_once('='));
            known.is_some_and(|(known, _)| known == name)
        };
        list.retain(|known| !is_it(known));
        list.push(json!(format!("{name}={value}")));
    }
}

/// A command: a JSON list as it is, anything else for a shell.
fn command(text: &str) -> Vec<String> {
    let listed = serde_json::from_str(text).ok();
    listed.unwrap_or_else(|| ["/bin/sh", "-c", text].map(str::to_owned).to_vec())
}

fn check_port(port: &str) -> Result<(), String> {
    let (numbers, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    let known = ["tcp", "udp", "sctp"].contains(&protocol);
    match known && numbers.split('-').all(is_port) {
        true => Ok(()),
        false => Err(format!(
            "`{port}` is not a port, expected `NUMBER[/tcp|/udp]`"
        )),
    }
}

/// `NAME=value` any number of times, with quotes and backslashes as in a Dockerfile; or the old `NAME value`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let words = words(text)?;
    let first = words.first().cloned().unwrap_or_default();
    if !first.contains('=') {
        let (name, value) = text
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("`{first}` has no value"))?;
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let split = |word: &String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{word}` does not have the form `NAME=value`")),
    };
    words.iter().map(split).collect()
}

/// The words of a line, quotes taken away.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), _) if letter == open => quote = None,
            (None | Some('"'), '\\') => {
                let next = letters.next().ok_or("it ends with a backslash")?;
                word.get_or_insert_default().push(next);
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    match quote {
        None => Ok(words),
        Some(_) => Err("a quotation mark is not closed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(lines: &[&str]) -> Value {
        let mut config = Map::new();
        for line in lines {
            apply(&mut config, line).expect(line);
        }
        Value::Object(config)
    }

    #[test]
    fn lines_mean_what_they_do_in_a_dockerfile() {
        let made = config(&[
            "CMD [\"old\"]",
            "ENTRYPOINT [\"/bin/tool\", \"-x\"]",
            "cmd echo $HOME",
            "ENV A=1 B=\"two words\" C=a\\ b",
            "ENV A three  words",
            "LABEL who='me you'",
            "EXPOSE 80 53/udp",
            "VOLUME /data",
            "VOLUME [\"/a b\"]",
            "USER 7:8",
            "WORKDIR /srv",
            "WORKDIR work",
            "STOPSIGNAL SIGINT",
        ]);
        let expected = json!({
            "Entrypoint": ["/bin/tool", "-x"], "Cmd": ["/bin/sh", "-c", "echo $HOME"],
            "Env": ["B=two words", "C=a b", "A=three  words"], "Labels": {"who": "me you"},
            "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/data": {}, "/a b": {}},
            "User": "7:8", "WorkingDir": "/srv/work", "StopSignal": "SIGINT",
        });
        assert_eq!(made, expected);
    }

    #[test]
    fn what_is_null_takes_what_is_added() {
        let json = json!({
            "Env": null, "Labels": null, "ExposedPorts": null, "Volumes": null, "OnBuild": null,
        });
        let Value::Object(mut config) = json else {
            panic!("it is an object")
        };
        for line in [
            "ENV A=1",
            "LABEL a=b",
            "EXPOSE 80",
            "VOLUME /data",
            "ONBUILD RUN ls",
        ] {
            apply(&mut config, line).expect(line);
        }
        let expected = json!({
            "Env": ["A=1"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}},
            "Volumes": {"/data": {}}, "OnBuild": ["RUN ls"],
        });
        assert_eq!(Value::Object(config), expected);
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "CMD",
            "RUN ls",
            "ENV A",
            "ENV =1",
            "ENV A='x",
            "EXPOSE x",
            "HEALTHCHECK NONE",
        ] {
            assert!(apply(&mut Map::new(), line).is_err(), "{line}");
        }
    }
}
