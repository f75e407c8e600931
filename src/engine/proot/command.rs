//! From a plan to PRoot's command line and environment. proot(1).

use std::ffi::OsString;

use nix::unistd::{getegid, geteuid};

use super::prepare::Binding;
use super::{Acceleration, Program};
use crate::base::path::HostPath;
use crate::base::{env, fsx};
use crate::plan::{RunPlan, UserView};

/// PRoot's arguments, its own name first. No secret is among them: the environment is
/// handed over as environment.
pub(super) fn argv(
    plan: &RunPlan,
    program: &Program,
    rootfs: &HostPath,
    bindings: &[Binding],
) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec![program.path.as_os_str().to_owned()];
    argv.extend(["-r".into(), rootfs.as_os_str().to_owned()]);
    for Binding { source, target } in bindings {
        let mut pair = source.as_os_str().to_owned();
        pair.push(":");
        pair.push(target.as_path());
        argv.extend(["-b".into(), pair]);
    }
    argv.extend(["-w".into(), plan.cwd.path.as_path().as_os_str().to_owned()]);
    argv.extend(identity(&plan.user));
    if let Some(name) = &plan.hostname {
        argv.extend(["-k".into(), utsname(name).into()]);
    }
    argv.extend(plan.argv.iter().cloned());
    argv
}

/// PRoot shows other ids where asked to; the caller's own need no pretence. With `-0`,
/// changes of owner and identity are answered as if they had worked.
fn identity(user: &UserView) -> Vec<OsString> {
    let own = (geteuid().as_raw(), getegid().as_raw());
    match (user.uid, user.gid) {
        (0, 0) => vec!["-0".into()],
        ids if ids == own => Vec::new(),
        (uid, gid) => vec!["-i".into(), format!("{uid}:{gid}").into()],
    }
}

/// The answer to uname(2) with another host name, in the form that PRoot's extension
/// `kompat` reads: `\sysname\nodename\release\version\machine\domainname\hwcap\`. All but
/// the name is the host's; a hwcap of -1 leaves the processor's as it is.
fn utsname(hostname: &str) -> String {
    let of_host = |name: &str, otherwise: &str| {
        let text = fsx::read(format!("/proc/sys/kernel/{name}"), 4096).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).trim().replace('\\', "/");
        if text.is_empty() {
            otherwise.to_owned()
        } else {
            text
        }
    };
    let release = of_host("osrelease", "4.0.0");
    let version = of_host("version", "#1");
    let domain = of_host("domainname", "(none)");
    let machine = std::env::consts::ARCH;
    format!("\\Linux\\{hostname}\\{release}\\{version}\\{machine}\\{domain}\\-1\\")
}

/// The guest's environment, and before it what PRoot itself reads. `temporary` is where
/// PRoot may put files of its own; programs must run from there.
pub(super) fn environment(
    plan: &RunPlan,
    program: &Program,
    acceleration: Acceleration,
    temporary: &HostPath,
) -> Vec<(OsString, OsString)> {
    let mut own: Vec<(OsString, OsString)> =
        vec![(env::PROOT_TMP_DIR.into(), temporary.as_os_str().to_owned())];
    if let Some(loader) = &program.loader {
        own.push((env::PROOT_LOADER.into(), loader.as_os_str().to_owned()));
    }
    if acceleration == Acceleration::Off {
        own.push((env::PROOT_NO_SECCOMP.into(), "1".into()));
    }
    let guests = plan.environment.iter();
    let guests = guests.filter(|(name, _)| own.iter().all(|(taken, _)| taken != name));
    let guests: Vec<_> = guests.cloned().collect();
    own.extend(guests);
    own
}
