//! udocker's flags for what a container is made of, and the options that they amount to.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::Here;
use super::grammar::{Flag, Given, value};
use crate::base::fault::BoxFault;
use crate::ops::options::{
    AccountOptions, FileOptions, GpuOptions, LimitOptions, NetworkOptions, Options,
};

/// Where images come from; `pull` and `run` have these.
pub(super) const PLATFORM: Flag = value(
    &["--platform"],
    "OS/ARCH[/VARIANT]",
    "the platform of the image, where it has several",
);
/// See [`PLATFORM`].
pub(super) const INDEX: Flag = value(
    &["--index"],
    "URL",
    "a registry for names without a host, where `--registry` gives none",
);
/// See [`PLATFORM`].
pub(super) const REGISTRY: Flag = value(
    &["--registry"],
    "URL",
    "the registry of names without a host; an http:// address is spoken to without TLS",
)
.unlike("a name with a host keeps it");
/// See [`PLATFORM`].
pub(super) const HTTPPROXY: Flag = value(
    &["--httpproxy"],
    "URL",
    "the proxy for every registry; else https_proxy and no_proxy count",
);

/// The options that these flags amount to, with the guest's command.
pub(super) fn options(given: &Given, here: &Here) -> Result<Options, BoxFault> {
    Ok(Options {
        args: given.words.iter().skip(1).cloned().collect(),
        entrypoint: given.last("--entrypoint"),
        env: given.all("--env"),
        env_file: given
            .all("--env-file")
            .into_iter()
            .map(PathBuf::from)
            .collect(),
        hostenv: given.has("--hostenv"),
        nometa: given.has("--nometa"),
        workdir: given.last("--workdir"),
        // A script that udocker ran in a batch job may say `-t`, too.
        tty: given.has("--tty") && std::io::stdin().is_terminal(),
        kernel: given.text("--kernel")?,
        files: FileOptions {
            volume: given.all("--volume"),
            volumes_from: given.texts("--volumes-from")?,
            novol: given.all("--novol"),
            nosysdirs: given.has("--nosysdirs"),
            bindhome: given.has("--bindhome"),
            ..FileOptions::default()
        },
        account: AccountOptions {
            user: given.text("--user")?,
            hostauth: given.has("--hostauth"),
            containerauth: given.has("--containerauth"),
            ..AccountOptions::default()
        },
        network: NetworkOptions {
            publish: given.texts("--publish")?,
            publish_all: given.has("--publish-all"),
            dns: given.texts("--dns")?,
            dns_search: given.texts("--dns-search")?,
            ..NetworkOptions::default()
        },
        limits: LimitOptions {
            cpuset_cpus: given.text("--cpuset-cpus")?,
            ..LimitOptions::default()
        },
        gpu: GpuOptions {
            device: given.all("--device"),
            dri: given.has("--dri"),
            ..GpuOptions::default()
        },
        standing: here.meant.standing(&[])?,
        ..Options::default()
    })
}
