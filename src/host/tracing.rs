//! Whether programs can be traced and filtered: ptrace, yama, seccomp.

use super::{Fact, sysctl};
use crate::sys::{probe, seccomp};

/// Traces a child through one stop.
pub(super) fn try_trace() -> Fact {
    match probe::trace_a_child() {
        Ok(()) => Fact::yes("traced a child"),
        Err(evidence) => match sysctl("kernel/yama/ptrace_scope") {
            Some(scope) if scope != "0" => {
                Fact::no(format!("{evidence}; kernel.yama.ptrace_scope is {scope}"))
            }
            _ if seccomp::in_force() => {
                Fact::no(format!("{evidence}; a seccomp filter is in force"))
            }
            _ => Fact::no(evidence),
        },
    }
}

/// Puts a filter that allows everything in force, in a child.
pub(super) fn try_filter() -> Fact {
    let tried = probe::in_child(|| {
        nix::sys::prctl::set_no_new_privs()
            .map_err(|errno| format!("PR_SET_NO_NEW_PRIVS: {}", errno.desc()))?;
        seccomp::install(&seccomp::compile(&[]))
            .map_err(|error| format!("installing a filter: {error}"))?;
        Ok("installed one".to_owned())
    });
    tried.into()
}

/// Reads what yama allows. 0 and 1 let a process trace its children, 2 and 3 do not.
/// Kernel: Documentation/admin-guide/LSM/Yama.rst.
pub(super) fn yama() -> Fact {
    match sysctl("kernel/yama/ptrace_scope").as_deref() {
        None => Fact::yes("not in this kernel"),
        Some(scope @ ("0" | "1")) => Fact::yes(format!("ptrace_scope is {scope}")),
        Some(scope) => Fact::no(format!("ptrace_scope is {scope}")),
    }
}
