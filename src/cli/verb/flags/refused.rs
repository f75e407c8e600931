//! Docker's flags that cannot be honoured here, each with the reason and what to do instead.
//!
//! Looked at only when a flag is unknown to the grammar, so that a start pays nothing for it,
//! and so that nobody is asked whether he meant a flag that is merely spelt alike.

/// A flag that is known, and refused.
pub(crate) struct Refused {
    /// Its long name, with the hyphens.
    pub(crate) name: &'static str,
    /// Its short name, if it has one.
    short: Option<&'static str>,
    /// Whether it is a switch: to say `=false` behind it is to leave it away.
    pub(crate) is_switch: bool,
    /// Why it cannot be honoured.
    pub(crate) reason: &'static str,
    /// What to do instead.
    pub(crate) instead: &'static str,
}

/// Which flag of the table `typed` is: `--name`, `--name=value` or `-x`.
pub(crate) fn find(typed: &str) -> Option<&'static Refused> {
    let name = typed.split('=').next().unwrap_or(typed);
    REFUSED
        .iter()
        .find(|row| row.name == name || row.short == Some(name))
}

const fn value(
    name: &'static str,
    short: Option<&'static str>,
    (reason, instead): (&'static str, &'static str),
) -> Refused {
    Refused {
        name,
        short,
        is_switch: false,
        reason,
        instead,
    }
}

const fn switch(name: &'static str, (reason, instead): (&'static str, &'static str)) -> Refused {
    Refused {
        name,
        short: None,
        is_switch: true,
        reason,
        instead,
    }
}

const NO_CGROUP: &str = "a plain user can make no control group that would hold it";
const NO_NETWORK: &str = "there is no virtual network that the guest could have a place in";
const NO_HEALTH: &str = "no daemon is there that would check the guest's health";
const NO_LOGGING: &str =
    "what a detached guest prints is kept in one file, and no daemon sends it elsewhere";
const WINDOWS: &str = "it is for containers of Windows";
const LEAVE: &str = "leave it away";

const MEMORY: (&str, &str) = (
    NO_CGROUP,
    "ask the scheduler of the cluster for it, put `systemd-run --user --scope -p MemoryMax=SIZE` before the command, \
     or limit each process with `--ulimit as=BYTES`",
);
const CPU_TIME: (&str, &str) = (
    NO_CGROUP,
    "choose processors with `--cpuset-cpus`, or put `systemd-run --user --scope -p CPUQuota=50%` before the command",
);
const DISK: (&str, &str) = (NO_CGROUP, "put `ionice` before the command");
const ADDRESS: (&str, &str) = (
    NO_NETWORK,
    "leave it away: the guest is reached at the host's own addresses",
);
const NEIGHBOURS: (&str, &str) = (
    NO_NETWORK,
    "leave it away: containers reach each other at `localhost`; `--add-host NAME:127.0.0.1` gives one a name",
);
const RIGHTS: (&str, &str) = (
    "the guest has the rights of the user who starts it, no more and no less",
    "leave it away; root in the guest can do there what needs no root on the host",
);
const HEALTH: (&str, &str) = (
    NO_HEALTH,
    "leave it away, and check with `coracle exec` when you want to know",
);
const LOGGING: (&str, &str) = (
    NO_LOGGING,
    "leave it away, and read with `coracle logs`, or send the output on with a pipe",
);
const NOT_WINDOWS: (&str, &str) = (WINDOWS, LEAVE);

/// In the order of Docker's reference.
const REFUSED: &[Refused] = &[
    value(
        "--attach",
        Some("-a"),
        (
            "streams are shared when a container starts, not when it is made",
            "leave it away, and say it to `coracle run`",
        ),
    ),
    value("--blkio-weight", None, DISK),
    value("--blkio-weight-device", None, DISK),
    value("--cap-add", None, RIGHTS),
    value("--cap-drop", None, RIGHTS),
    value(
        "--cgroup-parent",
        None,
        (
            "the guest stays in the control group of the command that starts it",
            "put `systemd-run --user --scope --slice=NAME` before the command",
        ),
    ),
    value("--cpu-count", None, NOT_WINDOWS),
    value("--cpu-percent", None, NOT_WINDOWS),
    value("--cpu-period", None, CPU_TIME),
    value("--cpu-quota", None, CPU_TIME),
    value("--cpu-rt-period", None, CPU_TIME),
    value("--cpu-rt-runtime", None, CPU_TIME),
    value(
        "--cpu-shares",
        Some("-c"),
        (NO_CGROUP, "put `nice` before the command"),
    ),
    value("--cpus", None, CPU_TIME),
    value(
        "--cpuset-mems",
        None,
        (NO_CGROUP, "put `numactl --membind=LIST` before the command"),
    ),
    value(
        "--detach-keys",
        None,
        (
            "a terminal is the guest's own, and no keys are taken out of what is typed",
            "start the guest with `-d`, or in `tmux`",
        ),
    ),
    value(
        "--device-cgroup-rule",
        None,
        (
            NO_CGROUP,
            "leave it away: the permissions of a device's node decide who opens it",
        ),
    ),
    value("--device-read-bps", None, DISK),
    value("--device-read-iops", None, DISK),
    value("--device-write-bps", None, DISK),
    value("--device-write-iops", None, DISK),
    value(
        "--domainname",
        None,
        (
            "the name of a NIS domain is the host's",
            "write the whole name: `--hostname NAME.DOMAIN`",
        ),
    ),
    value("--health-cmd", None, HEALTH),
    value("--health-interval", None, HEALTH),
    value("--health-retries", None, HEALTH),
    value("--health-start-interval", None, HEALTH),
    value("--health-start-period", None, HEALTH),
    value("--health-timeout", None, HEALTH),
    value("--io-maxbandwidth", None, NOT_WINDOWS),
    value("--io-maxiops", None, NOT_WINDOWS),
    value("--ip", None, ADDRESS),
    value("--ip6", None, ADDRESS),
    value("--kernel-memory", None, MEMORY),
    value("--link", None, NEIGHBOURS),
    value("--link-local-ip", None, ADDRESS),
    value("--log-driver", None, LOGGING),
    value("--log-opt", None, LOGGING),
    value("--mac-address", None, ADDRESS),
    value("--memory", Some("-m"), MEMORY),
    value("--memory-reservation", None, MEMORY),
    value("--memory-swap", None, MEMORY),
    value("--memory-swappiness", None, MEMORY),
    value("--net-alias", None, NEIGHBOURS),
    value("--network-alias", None, NEIGHBOURS),
    switch("--oom-kill-disable", MEMORY),
    value(
        "--oom-score-adj",
        None,
        (
            "the guest has that of the command which starts it",
            "put `choom -n NUMBER --` before the command",
        ),
    ),
    value(
        "--pids-limit",
        None,
        (
            NO_CGROUP,
            "`--ulimit nproc=NUMBER` limits the processes of your user",
        ),
    ),
    switch("--privileged", RIGHTS),
    value(
        "--runtime",
        None,
        (
            "there are no runtimes beside coracle's own engines",
            "choose one of these with `--engine`; for what the runtime `nvidia` does, use `--nvidia`",
        ),
    ),
    value(
        "--storage-opt",
        None,
        (
            "containers are directories in your own file system",
            "leave it away: your quota there is what limits them",
        ),
    ),
    value(
        "--sysctl",
        None,
        (
            "settings of the kernel are the host's",
            "leave it away, or ask the administrator for `sysctl -w`",
        ),
    ),
    switch(
        "--use-api-socket",
        (
            "there is no daemon whose socket could be given to the guest",
            LEAVE,
        ),
    ),
    value(
        "--volume-driver",
        None,
        (
            "volumes are directories of the store, and no plugin makes others",
            "mount the storage on the host, and show it with `-v /where/it/is:/in/guest`",
        ),
    ),
];
