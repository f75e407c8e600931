//! The mounts worth telling, from `/proc/self/mountinfo`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// Most that is read of mountinfo: hosts with automounters have thousands of lines.
const LIMIT: u64 = 1 << 20;

/// File systems that every Linux shows and that tell nothing about the container.
const DULL: [&str; 12] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "fusectl",
    "mqueue",
    "pstore",
    "securityfs",
    "tracefs",
];

/// One line per mount: target, type, and whether it is read-only. Empty where `/proc` is not there.
pub fn seen() -> Vec<String> {
    let Ok(file) = File::open("/proc/self/mountinfo") else {
        return Vec::new();
    };
    let mounts: Vec<_> = BufReader::new(file.take(LIMIT))
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| parse(&line))
        .collect();
    let width = mounts
        .iter()
        .map(|mount| mount.target.len())
        .max()
        .unwrap_or(0)
        .min(40);
    mounts
        .iter()
        .map(|mount| {
            format!(
                "{:width$}  {}{}",
                mount.target,
                mount.kind,
                if mount.read_only { ", read-only" } else { "" }
            )
        })
        .collect()
}

/// What a line of mountinfo says.
struct Mount {
    target: String,
    kind: String,
    read_only: bool,
}

/// Fields of proc_pid_mountinfo(5): 5 is the target, 6 the options; after a lone `-` comes the type.
fn parse(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ');
    let target = fields.nth(4)?.replace("\\040", " ");
    let read_only = fields.next()?.split(',').any(|option| option == "ro");
    let kind = after.split(' ').next()?.to_owned();
    (!DULL.contains(&kind.as_str())).then_some(Mount {
        target,
        kind,
        read_only,
    })
}
