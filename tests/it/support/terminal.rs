//! A command on a pseudo-terminal, and somebody who types; `script` of util-linux makes the terminal.

use std::io::Write;
use std::process::{Child, ChildStdin, Command};

use super::Sandbox;
use super::stream::Stream;

/// A session on a terminal of 33 rows and 77 columns, without echo.
pub(crate) struct Terminal {
    child: Child,
    keyboard: Option<ChildStdin>,
    screen: Stream,
}

impl Terminal {
    /// Starts `coracle ARGUMENT...` with the terminal as its stdin, stdout, stderr and controlling terminal.
    /// `host` is a command that imitates a host and runs the words that follow it.
    pub(crate) fn start(sandbox: &Sandbox, host: &[String], arguments: &[&str]) -> Self {
        Self::of(sandbox, host, 77, arguments)
    }

    /// The same on a terminal of so many columns.
    pub(crate) fn start_with(sandbox: &Sandbox, columns: usize, arguments: &[&str]) -> Self {
        Self::of(sandbox, &[], columns, arguments)
    }

    fn of(sandbox: &Sandbox, host: &[String], columns: usize, arguments: &[&str]) -> Self {
        let binary = sandbox.binary();
        let words = std::iter::once(binary.to_str().expect("the sandbox has a plain name"))
            .chain(arguments.iter().copied());
        let quoted: Vec<_> = words.map(quote).collect();
        let line = format!(
            "tty; stty rows 33 cols {columns} -echo; exec {}",
            quoted.join(" ")
        );
        let script = sandbox.command(["script", "-q", "-e", "-f", "-c", &line, "/dev/null"]);
        let mut child = script
            .behind(host)
            .env("TERM", "dumb")
            .env("SHELL", "/bin/sh")
            .command()
            .spawn()
            .expect("util-linux is installed");
        let screen = Stream::new(child.stdout.take().expect("stdout was piped"));
        Self {
            keyboard: child.stdin.take(),
            child,
            screen,
        }
    }

    /// Types a text; `\n` is the return key, `\x03` is ^C, `\x1a` is ^Z.
    pub(crate) fn type_in(&mut self, text: &str) -> &mut Self {
        let keyboard = self.keyboard.as_mut().expect("the session is not finished");
        keyboard
            .write_all(text.as_bytes())
            .and_then(|()| keyboard.flush())
            .expect("the terminal still reads");
        self
    }

    /// Waits until a text has been shown.
    ///
    /// # Panics
    /// With all that was shown, when the session ends or stalls before.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> &mut Self {
        assert!(
            self.screen.wait_for(text),
            "{text:?} never appeared in:\n{}",
            self.shown()
        );
        self
    }

    /// All that was shown until now, with plain line ends.
    pub(crate) fn shown(&self) -> String {
        self.screen.text().replace("\r\n", "\n")
    }

    /// Gives the terminal another size; the kernel tells the foreground process.
    #[track_caller]
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) -> &mut Self {
        self.wait_for("/dev/pts/").wait_for("\n");
        let shown = self.shown();
        let tty = shown
            .lines()
            .find(|line| line.starts_with("/dev/pts/"))
            .expect("the session began with `tty`");
        let (rows, columns) = (rows.to_string(), columns.to_string());
        let done = Command::new("stty")
            .args(["-F", tty, "rows", &rows, "cols", &columns])
            .output();
        assert!(
            done.is_ok_and(|output| output.status.success()),
            "cannot resize {tty}"
        );
        self
    }

    /// Ends the input, waits for the end of the command, and gives its exit code and all that was shown.
    pub(crate) fn finish(mut self) -> (i32, String) {
        drop(self.keyboard.take());
        let status = self.child.wait().expect("the child is ours to wait for");
        (status.code().unwrap_or(-1), self.shown())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Only after a failed assertion; the hang-up reaches everybody on the terminal.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
