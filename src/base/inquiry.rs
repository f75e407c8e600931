//! A program that is asked one thing: bounded in time, and in what it may answer.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::base::living::children;

/// The most that is kept of complaints, in bytes; what comes after is read and dropped.
const MAX_COMPLAINTS: usize = 4 << 10;
/// Bytes moved at once: as many as a pipe that has room takes without waiting. pipe(7), "PIPE_BUF".
const CHUNK: usize = 4096;
/// How long a program may have ended before that is seen, where somebody else keeps its output open.
const GLANCE: Duration = Duration::from_millis(50);
/// The same where its output is closed: it is about to end.
const BLINK: Duration = Duration::from_millis(2);
/// Generations of children that are ended with a program; those that ask have two or three.
const MAX_GENERATIONS: usize = 8;

/// What a program answered.
#[derive(Debug)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it wrote to stdout.
    pub stdout: Vec<u8>,
    /// The first kilobytes of what it wrote to stderr.
    pub stderr: Vec<u8>,
}

/// Runs `program`, found in PATH, with `arguments`, and gives it `input` to read. It has `limit` to end and may write
/// `most` bytes to stdout; otherwise it is killed, with its children, and the error says so (`TimedOut`, `FileTooLarge`).
/// It is of our process group: whoever interrupts us interrupts it.
pub fn ask(
    program: impl AsRef<OsStr>,
    arguments: &[&str],
    input: &[u8],
    limit: Duration,
    most: usize,
) -> io::Result<Answer> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let heard = listen(&mut child, input, limit, most);
    if heard.is_err() {
        end(&mut child);
    }
    heard
}

fn listen(child: &mut Child, mut input: &[u8], limit: Duration, most: usize) -> io::Result<Answer> {
    let begin = Instant::now();
    let mut pipes = Pipes {
        stdin: child.stdin.take(),
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        let status = child.try_wait()?;
        if status.is_some() {
            // What it wrote is there by now; what others may write still is not its answer.
            pipes.stdin = None;
        }
        let left = limit.saturating_sub(begin.elapsed());
        let patience = match (status, pipes.are_closed()) {
            (Some(_), _) => Duration::ZERO,
            (None, true) => left.min(BLINK),
            (None, false) => left.min(GLANCE),
        };
        let moved = pipes.turn(&mut input, patience, &mut stdout, &mut stderr)?;
        if stdout.len() > most {
            let kind = io::ErrorKind::FileTooLarge;
            return Err(io::Error::new(
                kind,
                format!("it says more than {most} bytes"),
            ));
        }
        if let (Some(status), false) = (status, moved) {
            return Ok(Answer {
                status,
                stdout,
                stderr,
            });
        }
        if left.is_zero() {
            let text = format!("it did not answer within {:.1} s", limit.as_secs_f64());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
    }
}

/// The three pipes to a program, each until it is closed.
struct Pipes {
    stdin: Option<std::process::ChildStdin>,
    stdout: Option<std::process::ChildStdout>,
    stderr: Option<std::process::ChildStderr>,
}

impl Pipes {
    fn are_closed(&self) -> bool {
        self.stdout.is_none() && self.stderr.is_none()
    }

    /// Waits for one of them, at most as long as `patience`, and moves what can be moved; whether anything was.
    fn turn(
        &mut self,
        input: &mut &[u8],
        patience: Duration,
        stdout: &mut Vec<u8>,
        stderr: &mut Vec<u8>,
    ) -> io::Result<bool> {
        if input.is_empty() {
            // The end of the input is a part of it.
            self.stdin = None;
        }
        let [to, from, complaints] = self.ready(patience)?;
        if to && let Some(pipe) = &mut self.stdin {
            match pipe.write(&input[..input.len().min(CHUNK)]) {
                Ok(count) => *input = &input[count..],
                // It did not want to hear all of it.
                Err(_) => self.stdin = None,
            }
        }
        let mut moved = false;
        if from {
            moved |= take(&mut self.stdout, stdout, usize::MAX)?;
        }
        if complaints {
            moved |= take(&mut self.stderr, stderr, MAX_COMPLAINTS)?;
        }
        Ok(moved)
    }

    /// Which of them can be moved through, in the order of their numbers.
    fn ready(&self, patience: Duration) -> io::Result<[bool; 3]> {
        let millis = patience.as_millis().saturating_add(1);
        let timeout = match patience.is_zero() {
            true => PollTimeout::ZERO,
            false => PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX)),
        };
        let fd = |fd, flags| PollFd::new(fd, flags);
        let mut fds = Vec::new();
        fds.extend(
            self.stdin
                .as_ref()
                .map(|pipe| (0, fd(pipe.as_fd(), PollFlags::POLLOUT))),
        );
        fds.extend(
            self.stdout
                .as_ref()
                .map(|pipe| (1, fd(pipe.as_fd(), PollFlags::POLLIN))),
        );
        fds.extend(
            self.stderr
                .as_ref()
                .map(|pipe| (2, fd(pipe.as_fd(), PollFlags::POLLIN))),
        );
        let (places, mut fds): (Vec<usize>, Vec<PollFd<'_>>) = fds.into_iter().unzip();
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = [false; 3];
        for (place, fd) in places.into_iter().zip(fds) {
            ready[place] = fd.any().unwrap_or(false);
        }
        Ok(ready)
    }
}

/// Reads once from a pipe that has something, or has ended; whether there was something.
fn take<R: Read>(pipe: &mut Option<R>, into: &mut Vec<u8>, most: usize) -> io::Result<bool> {
    let Some(open) = pipe else { return Ok(false) };
    let mut chunk = [0; CHUNK];
    match open.read(&mut chunk) {
        Ok(0) => {
            *pipe = None;
            Ok(false)
        }
        Ok(count) => {
            let kept = count.min(most.saturating_sub(into.len()));
            into.extend_from_slice(&chunk[..kept]);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error),
    }
}

/// Ends a program and its children, and takes it off the kernel's list.
fn end(child: &mut Child) {
    let mut family: Vec<Pid> = i32::try_from(child.id())
        .into_iter()
        .map(Pid::from_raw)
        .collect();
    let mut generation = family.clone();
    for _ in 0..MAX_GENERATIONS {
        generation = generation.into_iter().flat_map(children).collect();
        family.extend(&generation);
    }
    for member in family {
        let _whoever_is_gone_is_gone = kill(member, Signal::SIGKILL);
    }
    let _its_end_was_all_that_was_wanted = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str, input: &[u8], limit: Duration) -> io::Result<Answer> {
        ask("sh", &["-c", script], input, limit, 10_000)
    }

    #[test]
    fn what_it_hears_and_says_is_passed_on() {
        let input = vec![b'x'; 9_000];
        let answer = shell("cat; echo no >&2; exit 3", &input, LONG).expect("sh runs");
        assert_eq!(answer.stdout, input);
        assert_eq!(
            (&*answer.stderr, answer.status.code()),
            (&b"no\n"[..], Some(3))
        );
        let deaf = shell("exec <&-; echo yes", &vec![b'x'; 1 << 20], LONG);
        assert_eq!(deaf.expect("sh runs").stdout, b"yes\n");
    }

    #[test]
    fn who_says_too_much_or_nothing_is_ended() {
        let kind = |script, limit| {
            shell(script, b"", limit)
                .expect_err("it does not behave")
                .kind()
        };
        assert_eq!(kind("yes", LONG), io::ErrorKind::FileTooLarge);
        let brief = Duration::from_millis(100);
        assert_eq!(kind("sleep 1000", brief), io::ErrorKind::TimedOut);
        // Silent, and its output closed.
        assert_eq!(
            kind("exec >&- 2>&-; sleep 1000", brief),
            io::ErrorKind::TimedOut
        );
    }

    #[test]
    fn what_stays_behind_and_holds_its_output_is_not_waited_for() {
        let limit = Duration::from_secs(20);
        let answer = shell("sleep 1000 & echo $!", b"", limit).expect("it is not waited for");
        let sleeper = String::from_utf8_lossy(&answer.stdout).trim().parse();
        let sleeper = Pid::from_raw(sleeper.expect("its number"));
        kill(sleeper, Signal::SIGKILL).expect("it still sleeps");
    }
}
