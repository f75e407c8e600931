//! Signatures that travel with their images: in archives and layouts, to places without a network, into a site's store.

use super::{Port, signed};
use crate::support::{Output, Run, Sandbox};

/// Another home, where nobody can be asked.
struct Island {
    sandbox: Sandbox,
    archive: String,
}

impl Island {
    /// One to which the image of `port` was carried.
    fn of(port: &Port) -> Island {
        let sandbox = Sandbox::new();
        let archive = sandbox.path("image.tar").display().to_string();
        let saved = port.bench.0.path("home/saved.tar").display().to_string();
        port.coracle(&["save", "-o", &saved, &port.image()])
            .run()
            .success();
        std::fs::copy(&saved, &archive).expect("the archive was written");
        Island { sandbox, archive }
    }

    fn policy(&self, text: &str) {
        self.sandbox.folder("home/.config/coracle");
        self.sandbox.file("home/.config/coracle/trust.toml", text);
    }

    fn coracle(&self, words: &[&str]) -> Run {
        self.sandbox.coracle(words)
    }

    fn load(&self) -> Output {
        self.coracle(&["load", "-i", &self.archive]).run()
    }
}

#[test]
fn saved_signatures_are_found_by_whoever_loads_the_archive() {
    for is_bundle in [false, true] {
        let port = Port::indexed();
        let [key, other] = ["key", "other"].map(|name| port.key(name));
        match is_bundle {
            true => drop(port.refer(&port.target, &port.bundle(&[&key], &[&port.target]))),
            false => drop(port.signed_by(&key, &port.target)),
        }
        port.pulling(&["--with-signatures"]).run().success();
        let island = Island::of(&port);
        let scope = |signer| format!("[scope.\"{}\"]\n{}\n", port.host(), signed(&[signer], 1));
        island.policy(&scope(&other));
        island
            .load()
            .exits(1)
            .complains("it was not made with the trusted key");
        island
            .coracle(&["images", "--quiet"])
            .run()
            .success()
            .prints("");
        // Without a policy they are taken along as well, as there may be no network when one comes.
        island.policy("");
        island.load().success();
        island.policy(&scope(&key));
        island
            .coracle(&["create", "--pull", "never", &port.image()])
            .run()
            .success();
        island.coracle(&["rmi", "--force", &port.image()]).run();
        island.load().success();
        island
            .coracle(&["create", "--pull", "never", &port.image()])
            .run()
            .success();
        let verify = island.coracle(&["verify", &port.image()]).run().success();
        verify.mentions("signed with sha256:");
        // On from there.
        let again = island.sandbox.path("again.tar").display().to_string();
        let saved = island.sandbox.path("home/again.tar").display().to_string();
        island
            .coracle(&["save", "-o", &saved, &port.image()])
            .run()
            .success();
        std::fs::copy(&saved, &again).expect("the archive was written");
        let bytes = |file: &str| std::fs::read(file).expect("an archive");
        assert!(
            bytes(&again) == bytes(&island.archive),
            "the same image makes the same bytes"
        );
    }
}

#[test]
fn an_archive_and_a_layout_are_scopes_of_their_own() {
    let port = Port::new();
    let key = port.key("key");
    port.refer(&port.manifest, &port.bundle(&[&key], &[&port.manifest]));
    port.pulling(&["--with-signatures"]).run().success();
    let island = Island::of(&port);
    let layout = island.sandbox.folder("layout").display().to_string();
    let unpack = ["tar", "-xf", &island.archive, "-C", &layout];
    Run::new(unpack).run().success();
    let places = [
        format!("oci:{layout}"),
        format!("oci-archive:{}", island.archive),
    ];
    for place in &places {
        let scope = place.split(':').next().expect("a transport");
        island.policy(&format!("[scope.\"{scope}:\"]\nmode = \"reject\"\n"));
        island
            .coracle(&["pull", place])
            .run()
            .exits(1)
            .complains("rejects");
        island.policy(&format!("[scope.\"{place}\"]\n{}\n", signed(&[&key], 1)));
        island.coracle(&["pull", place]).run().success();
        island.coracle(&["create", place]).run().success();
    }
    for scope in ["oci-archive", "docker-archive"] {
        island.policy(&format!("[scope.\"{scope}:\"]\nmode = \"reject\"\n"));
        island.load().exits(1).complains("rejects");
        let bytes = std::fs::read(&island.archive).expect("an archive");
        let piped = island.coracle(&["load"]).input(bytes).run();
        piped.exits(1).complains("rejects");
    }
    // An archive of `docker save` has no room for signatures.
    let place = format!("docker-archive:{}", island.archive);
    island.policy(&format!(
        "[scope.\"docker-archive:\"]\n{}\n",
        signed(&[&key], 1)
    ));
    island
        .coracle(&["pull", &place])
        .run()
        .exits(1)
        .complains("no signature was found");
}

#[test]
fn what_cosign_saves_has_its_signatures_under_another_name() {
    let port = Port::new();
    let key = port.key("key");
    port.signed_by(&key, &port.manifest);
    port.pulling(&["--with-signatures"]).run().success();
    let island = Island::of(&port);
    let layout = island.sandbox.folder("layout");
    let unpack = [
        "tar".into(),
        "-xf".into(),
        island.archive.clone(),
        "-C".into(),
    ];
    let unpack = unpack.into_iter().chain([layout.display().to_string()]);
    Run::new(unpack).run().success();
    let index = layout.join("index.json");
    let text = std::fs::read_to_string(&index).expect("an index");
    let tag = format!(
        "\"org.opencontainers.image.ref.name\":\"sha256-{}.sig\"",
        port.manifest.hex()
    );
    let of_cosign = text.replace(&tag, "\"kind\":\"dev.cosignproject.cosign/sigs\"");
    assert_ne!(text, of_cosign);
    std::fs::write(&index, of_cosign).expect("it is ours");
    let place = format!("oci:{}", layout.display());
    let entry = format!("{}\nidentity = \"none\"", signed(&[&key], 1));
    island.policy(&format!("[scope.\"{place}\"]\n{entry}\n"));
    island.coracle(&["pull", &place]).run().success();
}

#[test]
fn a_site_keeps_signatures_for_all_its_users() {
    let port = Port::new();
    let [key, other] = ["key", "other"].map(|name| port.key(name));
    let user = Sandbox::new();
    let home = port.bench.0.store().display().to_string();
    let run = |words: &[&str]| user.coracle(words).env("CORACLE_STORES", &home);
    let policy = |signer| {
        user.folder("home/.config/coracle");
        let text = format!("[scope.\"{}\"]\n{}\n", port.host(), signed(&[signer], 1));
        user.file("home/.config/coracle/trust.toml", text);
    };
    port.coracle(&["install", "--shared"]).run().success();
    port.signed_by(&key, &port.manifest);
    port.pulling(&["--with-signatures"]).run().success();
    let before = port.asked().len();
    policy(&key);
    run(&["create", "--platform", "linux/amd64", &port.image()])
        .run()
        .success();
    policy(&other);
    let refused = run(&[
        "create",
        "--pull",
        "never",
        "--platform",
        "linux/amd64",
        &port.image(),
    ]);
    refused
        .run()
        .exits(1)
        .complains("it was not made with the trusted key");
    assert_eq!(port.asked().len(), before);
    port.refer(&port.manifest, &port.bundle(&[&other], &[&port.manifest]));
    let words = [
        "create",
        "--platform",
        "linux/amd64",
        "--insecure",
        port.host(),
    ];
    run(&words).arguments([port.image()]).run().success();
}

#[test]
fn verify_asks_nobody_and_takes_a_key() {
    let port = Port::new();
    let [key, other] = ["key", "other"].map(|name| port.key(name));
    let verify = |signer: &crate::trust::Signer| {
        let file = signer.public.display().to_string();
        port.coracle(&["verify", "--key", &file, &port.image()])
            .run()
    };
    port.pull().success();
    verify(&key)
        .exits(1)
        .mentions("no signature was found")
        .complains("--with-signatures");
    port.signed_by(&key, &port.manifest);
    port.pulling(&["--with-signatures"]).run().success();
    let before = port.asked().len();
    verify(&key).success().mentions("signed with sha256:");
    verify(&other)
        .exits(1)
        .mentions("not made with the trusted key");
    port.demand(&[&other]);
    let all = port.coracle(&["verify", "--all"]).run();
    all.exits(1)
        .mentions("not trusted")
        .complains("1 of the images must not be used");
    port.demand(&[&key]);
    port.coracle(&["verify", "--all"])
        .run()
        .success()
        .mentions("signed with");
    let no_key = port
        .bench
        .0
        .file("home/no.pub", "no key")
        .display()
        .to_string();
    let run = port
        .coracle(&["verify", "--key", &no_key, &port.image()])
        .run();
    run.exits(2).complains("cannot use the key");
    assert_eq!(port.asked().len(), before);
}
