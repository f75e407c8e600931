//! A private home of a plain user, with the binary under test in it, and nothing of ours in its environment.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::{Gid, Uid, User, geteuid};

use super::Run;

/// A folder that belongs to the plain user and goes with everything in it when dropped.
pub(crate) struct Sandbox {
    root: PathBuf,
    user: Option<User>,
}

impl Sandbox {
    /// Makes an empty home.
    ///
    /// # Panics
    /// When run by root without the plain user that `ci/test` makes.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("coracle-it.{}.{count}", std::process::id()));
        let sandbox = Self {
            root,
            user: plain_user(),
        };
        for folder in ["", "home", "tmp"] {
            sandbox.folder(folder);
        }
        sandbox
    }

    /// A path in the sandbox.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// The user's home.
    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// Where coracle keeps everything unless told otherwise.
    pub(crate) fn store(&self) -> PathBuf {
        self.path("home/.coracle")
    }

    /// Makes a folder that belongs to the user.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).expect("the sandbox is on a writable file system");
        self.give(&path);
        path
    }

    /// Writes a file that belongs to the user.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("the sandbox is on a writable file system");
        self.give(&path);
        path
    }

    /// The binary under test, copied in here: the user may not be able to reach the build's folder, and one file in an
    /// empty directory is how it is meant to arrive.
    pub(crate) fn binary(&self) -> PathBuf {
        self.binary_in("")
    }

    /// The same in a folder of the sandbox.
    pub(crate) fn binary_in(&self, folder: &str) -> PathBuf {
        let path = self.path(folder).join("coracle");
        if !path.exists() {
            let built = env!("CARGO_BIN_EXE_coracle");
            let source = std::env::var_os("CORACLE_BIN").unwrap_or_else(|| built.into());
            // By another process: while we had it open for writing, a command started by another
            // thread would inherit that until its exec, and ours would fail with ETXTBSY.
            let mut copy = Command::new("install");
            copy.arg("-m755").args([&source, path.as_os_str()]);
            let copied = copy.status().is_ok_and(|status| status.success());
            assert!(copied, "cannot copy {}", source.display());
        }
        path
    }

    /// `coracle ARGUMENT...` as the plain user.
    pub(crate) fn coracle<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        self.command([self.binary()]).arguments(arguments)
    }

    /// Any command, found on the usual path, as the plain user, in his home, with an environment of five variables.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Run {
        let mut run = Run::new(self.user_prefix())
            .arguments(argv)
            .folder(self.home());
        for (name, value) in [("HOME", self.home()), ("TMPDIR", self.path("tmp"))] {
            run = run.env(name, value);
        }
        let name = self
            .user
            .as_ref()
            .map_or_else(|| "nobody".into(), |user| user.name.clone());
        run.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("USER", name)
            .env("LC_ALL", "C.UTF-8")
    }

    /// What has to stand before a command for it to run as the plain user; nothing where we are one.
    pub(crate) fn user_prefix(&self) -> Vec<String> {
        let Some(user) = &self.user else {
            return Vec::new();
        };
        [
            "setpriv",
            "--reuid",
            &user.uid.to_string(),
            "--regid",
            &user.gid.to_string(),
            "--init-groups",
            "--",
        ]
        .map(String::from)
        .to_vec()
    }

    /// The plain user's ids.
    pub(crate) fn ids(&self) -> (Uid, Gid) {
        self.user.as_ref().map_or_else(
            || (geteuid(), nix::unistd::getegid()),
            |user| (user.uid, user.gid),
        )
    }

    fn give(&self, path: &Path) {
        if let Some(user) = &self.user {
            nix::unistd::chown(path, Some(user.uid), Some(user.gid))
                .expect("root may give files away");
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A rootfs may hold folders without write permission, which stop only a plain user.
        if self.user.is_none() {
            let _ = std::process::Command::new("chmod")
                .args(["-R", "u+rwX"])
                .arg(&self.root)
                .output();
        }
        if let Err(error) = std::fs::remove_dir_all(&self.root)
            && !std::thread::panicking()
        {
            panic!("cannot remove {}: {error}", self.root.display());
        }
    }
}

fn plain_user() -> Option<User> {
    if !geteuid().is_root() {
        return None;
    }
    let name = std::env::var("CORACLE_TEST_USER").unwrap_or_else(|_| "cortest".into());
    let user = User::from_name(&name).ok().flatten();
    Some(user.unwrap_or_else(|| panic!("there is no user `{name}`; ci/test makes one")))
}
