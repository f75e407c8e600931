//! From a real registry to a running Debian: pulled, verified, compared, installed into, and refused when damaged.

use serde_json::Value;

use crate::support::{Output, Registry, Sandbox, fixture, require, tree};

/// A home whose user is logged in, and the registry that he is logged in to.
struct Harbour {
    sandbox: Sandbox,
    registry: Registry,
}

impl Harbour {
    fn new() -> Self {
        let harbour = Self {
            sandbox: Sandbox::new(),
            registry: Registry::start(),
        };
        harbour.registry.login(&harbour.sandbox).run().success();
        harbour
    }

    fn pull(&self, image: &str, options: &[&str]) -> Output {
        let run = self
            .sandbox
            .coracle(["pull", "--tls-ca"])
            .arguments([Registry::authority()]);
        run.arguments(options)
            .arguments([self.registry.image(image)])
            .run()
    }

    fn run(&self, engine: &str, image: &str, argv: &[&str]) -> Output {
        let run = self
            .sandbox
            .coracle(["--quiet", "run", "--rm", "--engine", engine, image]);
        run.arguments(argv).run()
    }
}

fn pulled_verified_and_run(name: &str) {
    let harbour = Harbour::new();
    harbour.pull(name, &[]).success();
    let image = harbour.registry.image(name);
    harbour
        .sandbox
        .coracle(["images"])
        .run()
        .success()
        .mentions(name);
    harbour
        .sandbox
        .coracle(["verify", &image])
        .run()
        .success()
        .mentions("damaged: 0");
    for engine in ["ns", "proot"] {
        harbour
            .run(engine, &image, &["dpkg", "-l"])
            .success()
            .mentions("base-files");
        harbour
            .run(engine, &image, &["dpkg", "--verify", "perl-base"])
            .success()
            .prints("");
        harbour
            .run(engine, &image, &["perl", "-e", "print 6 * 7"])
            .success()
            .prints("42");
        harbour
            .run(engine, &image, &["answer"])
            .exits(42)
            .prints("forty-two");
        harbour
            .run(
                engine,
                &image,
                &["cat", "/odd/closed/inside", "/odd/links/three"],
            )
            .success()
            .prints("read only\nlinked");
    }
}

#[test]
fn debian_in_gzip() {
    require!(Fixtures, DockerRegistry, UserNamespaces, Ptrace);
    pulled_verified_and_run("debian");
}

#[test]
fn debian_in_zstd() {
    require!(Fixtures, DockerRegistry, UserNamespaces, Ptrace);
    pulled_verified_and_run("debian-zstd");
}

#[test]
fn an_index_of_two_platforms() {
    require!(Fixtures, DockerRegistry, UserNamespaces);
    let harbour = Harbour::new();
    let image = harbour.registry.image("platforms");
    harbour.pull("platforms", &[]).success();
    harbour
        .run("ns", &image, &["args", "ours"])
        .success()
        .prints("4:ours");
    harbour
        .pull("platforms", &["--platform", "linux/s390x"])
        .exits(1)
        .complains("linux/s390x")
        .complains("linux/arm64");
    harbour
        .pull("platforms", &["--platform", "linux/arm64"])
        .success();
    let output = harbour.sandbox.coracle(["inspect", &image]).run().success();
    assert!(output.stdout.contains("arm64"), "{output}");
}

#[test]
fn without_a_login() {
    require!(Fixtures, DockerRegistry);
    let harbour = Harbour {
        sandbox: Sandbox::new(),
        registry: Registry::start(),
    };
    harbour.pull("guest", &[]).exits(1).complains("login");
    let wrong = harbour
        .registry
        .login(&harbour.sandbox)
        .input("not the password")
        .run();
    assert_ne!(wrong.code(), Some(0), "{wrong}");
    harbour.registry.login(&harbour.sandbox).run().success();
    harbour.pull("guest", &[]).success();
    harbour
        .sandbox
        .coracle(["logout", &harbour.registry.host()])
        .run()
        .success();
    harbour.pull("guest-entry", &[]).exits(1).complains("login");
}

#[test]
fn credentials_that_a_helper_has() {
    require!(Fixtures, DockerRegistry);
    let harbour = Harbour {
        sandbox: Sandbox::new(),
        registry: Registry::start(),
    };
    harbour.sandbox.folder("home/.docker");
    let config = |text: &str| harbour.sandbox.file("home/.docker/config.json", text);
    let host = harbour.registry.host();
    config(&format!(r#"{{"credHelpers":{{"{host}":"own"}}}}"#));
    harbour
        .pull("guest", &[])
        .exits(1)
        .complains("docker-credential-own")
        .complains("there is no such program");
    config("");
    harbour
        .pull("guest", &[])
        .exits(1)
        .complains("log in first");
    harbour.registry.login(&harbour.sandbox).run().success();
    harbour.pull("guest", &[]).success();
}

#[test]
fn an_unknown_authority() {
    require!(Fixtures, DockerRegistry);
    let harbour = Harbour::new();
    let image = harbour.registry.image("guest");
    harbour
        .sandbox
        .coracle(["pull", &image])
        .run()
        .exits(1)
        .complains("certificate")
        .complains("--tls-ca");
    let run = harbour
        .sandbox
        .coracle(["pull", &image])
        .env("SSL_CERT_FILE", Registry::authority());
    run.run().success();
}

/// One byte flipped in the registry's storage, in each kind of blob: an error that publishes nothing.
#[test]
fn a_flipped_byte() {
    require!(Fixtures, DockerRegistry);
    let manifest = layout_blob(&layout_digest("debian-zstd"));
    let manifest: Value = serde_json::from_slice(&manifest).expect("the layout is well formed");
    let layers = manifest["layers"]
        .as_array()
        .expect("a manifest has layers")
        .iter();
    for descriptor in layers.chain([&manifest["config"]]) {
        let digest = descriptor["digest"]
            .as_str()
            .expect("a descriptor has a digest");
        let harbour = Harbour::new();
        let blob = harbour.registry.blob(digest);
        let sound = std::fs::read(&blob).expect("the registry has the blob");
        let mut damaged = sound.clone();
        damaged[sound.len() / 2] ^= 1;
        std::fs::write(&blob, damaged).expect("the storage is a copy of ours");
        harbour.pull("debian-zstd", &[]).exits(1).complains(digest);
        harbour
            .sandbox
            .coracle(["images", "--quiet"])
            .run()
            .success()
            .prints("");
        let published = harbour
            .sandbox
            .store()
            .join("blobs/sha256")
            .join(&digest["sha256:".len()..]);
        assert!(
            !published.exists(),
            "the damaged blob was published as {}",
            published.display()
        );
        std::fs::write(&blob, sound).expect("the storage is a copy of ours");
        harbour.pull("debian-zstd", &[]).success();
    }
}

/// A package that makes a user and owns files stays installed in a named container, by every engine.
#[test]
fn apt_get_install() {
    require!(Fixtures, UserNamespaces, Ptrace);
    let debs = format!("{}:/debs", fixture::path("debs").display());
    let install = "rm -f /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] file:/debs ./' > /etc/apt/sources.list
        apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends dbus hello";
    let sandbox = Sandbox::new();
    sandbox
        .coracle(["pull", &fixture::image("debian")])
        .run()
        .success();
    for engine in ["ns", "proot"] {
        let named = ["run", "--engine", engine, "--name", engine, "-v", &debs];
        let run = sandbox.coracle(named).arguments([
            fixture::image("debian").as_str(),
            "sh",
            "-c",
            install,
        ]);
        run.run().success().mentions("Setting up dbus");
        let again = |argv: &[&str]| {
            sandbox
                .coracle(["--quiet", "run", "--engine", engine, engine])
                .arguments(argv)
                .run()
        };
        again(&["hello"]).success().prints("Hello, world!");
        again(&["getent", "passwd", "messagebus"])
            .success()
            .mentions("messagebus");
        again(&["dpkg", "--audit"]).success().prints("");
        sandbox.coracle(["rm", engine]).run().success();
    }
}

/// The extracted tree equals what `umoci unpack --rootless` makes of the same image; every difference has its reason.
#[test]
fn as_umoci_unpacks_it() {
    require!(Fixtures, Umoci);
    let sandbox = Sandbox::new();
    sandbox
        .coracle(["pull", &fixture::image("debian")])
        .run()
        .success();
    let layout = format!("{}:debian", fixture::path("oci").display());
    let bundle = sandbox.path("tmp/bundle");
    let umoci = ["umoci", "unpack", "--rootless", "--image", &layout];
    sandbox.command(umoci).arguments([&bundle]).run().success();
    let trees =
        std::fs::read_dir(sandbox.store().join("trees")).expect("the image has been extracted");
    let ours = trees
        .flatten()
        .next()
        .expect("the image has been extracted")
        .path()
        .join("rootfs");
    let differences = tree::differences(&tree::list(&ours), &tree::list(&bundle.join("rootfs")));
    let unexplained: Vec<_> = differences
        .iter()
        .filter(|line| explained(line).is_none())
        .collect();
    assert!(
        unexplained.is_empty(),
        "{} differences without a reason: {unexplained:#?}",
        unexplained.len()
    );
}

/// Why a line of [`tree::differences`] is as it should be.
fn explained(line: &str) -> Option<&'static str> {
    let (name, difference) = line.split_once(": ")?;
    if let Some(modes) = difference.strip_prefix("mode: ") {
        let (ours, theirs) = modes.split_once(" != ")?;
        let [ours, theirs] = [ours, theirs].map(|mode| u32::from_str_radix(mode, 8));
        let (ours, theirs) = (ours.ok()?, theirs.ok()?);
        // 0o700 is what is given to the owner: all of it to folders, reading to files.
        let is_opened = ours & !0o700 == theirs & 0o077;
        return is_opened
            .then_some("open to its owner, and not setuid on disk: the sidecar has the true mode");
    }
    match name {
        "odd" => Some("umoci does not set a folder's time again when a later layer adds to it"),
        _ if name.starts_with("odd/ddd") && difference.starts_with("mtime: (0, 0)") => {
            Some("no layer states the time of these folders; umoci leaves the moment of unpacking")
        }
        "odd/null" => Some("a plain user can make no device; umoci puts an empty file there"),
        _ => None,
    }
}

/// The digest that a tag of the fixtures' layout stands for.
fn layout_digest(tag: &str) -> String {
    let index = std::fs::read(fixture::path("oci/index.json")).expect("the fixtures were required");
    let index: Value = serde_json::from_slice(&index).expect("the layout is well formed");
    let manifests = index["manifests"]
        .as_array()
        .expect("an index has manifests");
    let found = manifests
        .iter()
        .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag);
    found
        .and_then(|entry| entry["digest"].as_str())
        .expect("the fixtures have the tag")
        .to_string()
}

fn layout_blob(digest: &str) -> Vec<u8> {
    let name = digest.replace(':', "/");
    std::fs::read(fixture::path(&format!("oci/blobs/{name}"))).expect("the layout is complete")
}
