//! Images that are here already meet the policy as well: by the signatures kept with them, without asking anybody.

use super::{Port, payload};
use crate::support::{Output, Run};

impl Port {
    /// Makes a container of the image, if it may be used.
    fn creating(&self, pull: &str) -> Run {
        let words = ["create", "--pull", pull, "--insecure", self.host()];
        self.coracle(&words)
            .arguments(["--platform", "linux/amd64"])
    }

    fn create(&self, pull: &str) -> Output {
        self.creating(pull).arguments([self.image()]).run()
    }

    /// How many requests there were so far.
    fn n_asked(&self) -> usize {
        self.asked().len()
    }
}

#[test]
fn signatures_are_kept_and_checked_without_a_network() {
    let port = Port::indexed();
    let [key, other] = ["key", "other"].map(|name| port.key(name));
    port.signed_by(&key, &port.target);
    port.refer(&port.manifest, &port.bundle(&[&other], &[&port.manifest]));
    port.demand(&[&key]);
    port.pull().success();
    assert!(port.verified().starts_with("digest+key:sha256:"));
    let before = port.n_asked();
    port.create("missing").success();
    port.create("never").success();
    port.coracle(&["gc"]).run().success();
    port.create("never").success();
    port.coracle(&["verify", &port.image()])
        .run()
        .success()
        .mentions("damaged: 0");
    // Both forms were kept, whoever made them.
    port.demand(&[&other]);
    port.create("never").success();
    let stranger = port.key("stranger");
    port.demand(&[&stranger]);
    let output = port.create("never").exits(1);
    output
        .complains(&format!("cannot use the image `{}`", port.image()))
        .complains("which is kept here: it was not made with the trusted key");
    assert_eq!(port.n_asked(), before);
    // A warm pull asks what the name means, and nothing more.
    port.demand(&[&key]);
    port.pull().success();
    assert!(
        port.n_asked() <= before + 2,
        "{:#?}",
        &port.asked()[before..]
    );
    // They go with the image.
    let before = n_blobs(&port);
    port.coracle(&["rm", "--force", "--all"]).run();
    port.coracle(&["rmi", "--force", &port.image()])
        .run()
        .success();
    port.coracle(&["gc"]).run().success();
    assert!(before > 4 && n_blobs(&port) < before);
}

fn n_blobs(port: &Port) -> usize {
    let blobs = port.bench.0.store().join("blobs/sha256");
    std::fs::read_dir(blobs).expect("a store").count()
}

#[test]
fn an_image_that_came_without_signatures_has_them_asked_for() {
    let port = Port::new();
    let key = port.key("key");
    port.pull().success();
    assert_eq!(port.verified(), "digest");
    port.create("never").success();
    port.demand(&[&key]);
    let output = port.create("never").exits(1);
    output
        .complains("no signature was found")
        .complains(&format!("cannot use the image `{}`", port.image()))
        .complains(&format!(
            "hint: `coracle pull {}` looks for signatures",
            port.image()
        ));
    port.create("missing")
        .exits(1)
        .complains("no signature was found");
    let id = port
        .coracle(&["images", "--quiet", "--no-trunc"])
        .run()
        .success();
    let by_id = port.creating("missing").arguments([id.stdout.trim()]).run();
    by_id.exits(1).complains("no signature was found");
    port.signed_by(&key, &port.manifest);
    port.create("missing").success();
    let before = port.n_asked();
    port.create("never").success();
    assert_eq!(port.n_asked(), before);
    assert!(port.verified().starts_with("digest+key:"));
}

#[test]
fn signatures_that_nobody_demands_are_brought_when_told() {
    let port = Port::new();
    let key = port.key("key");
    port.pulling(&["--with-signatures"])
        .run()
        .success()
        .complains("no signatures");
    assert_eq!(port.verified(), "unsigned");
    port.signed_by(&key, &port.manifest);
    port.pulling(&["--with-signatures"]).run().success();
    assert_eq!(port.verified(), "digest");
    // They stay when the same image is pulled again, even anew.
    port.coracle(&["pull", "--insecure", port.host(), &port.image()])
        .run()
        .success();
    let tree = port.bench.0.store().join("trees");
    std::fs::remove_dir_all(tree).expect("there are trees");
    port.pull().success();
    port.demand(&[&key]);
    let before = port.n_asked();
    port.create("never").success();
    assert_eq!(port.n_asked(), before);
}

#[test]
fn a_further_name_must_be_trusted_by_itself() {
    let port = Port::new();
    let key = port.key("key");
    let other = format!("{}/other:1", port.host());
    port.sign(
        &port.manifest,
        &[(&key, payload(&port.manifest, &port.repository()))],
    );
    port.demand(&[&key]);
    port.pull().success();
    port.coracle(&["tag", &port.image(), &other])
        .run()
        .success();
    let run = port.creating("never").arguments([&other]).run();
    run.exits(1)
        .complains(&format!("it is for `{}`", port.repository()));
    port.create("never").success();
}

#[test]
fn a_signature_damaged_in_the_store_does_not_count() {
    let port = Port::new();
    let key = port.key("key");
    port.signed_by(&key, &port.manifest);
    port.demand(&[&key]);
    port.pull().success();
    let text = payload(&port.manifest, &port.repository());
    let digest = coracle::base::digest::Digest::of(text.as_bytes());
    let blob = port.bench.0.store().join("blobs/sha256").join(digest.hex());
    std::fs::write(blob, text.replace("null", "true")).expect("root may write it");
    port.create("never").exits(1).complains("got digest");
    let verify = port.coracle(&["verify", &port.image()]).run();
    verify.exits(1).mentions("taken out");
    port.pull().success();
    port.create("never").success();
}

#[test]
fn the_image_inside_is_used_whatever_the_policy() {
    let port = Port::new();
    port.policy("mode = \"nonsense\"");
    port.coracle(&["create", "hello"]).run().success();
    port.create("never").exits(1).complains("there is no image");
    port.pull()
        .exits(2)
        .complains("trust.toml`: line 2: `mode`: got `nonsense`");
}
