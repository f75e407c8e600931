//! The keys of udocker's configuration, as rows: what becomes of each.

use crate::base::env;
use crate::cli::udocker::grammar::Fate;

/// A key of `udocker.conf`, and the variables that say the same.
pub(crate) struct Key {
    /// The key.
    pub(crate) name: &'static str,
    /// Variables that set it.
    pub(crate) variables: &'static [&'static str],
    /// What it is where nobody sets it.
    pub(crate) default: &'static str,
    /// What becomes of it.
    pub(crate) fate: Fate,
    /// What it does, or why not.
    pub(crate) note: &'static str,
}

const fn key(
    name: &'static str,
    variables: &'static [&'static str],
    default: &'static str,
    note: &'static str,
) -> Key {
    Key {
        name,
        variables,
        default,
        fate: Fate::Honoured,
        note,
    }
}

impl Key {
    const fn moot(self) -> Key {
        Key {
            fate: Fate::Moot,
            ..self
        }
    }

    const fn refused(self) -> Key {
        Key {
            fate: Fate::Refused,
            ..self
        }
    }
}

const INSIDE: &str = "every engine is inside this program; nothing is downloaded";
const ONE_PLACE: &str = "one directory holds everything; set `topdir` or UDOCKER_DIR";
const BUILT_IN: &str = "it is part of this program";
const PER_RUN: &str = "it is a matter of each run: use the flags of `run`";
const FOUND: &str = "what is there is found at each run";
const F_MODES: &str = "the F modes are not in this version";

/// Where Docker Hub is searched.
pub(crate) const HUB_INDEX: &str = "hub.docker.com";

/// All keys.
pub(crate) const KEYS: &[Key] = &[
    key(
        "verbose_level",
        &[env::UDOCKER_LOGLEVEL],
        "3",
        "0 to 2: errors only; 4 and 5: say what is being done",
    ),
    key(
        "topdir",
        &[env::UDOCKER_DIR],
        "",
        "the directory of images and containers; else $CORACLE_HOME, else ~/.coracle",
    ),
    key("homedir", &[], "", ONE_PLACE).refused(),
    key("bindir", &[env::UDOCKER_ENGINES[1]], "", INSIDE).moot(),
    key("libdir", &[env::UDOCKER_ENGINES[2]], "", INSIDE).moot(),
    key("docdir", &[env::UDOCKER_ENGINES[3]], "", INSIDE).moot(),
    key("reposdir", &[env::UDOCKER_PARTS[0]], "", ONE_PLACE).refused(),
    key("layersdir", &[env::UDOCKER_PARTS[1]], "", ONE_PLACE).refused(),
    key("containersdir", &[env::UDOCKER_PARTS[2]], "", ONE_PLACE).refused(),
    key("tarball_release", &[], "", INSIDE).moot(),
    key("tarball", &[env::UDOCKER_ENGINES[0]], "", INSIDE).moot(),
    key("installinfo", &[], "", INSIDE).moot(),
    key("installretry", &[], "", INSIDE).moot(),
    key("autoinstall", &[], "True", INSIDE).moot(),
    key("config", &[], "udocker.conf", "use `--config`").refused(),
    key(
        "keystore",
        &[],
        "keystore",
        "set the variable UDOCKER_KEYSTORE",
    )
    .refused(),
    key(
        "(keystore)",
        &[env::UDOCKER_KEYSTORE],
        "~/.udocker/keystore",
        "read for registries that Docker's and Podman's files do not know; `login` writes Docker's",
    ),
    key(
        "tmpdir",
        &[env::UDOCKER_TMP],
        "",
        "what a run puts aside is in the directory of images and containers",
    )
    .moot(),
    key(
        "cmd",
        &[],
        "bash -i",
        "what runs where neither image nor command line says it",
    ),
    key("root_path", &[], "", PER_RUN).refused(),
    key("user_path", &[], "", PER_RUN).refused(),
    key("sysdirs_list", &[], "", PER_RUN).refused(),
    key("dri_list", &[], "", FOUND).moot(),
    key(
        "mountpoint_prefixes",
        &[],
        "",
        "files can be mounted anywhere",
    )
    .moot(),
    key(
        "override_default_execution_mode",
        &[env::UDOCKER_DEFAULT_EXECUTION_MODE],
        "",
        "the mode in which containers run that remember none",
    ),
    key(
        "default_execution_mode",
        &[],
        "",
        "write `override_default_execution_mode`, as udocker reads it",
    )
    .refused(),
    key(
        "default_execution_modes",
        &[],
        "",
        "the best mode that works is found at each run",
    )
    .moot(),
    key("proot_noseccomp", &[], "", "use mode P2").refused(),
    key(
        "proot_killonexit",
        &[],
        "True",
        "PRoot always ends what its guest leaves behind",
    )
    .refused(),
    key(
        "proot_link2symlink",
        &[],
        "False",
        "there is no such engine here",
    )
    .refused(),
    key("ld_so_cache", &[], "", F_MODES).refused(),
    key("fakechroot_so", &[env::UDOCKER_FAKECHROOT[0]], "", F_MODES).refused(),
    key(
        "fakechroot_libc",
        &[env::UDOCKER_FAKECHROOT[1]],
        "",
        F_MODES,
    )
    .refused(),
    key(
        "fakechroot_expand_symlinks",
        &[env::UDOCKER_FAKECHROOT[2]],
        "",
        F_MODES,
    )
    .refused(),
    key(
        "fakechroot_cmd_subst",
        &[env::UDOCKER_FAKECHROOT[3]],
        "",
        F_MODES,
    )
    .refused(),
    key("libc_search", &[], "", F_MODES).refused(),
    key("lib_dirs_list_nvidia", &[], "", FOUND).moot(),
    key("lib_dirs_list_essential", &[], "", F_MODES).refused(),
    key("lib_dirs_list_append", &[], "", F_MODES).refused(),
    key("access_files", &[], "", F_MODES).refused(),
    key(
        "use_proot_executable",
        &[env::UDOCKER_PROGRAMS[0]],
        "UDOCKER",
        INSIDE,
    )
    .refused(),
    key(
        "use_patchelf_executable",
        &[env::UDOCKER_PROGRAMS[1]],
        "UDOCKER",
        F_MODES,
    )
    .refused(),
    key(
        "use_runc_executable",
        &[env::UDOCKER_PROGRAMS[2]],
        "",
        INSIDE,
    )
    .refused(),
    key(
        "use_singularity_executable",
        &[env::UDOCKER_PROGRAMS[3]],
        "",
        "the first one in PATH is taken",
    )
    .refused(),
    key(
        "use_curl_executable",
        &[env::UDOCKER_PROGRAMS[4]],
        "",
        BUILT_IN,
    )
    .moot(),
    key("runc_nomqueue", &[], "", FOUND).moot(),
    key(
        "runc_capabilities",
        &[],
        "",
        "a guest has what its user namespace gives it",
    )
    .refused(),
    key("singularity_options", &[], "-w", "the engine decides them").refused(),
    key("valid_host_env", &[], "", PER_RUN).refused(),
    key("invalid_host_env", &[], "", PER_RUN).refused(),
    key("cpu_affinity_exec_tools", &[], "", BUILT_IN).moot(),
    key("location", &[], "", PER_RUN).refused(),
    key(
        "http_proxy",
        &[],
        "",
        "the proxy for every registry; else https_proxy and no_proxy count",
    ),
    key(
        "timeout",
        &[],
        "12",
        "a transfer ends when nothing comes any more, not after a time",
    )
    .moot(),
    key(
        "ctimeout",
        &[],
        "6",
        "a transfer ends when nothing comes any more, not after a time",
    )
    .moot(),
    key(
        "download_timeout",
        &[],
        "1800",
        "a transfer ends when nothing comes any more, not after a time",
    )
    .moot(),
    key("http_agent", &[], "", BUILT_IN).refused(),
    key(
        "http_insecure",
        &[],
        "False",
        "check no certificate, and speak http where there is no https",
    ),
    key(
        "dockerio_index_url",
        &[env::UDOCKER_INDEX],
        HUB_INDEX,
        "where is searched",
    ),
    key(
        "dockerio_registry_url",
        &[env::UDOCKER_REGISTRY],
        "registry-1.docker.io",
        "the registry of names without a host",
    ),
    key(
        "docker_registries",
        &[],
        "",
        "write the registry's host into the name",
    )
    .refused(),
    key("nvi_etc_list", &[], "", FOUND).moot(),
    key("nvi_bin_list", &[], "", FOUND).moot(),
    key("nvi_lib_list", &[], "", FOUND).moot(),
    key("nvi_dev_list", &[], "", FOUND).moot(),
    key(
        "nosysconf",
        &[env::UDOCKER_NOSYSCONF],
        "",
        "use `run --nosysdirs`",
    )
    .refused(),
];

/// The row of a key.
pub(crate) fn named(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
