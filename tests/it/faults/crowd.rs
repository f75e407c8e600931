//! Thirty-two processes that pull, make, run, load and remove the same images at once, while another sweeps all the time.

use std::os::unix::fs::MetadataExt;

use nix::mount::{MntFlags, umount2};

use super::image;
use super::snapshot::{differences, snapshot};
use super::{own_mounts, points, say};
use crate::support::command::Running;
use crate::support::{Output, Registry, Run, Sandbox, Tls, fixture, require};

/// Reasons that somebody else is.
const REASONS: [&str; 3] = [
    "no image",
    "is used by container",
    "is no longer in the store, another process removed it",
];

/// Whether all processes see each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hosts {
    One,
    /// In two namespaces of process numbers: neither can ask whether one of the other lives, as on two hosts with one
    /// file server between them.
    Two,
    /// The same, and each sees the store as a client of that server does: late.
    Clients,
}

/// For how long a client believes what it knows, in seconds, and how long it waits for an answer, in microseconds.
const CLIENT: [&str; 2] = ["1", "100"];

struct Crowd {
    sandbox: Sandbox,
    hosts: Hosts,
    one: String,
    two: String,
    /// An image with a shell.
    shell: String,
    archive: String,
    _registry: Registry,
}

impl Crowd {
    fn new(hosts: Hosts) -> Crowd {
        let sandbox = Sandbox::new();
        image::layouts(&sandbox);
        let registry = Registry::empty(&Tls::default());
        registry.login(&sandbox).run().success();
        let [one, two] = ["one", "two"].map(|name| image::push(&sandbox, &registry, name));
        let archive = image::archive(&sandbox, "two").display().to_string();
        let shell = fixture::image("guest");
        Crowd {
            sandbox,
            hosts,
            one,
            two,
            shell,
            archive,
            _registry: registry,
        }
    }

    fn run(&self, words: &[&str]) -> Run {
        let run = self.sandbox.coracle(["--quiet"]).arguments(words);
        run.env("SSL_CERT_FILE", Registry::authority())
    }

    /// One of the two hosts.
    fn on_host(&self, number: usize, run: Run) -> Run {
        let home = ["one", "two"].map(|name| self.sandbox.path(format!("clients/{name}/store")));
        let run = match self.hosts {
            Hosts::Clients => run.env("CORACLE_HOME", &home[number % 2]),
            Hosts::One | Hosts::Two => run,
        };
        match self.hosts != Hosts::One && number % 2 == 1 {
            true => run.behind(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]),
            false => run,
        }
    }

    /// What the process of this number does.
    fn job(&self, number: usize) -> Run {
        let shells = [
            "run",
            "--rm",
            "--engine",
            "ns",
            &self.shell,
            "sh",
            "-c",
            "cat /etc/passwd >/x; sleep 0.2",
        ];
        let words: &[&str] = match number / 2 % 8 {
            0 | 1 => &["pull", &self.one],
            2 => &["pull", &self.two],
            3 => &["create", &self.two],
            4 => &["load", "--input", &self.archive],
            5 => &["rmi", &self.one],
            6 => &["rmi", "--force", &self.two],
            _ => &shells,
        };
        self.on_host(number, self.run(words))
    }

    fn round(&self) {
        let (done, sweeping) = (std::sync::atomic::AtomicBool::new(false), 0..);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in sweeping {
                    self.on_host(number, self.run(&["gc"])).run().success();
                    if done.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let running: Vec<Running> = (0..32).map(|number| self.job(number).start()).collect();
            let outputs: Vec<Output> = running.into_iter().map(Running::finish).collect();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            let n_done = outputs
                .iter()
                .filter(|output| output.code() == Some(0))
                .count();
            say(&format!(
                "{n_done} of {} in a crowd succeeded",
                outputs.len()
            ));
            for output in outputs {
                let is_told = REASONS.iter().any(|reason| output.stderr.contains(reason));
                assert!(output.code() == Some(0) || is_told, "{output}");
            }
        });
        self.forget();
        let verify = self.sandbox.coracle(["verify", "--all"]);
        let verified = self.on_host(0, verify).run().success();
        assert!(verified.stdout.contains("damaged: 0"), "{verified}");
    }

    /// Waits until no client believes anything of before.
    fn forget(&self) {
        if self.hosts == Hosts::Clients {
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
    }

    /// Starts the two clients of the store.
    fn connect(&self) -> Vec<Running> {
        let store = self.sandbox.folder("home/.coracle");
        self.sandbox.folder("clients");
        let clients = ["one", "two"].map(|name| {
            let seen = self.sandbox.folder(&format!("clients/{name}"));
            let client = Run::new([fixture::path("faults/client"), store.clone(), seen.clone()]);
            let running = client.arguments(CLIENT).start();
            while device(&seen) == device(&store) {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            running
        });
        clients.into()
    }

    /// The store when only these images are wanted.
    fn at_rest(&self) -> super::snapshot::Snapshot {
        self.forget();
        let said = |words: &[&str]| self.on_host(0, self.run(words)).run();
        for image in [&self.one, &self.two, &self.shell] {
            said(&["pull", image]).success();
        }
        said(&["container", "prune", "-af"]).success();
        said(&["rmi", "boats/two:1"]);
        said(&["gc"]).success();
        let store = self.sandbox.store();
        snapshot(&if self.hosts == Hosts::Clients {
            store.join("store")
        } else {
            store
        })
    }
}

fn device(path: &std::path::Path) -> Option<u64> {
    path.symlink_metadata().map(|data| data.dev()).ok()
}

fn gathers(hosts: Hosts) {
    let crowd = Crowd::new(hosts);
    let rounds = points("CORACLE_FAULT_POINTS", 1).min(20);
    let clients = if hosts == Hosts::Clients {
        crowd.connect()
    } else {
        Vec::new()
    };
    let expected = crowd.at_rest();
    for _ in 0..rounds {
        crowd.round();
    }
    let differ = differences(&expected, &crowd.at_rest());
    assert!(differ.is_empty(), "{differ}");
    for (client, name) in clients.into_iter().zip(["one", "two"]) {
        let seen = crowd.sandbox.path("clients").join(name);
        umount2(&seen, MntFlags::MNT_DETACH).expect("it is ours");
        client.finish();
    }
}

#[test]
fn on_one_host() {
    require!(Fixtures, DockerRegistry, UserNamespaces);
    gathers(Hosts::One);
}

#[test]
fn on_two_hosts() {
    require!(Fixtures, DockerRegistry, UserNamespaces, Root);
    gathers(Hosts::Two);
}

#[test]
fn on_two_clients_of_a_file_server() {
    require!(Fixtures, DockerRegistry, UserNamespaces, Fuse);
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            own_mounts();
            gathers(Hosts::Clients);
        });
        inside.join().expect("the test has failed, see above");
    });
}
