//! A plan for people and for programs: `run --explain[=json]`.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::plan::farm::{Farm, Piece};
use crate::plan::{
    Ids, Level, Limit, Mount, Network, Port, Protocol, RunPlan, Source, View, limits,
};

/// The plan as lines, one subject each.
pub fn text(plan: &RunPlan) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _infallible = writeln!(out, "{name:12} {}", visible(value));
    };
    line("root", &plan.root.lower.to_string());
    line("writes", &writes(&plan.root.view));
    let words: Vec<String> = plan.argv.iter().map(|word| quoted(word)).collect();
    line("command", &words.join(" "));
    let created = if plan.cwd.create {
        " (created if absent)"
    } else {
        ""
    };
    line("directory", &format!("{}{created}", plan.cwd.path));
    let user = &plan.user;
    let mut who = format!("{}:{} ({})", user.uid, user.gid, ids(user.ids).1);
    if !user.groups.is_empty() {
        let _infallible = write!(who, ", groups {:?}", user.groups);
    }
    line("user", &who);
    line(
        "host name",
        plan.hostname.as_deref().unwrap_or("the host's"),
    );
    let cpus = plan.cpus.as_ref().map(|cpus| format!("{cpus:?}"));
    line("processors", cpus.as_deref().unwrap_or("all"));
    line("network", &network(&plan.network));
    for limit in &plan.limits {
        line("limit", &limited(limit));
    }
    if let Some(kernel) = &plan.kernel {
        line("kernel", kernel);
    }
    if plan.no_new_privileges {
        line("privileges", "no new ones");
    }
    for mount in &plan.mounts {
        line("mount", &mounted(mount));
        if let Source::Farm(farm) = &mount.source {
            for (name, piece) in farm.pieces() {
                line("", &format!("  {}{}", name.display(), laid(piece)));
            }
        }
    }
    for file in &plan.files {
        line(
            "file",
            &format!("{} ({} bytes)", file.path, file.content.len()),
        );
    }
    for link in &plan.links {
        line(
            "link",
            &format!("{} -> {}", link.path, link.target.display()),
        );
    }
    for (name, value) in &plan.environment {
        let (name, value) = (name.to_string_lossy(), quoted(value));
        line("environment", &format!("{name}={value}"));
    }
    for note in &plan.notes {
        line(level(note.level), &note.text);
    }
    out
}

/// The plan as one JSON object. What is not UTF-8 shows as U+FFFD.
pub fn json(plan: &RunPlan) -> Value {
    let words = plan.argv.iter().map(|word| word.to_string_lossy());
    let environment = plan.environment.iter().map(|(name, value)| {
        (
            name.to_string_lossy().into_owned(),
            value.to_string_lossy().into(),
        )
    });
    let files = plan.files.iter().map(|file| {
        json!({
            "path": file.path.to_string(),
            "mode": format!("{:04o}", file.mode),
            "content": String::from_utf8_lossy(&file.content),
        })
    });
    let links = plan.links.iter().map(
        |link| json!({ "path": link.path.to_string(), "target": link.target.to_string_lossy() }),
    );
    let notes = plan
        .notes
        .iter()
        .map(|note| json!({ "level": level(note.level), "text": note.text }));
    json!({
        "root": plan.root.lower.to_string(),
        "writes": view(&plan.root.view),
        "argv": words.collect::<Vec<_>>(),
        "cwd": { "path": plan.cwd.path.to_string(), "create": plan.cwd.create },
        "user": {
            "uid": plan.user.uid,
            "gid": plan.user.gid,
            "groups": plan.user.groups,
            "keepsGroups": plan.user.keeps_groups,
            "owners": plan.user.owners.len(),
            "ids": ids(plan.user.ids).0,
        },
        "hostname": plan.hostname,
        "cpus": plan.cpus,
        "network": network_as_json(&plan.network),
        "limits": plan.limits.iter().map(|limit| json!({
            "resource": limits::name(limit.resource),
            "soft": bound(limit.soft),
            "hard": bound(limit.hard),
        })).collect::<Vec<_>>(),
        "kernel": plan.kernel,
        "noNewPrivileges": plan.no_new_privileges,
        "mounts": plan.mounts.iter().map(mount).collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(),
        "environment": environment.collect::<serde_json::Map<String, Value>>(),
        "notes": notes.collect::<Vec<_>>(),
    })
}

/// Whom the guest reaches, and by which ports it is reached.
fn network(network: &Network) -> String {
    let ports = match network {
        Network::Host => return "the host's".to_owned(),
        Network::None => return "none".to_owned(),
        Network::Mapped(ports) => ports.iter().map(published),
    };
    let ports: Vec<String> = ports.collect();
    match ports.is_empty() {
        true => "of its own".to_owned(),
        false => format!("of its own, ports {}", ports.join(", ")),
    }
}

fn network_as_json(network: &Network) -> Value {
    match network {
        Network::Host => json!("host"),
        Network::None => json!("none"),
        Network::Mapped(ports) => {
            json!({ "mapped": ports.iter().map(published).collect::<Vec<_>>() })
        }
    }
}

/// A port as `-p` takes it.
fn published(port: &Port) -> String {
    let address = match port.address {
        Some(IpAddr::V6(address)) => format!("[{address}]:"),
        Some(address) => format!("{address}:"),
        None => String::new(),
    };
    let protocol = match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("{address}{}:{}/{protocol}", port.host, port.guest)
}

/// A limit as `--ulimit` takes it.
fn limited(limit: &Limit) -> String {
    let text = |value| bound(value).map_or_else(|| "unlimited".to_owned(), |it| it.to_string());
    let name = limits::name(limit.resource);
    format!("{name}={}:{}", text(limit.soft), text(limit.hard))
}

/// A limit's number; none where there is no limit.
fn bound(value: u64) -> Option<u64> {
    (value != libc::RLIM_INFINITY).then_some(value)
}

fn writes(view: &View) -> String {
    match view {
        View::Discarded { .. } => "discarded after the run".to_owned(),
        View::Kept { dir } => format!("kept in {dir}"),
        View::ReadOnly => "refused".to_owned(),
    }
}

fn view(view: &View) -> Value {
    match view {
        View::Discarded { scratch } => json!({ "discarded": scratch.to_string() }),
        View::Kept { dir } => json!({ "kept": dir.to_string() }),
        View::ReadOnly => json!("read-only"),
    }
}

/// The name and the meaning of an id mapping.
fn ids(ids: Ids) -> (&'static str, &'static str) {
    match ids {
        Ids::Single => ("single", "this id is the caller's"),
        Ids::Ranges => ("ranges", "ids are the caller's sub-ids"),
    }
}

fn mounted(mount: &Mount) -> String {
    let source = match &mount.source {
        Source::Bind(path) => path.to_string(),
        Source::Tmpfs { size, mode, noexec } => {
            let size = size.map_or_else(String::new, |size| format!(", {size} bytes"));
            let noexec = if *noexec { ", nothing executable" } else { "" };
            format!("tmpfs, mode {mode:04o}{size}{noexec}")
        }
        Source::Farm(_) => "a directory of this run's own".to_owned(),
        Source::Masked => return format!("{} cannot be opened", mount.target),
    };
    let read_only = if mount.read_only { ", read-only" } else { "" };
    let optional = if mount.optional { ", if present" } else { "" };
    format!("{} from {source}{read_only}{optional}", mount.target)
}

fn mount(mount: &Mount) -> Value {
    let source = match &mount.source {
        Source::Bind(path) => json!({ "bind": path.to_string() }),
        Source::Tmpfs { size, mode, noexec } => {
            let mode = format!("{mode:04o}");
            json!({ "tmpfs": { "size": size, "mode": mode, "noexec": noexec } })
        }
        Source::Farm(farm) => json!({ "farm": pieces(farm) }),
        Source::Masked => json!("masked"),
    };
    json!({
        "source": source,
        "target": mount.target.to_string(),
        "read_only": mount.read_only,
        "optional": mount.optional,
    })
}

/// What a name in a farm leads to, as it follows the name.
fn laid(piece: &Piece) -> String {
    match piece {
        Piece::File(host) => format!(" from {host}"),
        Piece::Link(target) => format!(" -> {}", target.display()),
        Piece::Text(content) => format!(" ({} bytes)", content.len()),
    }
}

fn pieces(farm: &Farm) -> Value {
    let piece = |piece: &Piece| match piece {
        Piece::File(host) => json!({ "bind": host.to_string() }),
        Piece::Link(target) => json!({ "link": target.to_string_lossy() }),
        Piece::Text(content) => json!({ "content": String::from_utf8_lossy(content) }),
    };
    let named = farm
        .pieces()
        .map(|(name, what)| (name.to_string_lossy().into_owned(), piece(what)));
    Value::Object(named.collect())
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Warning => "warning",
        Level::Detail => "detail",
    }
}

/// `text` without what could steer a terminal: much of a plan comes from the image's config.
fn visible(text: &str) -> String {
    let is_mark = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escape = |c: char| match c.is_control() || is_mark(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// A word as a shell would need it, but for control characters, see [`visible`].
fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    let escape = |c: char| match c {
        '\'' => r"'\''".to_owned(),
        c => c.to_string(),
    };
    format!("'{}'", text.chars().map(escape).collect::<String>())
}
