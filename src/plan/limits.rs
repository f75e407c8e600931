//! What of the host's resources and rights the guest has: `--ulimit`, `--shm-size`, `--security-opt`.

use nix::sys::resource::Resource;

use crate::plan::Limit;
use crate::plan::binds;
use crate::plan::fault::{PlanError, shown};
use crate::plan::wish::{Facts, Wish};

/// The names of docker-run(1), "--ulimit", which are those of setrlimit(2), and `as`, which Docker leaves out.
const RESOURCES: [(&str, Resource); 16] = [
    ("as", Resource::RLIMIT_AS),
    ("core", Resource::RLIMIT_CORE),
    ("cpu", Resource::RLIMIT_CPU),
    ("data", Resource::RLIMIT_DATA),
    ("fsize", Resource::RLIMIT_FSIZE),
    ("locks", Resource::RLIMIT_LOCKS),
    ("memlock", Resource::RLIMIT_MEMLOCK),
    ("msgqueue", Resource::RLIMIT_MSGQUEUE),
    ("nice", Resource::RLIMIT_NICE),
    ("nofile", Resource::RLIMIT_NOFILE),
    ("nproc", Resource::RLIMIT_NPROC),
    ("rss", Resource::RLIMIT_RSS),
    ("rtprio", Resource::RLIMIT_RTPRIO),
    ("rttime", Resource::RLIMIT_RTTIME),
    ("sigpending", Resource::RLIMIT_SIGPENDING),
    ("stack", Resource::RLIMIT_STACK),
];

/// What `--ulimit` asks for; of two for one resource, the last counts. Whether the caller may give them is found where
/// they are set, on the host of the run.
pub(super) fn limits(wish: &Wish) -> Result<Vec<Limit>, PlanError> {
    let mut limits: Vec<Limit> = Vec::new();
    for text in &wish.ulimits {
        let limit = limit(text)?;
        limits.retain(|known| known.resource != limit.resource);
        limits.push(limit);
    }
    Ok(limits)
}

/// Reads `NAME=SOFT[:HARD]`; -1 is no limit. docker/go-units, `ParseUlimit`.
fn limit(text: &str) -> Result<Limit, PlanError> {
    let wrong = |reason: String| PlanError::Flag {
        flag: "--ulimit",
        text: shown(text),
        reason,
        hint:
            "write `--ulimit NAME=SOFT[:HARD]`, such as `--ulimit nofile=1024:4096`; -1 is no limit"
                .to_owned(),
    };
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| wrong("a `=` is missing".to_owned()))?;
    let found = RESOURCES.iter().find(|(known, _)| *known == name);
    let (_, resource) = found.ok_or_else(|| {
        let names: Vec<&str> = RESOURCES.iter().map(|(name, _)| *name).collect();
        wrong(format!(
            "there is no resource `{}`, expected one of {}",
            shown(name),
            names.join(", ")
        ))
    })?;
    let (soft, hard) = value.split_once(':').unwrap_or((value, value));
    let amount = |text: &str| match text {
        "-1" | "unlimited" => Ok(u64::MAX),
        digits if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => digits
            .parse()
            .map_err(|_| wrong(format!("`{}` is too large", shown(text)))),
        _ => Err(wrong(format!("`{}` is no number", shown(text)))),
    };
    let (soft, hard) = (amount(soft)?, amount(hard)?);
    if soft > hard {
        return Err(wrong("the soft limit is above the hard one".to_owned()));
    }
    Ok(Limit {
        resource: *resource,
        soft,
        hard,
    })
}

/// The name of a resource, as `--ulimit` takes it.
pub fn name(resource: Resource) -> &'static str {
    let mut known = RESOURCES.iter().filter(|(_, known)| *known == resource);
    known.next().map_or("unknown", |(name, _)| name)
}

/// Refuses `--shm-size` where the host's `/dev/shm`, which the guest shares, is smaller.
pub(super) fn check_shared_memory(wish: &Wish, facts: &Facts<'_>) -> Result<(), PlanError> {
    let Some((text, wanted)) = shared_memory(wish)? else {
        return Ok(());
    };
    let reason = match facts.around.shared_memory {
        Some(here) if here >= wanted => return Ok(()),
        Some(here) => {
            format!("the guest shares the host's /dev/shm, which holds {here} bytes")
        }
        None => "the guest shares the host's /dev/shm, and this host has none".to_owned(),
    };
    Err(PlanError::Flag {
        flag: "--shm-size",
        text: shown(text),
        reason,
        hint: format!(
            "`--mount type=tmpfs,target=/dev/shm,tmpfs-size={text}` gives the guest one of its own, in which it meets \
             no process outside"
        ),
    })
}

/// `--shm-size` in bytes, with its text.
pub(super) fn shared_memory(wish: &Wish) -> Result<Option<(&str, u64)>, PlanError> {
    let Some(text) = wish.shm_size.as_deref() else {
        return Ok(None);
    };
    let bytes = binds::size(text).ok_or_else(|| PlanError::Flag {
        flag: "--shm-size",
        text: shown(text),
        reason: "it is no size".to_owned(),
        hint: "write a number with `k`, `m` or `g` behind it, such as `--shm-size 2g`".to_owned(),
    })?;
    Ok(Some((text, bytes)))
}

/// Whether an exec is never to give rights. docker-run(1), "--security-opt"; what else it can say is so anyway, as
/// coracle loads no profile, or refused.
pub(super) fn no_new_privileges(wish: &Wish) -> Result<bool, PlanError> {
    let mut wanted = false;
    for text in &wish.security {
        let (key, value) = match text.find(['=', ':']) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text.as_str(), ""),
        };
        match (key, value) {
            ("no-new-privileges", "" | "true") => wanted = true,
            ("no-new-privileges", "false") => wanted = false,
            ("seccomp" | "apparmor" | "systempaths", "unconfined") | ("label", "disable") => {}
            _ => {
                return Err(PlanError::Flag {
                    flag: "--security-opt",
                    text: shown(text),
                    reason: "no profile is loaded, and the guest keeps the label of the one who starts it".to_owned(),
                    hint: "`no-new-privileges`, `seccomp=unconfined`, `apparmor=unconfined`, `systempaths=unconfined` \
                           and `label=disable` are what there is"
                        .to_owned(),
                });
            }
        }
    }
    Ok(wanted)
}
