//! A registry that fails in every way that we could think of, and a real pull through each: how it ends, and that
//! whatever happens no wrong byte gets a name in the store and no secret is shown to a stranger or told.

mod documents;
mod fault;
mod mirrored;
mod scene;
mod seeds;
mod table;
mod transfers;

use std::io::{Read, Write};
use std::mem::discriminant;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::proxy::{ENCODED, Proxy};
use super::shelf::Shelf;
use super::tls::Forge;
use super::wire::Secured;
use crate::support::Output;
use fault::{At, Fault};
use scene::{Planned, Scene, Setting, kind_of};

/// Pulls at the same time; most of the time each waits.
const PARALLEL: usize = 4;

/// What goes wrong, and what has to come of it.
struct Script {
    name: &'static str,
    specials: &'static [Special],
    faults: &'static [Planned],
    ends: Ends,
}

/// How a pull ends.
#[derive(Clone, Copy, Debug)]
enum Ends {
    /// The image is here, every byte of it.
    Well,
    /// An error of this kind, with these words.
    Fails(&'static str, &'static str),
}

/// How a script's scene differs from the plain one.
#[derive(Clone, Copy)]
enum Special {
    /// The image is here before anything goes wrong.
    Twice,
    /// How often a token may be shown.
    Uses(usize),
    WithoutRanges,
    /// A helper has the credentials.
    Helper,
    Holds(fn(&mut Shelf) -> Value),
    Secured(Certificate),
    /// Nobody allowed http with the storage.
    StorageIsShut,
    /// Nor with the registry.
    EncryptionIsMust,
    Via(Way),
}

/// How a registry proves who it is, and what is asked of us.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Certificate {
    Good,
    /// Nobody told us of its authority.
    Unknown,
    Expired,
    Stranger,
    ClientMissing,
    ClientShown,
    Slow,
    Stalled,
}

/// How a registry is reached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Nobody,
    Ipv6,
    Connect,
    ConnectWrong,
    Socks,
    SocksWrong,
}

impl Script {
    fn is(&self, special: Special) -> bool {
        let same = |it: &Special| discriminant(it) == discriminant(&special);
        self.specials.iter().any(same)
    }

    fn setting(&self, forge: &Forge) -> Setting {
        let mut setting = Setting::default();
        for special in self.specials {
            match special {
                Special::Uses(uses) => setting.uses = *uses,
                Special::WithoutRanges => setting.has_ranges = false,
                Special::Helper => setting.has_helper = true,
                Special::Holds(hold) => setting.holds = Some(*hold),
                Special::Secured(certificate) => setting.secured = Some(certificate.by(forge)),
                Special::Via(Way::Ipv6) => setting.address = "[::1]:0",
                _ => {}
            }
        }
        setting
    }

    fn certificate(&self) -> Option<Certificate> {
        self.specials.iter().find_map(|special| match special {
            Special::Secured(certificate) => Some(*certificate),
            _ => None,
        })
    }

    /// Pulls once.
    fn pull(&self, scene: &Scene, forge: &Forge) -> Output {
        let (host, storage) = (&scene.registry.host, &scene.storage.host);
        let Some(way) = self.way() else {
            let insecure = match self.certificate() {
                Some(_) => String::new(),
                None if self.is(Special::EncryptionIsMust) => String::new(),
                None if self.is(Special::StorageIsShut) => host.clone(),
                None => format!("{host},{storage}"),
            };
            let mut run = scene.pull(&scene.image()).env("CORACLE_INSECURE", insecure);
            if self.is(Special::Helper) {
                // Time enough for two shells of a busy host.
                run = run.env("CORACLE_NET_TIMEOUT", "20");
            }
            if self
                .certificate()
                .is_some_and(|it| it != Certificate::Unknown)
            {
                run = run.env("CORACLE_TLS_CA", forge.path("ca.crt"));
            }
            return run.run();
        };
        let mut names = format!("{host},{storage}");
        let name = match way {
            Way::Ipv6 => host,
            Way::Nobody => "127.0.0.1:1",
            _ => "registry.invalid:5000",
        };
        names = format!("{names},{name}");
        let run = scene.pull(&format!("{name}/x:1"));
        let run = run.env("CORACLE_INSECURE", names);
        let (scheme, proxy) = match way {
            Way::Connect | Way::ConnectWrong => ("http", Proxy::connect(host)),
            Way::Socks | Way::SocksWrong => ("socks5h", Proxy::socks5(host)),
            Way::Ipv6 | Way::Nobody => return run.run(),
        };
        let who = match way {
            Way::Connect | Way::Socks => ENCODED,
            _ => "ada:canary-proxy",
        };
        let url = format!("{scheme}://{who}@{}", proxy.host);
        run.env("all_proxy", url).run()
    }

    fn way(&self) -> Option<Way> {
        self.specials.iter().find_map(|special| match special {
            Special::Via(way) => Some(*way),
            _ => None,
        })
    }

    /// Carries it out; the error says what was otherwise than it should.
    fn check(&self, forge: &Forge) -> Result<(), String> {
        let scene = Scene::new(&self.setting(forge), &[]);
        if self.is(Special::Twice) {
            let output = self.pull(&scene, forge);
            ended(Ends::Well, &output)?;
        }
        if self.certificate() == Some(Certificate::ClientShown) {
            let certs = format!("home/.config/containers/certs.d/{}", scene.registry.host);
            scene.sandbox.folder(&certs);
            for name in ["me.cert", "me.key"] {
                let bytes = std::fs::read(forge.path(name)).map_err(|error| error.to_string())?;
                scene.sandbox.file(&format!("{certs}/{name}"), bytes);
            }
        }
        scene.plan(self.faults);
        let output = self.pull(&scene, forge);
        ended(self.ends, &output)?;
        scene.check(&output)?;
        let fired = scene.fired();
        for planned in self.faults {
            if !fired.contains(&(planned.at, planned.fault)) {
                return Err(format!("{planned:?} never came about\n{output}"));
            }
        }
        match self.ends {
            Ends::Well => return scene.check_tree(),
            Ends::Fails(..) if scene.has_name() != self.is(Special::Twice) => {
                return Err(format!("an image that failed has a name\n{output}"));
            }
            Ends::Fails(..) => {}
        }
        if !self.specials.is_empty() {
            return Ok(());
        }
        scene.heal();
        let output = self.pull(&scene, forge);
        let again = ended(Ends::Well, &output);
        again.map_err(|error| format!("afterwards, when all is well: {error}"))?;
        scene.check(&output)?;
        scene.check_tree()
    }
}

impl Certificate {
    fn by(self, forge: &Forge) -> Secured {
        let name = match self {
            Certificate::Expired => "expired",
            Certificate::Stranger => "stranger",
            _ => "good",
        };
        let clients = matches!(self, Certificate::ClientMissing | Certificate::ClientShown);
        let clients = clients.then(|| forge.path("clients.crt"));
        let [certificate, key] = ["cert", "key"].map(|end| forge.path(&format!("{name}.{end}")));
        let secured = Secured::by(&certificate, &key, clients.as_deref());
        match self {
            Certificate::Slow => secured.thinking(Duration::from_millis(100)),
            Certificate::Stalled => secured.thinking(Duration::from_secs(2)),
            _ => secured,
        }
    }

    /// What all of them need.
    fn forge() -> Forge {
        let forge = Forge::new();
        forge.authority("ca");
        forge.authority("clients");
        forge.signed("good", "ca", "IP:127.0.0.1", "9");
        forge.signed("expired", "ca", "IP:127.0.0.1", "-1");
        forge.signed("stranger", "ca", "DNS:elsewhere.example", "9");
        forge.signed("me", "clients", "DNS:me", "9");
        forge
    }
}

/// Whether a pull ended so.
fn ended(ends: Ends, output: &Output) -> Result<(), String> {
    let (code, kind, words) = match ends {
        Ends::Well => (0, None, ""),
        Ends::Fails(kind, words) => (1, Some(kind), words),
    };
    let got = kind_of(output);
    match output.code() == Some(code) && got.as_deref() == kind && output.stderr.contains(words) {
        true => Ok(()),
        false => Err(format!("expected {ends:?}, got {got:?}\n{output}")),
    }
}

/// Does `work` with each number below `count`, several at a time; the errors.
fn each(count: usize, work: impl Fn(usize) -> Result<(), String> + Sync) -> Vec<String> {
    let (next, errors) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _worker in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    if let Err(error) = work(index) {
                        errors.lock().expect("no worker panics with it").push(error);
                    }
                }
            });
        }
    });
    errors.into_inner().expect("no worker panicked with it")
}

#[test]
fn every_script_ends_as_it_says() {
    let forge = Certificate::forge();
    let only = std::env::var("CORACLE_SCRIPT").unwrap_or_default();
    let scripts = table::SCRIPTS
        .iter()
        .filter(|script| script.name.contains(&only));
    let scripts: Vec<_> = scripts.collect();
    assert!(!scripts.is_empty(), "no script is called so");
    let errors = each(scripts.len(), |index| {
        let script = scripts[index];
        script
            .check(&forge)
            .map_err(|error| format!("{}: {error}", script.name))
    });
    assert!(
        errors.is_empty(),
        "{} of {} scripts:\n{}",
        errors.len(),
        scripts.len(),
        errors.join("\n\n")
    );
}

#[test]
fn what_is_wrong_would_be_found() {
    let forge = Certificate::forge();
    let script = |faults, ends| Script {
        name: "planted",
        specials: &[],
        faults,
        ends,
    };
    let flip: &[Planned] = &[Planned {
        at: At::Layer,
        times: 1,
        fault: Fault::Flip,
    }];
    let in_vain: &[Planned] = &[Planned {
        at: At::Stored,
        times: 1,
        fault: Fault::Flip,
    }];
    for (faults, ends, complaint) in [
        (flip, Ends::Well, "got Some(\"integrity\")"),
        (flip, Ends::Fails("network", ""), "got Some(\"integrity\")"),
        (
            flip,
            Ends::Fails("integrity", "no such words"),
            "got Some(\"integrity\")",
        ),
        (in_vain, Ends::Well, "never came about"),
    ] {
        let found = script(faults, ends).check(&forge).expect_err(complaint);
        assert!(found.contains(complaint), "{found}");
    }
    let scene = Scene::new(&Setting::default(), &[]);
    let run = scene.pull(&scene.image());
    let output = run
        .env("CORACLE_INSECURE", scene.insecure())
        .run()
        .success();
    scene
        .check(&output)
        .and_then(|()| scene.check_tree())
        .expect("all is well");
    assert!(scene.has_name());
    let wrong = format!("home/.coracle/blobs/sha256/{}", "0".repeat(64));
    let wrong = scene.sandbox.file(&wrong, "");
    scene.check(&output).expect_err("a blob has other bytes");
    std::fs::remove_file(wrong).expect("it was just made");
    scene.sandbox.file("bin/argv", "docker-credential-x canary");
    scene
        .check(&output)
        .expect_err("a secret is in an argument vector");
    scene.sandbox.file("bin/argv", "");
    scene.check(&output).expect("that was all");
    let mut stranger = TcpStream::connect(&scene.storage.host).expect("it listens");
    let request = b"GET /x HTTP/1.1\r\nAuthorization: Basic eA==\r\n\r\n";
    stranger.write_all(request).expect("it reads");
    stranger.read_to_end(&mut Vec::new()).expect("it answers");
    scene
        .check(&output)
        .expect_err("credentials are shown to a stranger");
}
