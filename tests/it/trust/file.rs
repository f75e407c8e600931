//! `trust.toml`: which scope counts, what is wrong with a file, and what the system's and the user's mean together.

use coracle::base::path::HostPath;
use coracle::trust::{Demand, Identity, Policy, SignedAs, TrustError, TrustFile, Whose};

use super::{Bench, IMAGE, Kind, REPOSITORY, digest, payload, source, whole};

/// What is demanded, in a word.
fn word(demand: &Result<Demand, TrustError>) -> String {
    match demand {
        Ok(Demand::Accept { by: None }) => "accept, says nobody".into(),
        Ok(Demand::Accept { by: Some(path) }) => format!("accept, says {}", name(path)),
        Ok(Demand::Reject { by, scope }) => format!("reject, says {} of {scope}", name(by)),
        Ok(Demand::Signed(requirement)) => {
            let rules = requirement.rules.iter();
            let rules = rules.map(|rule| format!("{} of {}", name(&rule.by), rule.scope));
            format!("signed, say {}", rules.collect::<Vec<_>>().join(", "))
        }
        Err(error) => whole(error),
    }
}

fn name(path: &HostPath) -> String {
    let name = path.file_name().expect("a file");
    name.to_string_lossy().into_owned()
}

#[test]
fn without_files_everything_is_accepted() {
    let bench = Bench::new();
    let policy = Policy::load(&bench.places(None, None)).expect("no file");
    for image in [
        IMAGE,
        "alpine",
        "oci:/srv",
        "docker-archive:/a.tar",
        "hello",
    ] {
        assert_eq!(word(&policy.demand(&source(image))), "accept, says nobody");
    }
}

#[test]
fn the_most_specific_scope_counts() {
    let bench = Bench::new();
    let key = bench.signer("key", Kind::P256);
    let pem = std::fs::read_to_string(&key.public).expect("a key");
    let system = format!(
        r#"
[default]
mode = "reject"
[scope."registry.example"]
mode = "accept"
[scope."registry.example/team"]
mode = "signed"
keys = ["home/key.pub"]
[scope."registry.example/team/open:1"]
mode = "accept"
[scope."*.lab.example"]
mode = "signed"
keys = ["""{pem}"""]
[scope."oci:"]
mode = "accept"
[scope."oci:/srv/secret"]
mode = "reject"
"#
    );
    for (image, wanted) in [
        (IMAGE, "signed, say system.toml of registry.example/team"),
        (
            "registry.example:443/team/app",
            "signed, say system.toml of registry.example/team",
        ),
        ("registry.example/teams/app", "accept, says system.toml"),
        ("registry.example/team/open:1", "accept, says system.toml"),
        (
            "registry.example/team/open:2",
            "signed, say system.toml of registry.example/team",
        ),
        (
            "a.b.lab.example:5000/x",
            "signed, say system.toml of *.lab.example",
        ),
        ("lab.example/x", "reject, says system.toml of default"),
        (
            "evil-registry.example/team/x",
            "reject, says system.toml of default",
        ),
        ("alpine", "reject, says system.toml of default"),
        ("oci:/srv/open:1", "accept, says system.toml"),
        (
            "oci:/srv/secret:1",
            "reject, says system.toml of oci:/srv/secret",
        ),
        (
            "oci:/srv/open/../secret:1",
            "reject, says system.toml of oci:/srv/secret",
        ),
        (
            "docker-archive:/srv/a.tar",
            "reject, says system.toml of default",
        ),
        ("hello", "accept, says nobody"),
    ] {
        let image = match image.strip_prefix("oci:/srv/") {
            // The directories must be there for `..` and links to be followed.
            Some(rest) => format!("oci:{}/{rest}", bench.0.folder("srv").display()),
            None => image.to_owned(),
        };
        let srv = bench.0.path("srv").display().to_string();
        for folder in ["srv/open", "srv/secret"] {
            bench.0.folder(folder);
        }
        let got = word(&bench.demand(&system.replace("/srv", &srv), &image));
        assert_eq!(got, wanted.replace("/srv", &srv), "{image}");
    }
    // By digest, the tag that is typed beside it is nobody's.
    let both = format!("registry.example/team/open:1@{}", digest("x"));
    let got = word(&bench.demand(&system, &both));
    assert_eq!(got, "signed, say system.toml of registry.example/team");
}

#[test]
fn an_entry_becomes_a_rule() {
    let bench = Bench::new();
    for name in ["a", "b"] {
        bench.signer(name, Kind::Ed25519);
    }
    let rule = |more: &str, scope: &str, image: &str| {
        let text = format!(
            "[scope.\"{scope}\"]\nmode = \"signed\"\nkeys = [\"home/a.pub\", \"home/b.pub\"]\n{more}"
        );
        match bench.demand(&text, image) {
            Ok(Demand::Signed(requirement)) => requirement.rules[0].clone(),
            other => panic!("{}", word(&other)),
        }
    };
    let plain = rule("", "registry.example", IMAGE);
    assert_eq!((plain.keys.len(), plain.threshold), (2, 1));
    assert_eq!(plain.identity, Identity::IfNamed(None));
    let strict = rule(
        "threshold = 2\nidentity = \"repository\"",
        "registry.example",
        IMAGE,
    );
    assert_eq!(
        (strict.threshold, strict.identity),
        (2, Identity::Repository(None))
    );
    assert_eq!(
        rule("identity = \"none\"", "docker:", IMAGE).identity,
        Identity::Any
    );
    let moved = |prefix: &str| {
        Identity::IfNamed(Some(SignedAs {
            prefix: prefix.into(),
            signed: "up.example".into(),
        }))
    };
    let more = "signed_as = \"up.example\"";
    let image = "registry.example:5000/team/app";
    assert_eq!(
        rule(more, "registry.example/team", image).identity,
        moved("registry.example:5000/team")
    );
    assert_eq!(
        rule(more, "*.example", image).identity,
        moved("registry.example:5000")
    );
    assert_eq!(rule(more, REPOSITORY, IMAGE).identity, moved(REPOSITORY));
    let given = rule("signed_as = \"up.example/x\"", "oci:", "oci:/srv");
    assert_eq!(
        given.identity,
        Identity::ThisRepository("up.example/x".parse().expect("a name"))
    );
}

#[test]
fn a_policy_is_met_or_not_from_file_to_proof() {
    let bench = Bench::new();
    let signer = bench.signer("key", Kind::P256);
    let system = "[scope.\"registry.example\"]\nmode = \"signed\"\nkeys = [\"home/key.pub\"]";
    let Ok(Demand::Signed(wanted)) = bench.demand(system, IMAGE) else {
        panic!("the scope covers the image");
    };
    let image = digest("manifest");
    let good = bench.simple(&signer, &payload(&image, REPOSITORY));
    let proof = wanted.check(&source(IMAGE), std::slice::from_ref(&image), &[good]);
    let proof = proof.expect("signed");
    assert_eq!(proof.by, [HostPath::new(bench.0.path("system.toml"))]);
    let error = wanted
        .check(&source(IMAGE), &[image], &[])
        .expect_err("unsigned");
    let text = whole(&error);
    assert!(
        text.contains("system.toml` demands a signature by a trusted key for `registry.example`"),
        "{text}"
    );
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line() {
    let signed = "[scope.\"h.example\"]\nmode = \"signed\"\n";
    let keys = "keys = [\"a\"]\n";
    let path = HostPath::new("/t/trust.toml");
    for (text, why) in [
        ("mode = \"accept\"".to_owned(), "line 1: unknown key `mode`"),
        (
            "[default]\nmode = \"acept\"".into(),
            "line 2: `mode`: got `acept`, expected one of `accept`, `reject`, `signed`",
        ),
        ("[default]\n".into(), "line 1: `default` lacks `mode`"),
        (
            "[default]\nmode = \"accept\"\nkeys = []".into(),
            "`keys` has no meaning without",
        ),
        (
            "[default]\nmode = 1".into(),
            "line 2: `mode`: expected text in quotes",
        ),
        ("default = \"accept\"".into(), "got `default` with a value"),
        (
            "[scope.registry.example]\nmode = \"accept\"".into(),
            "scope `registry`: expected a host",
        ),
        (
            "[scope.\"alpine\"]\nmode = \"accept\"".into(),
            "line 1: scope `alpine`: expected a host",
        ),
        (
            "[scope.\"h.example\"]\nmode = \"accept\"\n[scope.\"h.example\"]\n".into(),
            "duplicate key",
        ),
        (
            "[scope.\"h.example\"]\nmode = \"accept\"\nmode = \"reject\"".into(),
            "line 3: duplicate key",
        ),
        (
            "users = \"free\"\npolicy_json = 1".into(),
            "line 2: `policy_json`: expected `true` or `false`",
        ),
        (
            signed.into(),
            "`h.example`: `mode = \"signed\"` needs `keys`",
        ),
        (
            format!("{signed}keys = \"a\""),
            "line 3: `keys`: expected a list",
        ),
        (
            format!("{signed}keys = [\"\"]"),
            "line 3: `keys`: expected files",
        ),
        (
            format!("{signed}{keys}threshold = 0"),
            "line 4: `threshold`: expected a number of at least 1",
        ),
        (
            format!("{signed}{keys}threshold = 2"),
            "got 1 keys for the threshold 2",
        ),
        (
            format!("{signed}{keys}identity = \"repo\""),
            "`identity`: got `repo`",
        ),
        (
            format!("{signed}{keys}identity = \"none\"\nsigned_as = \"a.example\""),
            "`signed_as` has no meaning",
        ),
        (
            format!("{signed}{keys}signed_as = \"a.example/x:1\""),
            "without a tag",
        ),
        (
            format!("{signed}{keys}signed_as = \"alpine\""),
            "`signed_as`: expected a host",
        ),
        (
            format!("{signed}{keys}key = 1"),
            "line 4: unknown key `key`",
        ),
        (
            format!("{signed}keys = [{}]", "\"a\",".repeat(33)),
            "got 33, expected at most 32",
        ),
        (
            format!("[default]\nmode = \"signed\"\n{keys}signed_as = \"a.example\""),
            "needs a scope with a host",
        ),
        (
            format!("[scope.\"oci:\"]\nmode = \"signed\"\n{keys}identity = \"repository\""),
            "`signed_as` says which one",
        ),
        (
            format!("[scope.\"oci:\"]\nmode = \"signed\"\n{keys}signed_as = \"a.example\""),
            "a whole repository",
        ),
        ("[".into(), "line 1: "),
    ] {
        let error = TrustFile::parse(text.as_bytes(), &path, Whose::System).expect_err(&text);
        let message = whole(&error);
        assert!(
            message.starts_with("cannot use `/t/trust.toml`: line "),
            "{message}"
        );
        assert!(message.contains(why), "{message:?} lacks {why:?}");
    }
    let error = TrustFile::parse(b"users = \"free\"", &path, Whose::User).expect_err("the user's");
    assert!(whole(&error).contains("stands in the system's file only"));
    let error = TrustFile::parse(b"\n\xff", &path, Whose::User).expect_err("no text");
    assert!(whole(&error).contains("line 2: not UTF-8"));
}

#[test]
fn keys_that_cannot_be_used_stop_the_images_that_need_them() {
    let bench = Bench::new();
    let weak = bench.signer("weak", Kind::Rsa(1024));
    let pem = std::fs::read_to_string(&weak.public).expect("PEM");
    bench.signer("good", Kind::P256);
    std::fs::copy(bench.0.path("home/good.pub"), bench.0.path("home/same.pub")).expect("a copy");
    let of = |keys: &str| {
        let text = format!(
            "[scope.\"registry.example\"]\nmode = \"signed\"\nkeys = [{keys}]\nthreshold = {}",
            keys.split(", ").count()
        );
        assert_eq!(word(&bench.demand(&text, "alpine")), "accept, says nobody");
        word(&bench.demand(&text, IMAGE))
    };
    let missing = of("\"missing.pub\"");
    assert!(missing.contains("missing.pub"), "{missing}");
    assert!(of("\"home/weak.pub\"").contains("weak.pub`: got an RSA key of 1024 bits"));
    assert!(of("\"home/good.key\"").contains("got `PRIVATE KEY`"));
    let inline = of(&format!("\"\"\"{pem}\"\"\""));
    assert!(
        inline.contains("system.toml`: line 3: got an RSA key of 1024 bits"),
        "{inline}"
    );
    let twice = of("\"home/good.pub\", \"home/same.pub\"");
    assert!(
        twice.contains("got 1 different keys for the threshold 2"),
        "{twice}"
    );
}

#[test]
fn the_system_file_wins() {
    let bench = Bench::new();
    bench.signer("a", Kind::P256);
    bench.signer("b", Kind::P256);
    let signed = |key: &str| {
        format!("[scope.\"registry.example\"]\nmode = \"signed\"\nkeys = [\"home/{key}.pub\"]\n")
    };
    let mode = |mode: &str| format!("[scope.\"registry.example\"]\nmode = \"{mode}\"\n");
    let system = "system.toml of registry.example";
    let user = "user.toml of registry.example";
    for (users, of_system, of_user, wanted) in [
        (
            "",
            mode("accept"),
            mode("reject"),
            format!("reject, says {user}"),
        ),
        (
            "",
            mode("reject"),
            mode("accept"),
            format!("reject, says {system}"),
        ),
        (
            "",
            signed("a"),
            mode("accept"),
            format!("signed, say {system}"),
        ),
        (
            "",
            signed("a"),
            signed("b"),
            format!("signed, say {system}, {user}"),
        ),
        (
            "stricter",
            signed("a"),
            mode("accept"),
            format!("signed, say {system}"),
        ),
        (
            "free",
            mode("reject"),
            mode("accept"),
            "accept, says user.toml".into(),
        ),
        (
            "free",
            signed("a"),
            signed("b"),
            format!("signed, say {user}"),
        ),
        (
            "free",
            signed("a"),
            String::new(),
            format!("signed, say {system}"),
        ),
        (
            "ignored",
            mode("accept"),
            mode("reject"),
            "accept, says system.toml".into(),
        ),
        (
            "ignored",
            mode("accept"),
            "nonsense".into(),
            "accept, says system.toml".into(),
        ),
    ] {
        let head = match users {
            "" => String::new(),
            users => format!("users = \"{users}\"\n"),
        };
        let places = bench.places(Some(&(head + &of_system)), Some(&of_user));
        let policy = Policy::load(&places).unwrap_or_else(|error| panic!("{}", whole(&error)));
        assert_eq!(
            word(&policy.demand(&source(IMAGE))),
            wanted,
            "{users} {of_system} {of_user}"
        );
    }
    let places = bench.places(None, Some(&mode("reject")));
    let policy = Policy::load(&places).expect("the user's alone");
    assert_eq!(
        word(&policy.demand(&source(IMAGE))),
        format!("reject, says {user}")
    );
}

#[test]
fn a_policy_that_cannot_be_read_refuses() {
    let bench = Bench::new();
    // A directory cannot be read by anybody, not even by root.
    for at in 0..4 {
        let mut places = bench.places(None, None);
        let folder = HostPath::new(bench.0.folder("folder"));
        match at {
            0 => places.system = folder,
            1 => places.user = Some(folder),
            2 => places.containers_system = folder,
            _ => places.containers_user = Some(folder),
        }
        let error = Policy::load(&places).expect_err("no file");
        assert!(whole(&error).contains("cannot learn which images are trusted"));
    }
    let large = format!("#{}", "x".repeat(1 << 20));
    let error = Policy::load(&bench.places(Some(&large), None)).expect_err("too large");
    assert!(
        whole(&error).contains("larger than 1048576 bytes"),
        "{}",
        whole(&error)
    );
}

/// What help and the module's own description show can be written so.
#[test]
fn the_examples_of_the_documentation_are_right() {
    let help = include_str!("../../../src/cli/help/trust.md");
    let module = include_str!("../../../src/trust/mod.rs")
        .replace("//! ", "")
        .replace("//!", "");
    let path = HostPath::new("/etc/coracle/trust.toml");
    let mut n_examples = 0;
    for block in help.split("```").chain(module.split("```")) {
        let text = block.strip_prefix("toml").unwrap_or(block);
        if text.contains("[scope.") && !text.contains("$ ") {
            let parsed = TrustFile::parse(text.as_bytes(), &path, Whose::System);
            assert!(parsed.is_ok(), "{}", whole(&parsed.expect_err("wrong")));
            n_examples += 1;
        }
    }
    assert_eq!(n_examples, 2);
}
