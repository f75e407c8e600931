//! What a test may need of the host, found by trying; a skip is said aloud and is a failure under `MUST_WORK=1`.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Sandbox, fixture, with_mounts};

/// Something that not every host has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Feature {
    /// What `ci/fixtures` makes.
    Fixtures,
    /// The images that it makes to compare trees.
    Corpus,
    /// The tests run as root, which imitated hosts need: mount namespaces and limits are made for the plain user.
    Root,
    /// Root may serve a file system himself: he can open `/dev/fuse`.
    Fuse,
    /// A plain user may make a user namespace and mount in it.
    UserNamespaces,
    /// The host grants the plain user ids beside his own, and lets him map them.
    SubIds,
    /// A plain user may trace his own child.
    Ptrace,
    /// Debian's `docker-registry`.
    DockerRegistry,
    /// The binary under test is the static one that `ci/build` makes.
    StaticBinary,
    /// glibc's `ldconfig`.
    Ldconfig,
    /// `man` and `mandoc`, which read manual pages.
    Manuals,
    /// `strace`, which shows what a start costs.
    Strace,
    /// The Z shell.
    Zsh,
    /// The friendly shell.
    Fish,
    /// `umoci`, whose extraction ours is compared with.
    Umoci,
    /// `podman` and `buildah`, which read what we write.
    Podman,
    /// pasta(1), which passes ports on to a guest.
    Pasta,
    /// slirp4netns(1), which does so too.
    Slirp4netns,
    /// The device by which both hand packets to the kernel, opened by the plain user behind [`with_tun`].
    Tun,
}

impl Feature {
    /// Tries it; the error is a sentence that says what is missing and who can provide it.
    pub(crate) fn probe(self) -> Result<(), String> {
        match self {
            Self::Fixtures => fixture::ready(),
            Self::Corpus => fixture::has("corpus"),
            Self::Root => nix::unistd::geteuid()
                .is_root()
                .then_some(())
                .ok_or_else(|| "must be run by root, to imitate another host".into()),
            Self::Fuse => Self::Root.probe().and_then(|()| {
                let opened = std::fs::File::open("/dev/fuse").map(drop);
                opened.map_err(|error| format!("/dev/fuse cannot be opened: {error}"))
            }),
            Self::UserNamespaces => tried(
                "user namespaces with mounts",
                &["unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/mnt"],
            ),
            Self::SubIds => tried("sub-ids", &["unshare", "-Ur", "--map-auto", "true"]),
            Self::Ptrace => tried("ptrace", &[fixture::path("bin/host/traceme")]),
            Self::DockerRegistry => installed("docker-registry"),
            Self::StaticBinary => {
                let built = std::env::var_os("CORACLE_BIN")
                    .is_some_and(|path| Path::new(&path).ends_with("dist/coracle"));
                built
                    .then_some(())
                    .ok_or_else(|| "CORACLE_BIN is not dist/coracle, which ci/build makes".into())
            }
            Self::Ldconfig => tried("ldconfig", &["/sbin/ldconfig", "--version"]),
            Self::Manuals => installed("man").and_then(|()| installed("mandoc")),
            Self::Strace => installed("strace"),
            Self::Zsh => installed("zsh"),
            Self::Fish => installed("fish"),
            Self::Umoci => installed("umoci"),
            Self::Podman => installed("podman").and_then(|()| installed("buildah")),
            Self::Pasta => installed("pasta"),
            Self::Slirp4netns => installed("slirp4netns"),
            Self::Tun => tried_behind(
                &with_tun(),
                "network device (/dev/net/tun)",
                &["sh", "-c", ": <>/dev/net/tun"],
            ),
        }
    }
}

/// Says that a test did not run, or fails where everything has to.
///
/// # Panics
/// Under `MUST_WORK=1`.
#[track_caller]
pub(crate) fn skip(test: &str, reason: &str) {
    let must_work = std::env::var_os("MUST_WORK").is_some_and(|value| value == "1");
    assert!(!must_work, "{test} cannot run, and MUST_WORK=1: {reason}");
    // Straight to the descriptor: the test runner swallows what a passing test prints by macro.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}

/// What has to stand before a command of the plain user that needs `/dev/net/tun`. Nothing where he may open that; else
/// root puts a node that everybody may open, as udev makes it, in its place, for this command alone.
pub(crate) fn with_tun() -> Vec<String> {
    let is_open = std::fs::metadata("/dev/net/tun")
        .is_ok_and(|node| node.permissions().mode() & 0o006 == 0o006);
    if is_open || !nix::unistd::geteuid().is_root() {
        return Vec::new();
    }
    let line = "set -e; mount -t tmpfs -o mode=755 none /mnt; mknod -m 666 /mnt/tun c 10 200; \
                mount --bind /mnt/tun /dev/net/tun; umount -l /mnt; exec \"$@\"";
    with_mounts(line, "sh")
}

fn tried<S: AsRef<OsStr>>(name: &str, command: &[S]) -> Result<(), String> {
    tried_behind(&[], name, command)
}

fn tried_behind<S: AsRef<OsStr>>(
    prefix: &[String],
    name: &str,
    command: &[S],
) -> Result<(), String> {
    let output = Sandbox::new().command(command).behind(prefix).run();
    if output.code() == Some(0) {
        return Ok(());
    }
    Err(format!(
        "this host gives its users no {name}: {}",
        output.stderr.trim()
    ))
}

fn installed(program: &str) -> Result<(), String> {
    if on_path(program) {
        Ok(())
    } else {
        Err(format!(
            "`{program}` is not installed; run ci/fixtures as root"
        ))
    }
}

fn on_path(program: &str) -> bool {
    ["/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        .iter()
        .any(|folder| {
            Path::new(folder)
                .join(program)
                .metadata()
                .is_ok_and(|data| data.permissions().mode() & 0o111 != 0)
        })
}
