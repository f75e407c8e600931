//! From a plan to PRoot's command line and environment. proot(1).

use std::ffi::OsString;

use nix::unistd::{getegid, geteuid};

use super::Acceleration;
use super::prepare::Binding;
use crate::base::path::HostPath;
use crate::base::{env, fsx};
use crate::plan::{Network, RunPlan, UserView};

/// PRoot's arguments, its own name first. No secret is among them: the environment is
/// handed over as environment.
pub(super) fn argv(
    plan: &RunPlan,
    proot: &HostPath,
    rootfs: &HostPath,
    bindings: &[Binding],
) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec![proot.as_os_str().to_owned()];
    argv.extend(["-r".into(), rootfs.as_os_str().to_owned()]);
    for Binding { source, target } in bindings {
        let mut pair = source.as_os_str().to_owned();
        pair.push(":");
        pair.push(target.as_path());
        argv.extend(["-b".into(), pair]);
    }
    argv.extend(["-w".into(), plan.cwd.path.as_path().as_os_str().to_owned()]);
    argv.extend(identity(&plan.user));
    if let Network::Mapped(ports) = &plan.network {
        for port in ports {
            argv.extend(["-p".into(), format!("{}:{}", port.guest, port.host).into()]);
        }
    }
    if plan.hostname.is_some() || plan.kernel.is_some() {
        let told = utsname(plan.hostname.as_deref(), plan.kernel.as_deref());
        argv.extend(["-k".into(), told.into()]);
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

/// The answer to uname(2) with another host name or release, in the form that PRoot's extension
/// `kompat` reads: `\sysname\nodename\release\version\machine\domainname\hwcap\`. All else
/// is the host's; a hwcap of -1 leaves the processor's as it is.
fn utsname(hostname: Option<&str>, release: Option<&str>) -> String {
    let of_host = |name: &str, otherwise: &str| {
        let text = fsx::read(format!("/proc/sys/kernel/{name}"), 4096).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).trim().replace('\\', "/");
        if text.is_empty() {
            otherwise.to_owned()
        } else {
            text
        }
    };
    let hostname = hostname.map_or_else(|| of_host("hostname", "localhost"), str::to_owned);
    let release = release.map_or_else(|| of_host("osrelease", "4.0.0"), str::to_owned);
    let version = of_host("version", "#1");
    let domain = of_host("domainname", "(none)");
    let machine = std::env::consts::ARCH;
    format!("\\Linux\\{hostname}\\{release}\\{version}\\{machine}\\{domain}\\-1\\")
}

/// The guest's environment, and before it what PRoot itself reads. With its loaders beside
/// it in `payload`, PRoot unpacks none into `temporary`, where a killed one would leave it.
pub(super) fn environment(
    plan: &RunPlan,
    payload: &HostPath,
    acceleration: Acceleration,
    temporary: &HostPath,
) -> Vec<(OsString, OsString)> {
    let path = |path: &HostPath| path.as_os_str().to_owned();
    let mut all: Vec<(OsString, OsString)> = vec![
        (env::PROOT_LOADER.into(), path(&payload.join("loader"))),
        (
            env::PROOT_LOADER_32.into(),
            path(&payload.join("loader-m32")),
        ),
        (env::PROOT_TMP_DIR.into(), path(temporary)),
    ];
    if acceleration == Acceleration::Off {
        all.push((env::PROOT_NO_SECCOMP.into(), "1".into()));
    }
    let is_ours = |name: &OsString| name.as_encoded_bytes().starts_with(b"PROOT_");
    let guests = plan.environment.iter();
    all.extend(guests.filter(|(name, _)| !is_ours(name)).cloned());
    all
}
