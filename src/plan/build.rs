//! From wish and facts to a plan.

use std::ffi::OsStr;

use crate::base::path::GuestPath;
use crate::oci::config::RunConfig;
use crate::plan::fault::{MAX_CPUS, PlanError, shown};
use crate::plan::wish::{Facts, Wish};
use crate::plan::{
    Cwd, Root, RunPlan, apt, argv, binds, environ, gpu, limits, network, resolver, surroundings,
    user,
};

/// Builds the plan for a run on `root`.
pub fn build(wish: &Wish, facts: &Facts<'_>, root: Root) -> Result<RunPlan, PlanError> {
    // Docker asks for a terminal only where `-i` stands beside `-t`; our stdin always
    // reaches the guest, as if it did.
    if wish.terminal && !facts.stdin_is_terminal {
        return Err(PlanError::NoTerminal);
    }
    let no_config = RunConfig::default();
    let facts = &match wish.no_meta {
        true => Facts {
            image: &no_config,
            ..*facts
        },
        false => *facts,
    };
    limits::check_shared_memory(wish, facts)?;
    let (network, mut notes) = network::network(wish, facts.image)?;
    let names = resolver::files(wish, facts, &network)?;
    let own: Vec<GuestPath> = names.iter().map(|file| file.path.clone()).collect();
    let mounts = binds::mounts(wish, facts, &own)?;
    let identity = user::identity(wish, facts, &mounts)?;
    let mut environment = environ::environment(wish, facts, &identity.home)?;
    let added = gpu::edits(wish, facts, &mounts, &mut environment)?;
    let mounts = binds::with_more(mounts, added.mounts);
    let is_mounted = |path: &GuestPath| mounts.iter().any(|mount| mount.target == *path);
    let mut files = identity.files;
    files.extend(apt::settings(&identity.view, facts.has_apt));
    files.extend(added.files);
    files.extend(names);
    notes.extend(identity.notes);
    notes.extend(added.notes);
    files.retain(|file| !is_mounted(&file.path));
    Ok(RunPlan {
        root,
        files,
        links: added.links,
        argv: argv::argv(wish, facts.image)?,
        environment: environment.0,
        cwd: match (&wish.workdir, surroundings::workdir(wish, facts)) {
            (None, Some(path)) => Cwd { path, create: true },
            _ => cwd(wish, &facts.image.working_dir)?,
        },
        user: identity.view,
        hostname: wish.hostname.as_deref().map(hostname).transpose()?,
        cpus: wish.cpus.as_deref().map(cpus).transpose()?,
        mounts,
        limits: limits::limits(wish)?,
        network,
        kernel: wish.kernel.clone(),
        no_new_privileges: limits::no_new_privileges(wish)?,
        notes,
    })
}

/// Whether `wish` makes sense as far as that can be told without image and host: an image
/// may take minutes to come, a typing error should not.
pub fn check(wish: &Wish) -> Result<(), PlanError> {
    binds::wanted(wish)?;
    network::check(wish)?;
    resolver::check(wish)?;
    limits::limits(wish)?;
    limits::shared_memory(wish)?;
    limits::no_new_privileges(wish)?;
    cwd(wish, "")?;
    wish.hostname.as_deref().map(hostname).transpose()?;
    wish.cpus.as_deref().map(cpus).transpose()?;
    Ok(())
}

/// `-w`, else the image's directory, else the root; created if absent, as by Docker.
fn cwd(wish: &Wish, image: &str) -> Result<Cwd, PlanError> {
    let path = match &wish.workdir {
        Some(text) => {
            GuestPath::new(text).ok_or_else(|| PlanError::RelativeWorkdir(shown(text)))?
        }
        None => GuestPath::root().join(OsStr::new(image)),
    };
    Ok(Cwd { path, create: true })
}

/// sethostname(2) takes 64 bytes; Docker and hostname(7) take 63 of these.
fn hostname(text: &str) -> Result<String, PlanError> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_sane = (1..=63).contains(&text.len()) && text.bytes().all(word);
    if is_sane && !text.starts_with(['-', '.']) {
        return Ok(text.to_owned());
    }
    Err(PlanError::Hostname(shown(text)))
}

/// Reads a list of processors: numbers and ranges, `0-3,7`; sorted, each once. cpuset(7), "List format".
pub fn cpus(text: &str) -> Result<Vec<usize>, PlanError> {
    let wrong = || PlanError::Cpus(shown(text));
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<usize>().ok().filter(|_| digits);
        number.filter(|number| *number < MAX_CPUS).ok_or_else(wrong)
    };
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            return Err(wrong());
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}
