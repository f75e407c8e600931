//! Thirty-two processes that pull, make, run, load and remove the same images at once, while another sweeps all the time.

use super::image;
use super::snapshot::{differences, snapshot};
use super::{points, say};
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
}

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
        match self.hosts == Hosts::Two && number % 2 == 1 {
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
        let verified = self.sandbox.coracle(["verify", "--all"]).run().success();
        assert!(verified.stdout.contains("damaged: 0"), "{verified}");
    }

    /// The store when only these images are wanted.
    fn at_rest(&self) -> super::snapshot::Snapshot {
        for image in [&self.one, &self.two, &self.shell] {
            self.run(&["pull", image]).run().success();
        }
        self.run(&["container", "prune", "-af"]).run().success();
        self.run(&["rmi", "boats/two:1"]).run();
        self.run(&["gc"]).run().success();
        snapshot(&self.sandbox.store())
    }
}

fn gathers(hosts: Hosts) {
    let crowd = Crowd::new(hosts);
    let rounds = points("CORACLE_FAULT_POINTS", 1).min(20);
    let expected = crowd.at_rest();
    for _ in 0..rounds {
        crowd.round();
    }
    let differ = differences(&expected, &crowd.at_rest());
    assert!(differ.is_empty(), "{differ}");
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
