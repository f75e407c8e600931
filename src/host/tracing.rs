//! Whether programs can be traced and filtered: ptrace, yama, seccomp.

use super::{Fact, sysctl};
use crate::sys::{probe, seccomp};

/// The sysctl that limits tracing. Kernel: Documentation/admin-guide/LSM/Yama.rst.
const SCOPE: &str = "kernel/yama/ptrace_scope";

/// Traces a child through one stop.
pub(super) fn try_trace() -> Fact {
    let evidence = match probe::trace_a_child() {
        Ok(()) => return Fact::yes("traced a child"),
        Err(evidence) => evidence,
    };
    match sysctl(SCOPE) {
        Some(scope) if scope != "0" && scope != "1" => {
            Fact::no(format!("{evidence}; kernel.yama.ptrace_scope is {scope}")).with_remedy(
                "the administrator would have to set the sysctl kernel.yama.ptrace_scope to 1 or 0",
            )
        }
        _ if seccomp::in_force() => {
            Fact::no(format!("{evidence}; a seccomp filter is in force")).with_remedy(
                "whoever starts the surrounding container or job would have to give it a seccomp profile that allows ptrace",
            )
        }
        _ => Fact::no(evidence).with_remedy(
            "the administrator would have to let processes trace their children (ptrace)",
        ),
    }
}

/// Puts a filter that allows everything in force, in a child.
pub(super) fn try_filter() -> Fact {
    let tried = probe::in_child(|| {
        nix::sys::prctl::set_no_new_privs()
            .map_err(|errno| format!("PR_SET_NO_NEW_PRIVS: {}", errno.desc()))?;
        seccomp::install(&seccomp::compile(&[]))
            .map_err(|error| format!("installing a seccomp filter: {error}"))?;
        Ok("installed one".to_owned())
    });
    tried.into()
}

/// Reads what yama allows: 0 and 1 let a process trace its children, 2 and 3 do not.
pub(super) fn yama() -> Fact {
    match sysctl(SCOPE).as_deref() {
        None => Fact::yes("not in this kernel"),
        Some(scope @ ("0" | "1")) => Fact::yes(format!("ptrace_scope is {scope}")),
        Some(scope) => Fact::no(format!("ptrace_scope is {scope}")),
    }
}
