//! What goes into a plan: the wish of the user, and facts that `ops` gathered.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::path::HostPath;
use crate::gpu;
use crate::gpu::compat::CudaCompat;
use crate::oci::config::RunConfig;

/// What was typed for a run. A container keeps the one that it was made with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// The command and its arguments; empty for the image's own.
    pub args: Vec<Text>,
    /// `--entrypoint`; empty to have none.
    pub entrypoint: Option<Text>,
    /// Environment files and `-e`, in the order in which they count: `NAME=value`, or
    /// `NAME` for the host's value.
    pub environment: Vec<Text>,
    /// `-w`.
    pub workdir: Option<Text>,
    /// `-u`: `user[:group]`, names or numbers.
    pub user: Option<String>,
    /// `--userns`.
    pub userns: Option<Userns>,
    /// `-v`, with absolute paths: [`super::binds::anchored_volume`].
    pub volumes: Vec<Text>,
    /// `--mount`, likewise.
    pub mounts: Vec<Text>,
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `--cpuset-cpus`, such as `0-3,7`.
    pub cpus: Option<String>,
    /// `--read-only`.
    pub read_only: bool,
    /// `-t`.
    pub terminal: bool,
    /// `-i`, which counts only where nobody's standard input reaches the guest.
    pub interactive: bool,
    /// What of graphics processors is to be there.
    pub gpu: GpuWish,
    /// `--tmpfs`: `PATH[:OPTIONS]`.
    pub tmpfs: Vec<Text>,
    /// `--novol`: sources of mounts that are left out.
    pub omitted: Vec<Text>,
    /// `--nosysdirs`: without the default mounts.
    pub bare: bool,
    /// `--bindhome`: with the caller's home at its own place.
    pub home: bool,
    /// `--hostenv`: with the caller's environment below that of the image.
    pub host_environment: bool,
    /// `--nometa`: as if the image had no config.
    pub no_meta: bool,
    /// Whose users and groups the guest knows.
    pub accounts: Option<Accounts>,
    /// `--group-add`: names or numbers.
    pub groups: Vec<String>,
    /// `--network`.
    pub network: Option<String>,
    /// `-p`: `[[IP:]HOST:]GUEST[/PROTOCOL]`.
    pub publish: Vec<String>,
    /// `-P`.
    pub publish_all: bool,
    /// `--dns`: addresses of servers.
    pub dns: Vec<String>,
    /// `--dns-search`.
    pub dns_search: Vec<String>,
    /// `--dns-option`.
    pub dns_options: Vec<String>,
    /// `--add-host`: `NAME:ADDRESS`.
    pub add_hosts: Vec<String>,
    /// `--ulimit`: `NAME=SOFT[:HARD]`.
    pub ulimits: Vec<String>,
    /// `--shm-size`.
    pub shm_size: Option<String>,
    /// `--security-opt`.
    pub security: Vec<String>,
    /// `--kernel`: what uname(2) answers as release.
    pub kernel: Option<String>,
    /// `--label`, by name.
    pub labels: BTreeMap<String, String>,
    /// `--annotation`, by name.
    pub annotations: BTreeMap<String, String>,
    /// `--stop-signal`.
    pub stop_signal: Option<String>,
    /// `--stop-timeout`, in seconds; negative waits for ever.
    pub stop_timeout: Option<i64>,
    /// What of the caller's own world comes along, as a profile said when the container was made.
    pub surroundings: Surroundings,
    /// The engine that runs of this container take, where none is typed (`setup --execmode`).
    pub engine: Option<String>,
}

/// Whose users and groups the guest knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accounts {
    /// The host's (`--hostauth`).
    Host,
    /// The image's own, without a line added (`--containerauth`).
    Image,
}

/// What of the caller's own world comes along. It yields to what was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Surroundings {
    /// His working directory, which is also where the guest starts.
    pub cwd: bool,
    /// Directories and files at their own place, where they are; `$NAME` is the caller's at each run.
    pub paths: Vec<Text>,
    /// Volumes in the words of `-v`, with absolute sources.
    pub volumes: Vec<Text>,
    /// Variables that win over the image's: names, and beginnings of names with a star.
    pub environment: Vec<Text>,
    /// All his variables, below those of the image …
    pub host_environment: bool,
    /// … but these, as names and beginnings of names.
    pub dropped: Vec<Text>,
}

/// What of graphics processors was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuWish {
    /// `--nvidia`, or one of its aliases.
    pub nvidia: Option<Via>,
    /// Which processors: `--gpus`, `--device nvidia.com/gpu=…`. Understood by `gpu::choice`; asks for NVIDIA's by
    /// itself.
    pub gpus: Option<String>,
    /// `--device` with names of the Container Device Interface. Those of NVIDIA's processors became `gpus`, nodes
    /// became volumes.
    pub devices: Vec<Text>,
    /// `--rocm`.
    pub rocm: bool,
    /// `--intel`.
    pub intel: bool,
    /// `--dri`.
    pub dri: bool,
    /// `--driver-root`, absolute.
    pub driver_root: Option<Text>,
    /// `--cuda-compat`.
    pub cuda_compat: CudaCompat,
}

/// From where NVIDIA's driver comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// What is found on the host at the time of the run.
    Discovery,
    /// What a specification of the Container Device Interface says (`--nvidia=cdi`).
    Cdi,
}

/// How ids inside are to be backed by the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Userns {
    /// The guest's one id is the caller's; root unless the image or `-u` says otherwise.
    Single,
    /// The guest has the very ids of the caller.
    KeepId,
    /// Root and the caller's sub-ids.
    Subids,
}

/// What the user's machine and the image say. Nothing here is believed to be sane.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What the image's config says of runs.
    pub image: &'a RunConfig,
    /// The image's `/etc/passwd`; empty where there is none.
    pub passwd: &'a [u8],
    /// The image's `/etc/group`; empty where there is none.
    pub group: &'a [u8],
    /// The caller's environment.
    pub environment: &'a [(OsString, OsString)],
    /// Who runs coracle.
    pub caller: &'a Caller,
    /// The caller's working directory, where the wish wants it.
    pub cwd: Option<&'a HostPath>,
    /// The host's name.
    pub hostname: &'a str,
    /// Whether stdin is a terminal.
    pub stdin_is_terminal: bool,
    /// Whether a PMI or PMIx launcher started us.
    pub in_pmi_launch: bool,
    /// Whether the image has apt ([`crate::plan::apt::DIRECTORY`]).
    pub has_apt: bool,
    /// What was found for graphics processors, where any were asked for.
    pub gpu: Option<&'a gpu::Findings>,
    /// The host's `/etc/passwd` and `/etc/group`, where these were asked for.
    pub host_accounts: (&'a [u8], &'a [u8]),
    /// A program of the image that needs more than one id, where nobody has chosen what ids there are to be.
    pub changer: Option<&'a Changer>,
    /// What only some wishes need to know of the host.
    pub around: &'a Around,
}

/// A program of the image that starts as root and goes on as another user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changer {
    /// Its path in the image.
    pub program: String,
    /// Whether it can have what it needs.
    pub others: OtherIds,
}

/// Whether the caller has ids beside his own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherIds {
    /// The host grants some and lets him map them.
    Granted,
    /// He has none, for this reason.
    Lacking(String),
}

/// What of the host is looked at only where a wish needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Where the named volumes of the wish lie.
    pub volumes: BTreeMap<String, HostPath>,
    /// The host's `/etc/hosts`.
    pub hosts: Vec<u8>,
    /// The host's `/etc/resolv.conf`.
    pub resolver: Vec<u8>,
    /// Bytes that the host's `/dev/shm` can hold; absent where there is none.
    pub shared_memory: Option<u64>,
}

/// Who runs coracle, as the kernel and the environment have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
    /// `$USER`, where set.
    pub name: Option<String>,
    /// `$HOME`, where set.
    pub home: Option<HostPath>,
}

impl Wish {
    /// It as a container's record keeps it.
    pub fn to_options(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a wish has neither maps with odd keys nor failing parts")
    }

    /// This wish with `later` laid over it: what a later command line says wins, and
    /// what can be said several times adds up.
    pub fn overlaid(mut self, later: Wish) -> Wish {
        if !later.args.is_empty() || later.entrypoint.is_some() {
            self.args = later.args;
        }
        self.entrypoint = later.entrypoint.or(self.entrypoint);
        self.environment.extend(later.environment);
        self.workdir = later.workdir.or(self.workdir);
        self.user = later.user.or(self.user);
        self.userns = later.userns.or(self.userns);
        self.volumes.extend(later.volumes);
        self.mounts.extend(later.mounts);
        self.hostname = later.hostname.or(self.hostname);
        self.cpus = later.cpus.or(self.cpus);
        self.read_only |= later.read_only;
        self.terminal |= later.terminal;
        self.interactive |= later.interactive;
        self.gpu = self.gpu.overlaid(later.gpu);
        self.tmpfs.extend(later.tmpfs);
        self.omitted.extend(later.omitted);
        self.bare |= later.bare;
        self.home |= later.home;
        self.host_environment |= later.host_environment;
        self.no_meta |= later.no_meta;
        self.accounts = later.accounts.or(self.accounts);
        self.groups.extend(later.groups);
        self.network = later.network.or(self.network);
        self.publish.extend(later.publish);
        self.publish_all |= later.publish_all;
        self.dns.extend(later.dns);
        self.dns_search.extend(later.dns_search);
        self.dns_options.extend(later.dns_options);
        self.add_hosts.extend(later.add_hosts);
        self.ulimits.extend(later.ulimits);
        self.shm_size = later.shm_size.or(self.shm_size);
        self.security.extend(later.security);
        self.kernel = later.kernel.or(self.kernel);
        self.labels.extend(later.labels);
        self.annotations.extend(later.annotations);
        self.stop_signal = later.stop_signal.or(self.stop_signal);
        self.stop_timeout = later.stop_timeout.or(self.stop_timeout);
        self.surroundings = self.surroundings.overlaid(later.surroundings);
        self.engine = later.engine.or(self.engine);
        self
    }
}

impl Surroundings {
    fn overlaid(mut self, later: Surroundings) -> Surroundings {
        let add = |known: &mut Vec<Text>, more: Vec<Text>| {
            known.retain(|text| !more.contains(text));
            known.extend(more);
        };
        self.cwd |= later.cwd;
        add(&mut self.paths, later.paths);
        add(&mut self.volumes, later.volumes);
        add(&mut self.environment, later.environment);
        self.host_environment |= later.host_environment;
        add(&mut self.dropped, later.dropped);
        self
    }
}

impl GpuWish {
    /// Whether anything was asked for.
    pub fn is_any(&self) -> bool {
        let any_vendor = self.rocm || self.intel || self.dri || !self.devices.is_empty();
        self.via().is_some() || any_vendor
    }

    /// From where NVIDIA's driver is to come; `None` where nobody asked for it. To choose processors is to ask, and
    /// leaves open from where, which a container may remember.
    pub fn via(&self) -> Option<Via> {
        self.nvidia
            .or_else(|| self.gpus.as_ref().map(|_| Via::Discovery))
    }

    fn overlaid(mut self, later: GpuWish) -> GpuWish {
        self.nvidia = later.nvidia.or(self.nvidia);
        self.gpus = later.gpus.or(self.gpus);
        self.devices.extend(later.devices);
        self.rocm |= later.rocm;
        self.intel |= later.intel;
        self.dri |= later.dri;
        self.driver_root = later.driver_root.or(self.driver_root);
        if later.cuda_compat != CudaCompat::Auto {
            self.cuda_compat = later.cuda_compat;
        }
        self
    }
}

/// Text of a command line: any bytes but NUL. In JSON a string, or an array of bytes
/// where it is not UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub OsString);

impl Text {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl AsRef<OsStr> for Text {
    fn as_ref(&self) -> &OsStr {
        &self.0
    }
}

impl<T: Into<OsString>> From<T> for Text {
    fn from(text: T) -> Text {
        Text(text.into())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => self.as_bytes().serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Words(String),
            Bytes(Vec<u8>),
        }
        Ok(match Either::deserialize(deserializer)? {
            Either::Words(text) => Text(text.into()),
            Either::Bytes(bytes) => Text(OsString::from_vec(bytes)),
        })
    }
}
