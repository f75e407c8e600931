//! Every environment variable that coracle reads or sets, in one place.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the replacement that the lint names"
)]

use std::ffi::OsString;
use std::sync::OnceLock;

use crate::base::path::HostPath;

/// Where images, containers and the unpacked payload live; default `~/.coracle`.
pub const CORACLE_HOME: &str = "CORACLE_HOME";
/// Where temporary files go that must be executable or need not outlive a run.
pub const CORACLE_TMPDIR: &str = "CORACLE_TMPDIR";
/// A configuration file beside those of the system and the user; wins over both.
pub const CORACLE_CONFIG: &str = "CORACLE_CONFIG";
/// When a registry is asked for an image that is run or created.
pub const CORACLE_PULL: &str = "CORACLE_PULL";
/// The platform of images that have several.
pub const CORACLE_PLATFORM: &str = "CORACLE_PLATFORM";
/// Registries that are spoken to without TLS or with any certificate, with commas between them.
pub const CORACLE_INSECURE: &str = "CORACLE_INSECURE";
/// A PEM file of certificate authorities that are trusted as well.
pub const CORACLE_TLS_CA: &str = "CORACLE_TLS_CA";
/// Stores of others that are read beside the own one, with colons between them.
pub const CORACLE_STORES: &str = "CORACLE_STORES";
/// Whether layers that no registry may hand out are fetched from where their manifest says.
pub const CORACLE_FOREIGN_LAYERS: &str = "CORACLE_FOREIGN_LAYERS";
/// Mirrors of registries, with commas between them.
pub const CORACLE_MIRROR: &str = "CORACLE_MIRROR";
/// Seconds of silence after which a connection to a registry is given up.
pub const CORACLE_NET_TIMEOUT: &str = "CORACLE_NET_TIMEOUT";
/// The form of messages.
pub const CORACLE_LOG_FORMAT: &str = "CORACLE_LOG_FORMAT";
/// Whether only the essence is printed.
pub const CORACLE_QUIET: &str = "CORACLE_QUIET";
/// When messages have colours.
pub const CORACLE_COLOR: &str = "CORACLE_COLOR";
/// Whose ids a new container's guest has.
pub const CORACLE_USERNS: &str = "CORACLE_USERNS";
/// Whether a new container gets NVIDIA's processors, and by which way.
pub const CORACLE_NVIDIA: &str = "CORACLE_NVIDIA";
/// Whether an image's own newer libcuda goes before the host's.
pub const CORACLE_CUDA_COMPAT: &str = "CORACLE_CUDA_COMPAT";
/// Volumes of every new container, one a line: paths and options have commas and colons of their own.
pub const CORACLE_VOLUMES: &str = "CORACLE_VOLUMES";
/// Variables of every new container, one a line.
pub const CORACLE_ENV: &str = "CORACLE_ENV";
/// The profile of every new container.
pub const CORACLE_PROFILE: &str = "CORACLE_PROFILE";
/// How long a new container's guest is given to end, in seconds.
pub const CORACLE_STOP_TIMEOUT: &str = "CORACLE_STOP_TIMEOUT";
/// The root in which the drivers of graphics processors were installed, where that is not `/`: that of a driver
/// container. Applies to runs, and is remembered by no container.
pub const CORACLE_DRIVER_ROOT: &str = "CORACLE_DRIVER_ROOT";
/// Directories of device specifications (CDI), with colons between them, in rising priority; default
/// `/etc/cdi:/var/run/cdi`.
pub const CORACLE_CDI_DIRS: &str = "CORACLE_CDI_DIRS";
/// Set in the guest: the engine that runs it, such as `ns` or `proot:P1`. Outside of one, where CORACLE_VERSION is not
/// set, the engine that runs take.
pub const CORACLE_ENGINE: &str = "CORACLE_ENGINE";
/// Set in the guest: the version of coracle.
pub const CORACLE_VERSION: &str = "CORACLE_VERSION";
/// The home directory; musl sees no LDAP or SSSD user, so this is believed.
pub const HOME: &str = "HOME";
/// The user's name; believed for the same reason.
pub const USER: &str = "USER";
/// The POSIX directory for temporary files.
pub const TMPDIR: &str = "TMPDIR";
/// Where commands are looked up.
pub const PATH: &str = "PATH";
/// The terminal's type; passed to the guest when a terminal is asked for.
pub const TERM: &str = "TERM";
/// Directories that the dynamic loader searches first. ld.so(8)
pub const LD_LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
/// The directory in which clients of NVIDIA's Multi-Process Service find its server.
pub const CUDA_MPS_PIPE_DIRECTORY: &str = "CUDA_MPS_PIPE_DIRECTORY";
/// Any value switches colour off; no-color.org.
pub const NO_COLOR: &str = "NO_COLOR";
/// Docker's configuration directory, for `config.json`.
pub const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// Podman's credentials file; wins over every other.
pub const REGISTRY_AUTH_FILE: &str = "REGISTRY_AUTH_FILE";
/// Podman's file of registries and mirrors, in the place of the user's and the system's; podman(1), "ENVIRONMENT".
pub const CONTAINERS_REGISTRIES_CONF: &str = "CONTAINERS_REGISTRIES_CONF";
/// Where Podman keeps `containers/auth.json` of a login session.
pub const XDG_RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";
/// Where the user's configuration files are; also where Podman keeps `containers/auth.json` across sessions.
pub const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// A file of certificate authorities that replaces the host's store, as for OpenSSL.
pub const SSL_CERT_FILE: &str = "SSL_CERT_FILE";
/// A directory of the same.
pub const SSL_CERT_DIR: &str = "SSL_CERT_DIR";
/// Proxy for https; the lower-case name wins, as for curl.
pub const HTTPS_PROXY: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];
/// Proxy for http; lower case only, because a CGI server sets the other from a request header.
pub const HTTP_PROXY: [&str; 1] = ["http_proxy"];
/// Proxy for both where the specific one is absent.
pub const ALL_PROXY: [&str; 2] = ["all_proxy", "ALL_PROXY"];
/// Hosts that are reached directly.
pub const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];
/// Set for PRoot: `1` switches its seccomp acceleration off (mode P2).
pub const PROOT_NO_SECCOMP: &str = "PROOT_NO_SECCOMP";
/// Set for PRoot: where it puts its loader; must not be `noexec`.
pub const PROOT_TMP_DIR: &str = "PROOT_TMP_DIR";
/// Set for PRoot: its loader, where that lies unpacked beside it.
pub const PROOT_LOADER: &str = "PROOT_LOADER";
/// Set for PRoot: the same for 32-bit programs.
pub const PROOT_LOADER_32: &str = "PROOT_LOADER_32";
/// Set in the guest: its host name.
pub const HOSTNAME: &str = "HOSTNAME";
/// Slurm's number of the job that we are part of.
pub const SLURM_JOB_ID: &str = "SLURM_JOB_ID";
/// The directory through which a PMIx client and its server find each other.
pub const PMIX_SERVER_TMPDIR: &str = "PMIX_SERVER_TMPDIR";
/// How PMIx's server wants its clients to prove who they are.
pub const PMIX_SECURITY_MODE: &str = "PMIX_SECURITY_MODE";
/// How PMIx's server keeps what it tells its clients.
pub const PMIX_GDS_MODULE: &str = "PMIX_GDS_MODULE";
/// Set in the guest: the same, by the name that a client reads.
pub const PMIX_MCA_PSEC: &str = "PMIX_MCA_psec";
/// Set in the guest: likewise.
pub const PMIX_MCA_GDS: &str = "PMIX_MCA_gds";
/// What launchers of parallel jobs, schedulers, MPI libraries and fabrics tell a rank;
/// names that begin like this reach the guest in a parallel job.
pub const LAUNCHER_FAMILIES: [&str; 32] = [
    "SLURM_", "SLURMD_", "PMI_", "PMI2_", "PMIX_", "OMPI_", "PRTE_", "OPAL_", "ORTE_", "PALS_",
    "FLUX_", "HYDRA_", "MPIEXEC_", "I_MPI_", "MV2_", "MPICH_", "UCX_", "FI_", "PSM2_", "PSM3_",
    "NCCL_", "RCCL_", "NVSHMEM_", "SHARP_", "HCOLL_", "OMP_", "KMP_", "HIP_", "PBS_", "LSB_",
    "PE_", "NVIDIA_",
];
/// The same for single names.
pub const LAUNCHER_NAMES: [&str; 4] = [
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
];
/// What says something of the host that is not so in the guest, or leads its loader to the host's libraries: these stay
/// behind where the caller's environment is asked for.
pub const HOST_ONLY: [&str; 9] = [
    PATH,
    HOME,
    HOSTNAME,
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
];

/// What an image says it needs of NVIDIA's driver: names that begin like this and go on.
pub const NVIDIA_REQUIRE: &str = "NVIDIA_REQUIRE_";
/// Set to a truth, nobody looks at what the image says it needs.
pub const NVIDIA_DISABLE_REQUIRE: &str = "NVIDIA_DISABLE_REQUIRE";
/// Which of NVIDIA's processors a guest is to have, by the words of NVIDIA's container tools.
pub const NVIDIA_VISIBLE_DEVICES: &str = "NVIDIA_VISIBLE_DEVICES";
/// Which parts of NVIDIA's driver a guest is to have, likewise.
pub const NVIDIA_DRIVER_CAPABILITIES: &str = "NVIDIA_DRIVER_CAPABILITIES";
/// Which processors a CUDA program uses, by its own count.
pub const CUDA_VISIBLE_DEVICES: &str = "CUDA_VISIBLE_DEVICES";
/// What says which of the processors a program uses: for CUDA, ROCm and Level Zero. A scheduler's grant, so the
/// caller's value reaches a guest that gets processors.
pub const GPU_SELECTION: [&str; 8] = [
    CUDA_VISIBLE_DEVICES,
    "CUDA_DEVICE_ORDER",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "ZE_AFFINITY_MASK",
    "ONEAPI_DEVICE_SELECTOR",
    "ZE_FLAT_DEVICE_HIERARCHY",
];
/// How the names of the Multi-Process Service begin: its directories, its shares.
pub const CUDA_MPS: &str = "CUDA_MPS_";
/// Set in the guest: files that tell Vulkan's loader of a driver, beside those that it finds.
pub const VK_ADD_DRIVER_FILES: &str = "VK_ADD_DRIVER_FILES";
/// Set in the guest: directories in which GLVND looks for vendors of EGL.
pub const EGL_VENDOR_LIBRARY_DIRS: &str = "__EGL_VENDOR_LIBRARY_DIRS";
/// Set in the guest: directories in which NVIDIA's EGL looks for window systems.
pub const EGL_EXTERNAL_PLATFORM_CONFIG_DIRS: &str = "__EGL_EXTERNAL_PLATFORM_CONFIG_DIRS";
/// Set in the guest: the directory in which OpenCL's loader looks for vendors.
pub const OCL_ICD_VENDORS: &str = "OCL_ICD_VENDORS";
/// Set in the guest: directories in which Mesa's GBM looks for backends.
pub const GBM_BACKENDS_PATH: &str = "GBM_BACKENDS_PATH";
/// Set in the guest: the directory in which VDPAU looks for drivers first.
pub const VDPAU_DRIVER_PATH: &str = "VDPAU_DRIVER_PATH";

/// udocker's variables; each counts under its name alone, and `cli/udocker` says what becomes of it. The first: where
/// images and containers live.
pub const UDOCKER_DIR: &str = "UDOCKER_DIR";
/// How much is said, from 0 (errors) to 5.
pub const UDOCKER_LOGLEVEL: &str = "UDOCKER_LOGLEVEL";
/// Where temporary files go.
pub const UDOCKER_TMP: &str = "UDOCKER_TMP";
/// udocker's own file of credentials, read where no other knows a registry.
pub const UDOCKER_KEYSTORE: &str = "UDOCKER_KEYSTORE";
/// The registry of names without a host.
pub const UDOCKER_REGISTRY: &str = "UDOCKER_REGISTRY";
/// Where is searched.
pub const UDOCKER_INDEX: &str = "UDOCKER_INDEX";
/// The mode in which containers run that remember none.
pub const UDOCKER_DEFAULT_EXECUTION_MODE: &str = "UDOCKER_DEFAULT_EXECUTION_MODE";
/// Places of parts of udocker's repository; ours has one place.
pub const UDOCKER_PARTS: [&str; 3] = ["UDOCKER_REPOS", "UDOCKER_LAYERS", "UDOCKER_CONTAINERS"];
/// Where udocker's engines come from and go to; ours are inside the program.
pub const UDOCKER_ENGINES: [&str; 4] = [
    "UDOCKER_TARBALL",
    "UDOCKER_BIN",
    "UDOCKER_LIB",
    "UDOCKER_DOC",
];
/// Programs of the host in the place of udocker's.
pub const UDOCKER_PROGRAMS: [&str; 5] = [
    "UDOCKER_USE_PROOT_EXECUTABLE",
    "UDOCKER_USE_PATCHELF_EXECUTABLE",
    "UDOCKER_USE_RUNC_EXECUTABLE",
    "UDOCKER_USE_SINGULARITY_EXECUTABLE",
    "UDOCKER_USE_CURL_EXECUTABLE",
];
/// What udocker's F modes are told.
pub const UDOCKER_FAKECHROOT: [&str; 4] = [
    "UDOCKER_FAKECHROOT_SO",
    "UDOCKER_FAKECHROOT_LIBC",
    "UDOCKER_FAKECHROOT_EXPAND_SYMLINKS",
    "UDOCKER_FAKECHROOT_CMD_SUBST",
];
/// Documented by udocker and read by no version of it: no default mounts.
pub const UDOCKER_NOSYSCONF: &str = "UDOCKER_NOSYSCONF";

/// All names and values, in the order in which the kernel handed them over.
pub fn all() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// What a configuration file says in the place of variables that are not set.
static SUPPOSED: OnceLock<Vec<(&'static str, OsString)>> = OnceLock::new();

/// Has [`get`] answer for variables that are not set. Only the first call counts, so that nobody sees a value change.
pub fn suppose(values: Vec<(&'static str, OsString)>) {
    let _was_the_first = SUPPOSED.set(values);
}

/// The value of `name`, if set and not empty; else what was supposed.
pub fn get(name: &str) -> Option<OsString> {
    real(name).or_else(|| supposed(name))
}

fn supposed(name: &str) -> Option<OsString> {
    let mut supposed = SUPPOSED.get()?.iter();
    let (_, value) = supposed.find(|(known, _)| *known == name)?;
    Some(value.clone())
}

/// The value that the caller gave to `name`, if set and not empty, whatever was supposed.
pub fn real(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The first of `names` that is set and not empty.
pub fn first(names: &[&str]) -> Option<OsString> {
    names.iter().find_map(|name| get(name))
}

/// Whether a PMI or PMIx launcher (srun, mpiexec, prterun) started this process.
///
/// PMIx compares user ids, and a root-mapped user namespace changes them.
pub fn in_pmi_launch() -> bool {
    std::env::vars_os().any(|(name, _)| {
        let name = name.as_encoded_bytes();
        name == b"PMI_FD" || name == b"PMI_RANK" || name.starts_with(b"PMIX_RANK")
    })
}

/// The engine that runs take where nobody says more: `$CORACLE_ENGINE`, but not in a guest, where it is the one that
/// runs it, and there what was supposed.
pub fn engine() -> Option<String> {
    let is_guest = real(CORACLE_VERSION).is_some();
    let wished = real(CORACLE_ENGINE).filter(|_| !is_guest);
    let supposed = || supposed(CORACLE_ENGINE);
    wished.or_else(supposed)?.into_string().ok()
}

/// `$CORACLE_HOME`, else `$HOME/.coracle`; `None` when neither is set.
pub fn coracle_home() -> Option<HostPath> {
    let default = || Some(HostPath::new(get(HOME)?).join(".coracle"));
    get(CORACLE_HOME).map(HostPath::new).or_else(default)
}

/// The user's own configuration file.
pub fn user_config() -> Option<HostPath> {
    user_file("coracle/config.toml")
}

/// The caller's home: `$HOME`, and where a job has none, what passwd(5) says of his user.
pub fn home() -> Option<HostPath> {
    let listed = || {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
        Some(user.ok()??.dir.into_os_string())
    };
    real(HOME).or_else(listed).map(HostPath::new)
}

/// The file `name` of the user's configuration: below `$XDG_CONFIG_HOME`, else below `~/.config`. XDG Base Directory
/// Specification, "Environment variables": a relative path there is no path.
pub fn user_file(name: &str) -> Option<HostPath> {
    let named = real(XDG_CONFIG_HOME).map(HostPath::new);
    let named = named.filter(|dir| dir.is_absolute());
    let default = || Some(home()?.join(".config"));
    let dir = named.or_else(default)?;
    Some(dir.join(name))
}

/// `$CORACLE_DRIVER_ROOT`, where set.
pub fn driver_root() -> Option<HostPath> {
    get(CORACLE_DRIVER_ROOT).map(HostPath::new)
}

/// The directories of `$CORACLE_STORES`, in their order.
pub fn stores() -> Vec<HostPath> {
    let named = get(CORACLE_STORES).unwrap_or_default();
    let directories = std::env::split_paths(&named).filter(|path| path.is_absolute());
    directories.map(HostPath::new).collect()
}

/// `$CORACLE_TMPDIR`, else `$TMPDIR`, else `/tmp`.
pub fn temporary_dir() -> HostPath {
    HostPath::new(first(&[CORACLE_TMPDIR, TMPDIR]).unwrap_or_else(|| "/tmp".into()))
}

/// `$CORACLE_CDI_DIRS`, else the two directories of the interface: static ones, then those that may change while the
/// host runs. Container Device Interface 1.1.0, README.md, "How to configure CDI".
pub fn cdi_directories() -> Vec<HostPath> {
    let named = get(CORACLE_CDI_DIRS).unwrap_or_else(|| "/etc/cdi:/var/run/cdi".into());
    let directories = std::env::split_paths(&named);
    directories
        .filter(|path| !path.as_os_str().is_empty())
        .map(HostPath::new)
        .collect()
}
