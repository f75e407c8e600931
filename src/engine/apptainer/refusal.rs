//! What a plan may want that apptainer cannot do, or not under every configuration; found before anything is touched.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::unistd::{getegid, geteuid};

use crate::plan::farm::Piece;
use crate::plan::{Mount, Network, RunPlan, Source, View};

/// Why apptainer cannot carry out `plan`; `None` if it can.
pub(in crate::engine) fn refusal(plan: &RunPlan) -> Option<String> {
    if plan.root.view == View::ReadOnly {
        return Some("a read-only root (`--read-only`)".to_owned());
    }
    let ids = (plan.user.uid, plan.user.gid);
    let own = (geteuid().as_raw(), getegid().as_raw());
    if ids != (0, 0) && ids != own {
        return Some(format!(
            "the user {}:{}, only root and the caller",
            ids.0, ids.1
        ));
    }
    if let Some(release) = &plan.kernel {
        return Some(format!("another kernel release (`{release}`)"));
    }
    if let Network::Mapped(_) = plan.network {
        return Some("ports of its own (`--publish`)".to_owned());
    }
    plan.mounts.iter().find_map(refused_mount)
}

fn refused_mount(mount: &Mount) -> Option<String> {
    let target = mount.target.as_path();
    let unsayable = |path: &Path| {
        has_separator(path).then(|| {
            format!(
                "a mount of `{}`, as its name has a `:`, a `,` or a `\\`",
                path.display()
            )
        })
    };
    if let Some(refused) = unsayable(target) {
        return Some(refused);
    }
    match &mount.source {
        Source::Tmpfs { size: Some(_), .. } => Some(format!(
            "a limit on the size of the tmpfs on `{}`",
            target.display()
        )),
        Source::Bind(source) => unsayable(source),
        Source::Farm(farm) => farm.pieces().find_map(|(name, piece)| match piece {
            Piece::File(source) => unsayable(source).or_else(|| unsayable(name)),
            Piece::Link(_) | Piece::Text(_) => None,
        }),
        Source::Tmpfs { .. } | Source::Masked => None,
    }
}

/// What its syntax of binds has a meaning for; older ones have no way to escape it.
fn has_separator(path: &Path) -> bool {
    path.as_os_str()
        .as_bytes()
        .iter()
        .any(|byte| b":,\\".contains(byte))
}
