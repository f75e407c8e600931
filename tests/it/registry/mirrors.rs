//! Mirrors: what `registries.conf` and the setting `mirror` say is obeyed, a mirror that fails is left, and nothing that
//! one does can hurt but by its slowness.

use serde_json::Value;

use super::server::{Answer, Asked, Server};
use super::shelf::{Shelf, layer};
use crate::support::{Registry, Run, Sandbox, require};

/// `user:secret` as a Basic header.
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

/// A layer that does not fit into one packet.
fn large() -> Vec<u8> {
    layer("file", &"boat ".repeat(100_000))
}

/// A registry that holds one image as `team/boat:1`, and all that it holds.
fn shelf() -> Shelf {
    let mut shelf = Shelf::default();
    let image = shelf.image(&[&layer("small", "x"), &large()]);
    shelf.tag("1", &image);
    shelf
}

fn honest() -> Server {
    let shelf = shelf();
    Server::start(move |asked, _| shelf.answer(asked))
}

/// A home that knows `mirror` to be one for `upstream`.
struct Harbour {
    sandbox: Sandbox,
    upstream: Server,
}

impl Harbour {
    fn new(upstream: Server, mirrors: &[&Server]) -> Harbour {
        let tables = mirrors.iter().map(|mirror| {
            format!(
                "[[registry.mirror]]\nlocation = '{}/copies'\ninsecure = true\n",
                mirror.host
            )
        });
        let text = format!(
            "[[registry]]\nlocation = '{}'\ninsecure = true\n{}",
            upstream.host,
            tables.collect::<String>()
        );
        let harbour = Harbour {
            sandbox: Sandbox::new(),
            upstream,
        };
        harbour.configure(&text);
        harbour
    }

    fn configure(&self, text: &str) {
        self.sandbox.folder("home/.config/containers");
        self.sandbox
            .file("home/.config/containers/registries.conf", text);
    }

    fn image(&self) -> String {
        format!("{}/team/boat:1", self.upstream.host)
    }

    fn pull(&self) -> Run {
        let pull = ["pull", "--verbose", &self.image()].map(str::to_owned);
        self.sandbox.coracle(pull).env("CORACLE_NET_TIMEOUT", "1")
    }

    /// Asserts that the image is here, whole, under the name of its registry alone.
    #[track_caller]
    fn has_image(&self) {
        let images = self.sandbox.coracle(["images", "--json"]).run().success();
        let lines: Vec<&str> = images.stdout.lines().collect();
        let host = &self.upstream.host;
        assert!(
            lines.concat().contains(&format!("{host}/team/boat")),
            "{images}"
        );
        assert!(!lines.concat().contains("copies"), "{images}");
        let verify = self.sandbox.coracle(["verify", &self.image()]);
        verify.run().success().mentions("damaged: 0");
    }
}

/// The paths of manifests and blobs that were asked for.
fn objects(server: &Server) -> Vec<String> {
    let asked = server.asked().into_iter().map(|asked| asked.path);
    asked.filter(|path| path != "/v2/").collect()
}

#[test]
fn a_mirror_serves_all_and_the_registry_is_not_asked() {
    let mirror = honest();
    let harbour = Harbour::new(honest(), &[&mirror]);
    let said = harbour.pull().run().success();
    said.complains(&format!("manifest is from `{}`", mirror.host));
    assert_eq!(objects(&harbour.upstream), Vec::<String>::new());
    let paths = objects(&mirror);
    assert!(
        paths
            .iter()
            .all(|path| path.starts_with("/v2/copies/team/boat/")),
        "{paths:?}"
    );
    harbour.has_image();
    // The same again takes one question, to the mirror.
    let before = objects(&mirror).len();
    harbour.pull().run().success();
    assert_eq!(objects(&mirror).len(), before + 1);
}

#[test]
fn the_setting_names_mirrors_too() {
    let (mirror, upstream) = (honest(), honest());
    let harbour = Harbour::new(upstream, &[]);
    harbour.configure("");
    let own = format!("{}={}/copies", harbour.upstream.host, mirror.host);
    let insecure = format!("{},{}", harbour.upstream.host, mirror.host);
    let pull = harbour.pull().env("CORACLE_MIRROR", own);
    pull.env("CORACLE_INSECURE", insecure).run().success();
    assert_eq!(objects(&harbour.upstream), Vec::<String>::new());
    harbour.has_image();
    let pull = harbour.pull().env("CORACLE_MIRROR", "nowhere");
    pull.run()
        .exits(2)
        .complains("cannot use the mirror `nowhere`");
}

/// Pulls with a mirror that answers everything but its front door so.
fn falls_back(
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> (Harbour, Server, String) {
    let mirror = Server::start(move |asked, _| match asked.path.as_str() {
        "/v2/" => Answer::ok("{}"),
        _ => answer(asked),
    });
    let harbour = Harbour::new(honest(), &[&mirror]);
    let said = harbour.pull().run().success();
    harbour.has_image();
    (harbour, mirror, said.stderr)
}

#[test]
fn a_mirror_that_fails_is_left_and_not_asked_again() {
    for status in [404, 500, 429, 401, 403, 418] {
        let (_, mirror, said) = falls_back(move |_| Answer::new(status));
        let left = format!("the mirror `{}` is left", mirror.host);
        assert!(said.contains(&left), "{status}: {said}");
        let gets = mirror
            .asked()
            .into_iter()
            .filter(|asked| asked.method == "GET");
        let paths: Vec<_> = gets.map(|asked| asked.path).collect();
        assert!(
            paths.iter().all(|path| !path.contains("/blobs/")),
            "{status}: {paths:?}"
        );
    }
}

#[test]
fn a_mirror_that_is_not_there_is_left() {
    let gone = honest();
    let harbour = Harbour::new(honest(), &[&gone]);
    let host = gone.host.clone();
    drop(gone);
    let said = harbour.pull().run().success();
    said.complains(&format!("the mirror `{host}` is left"));
    harbour.has_image();
}

#[test]
fn a_manifest_of_other_bytes_is_warned_of_and_had_elsewhere() {
    // By its digest, and by a header that says what the bytes are not.
    let (_, _, said) = falls_back(|_| {
        let wrong = format!("sha256:{}", "0".repeat(64));
        Answer::ok("{}").header("Docker-Content-Digest", wrong)
    });
    assert!(said.contains("is left"), "{said}");

    let mut shelf = shelf();
    let image = shelf.image(&[&layer("small", "x"), &large()]);
    let digest = image["digest"].as_str().expect("a descriptor").to_owned();
    shelf.spoil(&image, b"{}");
    let mirror = Server::start(move |asked, _| shelf.answer(asked));
    let harbour = Harbour::new(honest(), &[&mirror]);
    let name = format!("{}/team/boat@{digest}", harbour.upstream.host);
    let pull = harbour.sandbox.coracle(["pull", "--verbose", &name]);
    pull.run().success().complains("is left");
}

#[test]
fn a_blob_goes_on_in_the_midst_from_the_next_endpoint() {
    let layer = large();
    let size = layer.len();
    let shelf = shelf();
    let harbour = {
        let mirror = Server::start(move |asked, _| {
            let answer = shelf.answer(asked);
            match asked.path.contains("/blobs/") && answer.length() == size {
                true => answer.cut_after(100_000),
                false if asked.header("range").is_some() => Answer::new(500),
                false => answer,
            }
        });
        let harbour = Harbour::new(honest(), &[&mirror]);
        harbour.pull().run().success().complains("is left");
        harbour
    };
    harbour.has_image();
    let asked = harbour.upstream.asked();
    let ranges: Vec<_> = asked
        .iter()
        .filter_map(|asked| asked.header("range"))
        .collect();
    assert_eq!(ranges.len(), 1, "{asked:?}");
    let from: usize = ranges[0]["bytes=".len()..]
        .trim_end_matches('-')
        .parse()
        .expect("a number");
    assert!((1..=100_000).contains(&from), "{ranges:?}");
}

#[test]
fn a_blob_of_other_bytes_is_had_from_the_registry_itself() {
    let mut lies = shelf();
    let mut wrong = large();
    wrong[600] ^= 1;
    let descriptor = lies.put("", &large());
    lies.spoil(&descriptor, &wrong);
    let (harbour, _, said) = falls_back(move |asked| lies.answer(asked));
    assert!(
        said.contains("asking the registry itself for all of it"),
        "{said}"
    );
    assert!(
        objects(&harbour.upstream)
            .iter()
            .any(|path| path.contains("/blobs/"))
    );
}

#[test]
fn a_mirror_that_lags_behind_does_not_hide_what_is_locked() {
    let mut old = Shelf::default();
    let image = old.image(&[&layer("small", "old")]);
    old.tag("1", &image);
    let mirror = Server::start(move |asked, _| old.answer(asked));
    let harbour = Harbour::new(honest(), &[]);
    let pull = |flag: &str| harbour.pull().arguments([flag]).run();
    pull("--lock=boat.lock").success();
    let (host, copies) = (&harbour.upstream.host, &mirror.host);
    harbour.configure(&format!(
        "[[registry]]\nlocation = '{host}'\ninsecure = true\n
         [[registry.mirror]]\nlocation = '{copies}/copies'\ninsecure = true\n"
    ));
    // By now the image here is the mirror's, which is asked for nothing but the digest of the tag.
    pull("--verbose").success().complains(copies);
    let before = objects(&mirror).len();
    let said = pull("--locked=boat.lock").success();
    said.complains("asking the registry itself for all of it");
    assert_eq!(objects(&mirror).len(), before + 1);
    harbour.has_image();
}

/// A server that shows everything only to one user.
fn private(realm: &'static str) -> Server {
    let shelf = shelf();
    Server::start(move |asked, _| match asked.header("authorization") {
        Some(BASIC) => shelf.answer(asked),
        _ => Answer::new(401).header("WWW-Authenticate", format!("Basic realm=\"{realm}\"")),
    })
}

#[test]
fn credentials_of_the_registry_never_reach_a_mirror() {
    let mirror = private("mirror");
    let harbour = Harbour::new(private("registry"), &[&mirror]);
    let auth = BASIC.trim_start_matches("Basic ");
    let text = format!(
        r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#,
        harbour.upstream.host
    );
    harbour.sandbox.folder("home/.docker");
    harbour.sandbox.file("home/.docker/config.json", text);
    harbour.pull().run().success();
    harbour.has_image();
    let shown = |server: &Server| {
        let asked = server.asked().into_iter();
        asked
            .filter(|asked| asked.header("authorization").is_some())
            .count()
    };
    assert!(!mirror.asked().is_empty());
    assert_eq!(shown(&mirror), 0, "{:?}", mirror.asked());
    assert!(shown(&harbour.upstream) > 0);
}

#[test]
fn a_malformed_file_is_an_error_with_its_line_and_a_block_is_obeyed() {
    let harbour = Harbour::new(honest(), &[]);
    harbour.configure("\n[[registry]]\nblocked = 1\n");
    let said = harbour.pull().run().exits(2);
    said.complains("registries.conf`: line 3: `blocked`: expected `true` or `false`");
    let host = &harbour.upstream.host;
    harbour.configure(&format!(
        "[[registry]]\nlocation = '{host}/team'\nblocked = true\n"
    ));
    harbour.pull().run().exits(1).complains("is blocked");
    assert!(harbour.upstream.asked().is_empty());
    harbour.configure("colour = 1\n");
    let said = harbour.pull().env("CORACLE_INSECURE", host).run().success();
    said.complains("line 1: `colour` is not for coracle");
    // A variable names another file, which then counts alone.
    let other = harbour.sandbox.file("home/other.conf", "x\n");
    let said = harbour
        .pull()
        .env("CONTAINERS_REGISTRIES_CONF", other)
        .run();
    said.exits(2).complains("other.conf`: line 1");
}

#[test]
fn an_alias_gives_a_short_name_its_registry() {
    let harbour = Harbour::new(honest(), &[]);
    let host = &harbour.upstream.host;
    harbour.configure(&format!("[aliases]\nboat = '{host}/team/boat'\n"));
    let coracle = |words: &[&str]| harbour.sandbox.coracle(words).env("CORACLE_INSECURE", host);
    coracle(&["pull", "boat:1"])
        .run()
        .success()
        .mentions(&format!("{host}/team/boat"));
    harbour.has_image();
    coracle(&["history", "boat:1"]).run().success();
    let said = coracle(&[
        "run",
        "--rm",
        "--pull",
        "never",
        "--platform",
        "linux/amd64",
        "boat:1",
    ]);
    let said = said.run();
    assert!(!said.stderr.contains("no image"), "{said}");
    coracle(&["rmi", "boat:1"]).run().success();
    coracle(&["images", "--quiet"]).run().success().prints("");
}

#[test]
fn a_real_registry_mirrors_another_name() {
    require!(Fixtures, DockerRegistry);
    let registry = Registry::start();
    let harbour = Harbour::new(honest(), &[]);
    registry.login(&harbour.sandbox).run().success();
    harbour.configure(&format!(
        "[[registry]]\nprefix = '*.invalid/hub'\n[[registry.mirror]]\nlocation = '{}/boats'\n",
        registry.host()
    ));
    let name = "harbour.invalid/hub/debian:latest";
    let pull = harbour
        .sandbox
        .coracle(["pull", "--tls-ca"])
        .arguments([Registry::authority()]);
    pull.arguments([name]).run().success();
    let inspected = harbour
        .sandbox
        .coracle(["image", "inspect", name])
        .run()
        .success();
    let inspected: Value = serde_json::from_str(&inspected.stdout).expect("a document");
    assert!(
        inspected.to_string().contains("harbour.invalid/hub/debian"),
        "{inspected}"
    );
    assert!(
        !inspected.to_string().contains(&registry.host()),
        "{inspected}"
    );
}
