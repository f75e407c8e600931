//! One command: what it is given, and what it answered. A failed assertion prints all of it.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stream::Stream;

/// After this long a command hangs, and is killed. It is no measurement: nothing here comes near it.
const HUNG: Duration = Duration::from_secs(300);

/// What has to stand before a command that root runs with mounts of its own, which `line` makes, a line of shell in which
/// `$0` is `name`. It ends with `exec "$@"`, or says what else is to be run.
pub(crate) fn with_mounts(line: &str, name: &str) -> Vec<String> {
    let words = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        line,
        name,
    ];
    words.map(String::from).to_vec()
}

/// A command to be run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    argv: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: OsString,
    input: Vec<u8>,
}

impl Run {
    /// A command that begins with `argv`, in an empty environment.
    pub(crate) fn new<S: AsRef<OsStr>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self {
            folder: "/".into(),
            ..Self::default()
        }
        .arguments(argv)
    }

    /// Adds arguments.
    pub(crate) fn arguments<S: AsRef<OsStr>>(
        mut self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Self {
        self.argv.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_os_string()),
        );
        self
    }

    /// Puts a command before the whole: `setpriv`, `unshare`, a shell that prepares something and execs `"$@"`.
    pub(crate) fn behind<S: AsRef<OsStr>>(mut self, prefix: impl IntoIterator<Item = S>) -> Self {
        self.argv.splice(
            0..0,
            prefix.into_iter().map(|word| word.as_ref().to_os_string()),
        );
        self
    }

    /// Sets one variable.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_os_string(), value.as_ref().to_os_string()));
        self
    }

    /// Sets the working directory.
    pub(crate) fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = folder.as_ref().into();
        self
    }

    /// Gives it bytes to read; without them it reads an end of file at once.
    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// The command with all that was set, stdin and stdout piped.
    pub(crate) fn command(&self) -> Command {
        let (program, arguments) = self.argv.split_first().expect("a command has a first word");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Output {
        let input = self.input.clone();
        let mut running = self.start();
        let mut stdin = running
            .stdin
            .take()
            .expect("a started command has its stdin piped");
        // A reader that leaves early is no fault of the writer.
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = running.finish();
        drop(feeder.join());
        output
    }

    /// Starts it, and leaves its stdin open.
    #[track_caller]
    pub(crate) fn start(self) -> Running {
        let started = self.command().spawn();
        let mut child =
            started.unwrap_or_else(|error| panic!("cannot start {:?}: {error}", self.argv));
        let stdout = Stream::new(child.stdout.take().expect("stdout was piped"));
        let stderr = Stream::new(child.stderr.take().expect("stderr was piped"));
        Running {
            stdin: child.stdin.take(),
            child,
            stdout,
            stderr,
            argv: self.argv,
        }
    }
}

/// A command on its way.
pub(crate) struct Running {
    /// Its stdin; drop it to end the input.
    pub(crate) stdin: Option<ChildStdin>,
    child: Child,
    stdout: Stream,
    stderr: Stream,
    argv: Vec<OsString>,
}

impl Running {
    /// The process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id is a positive i32"))
    }

    /// Sends a signal to the process, and to no other.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the child is not reaped yet, so its id is its own");
    }

    /// Waits until a text stands in its stdout.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) {
        if !self.stdout.wait_for(text) {
            panic!(
                "{text:?} never appeared in {:?}: {}\n{}",
                self.argv,
                self.stdout.text(),
                self.stderr.text()
            );
        }
    }

    /// Waits for its end, and for everybody who holds its stdout or stderr.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Output {
        drop(self.stdin.take());
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self
                .child
                .try_wait()
                .expect("the child is ours to wait for")
            {
                break status;
            }
            if begin.elapsed() > HUNG {
                let _ = self.child.kill();
                panic!("hung for {HUNG:?}: {:?}", self.argv);
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let ended = self.stdout.wait_for_end() && self.stderr.wait_for_end();
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        let output = Output {
            argv: self.argv,
            status,
            stdout,
            stderr,
        };
        assert!(
            ended,
            "a process that it left behind holds its output open\n{output}"
        );
        output
    }
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Output {
    argv: Vec<OsString>,
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Its stdout, with bytes that are not UTF-8 replaced.
    pub(crate) stdout: String,
    /// Its stderr, likewise.
    pub(crate) stderr: String,
}

impl Output {
    /// The exit code; none when a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The exit code as a shell shows it: 128+n for a signal.
    pub(crate) fn shell_code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Asserts exit code 0.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.exits(0)
    }

    /// Asserts an exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert!(
            self.code() == Some(code),
            "expected exit code {code}\n{self}"
        );
        self
    }

    /// Asserts the whole of stdout, apart from blanks at its end.
    #[track_caller]
    pub(crate) fn prints(self, expected: &str) -> Self {
        assert!(
            self.stdout.trim_end() == expected.trim_end(),
            "expected stdout {expected:?}\n{self}"
        );
        self
    }

    /// Asserts a part of stdout.
    #[track_caller]
    pub(crate) fn mentions(self, part: &str) -> Self {
        assert!(
            self.stdout.contains(part),
            "expected {part:?} in stdout\n{self}"
        );
        self
    }

    /// Asserts a part of stderr.
    #[track_caller]
    pub(crate) fn complains(self, part: &str) -> Self {
        assert!(
            self.stderr.contains(part),
            "expected {part:?} in stderr\n{self}"
        );
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let argv: Vec<_> = self
            .argv
            .iter()
            .map(|word| shorten(&word.to_string_lossy()))
            .collect();
        writeln!(f, "command: {}\n{}", argv.join(" "), self.status)?;
        write!(
            f,
            "stdout: {}\nstderr: {}",
            shorten(&self.stdout),
            shorten(&self.stderr)
        )
    }
}

/// The beginning and the end of a long text; all of a short one.
fn shorten(text: &str) -> String {
    const KEPT: usize = 4000;
    if text.len() <= 2 * KEPT {
        return text.to_string();
    }
    let (head, tail) = (
        &text.as_bytes()[..KEPT],
        &text.as_bytes()[text.len() - KEPT..],
    );
    let dropped = text.len() - 2 * KEPT;
    format!(
        "{}\n... {dropped} bytes ...\n{}",
        String::from_utf8_lossy(head),
        String::from_utf8_lossy(tail)
    )
}
