//! What a plan may want that PRoot cannot do; found before anything is touched.

use std::os::unix::ffi::OsStrExt;

use nix::sys::resource::Resource;

use crate::engine::restrict;
use crate::plan::farm::Piece;
use crate::plan::limits;
use crate::plan::{Ids, Limit, Mount, Network, Port, Protocol, RunPlan, Source, View};

/// Longer paths overflow PRoot's buffers. limits.h, `PATH_MAX`.
const MAX_PATH: usize = 4095;

/// What PRoot itself needs, as it lives under the guest's limits, with room for what the caller passes on and for deep
/// trees of processes: a small guest ran with 4 files, 4 MiB of addresses and 64 KiB of stack, and not with less.
const NEEDS: [(Resource, u64); 5] = [
    (Resource::RLIMIT_NOFILE, 32),
    (Resource::RLIMIT_AS, 32 << 20),
    (Resource::RLIMIT_DATA, 16 << 20),
    (Resource::RLIMIT_STACK, 1 << 20),
    // It counts the whole run's processor time as its own.
    (Resource::RLIMIT_CPU, libc::RLIM_INFINITY),
];

/// Why PRoot cannot carry out `plan`; `None` if it can.
pub(in crate::engine) fn refusal(plan: &RunPlan) -> Option<String> {
    if plan.root.view == View::ReadOnly {
        return Some("a read-only root (`--read-only`)".to_owned());
    }
    if plan.user.ids == Ids::Ranges {
        return Some("ids from /etc/subuid".to_owned());
    }
    match &plan.network {
        Network::Host => {}
        Network::None => return Some("a network of its own (`--network=none`)".to_owned()),
        Network::Mapped(ports) => {
            if let Some(refused) = refused_port(ports) {
                return Some(refused);
            }
        }
    }
    if let Some(release) = plan.kernel.as_ref().filter(|text| !is_release(text)) {
        return Some(format!(
            "a kernel release `{release}`, which is not like `6.1.0`"
        ));
    }
    if let Some(refused) = refused_limit(&plan.limits) {
        return Some(refused);
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

/// PRoot changes the number of a port where the guest binds or connects, and nothing else.
fn refused_port(ports: &[Port]) -> Option<String> {
    ports.iter().enumerate().find_map(|(idx, port)| {
        let (host, guest) = (port.host, port.guest);
        if port.protocol == Protocol::Udp {
            return Some(format!("a port of UDP (`{host}:{guest}/udp`)"));
        }
        if let Some(address) = port.address {
            let wish = format!("a port at one address of the host (`{address}:{host}:{guest}`)");
            return Some(wish);
        }
        let is_again = ports[..idx].iter().any(|known| known.guest == guest);
        is_again.then(|| format!("two ports of the host for one of the guest (`{guest}`)"))
    })
}

fn refused_limit(wanted: &[Limit]) -> Option<String> {
    NEEDS.into_iter().find_map(|(resource, least)| {
        let limit = restrict::limit_on(wanted, resource)?;
        let name = limits::name(resource);
        (limit.soft < least).then(|| match least {
            libc::RLIM_INFINITY => format!("a limit on `{name}`, which PRoot would reach itself"),
            _ => format!("a limit `{name}` below {least}, which PRoot needs itself"),
        })
    })
}

/// Whether `text` begins with two numbers and has nothing that PRoot's syntax could not say.
fn is_release(text: &str) -> bool {
    let mut numbers = text.split(['.', '-']);
    let mut is_number = || {
        numbers
            .next()
            .is_some_and(|text| text.parse::<u16>().is_ok())
    };
    is_number() && is_number() && !text.contains('\\')
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
        Source::Tmpfs { noexec: true, .. } => Some(format!("`noexec` of the tmpfs on `{target}`")),
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
