//! What specifications of the Container Device Interface add to a plan.
//!
//! They say where everything appears, so nothing of it goes into a directory of ours. A kept container keeps what
//! stood for it: empty files under the mounts, and links that lead nowhere in a run without the devices.

use std::ffi::OsStr;

use super::loader::Libraries;
use super::{Edits, variables};
use crate::base::env;
use crate::base::path::GuestPath;
use crate::gpu::cdi::{self, CdiSource};
use crate::gpu::compat;
use crate::gpu::guest::Guest;
use crate::gpu::nvidia::{Node, NodeRole};
use crate::plan::environ::{Environment, typed};
use crate::plan::wish::{Facts, Wish};
use crate::plan::{GuestLink, Level, Mount, Source};

/// Where every guest sees the host's devices.
const DEVICES: &str = "/dev";

/// A run with devices that specifications describe.
pub(super) struct Run<'a> {
    pub(super) wish: &'a Wish,
    pub(super) facts: &'a Facts<'a>,
    pub(super) guest: &'a Guest,
    /// NVIDIA's device nodes on the host.
    pub(super) nodes: &'a [Node],
    /// What the devices need.
    pub(super) wanted: &'a cdi::Edits,
}

impl Run<'_> {
    /// Adds what the devices need; `libraries` gets what the loader is to find.
    pub(super) fn add(
        &self,
        edits: &mut Edits,
        libraries: &mut Libraries,
        environment: &mut Environment,
    ) {
        let wanted = self.wanted;
        for (name, value) in &wanted.environment {
            if typed(self.wish, self.facts, name).is_none() {
                environment.set(name, value);
            }
        }
        show(wanted, edits);
        if self.close_others(edits) {
            variables::leave_numbers_out(self.wish, self.facts, edits, environment);
        }
        if let Some(dir) = forward(wanted, self.wish, self.guest) {
            libraries.put_first(&dir);
            let known = environment.get(env::LD_LIBRARY_PATH).map(OsStr::to_owned);
            let path = variables::joined(dir.as_path().as_os_str(), known);
            environment.set(env::LD_LIBRARY_PATH, path);
        }
        find(wanted, libraries);
        for text in &wanted.warnings {
            edits.note(Level::Warning, text);
        }
        for text in &wanted.notes {
            edits.note(Level::Detail, text);
        }
        if !wanted.groups.is_empty() {
            let groups = &wanted.groups;
            let text = format!(
                "the devices want the groups {groups:?}: the guest has those of its caller"
            );
            edits.note(Level::Detail, text);
        }
    }
}

impl Run<'_> {
    /// Closes NVIDIA's processors that are not among the devices, where any are; whether there are such. One whose name
    /// a chosen one has in the guest is covered already, and to close that name would close the chosen one.
    fn close_others(&self, edits: &mut Edits) -> bool {
        let wanted = &self.wanted.nodes;
        let is_chosen = |node: &&Node| wanted.iter().any(|wanted| wanted.host == node.host);
        let is_covered = |node: &&Node| wanted.iter().any(|wanted| wanted.target == node.path);
        let all = self.nodes.iter();
        let processors = all.filter(|node| node.role == NodeRole::Processor);
        let (chosen, others): (Vec<&Node>, Vec<&Node>) = processors.partition(is_chosen);
        if chosen.is_empty() {
            return false;
        }
        for node in others.iter().filter(|node| !is_covered(node)) {
            edits.close(node.path.clone());
        }
        !others.is_empty()
    }
}

/// Mounts, nodes and links.
fn show(wanted: &cdi::Edits, edits: &mut Edits) {
    for mount in &wanted.mounts {
        edits.mounts.push(Mount {
            source: match &mount.source {
                CdiSource::Bind(host) => Source::Bind(host.clone()),
                CdiSource::Tmpfs { size, mode } => Source::Tmpfs {
                    size: *size,
                    mode: *mode,
                    noexec: false,
                },
            },
            target: mount.target.clone(),
            read_only: mount.read_only,
            // It was there a moment ago. As with the default files, a link of the image at that place makes way.
            optional: matches!(mount.source, CdiSource::Bind(_)),
        });
    }
    for node in &wanted.nodes {
        // Under its own name it comes with the others.
        let is_there = node.target.as_path() == &*node.host && node.host.starts_with(DEVICES);
        if !is_there {
            edits.mounts.push(Mount {
                source: Source::Bind(node.host.clone()),
                target: node.target.clone(),
                read_only: false,
                optional: false,
            });
        }
    }
    for (path, target) in &wanted.links {
        edits.links.push(GuestLink {
            path: path.clone(),
            target: target.into(),
        });
    }
}

/// The image's own newer `libcuda`, where the specification leaves it to us to put it first.
fn forward(wanted: &cdi::Edits, wish: &Wish, guest: &Guest) -> Option<GuestPath> {
    compat::choose(
        &guest.compat,
        wanted.cuda_compat.as_deref()?,
        &[],
        wish.gpu.cuda_compat,
    )
}

/// Lets the loader find what appears in the folders that it is to search.
fn find(wanted: &cdi::Edits, libraries: &mut Libraries) {
    let mounted = wanted.mounts.iter().map(|mount| &mount.target);
    let linked = wanted.links.iter().map(|(path, _)| path);
    for path in mounted.chain(linked) {
        let folder = path.as_path().parent().and_then(GuestPath::new);
        let is_searched = folder.is_some_and(|folder| wanted.library_folders.contains(&folder));
        let name = path.as_path().file_name().unwrap_or_default();
        if is_searched && name.to_string_lossy().contains(".so") {
            libraries
                .named
                .push((name.as_encoded_bytes().to_vec(), path.clone()));
        }
    }
    libraries
        .folders
        .extend(wanted.library_folders.iter().cloned());
}
