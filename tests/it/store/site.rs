//! Stores of other users, read beside the own one: found there and not copied, never written, refused by name where
//! something would have to change, and missed with a way out when they are gone.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use coracle::base::digest::Digest;
use serde_json::Value;

use crate::registry::server::Server;
use crate::registry::shelf::{Shelf, layer};
use crate::support::{Feature, Output, Registry, Run, Sandbox, require};

/// A store that belongs to root, and a plain user who reads it.
struct Site {
    sandbox: Sandbox,
    registry: Registry,
    store: PathBuf,
}

impl Site {
    fn new() -> Site {
        let sandbox = Sandbox::new();
        let registry = Registry::start();
        registry.login(&sandbox).run().success();
        let site = Site {
            store: sandbox.path("site"),
            sandbox,
            registry,
        };
        site.of_owner(["install", "--shared"]).success();
        site.of_owner(site.pulling("debian")).success();
        site
    }

    fn pulling(&self, name: &str) -> Vec<String> {
        let authority = Registry::authority().display().to_string();
        ["pull", "--tls-ca", &authority, &self.registry.image(name)]
            .map(str::to_owned)
            .into()
    }

    /// `coracle` as root with the site's store as its home, and the strictest umask.
    fn of_owner<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Output {
        let words: Vec<String> = words.into_iter().map(|it| it.as_ref().to_owned()).collect();
        let umask = ["sh", "-c", "umask 077; exec \"$@\"", "sh"];
        let run = Run::new(umask).arguments([self.sandbox.binary()]);
        let run = run.arguments(words).env("HOME", self.sandbox.home());
        run.env("PATH", "/usr/bin:/bin")
            .env("CORACLE_HOME", &self.store)
            .run()
    }

    fn user<S: AsRef<std::ffi::OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Run {
        self.sandbox
            .coracle(words)
            .env("CORACLE_STORES", &self.store)
    }

    fn image(&self) -> String {
        self.registry.image("debian")
    }

    /// What is in the user's own store of a kind.
    fn own(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.sandbox.store().join(folder));
        let entries = entries.into_iter().flatten().flatten();
        entries
            .map(|it| it.file_name().to_string_lossy().into_owned())
            .collect()
    }
}

/// A registry in memory whose tag may move, a store of root's with what it had at first, and a plain user.
struct Small {
    sandbox: Sandbox,
    shelf: Arc<Mutex<Shelf>>,
    server: Server,
    store: PathBuf,
}

impl Small {
    fn new(layers: &[&[u8]]) -> Small {
        let shelf = Arc::new(Mutex::new(Shelf::default()));
        let shelves = shelf.clone();
        let server = Server::start(move |asked, _| {
            let shelf = shelves.lock().expect("no test panics with it");
            shelf.answer(asked)
        });
        let sandbox = Sandbox::new();
        let store = sandbox.path("site");
        let small = Small {
            sandbox,
            shelf,
            server,
            store,
        };
        small.put(layers);
        for words in [
            vec!["install".to_owned(), "--shared".to_owned()],
            small.pulling(":1"),
        ] {
            let run = Run::new([small.sandbox.binary()]).arguments(words);
            let run = run.env("HOME", small.sandbox.home());
            run.env("CORACLE_HOME", &small.store).run().success();
        }
        small
    }

    /// Has the tag mean an image of these layers.
    fn put(&self, layers: &[&[u8]]) {
        let mut shelf = self.shelf.lock().expect("no test panics with it");
        let image = shelf.image(layers);
        shelf.tag("1", &image);
    }

    fn image(&self) -> String {
        format!("{}/boat:1", self.server.host)
    }

    fn pulling(&self, end: &str) -> Vec<String> {
        let name = format!("{}/boat{end}", self.server.host);
        let words = [
            "pull",
            "--platform",
            "linux/amd64",
            "--insecure",
            &self.server.host,
            &name,
        ];
        words.map(str::to_owned).into()
    }

    fn user<S: AsRef<std::ffi::OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Run {
        let run = self
            .sandbox
            .coracle(words)
            .env("CORACLE_STORES", &self.store);
        run.env("CORACLE_PLATFORM", "linux/amd64")
    }
}

/// Every path below `dir` with what of it changes when somebody writes: times, mode, size.
fn snapshot(dir: &Path) -> Vec<(PathBuf, i64, i64, i64, u32, u64)> {
    let mut all = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = std::fs::symlink_metadata(&path).expect("it was listed");
        if meta.is_dir() {
            let entries = std::fs::read_dir(&path).expect("root lists everything");
            todo.extend(entries.map(|it| it.expect("listed").path()));
        }
        let (changed, nanoseconds) = (meta.ctime(), meta.ctime_nsec());
        all.push((
            path,
            meta.mtime(),
            changed,
            nanoseconds,
            meta.mode(),
            meta.len(),
        ));
    }
    all.sort();
    all
}

/// Asserts that all of a shared store but containers is for everybody to read.
#[track_caller]
fn is_open(store: &Path) {
    for (path, _, _, _, mode, _) in snapshot(store) {
        let below = path.strip_prefix(store).expect("it is below");
        let top = below.iter().next().and_then(|it| it.to_str()).unwrap_or("");
        let wanted = match (mode & 0o170_000, top) {
            (0o040_000, "" | "blobs" | "refs" | "trees") => 0o005,
            (0o100_000, "version" | "blobs" | "refs" | "trees") => 0o004,
            _ => 0,
        };
        assert_eq!(mode & wanted, wanted, "{} {mode:o}", path.display());
        if ["containers", "volumes", "leases", "ingest", "tmp", "trash"].contains(&top) {
            assert_eq!(mode & 0o077, 0, "{} {mode:o}", path.display());
        }
    }
}

/// Runs the site's image from a read-only file system, by both engines, and with every kind of ids.
#[track_caller]
fn runs_by_every_engine(site: &Site) {
    let image = site.image();
    let mount = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"";
    let run = site.user(["run", "--rm", "--engine", "ns", &image, "answer"]);
    let prefix = ["unshare", "-m", "sh", "-c", mount].map(str::to_owned);
    let store = site.store.display().to_string();
    let run = run.behind(prefix.into_iter().chain([store]));
    run.run().exits(42).mentions("forty-two");
    for engine in ["ns", "proot"] {
        let run = ["run", "--rm", "--engine", engine, &image, "sh", "-ec"];
        let script = "cat /etc/passwd >/dev/null; touch /tmp/a /etc/new /root/x; rm -r /var/lib/dpkg; answer";
        let run = site.user(run).arguments([script]).run();
        run.exits(42).mentions("forty-two");
    }
    let has_subids = Feature::SubIds.probe().is_ok();
    for userns in ["keep-id", "subids"]
        .into_iter()
        .take(1 + usize::from(has_subids))
    {
        let run = [
            "run", "--rm", "--engine", "ns", "--userns", userns, &image, "answer",
        ];
        let run = site.user(run).run();
        run.exits(42).mentions("forty-two");
    }
}

#[test]
fn an_image_of_a_site_is_used_without_a_copy_and_nothing_is_written_there() {
    require!(Fixtures, DockerRegistry, UserNamespaces, Root);
    let site = Site::new();
    is_open(&site.store);
    let before = snapshot(&site.store);
    let image = site.image();
    site.user(site.pulling("debian")).run().success();
    for folder in ["blobs/sha256", "trees", "refs"] {
        assert_eq!(site.own(folder), Vec::<String>::new(), "{folder}");
    }
    site.user(["images"])
        .run()
        .success()
        .mentions(&site.store.display().to_string());
    let said = site.user(["inspect", &image]).run().success();
    let said: Value = serde_json::from_str(&said.stdout).expect("a document");
    assert_eq!(
        said[0]["Coracle"]["Store"],
        site.store.display().to_string()
    );
    site.user(["verify", &image])
        .run()
        .success()
        .mentions("damaged: 0");
    site.user(["history", &image]).run().success();
    let words = ["rmi", "--force", &image];
    site.user(words)
        .run()
        .exits(2)
        .complains("which is only read");
    runs_by_every_engine(&site);
    site.user(["create", "--name", "boat", &image])
        .run()
        .success();
    site.user(["run", "boat", "sh", "-c", "echo kept >/etc/mine"])
        .run()
        .success();
    site.user(["run", "boat", "cat", "/etc/mine"])
        .run()
        .success()
        .prints("kept");
    site.user(["clone", "--name", "twin", "boat"])
        .run()
        .success();
    site.user(["run", "twin", "cat", "/etc/mine"])
        .run()
        .success()
        .prints("kept");
    let archive = site.sandbox.path("tmp/boat.tar");
    site.user(["export", "-o"])
        .arguments([&archive])
        .arguments(["boat"])
        .run()
        .success();
    let saved = site.sandbox.path("tmp/image.tar");
    site.user(["save", "-o"])
        .arguments([&saved])
        .arguments([&image])
        .run()
        .success();
    site.user(["gc"]).run().success();
    site.user(["ps", "-a"]).run().success().mentions("boat");
    assert_eq!(snapshot(&site.store), before);
    assert_eq!(site.own("trees"), Vec::<String>::new());
}

#[test]
fn a_site_that_is_gone_is_missed_and_the_image_can_be_pulled() {
    require!(UserNamespaces, Root);
    let site = Small::new(&[&layer("file", "1")]);
    let image = site.image();
    site.user(["create", "--name", "boat", &image])
        .run()
        .success();
    let gone = site.sandbox.path("gone");
    std::fs::rename(&site.store, &gone).expect("the same file system");
    let said = site.user(["run", "boat", "true"]).run().exits(125);
    let again = said
        .stderr
        .split('`')
        .find(|word| word.starts_with("coracle pull "));
    let again = again.unwrap_or_else(|| panic!("{said}")).to_owned();
    let words = again
        .split(' ')
        .skip(1)
        .chain(["--insecure", &site.server.host]);
    site.user(words).run().success();
    site.user(["run", "boat", "/none"]).run().exits(127);
    let trees = std::fs::read_dir(site.sandbox.store().join("trees")).expect("it is made");
    assert_eq!(trees.count(), 1);
    // A damaged home is told by its path.
    std::fs::rename(&gone, &site.store).expect("the same file system");
    std::fs::write(site.store.join("version"), "99\n").expect("root writes");
    let said = site.user(["images"]).run().exits(1);
    said.complains("has format `99`").complains("/site");
}

#[test]
fn a_tag_that_moved_is_pulled_into_the_own_store_with_the_blobs_of_the_site() {
    require!(Root);
    let (old, kept, new) = (layer("old", "1"), layer("kept", "2"), layer("new", "3"));
    let site = Small::new(&[&kept, &old]);
    let before = site.server.asked().len();
    site.put(&[&kept, &new]);
    site.user(site.pulling(":1")).run().success();
    let asked: Vec<_> = site.server.asked().into_iter().skip(before).collect();
    let blobs = asked.iter().filter(|it| it.path.contains("/blobs/"));
    // The config and the new layer.
    assert_eq!(blobs.count(), 2, "{asked:?}");
    let own = std::fs::read_dir(site.sandbox.store().join("blobs/sha256")).expect("it is made");
    assert_eq!(own.count(), 3);
    site.user(["verify", &site.image()])
        .run()
        .success()
        .mentions("damaged: 0");
    // Ours comes first now, and again there is nothing to do.
    site.user(site.pulling(":1")).run().success();
    let images = site.user(["images", "--json"]).run().success();
    assert!(images.stdout.contains("\"store\": null"), "{images}");
    site.user(["rmi", &site.image()]).run().success();
    let images = site.user(["images", "--json"]).run().success();
    assert!(images.stdout.contains("/site"), "{images}");
}

#[test]
fn a_container_of_a_sites_image_goes_out_and_becomes_an_image_of_ones_own() {
    require!(Root);
    let site = Small::new(&[&layer("old", "1")]);
    let user = |words: &[&str]| site.user(words).run();
    user(&["create", "--name", "box", "--pull=never", &site.image()]).success();
    // The user is not who made the files of the site: for the guest they are root's nevertheless.
    let listed = |container: &str| {
        let export = site.user(["export", container]);
        let list = "\"$@\" | tar --numeric-owner -tvf - | tr -s ' ' | cut -d ' ' -f 1,2,6";
        export
            .behind(["bash", "-o", "pipefail", "-c", list, "sh"])
            .run()
    };
    listed("box").success().prints("-rw-r--r-- 0/0 old");
    site.sandbox.file("home/new", "2");
    user(&["cp", "new", "box:/new"]).success();
    user(&["-q", "commit", "box", "own/made:1"]).success();
    // The config, the manifest and the new layer; the old one is the site's.
    let own = std::fs::read_dir(site.sandbox.store().join("blobs/sha256")).expect("it is made");
    assert_eq!(own.count(), 3);
    user(&["create", "--name", "copy", "own/made:1"]).success();
    listed("copy")
        .success()
        .prints("-rw-r--r-- 0/0 new\n-rw-r--r-- 0/0 old");
    user(&["verify", "own/made:1"])
        .success()
        .mentions("damaged: 0");
}

/// A site that its owner closed, or whose documents are damaged, is as if it were empty.
#[test]
fn a_site_that_cannot_be_read_keeps_nobody_from_his_own() {
    require!(Root);
    let site = Small::new(&[&layer("file", "1")]);
    let documents = |folder: &str| {
        let all = snapshot(&site.store.join(folder)).into_iter();
        all.map(|it| it.0)
            .filter(|path| path.extension().is_some_and(|it| it == "json"))
    };
    let close = |folder: &str, mode: u32| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(site.store.join(folder), mode).expect("root may");
    };
    let pulls = || {
        site.user(["images"]).run().success();
        site.user(site.pulling(":1")).run().success();
        site.user(["verify", &site.image()])
            .run()
            .success()
            .mentions("damaged: 0");
        site.user(["rmi", &site.image()]).run().success();
        site.user(["gc"]).run().success();
    };
    for folder in ["", "refs", "trees"] {
        close(folder, 0o700);
        pulls();
        close(folder, 0o755);
    }
    for path in documents("refs").chain(documents("trees")) {
        std::fs::write(path, "{").expect("root writes");
    }
    pulls();
}

#[test]
fn what_is_damaged_in_a_site_is_reported_and_stays() {
    require!(Root);
    let site = Small::new(&[&layer("file", "1")]);
    // The same layers under another name are another image, and no blob of theirs is fetched again.
    let tagged = ["tag", &site.image(), "own:1"];
    site.user(tagged).run().success();
    let own = std::fs::read_dir(site.sandbox.store().join("blobs/sha256")).expect("it is made");
    assert_eq!(own.count(), 0);
    site.user(["images"]).run().success().mentions("own");
    site.user(["verify", "own:1"])
        .run()
        .success()
        .mentions("damaged: 0");
    // What is damaged there is reported, and stays.
    let config = std::fs::read_dir(site.store.join("blobs/sha256")).expect("it is there");
    let blob = config
        .map(|it| it.expect("listed").path())
        .max_by_key(|path| std::fs::metadata(path).expect("it is there").len());
    let blob = blob.expect("an image has blobs");
    let mut bytes = std::fs::read(&blob).expect("root reads");
    bytes[100] ^= 1;
    std::fs::set_permissions(&blob, std::fs::Permissions::from_mode(0o644)).expect("root may");
    std::fs::write(&blob, &bytes).expect("root writes");
    let said = site.user(["verify", &site.image()]).run();
    assert_ne!(said.code(), Some(0), "{said}");
    assert!(blob.exists());
    site.user(["rmi", "own:1"]).run().success();
    assert!(blob.exists());
}

/// Leaves the first bytes of a blob in that store.
fn cut(store: &Path, bytes: &[u8]) {
    let blob = store.join("blobs/sha256").join(Digest::of(bytes).hex());
    std::fs::set_permissions(&blob, std::fs::Permissions::from_mode(0o644)).expect("root may");
    std::fs::write(&blob, &bytes[..100]).expect("root writes");
}

#[test]
fn what_is_imported_goes_into_the_own_store_though_a_site_has_a_part_of_it() {
    require!(Root);
    let old = layer("old", "1");
    let site = Small::new(&[&old]);
    cut(&site.store, &old);
    let before = snapshot(&site.store);
    let import = site.user(["-q", "import", "-", "own/made:1"]).input(&*old);
    import.run().success();
    assert_eq!(snapshot(&site.store), before);
    let verify = site.user(["verify", "own/made:1"]).run().success();
    verify.mentions("damaged: 0");
}

#[test]
fn a_blob_that_is_cut_short_in_the_own_store_is_read_from_a_site() {
    require!(Root);
    let old = layer("old", "1");
    let site = Small::new(&[&old]);
    // Pulled where the site is not known.
    let pull = site.user(site.pulling(":1")).env("CORACLE_STORES", "");
    pull.run().success();
    cut(&site.sandbox.store(), &old);
    let save = site.user(["save", "-o", "saved.tar", &site.image()]);
    save.run().success();
}
