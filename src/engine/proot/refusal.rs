//! What a plan may want that PRoot cannot do; found before anything is touched.

use std::os::unix::ffi::OsStrExt;

use crate::plan::farm::Piece;
use crate::plan::{Ids, Mount, RunPlan, Source, View};

/// Longer paths overflow PRoot's buffers. limits.h, `PATH_MAX`.
const MAX_PATH: usize = 4095;

/// Why PRoot cannot carry out `plan`; `None` if it can.
pub(in crate::engine) fn refusal(plan: &RunPlan) -> Option<String> {
    if plan.root.view == View::ReadOnly {
        return Some("a read-only root (`--read-only`)".to_owned());
    }
    if plan.user.ids == Ids::Ranges {
        return Some("ids from /etc/subuid".to_owned());
    }
    // PRoot has no `--` to end its own options with.
    if plan.argv[0].as_bytes().starts_with(b"-") {
        return Some(format!("a program named `{}`", plan.argv[0].display()));
    }
    let root = plan.root.lower.as_os_str().len();
    if root > MAX_PATH / 2 {
        return Some(format!("a store whose paths have {root} bytes"));
    }
    plan.mounts.iter().find_map(refused_mount)
}

fn refused_mount(mount: &Mount) -> Option<String> {
    let target = &mount.target;
    // It translates paths and does not look at what is done with them. Of the optional ones,
    // the default files become the guest's own, and a driver's are as safe as from the caller.
    if mount.read_only && !mount.optional && !matches!(mount.source, Source::Farm(_)) {
        return Some(format!("a read-only mount (on `{target}`)"));
    }
    // PRoot's syntax is HOST:GUEST without a way to escape, and `!` at the end has a meaning.
    if target.as_path().as_os_str().as_bytes().ends_with(b"!") {
        return Some(format!("a mount on `{target}`, as its name ends in `!`"));
    }
    let long = target.as_path().as_os_str().len() > MAX_PATH / 2;
    match &mount.source {
        Source::Tmpfs { size: Some(_), .. } => {
            Some(format!("a limit on the size of the tmpfs on `{target}`"))
        }
        Source::Bind(source) if source.as_os_str().as_bytes().contains(&b':') => {
            Some(format!("a mount of `{source}`, as its name has a `:`"))
        }
        Source::Bind(source) if long || source.as_os_str().len() > MAX_PATH => {
            Some(format!("a mount of `{source}`, as the path is too long"))
        }
        Source::Farm(farm) => farm.pieces().find_map(|(_, piece)| match piece {
            Piece::File(source) if source.as_os_str().as_bytes().contains(&b':') => {
                Some(format!("a mount of `{source}`, as its name has a `:`"))
            }
            _ => None,
        }),
        Source::Bind(_) | Source::Tmpfs { .. } | Source::Masked => None,
    }
}
