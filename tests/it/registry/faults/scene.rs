//! A registry of one image with its token service, a storage that it may lead to, and somebody who pulls.
//!
//! Whoever pulls has credentials, and would have some for the storage as well. Both servers behave but for
//! the faults that are planned; whether those were borne well is checked here.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use coracle::base::digest::Digest;
use coracle::base::fault::Kind;
use coracle::oci::media::OCI_CONFIG;
use serde_json::Value;

use super::super::secrets::{self, tells};
use super::super::server::{Answer, Asked, Server};
use super::super::shelf::{Shelf, layer};
use super::super::wire::Secured;
use super::fault::{Around, At, Fault};
use crate::support::{Output, Run, Sandbox};

/// `ada:canary-helper`, which is also what the helper of these tests gives.
const BASIC: &str = "Basic YWRhOmNhbmFyeS1oZWxwZXI=";
/// Names of the registry that a proxy alone knows, or nobody.
const NAMES: [&str; 2] = ["registry.invalid:5000", "127.0.0.1:1"];
/// How often a fault comes that always comes.
pub(super) const ALWAYS: usize = usize::MAX;

/// A fault that befalls so many requests of one kind, those of another kind left alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    pub(super) at: At,
    pub(super) times: usize,
    pub(super) fault: Fault,
}

/// What servers share.
pub(super) struct State {
    shelf: Shelf,
    /// The digest of the large layer.
    layer: String,
    faults: Mutex<Vec<Planned>>,
    /// Those that came about, in their order.
    fired: Mutex<Vec<(At, Fault)>>,
    /// How often a token may be shown.
    uses: usize,
    tokens: Mutex<HashMap<String, usize>>,
    signatures: Mutex<Vec<String>>,
    n_given: AtomicUsize,
    has_ranges: bool,
    is_open: bool,
    storage: OnceLock<String>,
    scheme: &'static str,
}

/// How a scene differs from the plain one.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) address: &'static str,
    pub(super) secured: Option<Secured>,
    pub(super) uses: usize,
    pub(super) has_ranges: bool,
    /// Whether everybody may read.
    pub(super) is_open: bool,
    /// Whether a helper has the credentials, instead of a file.
    pub(super) has_helper: bool,
    /// What the shelf holds instead of the plain image.
    pub(super) holds: Option<fn(&mut Shelf) -> Value>,
}

impl Default for Setting {
    fn default() -> Setting {
        Setting {
            address: "127.0.0.1:0",
            secured: None,
            uses: ALWAYS,
            has_ranges: true,
            is_open: false,
            has_helper: false,
            holds: None,
        }
    }
}

pub(super) struct Scene {
    pub(super) sandbox: Sandbox,
    pub(super) registry: Server,
    pub(super) storage: Server,
    state: Arc<State>,
}

/// The content of the large layer's file: nothing that repeats.
fn large() -> String {
    let mut state = 1u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + (state >> 33) as u8 % 26)
    };
    (0..200_000).map(|_| next()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}

impl Scene {
    pub(super) fn new(setting: &Setting, faults: &[Planned]) -> Scene {
        let mut shelf = Shelf::default();
        let (one, two) = (layer("large", &large()), layer("small", "small"));
        let image = shelf.image(&[&one, &two]);
        let image = setting.holds.map_or(image, |hold| hold(&mut shelf));
        shelf.tag("1", &image);
        let state = Arc::new(State {
            shelf,
            layer: Digest::of(&one).to_string(),
            faults: Mutex::new(faults.to_vec()),
            fired: Mutex::default(),
            uses: setting.uses,
            tokens: Mutex::default(),
            signatures: Mutex::default(),
            n_given: AtomicUsize::new(0),
            has_ranges: setting.has_ranges,
            is_open: setting.is_open,
            storage: OnceLock::new(),
            scheme: if setting.secured.is_some() {
                "https"
            } else {
                "http"
            },
        });
        let (front, back) = (state.clone(), state.clone());
        let storage = Server::start(move |asked, _| back.stored(asked));
        state
            .storage
            .get_or_init(|| format!("http://{}", storage.host));
        let answer = move |asked: &Asked, _| front.registry(asked);
        let registry = Server::at(setting.address, setting.secured.clone(), answer);
        let sandbox = Sandbox::new();
        secrets::install_helper(&sandbox, "password", "ada");
        sandbox.folder("home/.docker");
        let auths: Vec<String> = NAMES
            .iter()
            .copied()
            .chain([registry.host.as_str(), storage.host.as_str()])
            .map(|host| format!("\"{host}\":{{\"auth\":\"{}\"}}", &BASIC["Basic ".len()..]))
            .collect();
        let config = format!("{{\"auths\":{{{}}}}}", auths.join(","));
        let config = match setting.has_helper {
            true => r#"{"credsStore":"password"}"#.to_owned(),
            false => config,
        };
        let config = sandbox.file("home/.docker/config.json", config);
        let closed = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(config, closed).expect("it was just made");
        Scene {
            sandbox,
            registry,
            storage,
            state,
        }
    }

    /// `coracle pull` of the image, called so, at its loudest.
    pub(super) fn pull(&self, image: &str) -> Run {
        let path = format!("{}:/usr/bin:/bin", self.sandbox.path("bin").display());
        let words = [
            "--verbose",
            "--log-format=json",
            "pull",
            "--platform",
            "linux/amd64",
            image,
        ];
        self.sandbox
            .coracle(words)
            .env("PATH", path)
            .env("CORACLE_NET_TIMEOUT", "1")
    }

    /// A registry without faults that has the same, for everybody to read.
    pub(super) fn upstream(&self) -> Server {
        let state = self.state.clone();
        Server::start(move |asked, _| state.honest(asked))
    }

    /// What the image is called.
    pub(super) fn image(&self) -> String {
        format!("{}/x:1", self.registry.host)
    }

    /// Both servers, as those that may be spoken to without encryption.
    pub(super) fn insecure(&self) -> String {
        format!("{},{}", self.registry.host, self.storage.host)
    }

    /// What goes wrong from now on.
    pub(super) fn plan(&self, faults: &[Planned]) {
        *lock(&self.state.faults) = faults.to_vec();
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn heal(&self) {
        lock(&self.state.faults).clear();
    }

    /// The faults that came about so far.
    pub(super) fn fired(&self) -> Vec<(At, Fault)> {
        lock(&self.state.fired).clone()
    }

    /// What is wrong after a pull, whatever came of it: something in the store that is not what its name says, a secret
    /// where none may be.
    pub(super) fn check(&self, output: &Output) -> Result<(), String> {
        for text in [&output.stdout, &output.stderr] {
            if tells(text) {
                return Err(format!("a secret is told: {text}"));
            }
        }
        let argv = std::fs::read_to_string(self.sandbox.path("bin/argv")).unwrap_or_default();
        if tells(&argv) {
            return Err(format!("a secret is in an argument vector: {argv}"));
        }
        for asked in self.storage.asked() {
            if asked.header("authorization").is_some() || asked.body.contains("canary") {
                return Err(format!("credentials are shown to a stranger: {asked:?}"));
            }
        }
        for asked in self.registry.asked() {
            if tells(&asked.path)
                || (asked.header("authorization") == Some(BASIC)
                    && !asked.path.starts_with("/token")
                    && !self.wants_password())
            {
                return Err(format!(
                    "the password is shown where it was not asked for: {asked:?}"
                ));
            }
        }
        for algorithm in ["sha256", "sha512"] {
            let blobs = self.sandbox.store().join("blobs").join(algorithm);
            for (name, bytes) in files(&blobs) {
                let digest: Digest = format!("{algorithm}:{name}").parse().map_err(|_| name)?;
                let got = super::super::shelf::digest(digest.algorithm(), &bytes);
                if got != digest {
                    return Err(format!("blob {digest} has other bytes"));
                }
            }
        }
        Ok(())
    }

    fn wants_password(&self) -> bool {
        let is_it = |(_, fault): &(At, Fault)| matches!(fault, Fault::Demand(text) if text.contains("Basic"));
        self.fired().iter().any(is_it)
    }

    /// What is wrong with the image's tree, of which there must be one.
    pub(super) fn check_tree(&self) -> Result<(), String> {
        let trees = self.sandbox.store().join("trees");
        let trees: Vec<_> = std::fs::read_dir(&trees)
            .map_err(|error| error.to_string())?
            .flatten()
            .collect();
        let [tree] = &trees[..] else {
            return Err(format!("{} trees, expected 1", trees.len()));
        };
        let found = files(&tree.path().join("rootfs"));
        let expected = [
            ("large".to_owned(), large().into_bytes()),
            ("small".to_owned(), b"small".to_vec()),
        ];
        let expected: HashMap<_, _> = expected.into_iter().collect();
        if found != expected {
            return Err(format!("the tree has {:?}", found.keys()));
        }
        Ok(())
    }

    /// Whether the store has a name for an image.
    pub(super) fn has_name(&self) -> bool {
        let mut directories = vec![self.sandbox.store().join("refs")];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => directories.push(path),
                    _ => return true,
                }
            }
        }
        false
    }

    /// What an interrupted pull left of the large layer, in bytes.
    pub(super) fn partial(&self) -> Option<u64> {
        Some(self.partial_path()?.metadata().ok()?.len())
    }

    /// How large that layer is.
    pub(super) fn layer_size(&self) -> u64 {
        self.state.shelf.size(&self.state.layer)
    }

    /// Where that is.
    pub(super) fn partial_path(&self) -> Option<PathBuf> {
        let hex = self.state.layer.strip_prefix("sha256:")?;
        let entries = std::fs::read_dir(self.sandbox.store().join("ingest")).ok()?;
        let mut of_layer = entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(hex));
        Some(of_layer.next()?.path())
    }

    /// The ranges of the large layer that were asked for, of the request `from` on.
    pub(super) fn ranges(&self, from: usize) -> Vec<Option<String>> {
        let asked = self.registry.asked();
        let of_layer = asked
            .iter()
            .skip(from)
            .filter(|asked| asked.path.contains(&self.state.layer));
        of_layer
            .map(|asked| asked.header("range").map(str::to_owned))
            .collect()
    }
}

/// The files of a directory, with what they hold.
fn files(directory: &Path) -> HashMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let file = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        Some((name, std::fs::read(entry.path()).ok()?))
    };
    entries.filter_map(file).collect()
}

impl State {
    fn registry(&self, asked: &Asked) -> Answer {
        let host = asked.header("host").unwrap_or_default();
        let registry = format!("{}://{host}", self.scheme);
        let at = self.place(asked);
        let shown = asked.header("authorization").unwrap_or_default();
        let honest = match at {
            At::Token => self.token(asked, shown),
            _ if !self.is_open && shown != BASIC && !self.is_good(shown) => {
                let realm = format!("Bearer realm=\"{registry}/token\",service=\"s\"");
                Answer::new(401).header("WWW-Authenticate", realm)
            }
            _ => self.honest(asked),
        };
        self.troubled(at, asked, honest, registry)
    }

    fn place(&self, asked: &Asked) -> At {
        let path = asked.path.split('?').next().unwrap_or_default();
        match path {
            "/v2/" => At::Door,
            "/token" => At::Token,
            _ if path.contains("/manifests/") && asked.method == "HEAD" => At::Head,
            _ if path.contains("/manifests/") => At::Manifest,
            _ if self.shelf.media_type(path) == Some(OCI_CONFIG) => At::Config,
            _ if path.ends_with(&self.layer) => At::Layer,
            _ => At::Small,
        }
    }

    fn token(&self, asked: &Asked, shown: &str) -> Answer {
        if shown != BASIC && !asked.body.contains("password=canary-helper") {
            return Answer::new(401);
        }
        let token = format!(
            "canary-token-{}",
            self.n_given.fetch_add(1, Ordering::SeqCst)
        );
        let answer = format!(r#"{{"token":"{token}","expires_in":300}}"#);
        lock(&self.tokens).insert(format!("Bearer {token}"), self.uses);
        Answer::ok(answer)
    }

    fn is_good(&self, shown: &str) -> bool {
        match lock(&self.tokens).get_mut(shown) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    /// What the shelf has, at any address that ends in its name.
    fn honest(&self, asked: &Asked) -> Answer {
        let path = asked.path.split('?').next().unwrap_or_default().to_owned();
        let mut asked = asked.clone();
        asked.path = path;
        match self.has_ranges {
            true => self.shelf.answer(&asked),
            false => self.shelf.answer(&asked.without("range")),
        }
    }

    fn stored(&self, asked: &Asked) -> Answer {
        let query = asked.path.split('?').nth(1).unwrap_or_default();
        let honest = {
            let mut signatures = lock(&self.signatures);
            let known = signatures.iter().position(|known| known == query);
            known.map(|known| signatures.remove(known))
        };
        let honest = match honest {
            Some(_) => self.honest(asked),
            None => Answer::new(403).body("<Error><Message>Request has expired</Message></Error>"),
        };
        self.troubled(At::Stored, asked, honest, String::new())
    }

    /// The answer with what is planned for it.
    fn troubled(&self, at: At, asked: &Asked, honest: Answer, registry: String) -> Answer {
        let planned = {
            let mut faults = lock(&self.faults);
            let mut faults = faults.iter_mut();
            let is_next = |it: &&mut Planned| {
                it.at == at && it.times > 0 && it.fault.fits(at, asked, &honest)
            };
            faults.find(is_next).map(|planned| {
                planned.times -= usize::from(planned.times != ALWAYS);
                planned.fault
            })
        };
        let Some(fault) = planned else { return honest };
        lock(&self.fired).push((at, fault));
        let sign = || {
            let number = self.n_given.fetch_add(1, Ordering::SeqCst);
            let signature = format!("X-Signature=canary-signature-{number}");
            lock(&self.signatures).push(signature.clone());
            signature
        };
        let around = Around {
            registry,
            storage: self.storage.get().expect("it was started first"),
            signature: &sign,
        };
        fault.instead(asked, honest, &around)
    }
}

/// The kind of the error in what was said as JSON.
pub(super) fn kind_of(output: &Output) -> Option<String> {
    let lines = output
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut errors = lines.filter(|line| line["level"] == "error");
    Some(errors.next()?["kind"].as_str()?.to_owned())
}

/// A kind as it stands there.
pub(super) fn word(kind: Kind) -> String {
    format!("{kind:?}").to_lowercase()
}
