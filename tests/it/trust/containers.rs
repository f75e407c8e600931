//! `policy.json` of podman and skopeo: what of it is checked, and that the rest refuses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use coracle::base::path::HostPath;
use coracle::trust::{Containers, Demand, Identity, Places, Policy, SignedAs, TrustError};

use super::{Bench, IMAGE, Kind, REPOSITORY, digest, payload, source, whole};

const ANYTHING: &str = r#"[{"type":"insecureAcceptAnything"}]"#;
const REJECT: &str = r#"[{"type":"reject"}]"#;

/// The places with a system's `policy.json` alone.
fn places(bench: &Bench, text: &str) -> Places {
    let mut places = bench.places(None, None);
    places.containers_system = HostPath::new(bench.0.file("system.json", text));
    places
}

fn demand(bench: &Bench, text: &str, image: &str) -> Result<Demand, TrustError> {
    Policy::load(&places(bench, text))?.demand(&source(image))
}

/// Requirements for the scope of [`REPOSITORY`] alone.
fn scoped(requirements: &str) -> String {
    format!(
        r#"{{"default":{ANYTHING},"transports":{{"docker":{{"{REPOSITORY}":[{requirements}]}}}}}}"#
    )
}

#[test]
fn the_default_of_distributions_demands_nothing() {
    let bench = Bench::new();
    let text =
        format!(r#"{{"default":{ANYTHING},"transports":{{"docker-daemon":{{"":{ANYTHING}}}}}}}"#);
    for image in [IMAGE, "oci:/srv", "docker-archive:/a.tar", "hello"] {
        let got = demand(&bench, &text, image);
        assert!(matches!(got, Ok(Demand::Accept { .. })), "{got:?}");
    }
}

#[test]
fn only_the_most_specific_scope_counts() {
    let bench = Bench::new();
    let text = format!(
        r#"{{"default":{REJECT},"transports":{{
            "docker":{{"":{REJECT},"registry.example":{REJECT},"{REPOSITORY}":{ANYTHING},"*.b.example":{ANYTHING},
                       "docker.io/library":{ANYTHING},"registry.example/team/x:1":{ANYTHING}}},
            "oci":{{"/srv/images":{ANYTHING}}},
            "docker-archive":{{"":{ANYTHING},"/srv":{REJECT}}}}}}}"#
    );
    for (image, accepted) in [
        (IMAGE, true),
        ("registry.example/team/other:1", false),
        ("registry.example/team/x:1", true),
        ("registry.example/team/x:2", false),
        ("registry.example:5000/team/app", false),
        ("a.b.example:5000/x", true),
        ("alpine", true),
        ("docker.io/team/alpine", false),
        ("oci:/srv/images/deep:1", true),
        ("oci:/srv/other:1", false),
        ("oci-archive:/srv/images/a.tar", false),
        ("docker-archive:/srv/a.tar", true),
        ("hello", true),
    ] {
        let got = demand(&bench, &text, image).expect("a policy");
        assert_eq!(
            matches!(got, Demand::Accept { .. }),
            accepted,
            "{image}: {got:?}"
        );
    }
}

#[test]
fn a_key_and_an_identity_become_a_rule() {
    let bench = Bench::new();
    let signer = bench.signer("a", Kind::P256);
    bench.signer("b", Kind::P256);
    let (a, b) = (bench.0.path("home/a.pub"), bench.0.path("home/b.pub"));
    let pem = STANDARD.encode(std::fs::read(&a).expect("PEM"));
    let rule = |keys: &str, identity: &str| {
        let identity = match identity {
            "" => String::new(),
            identity => format!(r#","signedIdentity":{identity}"#),
        };
        let text = scoped(&format!(r#"{{"type":"sigstoreSigned",{keys}{identity}}}"#));
        match demand(&bench, &text, IMAGE) {
            Ok(Demand::Signed(requirement)) => requirement.rules[0].clone(),
            other => panic!("{other:?}"),
        }
    };
    let path = format!(r#""keyPath":"{}""#, a.display());
    let paths = format!(r#""keyPaths":["{}","{}"]"#, a.display(), b.display());
    for (keys, n) in [
        (path.clone(), 1),
        (paths, 2),
        (format!(r#""keyData":"{pem}""#), 1),
        (format!(r#""keyDatas":["{pem}","{pem}"]"#), 1),
    ] {
        let rule = rule(&keys, "");
        assert_eq!((rule.keys.len(), rule.threshold), (n, 1), "{keys}");
        assert_eq!(rule.identity, Identity::TagOrRepository(None));
        assert_eq!(rule.scope, format!("docker:{REPOSITORY}"));
    }
    let other = "up.example/x";
    for (text, identity) in [
        (r#"{"type":"matchExact"}"#, Identity::Whole),
        (
            r#"{"type":"matchRepoDigestOrExact"}"#,
            Identity::TagOrRepository(None),
        ),
        (r#"{"type":"matchRepository"}"#, Identity::Repository(None)),
        (
            r#"{"type":"exactRepository","dockerRepository":"up.example/x"}"#,
            Identity::ThisRepository(other.parse().expect("a name")),
        ),
        (
            r#"{"type":"exactReference","dockerReference":"up.example/x:2"}"#,
            Identity::This("up.example/x:2".parse().expect("a name")),
        ),
        (
            r#"{"type":"remapIdentity","prefix":"registry.example","signedPrefix":"up.example/x"}"#,
            Identity::TagOrRepository(Some(SignedAs {
                prefix: "registry.example".into(),
                signed: other.into(),
            })),
        ),
    ] {
        assert_eq!(rule(&path, text).identity, identity);
    }
    // A bundle bears no name, which every rule of this file wants.
    let rules = coracle::trust::Requirement {
        rules: vec![rule(&path, r#"{"type":"matchRepository"}"#)],
    };
    let image = digest("manifest");
    let bundle = bench.bundle(&[&signer], &super::statement(&[&image]));
    let error = rules.check(&source(IMAGE), std::slice::from_ref(&image), &[bundle]);
    assert!(whole(&error.expect_err("no name")).contains("it names no repository"));
    let simple = bench.simple(&signer, &payload(&image, REPOSITORY));
    rules
        .check(&source(IMAGE), &[image], &[simple])
        .expect("cosign's own form");
}

#[test]
fn every_requirement_must_be_met() {
    let bench = Bench::new();
    bench.signer("a", Kind::P256);
    let a = bench.0.path("home/a.pub");
    let key = format!(r#"{{"type":"sigstoreSigned","keyPath":"{}"}}"#, a.display());
    let got = demand(&bench, &scoped(&format!("{key},{key}")), IMAGE);
    assert!(matches!(got, Ok(Demand::Signed(wanted)) if wanted.rules.len() == 2));
    let got = demand(
        &bench,
        &scoped(&format!(r#"{key},{{"type":"reject"}}"#)),
        IMAGE,
    );
    assert!(matches!(got, Ok(Demand::Reject { .. })));
    let got = demand(
        &bench,
        &scoped(&format!(r#"{{"type":"insecureAcceptAnything"}},{key}"#)),
        IMAGE,
    );
    assert!(matches!(got, Ok(Demand::Signed(wanted)) if wanted.rules.len() == 1));
}

#[test]
fn what_cannot_be_checked_refuses_what_it_covers() {
    let bench = Bench::new();
    bench.signer("a", Kind::P256);
    let a = bench.0.path("home/a.pub").display().to_string();
    for (requirement, why) in [
        (
            r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}"#.to_owned(),
            "`signedBy`, which is signatures of GPG",
        ),
        (
            r#"{"type":"sigstoreSigned","fulcio":{"oidcIssuer":"x"},"rekorPublicKeyPath":"/k"}"#
                .into(),
            "`rekorPublicKeyPath` in `sigstoreSigned`",
        ),
        (
            r#"{"type":"sigstoreSigned","fulcio":{}}"#.into(),
            "`fulcio` in `sigstoreSigned`",
        ),
        (
            r#"{"type":"sigstoreSigned","pki":{}}"#.into(),
            "`pki` in `sigstoreSigned`",
        ),
        (
            format!(r#"{{"type":"sigstoreSigned","keyPath":"{a}","rekorPublicKeyData":"x"}}"#),
            "`rekorPublicKeyData`",
        ),
        (
            format!(r#"{{"type":"sigstoreSigned","keyPath":"{a}","threshold":2}}"#),
            "`threshold` in `sigstoreSigned`",
        ),
        (
            r#"{"type":"blessed"}"#.into(),
            "requirements of the type `blessed`",
        ),
        (
            r#"{"type":"insecureAcceptAnything","but":"not really"}"#.into(),
            "`but` in `insecureAcceptAnything`",
        ),
        (
            format!(
                r#"{{"type":"sigstoreSigned","keyPath":"{a}","signedIdentity":{{"type":"matchMood"}}}}"#
            ),
            "`signedIdentity` of the type `matchMood`",
        ),
        (
            format!(
                r#"{{"type":"sigstoreSigned","keyPath":"{a}","signedIdentity":{{"type":"matchExact","x":1}}}}"#
            ),
            "`x` in `matchExact`",
        ),
    ] {
        let text = scoped(&requirement);
        let error = demand(&bench, &text, IMAGE).expect_err(why);
        assert!(matches!(error, TrustError::Unknown { .. }), "{error:?}");
        let message = whole(&error);
        let head = format!("system.json` demands for `docker:{REPOSITORY}`: ");
        assert!(
            message.contains(&head) && message.contains(why),
            "{message:?} lacks {why:?}"
        );
        // Behind one that is met, too, and not for what it does not cover.
        let both = scoped(&format!(
            r#"{{"type":"insecureAcceptAnything"}},{requirement}"#
        ));
        assert!(demand(&bench, &both, IMAGE).is_err());
        assert!(demand(&bench, &text, "alpine").is_ok());
    }
}

#[test]
fn a_file_that_is_wrong_is_rejected_whole() {
    let signed = |more: &str| scoped(&format!(r#"{{"type":"sigstoreSigned",{more}}}"#));
    for (text, why) in [
        ("{}".to_owned(), "`default` is missing"),
        ("[]".into(), "expected an object"),
        (
            r#"{"default":[]}"#.into(),
            "`default`: expected a list of requirements",
        ),
        (
            format!(r#"{{"default":{ANYTHING},"default":{ANYTHING}}}"#),
            "`default` stands there twice",
        ),
        (
            format!(r#"{{"default":{ANYTHING},"Default":{REJECT}}}"#),
            "unknown member `Default`",
        ),
        (
            format!(
                r#"{{"default":{ANYTHING},"transports":{{"docker":{{"a":{ANYTHING},"a":{REJECT}}}}}}}"#
            ),
            "`a` stands there twice",
        ),
        (
            format!(r#"{{"default":{ANYTHING},"transports":{{"docker":{ANYTHING}}}}}"#),
            "`docker`: expected an object",
        ),
        (
            scoped(r#"{"type":"reject","type":"insecureAcceptAnything"}"#),
            "`type` stands there twice",
        ),
        (scoped("1"), "a requirement lacks its `type`"),
        (
            signed(r#""keyData":"x","keyPath":"/x""#),
            "`sigstoreSigned` has 2 of",
        ),
        (
            signed(r#""signedIdentity":{"type":"matchExact"}"#),
            "`sigstoreSigned` has 0 of",
        ),
        (
            signed(r#""keyPath":"x""#),
            "got `x`, expected an absolute path",
        ),
        (
            signed(r#""keyPaths":[]"#),
            "`keyPaths`: expected a list of 1 to 32",
        ),
        (
            signed(r#""keyPath":"/x","signedIdentity":{}"#),
            "`signedIdentity` lacks its `type`",
        ),
        (
            signed(
                r#""keyPath":"/x","signedIdentity":{"type":"exactReference","dockerReference":"a.example/x"}"#,
            ),
            "expected a name with a tag",
        ),
        (
            signed(
                r#""keyPath":"/x","signedIdentity":{"type":"exactRepository","dockerRepository":"a.example/x:1"}"#,
            ),
            "expected a name without a tag",
        ),
        (
            signed(
                r#""keyPath":"/x","signedIdentity":{"type":"remapIdentity","prefix":"a.example"}"#,
            ),
            "`remapIdentity` lacks `signedPrefix`",
        ),
        (
            "{\"default\":[{\"type\":\"reject\"}], // no\n}".into(),
            "line 1",
        ),
    ] {
        let error = Containers::parse(text.as_bytes(), &HostPath::new("/t/policy.json"));
        let message = whole(&error.expect_err(why));
        assert!(
            message.starts_with("cannot use `/t/policy.json`: "),
            "{message}"
        );
        assert!(message.contains(why), "{message:?} lacks {why:?}");
    }
}

#[test]
fn a_users_policy_takes_the_systems_place_where_users_are_free() {
    let bench = Bench::new();
    let text = |requirements: &str| format!(r#"{{"default":{requirements}}}"#);
    let rejects = |system: Option<&str>, user: Option<&str>, of_system: &str, of_user: &str| {
        let mut places = bench.places(system, user);
        places.containers_system = HostPath::new(bench.0.file("system.json", text(of_system)));
        if !of_user.is_empty() {
            places.containers_user = Some(HostPath::new(bench.0.file("user.json", text(of_user))));
        }
        let got = Policy::load(&places).and_then(|policy| policy.demand(&source(IMAGE)));
        matches!(got.expect("a policy"), Demand::Reject { .. })
    };
    let out = "policy_json = false";
    for (system, user, of_system, of_user, rejected) in [
        (None, None, REJECT, "", true),
        (None, None, REJECT, ANYTHING, false),
        (None, None, ANYTHING, REJECT, true),
        (None, Some(out), REJECT, REJECT, false),
        // The administrator has a file, so that users can only add to it.
        (Some(""), None, REJECT, ANYTHING, true),
        (Some(""), None, ANYTHING, REJECT, true),
        (Some(""), Some(out), ANYTHING, REJECT, false),
        (Some(""), Some(out), REJECT, ANYTHING, true),
        (Some(out), None, REJECT, REJECT, false),
        (Some("users = \"ignored\""), None, ANYTHING, REJECT, false),
        (
            Some("users = \"ignored\""),
            Some(out),
            REJECT,
            ANYTHING,
            true,
        ),
        (Some("users = \"free\""), None, REJECT, ANYTHING, false),
        (Some("users = \"free\""), Some(out), REJECT, "", false),
    ] {
        let got = rejects(system, user, of_system, of_user);
        assert_eq!(got, rejected, "{system:?} {user:?} {of_system} {of_user}");
    }
}
