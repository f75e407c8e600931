//! The conversation with a registry, against servers that misbehave in one way each.
//!
//! A real registry over TLS is in `pull`; here are the answers that no honest one gives.

mod auth;
mod contents;
mod dns;
mod faults;
mod helper;
mod mirrors;
mod proxy;
mod search;
mod secrets;
pub(crate) mod server;
pub(crate) mod shelf;
mod tls;
mod wire;

use std::io::Read;

use coracle::base::digest::{Digest, Mismatch, VerifyingReader};
use coracle::base::fault::{Fault, Kind};
use coracle::base::progress::Silent;
use coracle::oci::descriptor::Descriptor;
use coracle::oci::media::{DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST};
use coracle::oci::reference::Reference;
use coracle::registry::credentials::Credential;
use coracle::registry::{Login, Options, Registry, RegistryError, check_login};
use server::{Answer, Server};

/// `user:secret` as a Basic header.
const BASIC: &str = "Basic dXNlcjpzZWNyZXQ=";

fn credential() -> Credential {
    Credential {
        user: "user".into(),
        password: "secret".into(),
    }
}

/// Options under which these servers may be spoken to over http.
fn options(servers: &[&Server], login: Login) -> Options {
    Options {
        insecure: servers.iter().map(|server| server.host.clone()).collect(),
        proxy: None,
        tls_ca: None,
        login,
        ..Options::default()
    }
}

fn reference(server: &Server, end: &str) -> Reference {
    format!("{}/a/b{end}", server.host)
        .parse()
        .expect("a well-formed reference")
}

/// What reading the blob of `descriptor` from `server` gives.
fn blob(server: &Server, options: &Options, descriptor: &Descriptor) -> std::io::Result<Vec<u8>> {
    let registry = Registry::new(&reference(server, ""), options, &Silent);
    let (digest, size) = (descriptor.digest.clone(), descriptor.size);
    let stream = registry.blob(descriptor, 0);
    let mut bytes = Vec::new();
    VerifyingReader::new(stream, "blob", digest, size)
        .read_to_end(&mut bytes)
        .map(|_| bytes)
}

fn descriptor(bytes: &[u8]) -> Descriptor {
    Descriptor::of("application/vnd.oci.image.layer.v1.tar", bytes)
}

fn manifest() -> Vec<u8> {
    let config = Descriptor::of(OCI_CONFIG, b"{}");
    let document = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []});
    document.to_string().into_bytes()
}

/// What fetching a manifest gives, when every manifest is answered so.
fn fetch(end: &str, answer: Answer) -> Result<Digest, RegistryError> {
    let server = Server::start(move |_, _| answer.clone());
    let options = options(&[&server], Login::Anonymous);
    let reference = reference(&server, end);
    let served = Registry::new(&reference, &options, &Silent).manifest(&reference)?;
    Ok(served.digest)
}

#[test]
fn credentials_stay_with_the_registry_when_it_redirects() {
    let body = b"some layer".to_vec();
    let content = body.clone();
    let storage = Server::start(move |_, _| Answer::ok(content.clone()));
    let target = format!("http://{}/signed?key=1", storage.host);
    let front = Server::start(move |asked, _| match asked.header("authorization") {
        Some(BASIC) => Answer::new(307).header("Location", &target),
        _ => Answer::new(401).header("WWW-Authenticate", "Basic realm=\"here\""),
    });
    let options = options(&[&front, &storage], Login::Given(credential()));
    assert_eq!(
        blob(&front, &options, &descriptor(&body)).expect("the right bytes"),
        body
    );
    let asked = storage.asked();
    // The first request found out that the front speaks plain http; storage saw one.
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].path, "/signed?key=1");
    assert_eq!(asked[0].header("authorization"), None);
}

#[test]
fn a_demand_of_a_host_behind_a_redirect_is_not_answered() {
    let storage =
        Server::start(|_, _| Answer::new(401).header("WWW-Authenticate", "Basic realm=\"x\""));
    let target = format!("http://{}/", storage.host);
    let front = Server::start(move |_, _| Answer::new(302).header("Location", &target));
    let options = options(&[&front, &storage], Login::Given(credential()));
    let error = blob(&front, &options, &descriptor(b"x")).expect_err("401 is no success");
    let error = RegistryError::from_io(&error).expect("blobs fail with registry errors");
    assert!(
        matches!(error, RegistryError::DeniedElsewhere { .. }),
        "{error:?}"
    );
    assert!(
        storage
            .asked()
            .iter()
            .all(|asked| asked.header("authorization").is_none())
    );
}

#[test]
fn a_demand_of_a_front_door_elsewhere_is_not_answered() {
    let other = Server::start(|_, _| {
        Answer::new(401).header("WWW-Authenticate", "Basic realm=\"elsewhere\"")
    });
    let door = format!("http://{}/v2/", other.host);
    let registry = Server::start(move |asked, _| match asked.path.as_str() {
        "/v2/" => Answer::new(307).header("Location", door.clone()),
        _ => Answer::new(401),
    });
    let options = options(&[&registry, &other], Login::Given(credential()));
    let conversation = Registry::new(&reference(&registry, ""), &options, &Silent);
    let error = conversation
        .manifest(&reference(&registry, ":1"))
        .expect_err("nobody who may has asked for credentials");
    assert_eq!(error.kind(), Kind::Denied);
    let shown = |server: &Server| {
        let asked = server.asked();
        asked
            .iter()
            .any(|asked| asked.header("authorization").is_some())
    };
    assert!(!shown(&registry) && !shown(&other));
}

#[test]
fn a_redirect_to_plain_http_is_refused_unless_that_host_is_insecure() {
    let storage = Server::start(|_, _| Answer::ok("x"));
    let target = format!("http://{}/", storage.host);
    let front = Server::start(move |_, _| Answer::new(302).header("Location", &target));
    let options = options(&[&front], Login::Anonymous);
    let error = blob(&front, &options, &descriptor(b"x")).expect_err("it would be plain http");
    let error = RegistryError::from_io(&error).expect("blobs fail with registry errors");
    assert!(matches!(error, RegistryError::Insecure { .. }), "{error:?}");
    assert!(storage.asked().is_empty());
}

#[test]
fn redirects_to_other_schemes_and_in_circles_end() {
    for location in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "/v2/a/b/blobs/circle",
    ] {
        let server = Server::start(move |_, _| Answer::new(307).header("Location", location));
        let error = blob(
            &server,
            &options(&[&server], Login::Anonymous),
            &descriptor(b"x"),
        );
        let error = error.expect_err(location);
        assert!(RegistryError::from_io(&error).is_some(), "{error}");
        assert!(server.asked().len() <= 40, "{location}");
    }
}

#[test]
fn plain_http_is_spoken_only_where_it_was_allowed() {
    let server = Server::start(|_, _| Answer::ok(manifest()));
    let strict = options(&[], Login::Anonymous);
    let reference = reference(&server, "");
    let error = Registry::new(&reference, &strict, &Silent).manifest(&reference);
    let error = error.expect_err("this server has no TLS");
    assert!(matches!(error, RegistryError::Tls { .. }), "{error:?}");
    assert!(error.hints()[0].ends_with(&format!("--insecure {}`", server.host)));
    assert!(server.asked().is_empty(), "something was said in the clear");
    let allowed = options(&[&server], Login::Anonymous);
    let served = Registry::new(&reference, &allowed, &Silent).manifest(&reference);
    assert_eq!(
        served.expect("the user allowed it").digest,
        Digest::of(&manifest())
    );
}

/// A registry that wants a token for everything, from its own token service.
fn with_tokens(accepts: &'static str) -> Server {
    let host = std::sync::OnceLock::new();
    Server::start(move |asked, _| {
        let host = host.get_or_init(|| asked.header("host").unwrap_or_default().to_owned());
        let token = asked.header("authorization");
        if asked.path.starts_with("/token?") {
            return match token {
                Some(wrong) if wrong != accepts => Answer::new(401).body(
                    r#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong\u001b[31m password."}]}"#,
                ),
                _ => Answer::ok(r#"{"access_token":"t0ken","expires_in":300}"#),
            };
        }
        match token {
            Some("Bearer t0ken") => Answer::ok(manifest()).header("Content-Type", OCI_MANIFEST),
            _ => {
                let realm =
                    format!("bearer REALM=\"http://{host}/token\", service=\"the, service\"");
                Answer::new(401).header("WWW-Authenticate", realm)
            }
        }
    })
}

#[test]
fn a_token_is_fetched_once_and_credentials_go_to_its_service_alone() {
    let server = with_tokens(BASIC);
    let options = options(&[&server], Login::Given(credential()));
    let reference = reference(&server, ":1");
    let registry = Registry::new(&reference, &options, &Silent);
    for _time in 0..2 {
        registry
            .manifest(&reference)
            .expect("the credentials are right");
    }
    let asked = server.asked();
    let tokens: Vec<_> = asked
        .iter()
        .filter(|asked| asked.path.starts_with("/token"))
        .collect();
    assert_eq!(tokens.len(), 1, "{asked:?}");
    let expected = "/token?service=the%2C%20service&scope=repository%3Aa%2Fb%3Apull&account=user&client_id=coracle";
    assert_eq!(tokens[0].path, expected);
    let to_others = asked
        .iter()
        .filter(|asked| !asked.path.starts_with("/token"));
    assert!(
        to_others
            .filter_map(|asked| asked.header("authorization"))
            .all(|sent| sent == "Bearer t0ken")
    );
    assert!(asked.iter().all(|asked| !asked.path.contains("secret")));
}

#[test]
fn a_wrong_password_is_said_without_being_shown() {
    let server = with_tokens("Basic b3RoZXI6b3RoZXI=");
    let options = options(&[&server], Login::Anonymous);
    let error =
        check_login(&server.host, &credential(), &options, &Silent).expect_err("it is wrong");
    assert_eq!(error.kind(), Kind::Denied, "{error}");
    let shown = format!("{error} {error:?} {:?}", error.hints());
    assert!(
        shown.contains("wrong [31m password") && !shown.contains("secret"),
        "{shown}"
    );
    assert!(
        shown.contains(&format!("coracle login {}", server.host)),
        "{shown}"
    );
}

#[test]
fn a_server_that_is_busy_is_asked_again_when_it_says() {
    let busy = |wait: &'static str| {
        Server::start(move |_, number| match number {
            0 => Answer::new(404),
            1 => Answer::new(429)
                .header("Retry-After", wait)
                .header("RateLimit-Limit", "100;w=21600"),
            2 => Answer::new(503),
            3 => Answer::ok(manifest()).cut_after(9),
            _ => Answer::ok(manifest()),
        })
    };
    let ask = |server: &Server| {
        let reference = reference(server, "");
        let options = options(&[server], Login::Anonymous);
        Registry::new(&reference, &options, &Silent).manifest(&reference)
    };
    let server = busy("0");
    ask(&server).expect("it is only busy twice, and breaks off once");
    assert_eq!(server.asked().len(), 5);
    let server = busy("3600");
    let error = ask(&server).expect_err("nobody waits an hour");
    assert!(
        error.to_string().contains("ratelimit-limit: 100;w=21600"),
        "{error}"
    );
    assert!(error.hints()[0].contains("1h"), "{:?}", error.hints());
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_broken_blob_goes_on_from_its_last_byte() {
    let body: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    for honours_range in [true, false] {
        let content = body.clone();
        let server = Server::start(move |asked, _| {
            let whole = Answer::ok(content.clone());
            if !asked.path.contains("/blobs/") {
                return whole;
            }
            let Some(range) = asked.header("range") else {
                return whole.cut_after(150_000);
            };
            if !honours_range {
                return whole;
            }
            let start: usize = range["bytes=".len()..range.len() - 1]
                .parse()
                .expect("a range");
            let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
            Answer::new(206)
                .body(&content[start..])
                .header("Content-Range", range)
        });
        let options = options(&[&server], Login::Anonymous);
        let got = blob(&server, &options, &descriptor(&body)).expect("it arrives in two parts");
        assert!(got == body, "honours_range: {honours_range}");
        let ranges: Vec<_> = server
            .asked()
            .iter()
            .filter_map(|asked| asked.header("range").map(str::to_owned))
            .collect();
        assert_eq!(ranges.len(), 1, "{ranges:?}");
    }
}

#[test]
fn a_blob_that_was_all_here_before_is_not_asked_for() {
    let server = Server::start(|_, _| Answer::new(500));
    let options = options(&[&server], Login::Anonymous);
    let registry = Registry::new(&reference(&server, ""), &options, &Silent);
    let mut rest = Vec::new();
    let mut stream = registry.blob(&descriptor(b"whole"), 5);
    stream
        .read_to_end(&mut rest)
        .expect("there is nothing to fetch");
    assert!(rest.is_empty() && server.asked().is_empty());
}

#[test]
fn a_blob_that_is_not_what_was_promised_is_an_integrity_error() {
    let body = b"0123456789".to_vec();
    let chunked = |text: &str| Answer::ok(text).header("Transfer-Encoding", "chunked");
    for (what, answer) in [
        ("a flipped byte", Answer::ok("0123456788")),
        ("too long", Answer::ok("0123456789+")),
        ("too short", Answer::ok("012345678")),
        (
            "a surplus behind an unknown length",
            chunked("b\r\n0123456789+\r\n0\r\n\r\n"),
        ),
        (
            "a range that was not asked for",
            Answer::new(206).body(body.clone()),
        ),
    ] {
        let server = Server::start(move |_, _| answer.clone());
        let options = options(&[&server], Login::Anonymous);
        let error = blob(&server, &options, &descriptor(&body)).expect_err(what);
        let mismatch = Mismatch::from_io(&error).map(Fault::kind);
        let kind = mismatch.or(RegistryError::from_io(&error).map(Fault::kind));
        assert_eq!(kind, Some(Kind::Integrity), "{what}: {error}");
    }
}

#[test]
fn a_manifest_is_what_its_name_and_type_say() {
    let good = || Answer::ok(manifest());
    let digest = Digest::of(&manifest());
    let other = Digest::of(b"other");
    assert_eq!(
        fetch(&format!("@{digest}"), good()).expect("all agree"),
        digest
    );
    for (what, end, answer) in [
        (
            "another digest than in the name",
            format!("@{other}"),
            good(),
        ),
        (
            "another digest than announced",
            String::new(),
            good().header("Docker-Content-Digest", other.to_string()),
        ),
        (
            "another type than announced",
            String::new(),
            good().header("Content-Type", DOCKER_MANIFEST),
        ),
        ("no manifest at all", String::new(), Answer::ok("<html>")),
        (
            "larger than any manifest",
            String::new(),
            Answer::ok(vec![b' '; (4 << 20) + 1]),
        ),
    ] {
        let error = fetch(&end, answer).expect_err(what);
        assert_eq!(error.kind(), Kind::Integrity, "{what}: {error}");
    }
}

#[test]
fn what_does_not_exist_is_not_found_in_the_registrys_words() {
    let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"1"}}]}"#;
    let error = fetch(":1", Answer::new(404).body(body)).expect_err("404 is no success");
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(
        error.to_string().ends_with("a/b:1`: manifest unknown"),
        "{error}"
    );
}
