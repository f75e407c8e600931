//! Ports that the guest has under other numbers: a real server in it, a client on the host's loopback.
//!
//! With `ns` a program of the host passes them on, each that we know in its turn; with `proot` the guest's own calls are
//! changed. Such a program needs a device that some hosts keep to root, who can then give it to the run under test.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Run, Sandbox, feature, fixture, leftover, require};

/// How long a server may take to answer before it counts as stuck; it is no measurement.
const STUCK: Duration = Duration::from_secs(20);

/// A home, and who is to pass ports on there.
struct Harbour {
    sandbox: Sandbox,
    engine: &'static str,
    path: String,
    host: Vec<String>,
}

impl Harbour {
    /// One where only `program` of those that can pass ports on is in PATH; with an empty name, none of them.
    fn new(engine: &'static str, program: &str) -> Harbour {
        let sandbox = Sandbox::new();
        let only = sandbox.folder("only");
        if !program.is_empty() {
            symlink(format!("/usr/bin/{program}"), only.join(program)).expect("the folder is new");
        }
        Harbour {
            path: only.display().to_string(),
            sandbox,
            engine,
            host: feature::with_tun(),
        }
    }

    /// `coracle run --rm -p HOST:80`, with a server of the guest's file `/srv/hello` at its port 80.
    fn serve(&self, port: u16) -> Run {
        let server = "mkdir /srv/www; echo ahoy > /srv/www/hello; exec httpd -f -p 80 -h /srv/www";
        self.sandbox
            .command(["env", &format!("PATH={}", self.path)])
            .arguments([self.sandbox.binary()])
            .arguments(["--quiet", "run", "--rm", "--engine", self.engine])
            .arguments(["-p", &format!("{port}:80"), &fixture::image("guest")])
            .arguments(["sh", "-c", server])
            .behind(&self.host)
    }
}

/// A port that nobody has just now. The kernel gives out others first before it gives this one again.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("there is a free port");
    let address = listener.local_addr();
    address.expect("a bound socket has an address").port()
}

/// What a server at this port of the loopback answers, if one does.
fn ask(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(STUCK)).ok()?;
    stream.write_all(b"GET /hello HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer).filter(|answer| !answer.is_empty())
}

#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begin.elapsed() < STUCK, "{what}: never seen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A client is served, and after SIGKILL nothing is left: no process of ours or of the program, nobody at the port.
fn check(harbour: &Harbour) {
    let port = free_port();
    let running = harbour.serve(port).start();
    let pid = running.pid();
    let answer = until("an answer", || ask(port));
    assert!(
        answer.starts_with("HTTP/1.") && answer.ends_with("ahoy\n"),
        "{answer}"
    );
    let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    assert!(bound.is_err(), "nobody listens at the host's port {port}");
    running.signal(Signal::SIGKILL);
    assert_eq!(running.finish().shell_code(), 137);
    // Of ours, and PRoot: the words of the command; of pasta: the port; of slirp4netns: whose network it is.
    leftover::assert_no_process(&format!("{port}:80"));
    leftover::assert_no_process(&format!("{pid}\0tap0"));
    leftover::assert_no_process(harbour.sandbox.path("").to_str().expect("a plain name"));
    until("the port given back", || {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).ok()
    });
}

/// The start fails, and says for which port, when somebody has it.
fn check_taken(harbour: &Harbour) {
    let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("there is a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let output = harbour.serve(port).run().exits(125);
    output.complains(&format!("port {port} of the host"));
}

#[test]
fn passed_on_by_pasta() {
    require!(Fixtures, UserNamespaces, Pasta, Tun);
    let harbour = Harbour::new("ns", "pasta");
    check(&harbour);
    check_taken(&harbour);
}

#[test]
fn passed_on_by_slirp4netns() {
    require!(Fixtures, UserNamespaces, Slirp4netns, Tun);
    let harbour = Harbour::new("ns", "slirp4netns");
    check(&harbour);
    check_taken(&harbour);
}

#[test]
fn changed_by_proot() {
    require!(Fixtures, Ptrace);
    let harbour = Harbour {
        host: Vec::new(),
        ..Harbour::new("proot", "")
    };
    check(&harbour);
    // The guest asks for the port, so it is the guest that is told.
    let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("there is a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let output = harbour.serve(port).run().exits(1);
    output.complains("Address already in use");
}

#[test]
fn refused_where_nobody_passes_them_on() {
    require!(Fixtures, UserNamespaces);
    let harbour = Harbour::new("ns", "");
    let output = harbour.serve(free_port()).run().exits(125);
    output.complains("pasta").complains("slirp4netns");
}
