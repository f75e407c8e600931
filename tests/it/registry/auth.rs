//! Who we are to a registry: token services of every manner, tokens that expire, realms that want our credentials.

use std::io::Read;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use coracle::base::fault::{Fault, Kind};
use coracle::base::progress::{Progress, Silent, Track};
use coracle::oci::media::OCI_MANIFEST;
use coracle::registry::credentials::Credential;
use coracle::registry::{Login, Options, Patience, Registry, RegistryError};

use super::server::{Answer, Asked, Server};
use super::{BASIC, credential, descriptor, manifest, options, reference};

/// What is shown of an identity token.
const IDENTITY: &str = "identity-canary";

/// Keeps what is noted and warned of.
#[derive(Default)]
pub(super) struct Listening(Mutex<Vec<String>>);

impl Listening {
    pub(super) fn heard(&self) -> Vec<String> {
        self.0.lock().expect("no test panics in here").clone()
    }
}

impl Progress for Listening {
    fn begin(&self, label: &str, total: Option<u64>) -> Box<dyn Track> {
        Silent.begin(label, total)
    }

    fn warn(&self, message: &str) {
        self.note(message);
    }

    fn note(&self, message: &str) {
        let mut heard = self.0.lock().expect("no test panics in here");
        heard.push(message.to_owned());
    }
}

fn identity() -> Login {
    Login::Given(Credential {
        user: "<token>".into(),
        password: IDENTITY.into(),
    })
}

/// A 401 that sends to the token service at `/token` of the same server, with more parameters.
fn demand(asked: &Asked, more: &str) -> Answer {
    let host = asked.header("host").unwrap_or_default();
    let realm = format!("Bearer realm=\"http://{host}/token\",service=\"s\"{more}");
    Answer::new(401).header("WWW-Authenticate", realm)
}

fn token(name: &str) -> Answer {
    Answer::ok(format!(r#"{{"token":"{name}","expires_in":300}}"#))
}

/// What fetching a manifest from `server` gives.
fn fetch(server: &Server, login: Login) -> Result<(), RegistryError> {
    fetch_with(server, &options(&[server], login), &Silent)
}

fn fetch_with(
    server: &Server,
    options: &Options,
    progress: &dyn Progress,
) -> Result<(), RegistryError> {
    let reference = reference(server, ":1");
    let registry = Registry::new(&reference, options, progress);
    registry.manifest(&reference).map(drop)
}

/// The requests for tokens, as `METHOD path body`.
fn for_tokens(server: &Server) -> Vec<String> {
    let asked = server.asked();
    let tokens = asked.iter().filter(|one| one.path.starts_with("/token"));
    tokens
        .map(|one| format!("{} {} {}", one.method, one.path, one.body))
        .collect()
}

/// A registry whose token service answers requests by `service`, and whose tokens are all called `good`.
fn with_service(service: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |asked, _| {
        if asked.path.starts_with("/token") {
            return service(asked);
        }
        match asked.header("authorization") {
            Some("Bearer good") => Answer::ok(manifest()).header("Content-Type", OCI_MANIFEST),
            _ => demand(asked, ""),
        }
    })
}

#[test]
fn an_identity_token_is_exchanged_by_post() {
    let server = with_service(|asked| match asked.method.as_str() {
        "POST" => Answer::ok(r#"{"access_token":"good"}"#),
        _ => Answer::new(500),
    });
    fetch(&server, identity()).expect("the service knows OAuth2");
    let expected = "POST /token grant_type=refresh_token&refresh_token=identity-canary&service=s\
                    &client_id=coracle&scope=repository%3Aa%2Fb%3Apull";
    assert_eq!(for_tokens(&server), [expected]);
}

#[test]
fn a_service_that_knows_no_post_is_shown_the_identity_token_as_a_password() {
    for status in [400, 401, 404, 405] {
        let server = with_service(move |asked| match asked.header("authorization") {
            // `<token>:identity-canary`
            Some("Basic PHRva2VuPjppZGVudGl0eS1jYW5hcnk=") => token("good"),
            _ => Answer::new(status),
        });
        fetch(&server, identity()).unwrap_or_else(|error| panic!("{status}: {error}"));
        let asked = for_tokens(&server);
        let methods: Vec<_> = asked.iter().map(|line| &line[..4]).collect();
        assert_eq!(methods, ["POST", "GET "], "{status}");
        assert!(!asked[1].contains("account="), "{asked:?}");
    }
    let refusing = with_service(|asked| match asked.method.as_str() {
        "POST" => Answer::new(401).body(r#"{"details":"it was revoked"}"#),
        _ => Answer::new(400),
    });
    let error = fetch(&refusing, identity()).expect_err("nobody takes it");
    assert_eq!(error.kind(), Kind::Denied);
    let text = format!("{error} {error:?}");
    assert!(text.contains("it was revoked") && !text.contains(IDENTITY));
}

#[test]
fn what_is_posted_to_a_token_service_follows_no_redirect() {
    let elsewhere = Server::start(|_, _| token("good"));
    let target = format!("http://{}/token", elsewhere.host);
    let server = with_service(move |_| Answer::new(307).header("Location", &target));
    let options = options(&[&server, &elsewhere], identity());
    let error = fetch_with(&server, &options, &Silent).expect_err("it is not brought there");
    assert_eq!(error.kind(), Kind::Network, "{error}");
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn a_password_is_posted_where_get_is_not_known() {
    let server = with_service(|asked| match asked.method.as_str() {
        "POST" => Answer::ok(r#"{"access_token":"good"}"#),
        _ => Answer::new(405),
    });
    fetch(&server, Login::Given(credential())).expect("the service knows OAuth2 alone");
    let asked = for_tokens(&server);
    assert!(asked[0].starts_with("GET ") && !asked[0].contains("secret"));
    assert!(asked[1].starts_with("POST /token grant_type=password&username=user&password=secret&"));
}

#[test]
fn a_refresh_token_is_used_for_the_next_one_and_given_up_when_refused() {
    let (tokens, renewed, used): (AtomicUsize, AtomicUsize, AtomicUsize) = Default::default();
    let count = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::SeqCst);
    let server = Server::start(move |asked, _| {
        let authorization = asked.header("authorization");
        if asked.path.starts_with("/token") {
            let is_refresh = asked.body.contains("refresh_token=next&") && count(&renewed) == 0;
            if !is_refresh && authorization != Some(BASIC) {
                return Answer::new(401);
            }
            let name = format!("t{}", count(&tokens));
            return Answer::ok(format!(
                r#"{{"access_token":"{name}","refresh_token":"next"}}"#
            ));
        }
        // Each token is good for one manifest.
        let next = format!("Bearer t{}", used.load(Ordering::SeqCst));
        match authorization {
            Some(sent) if sent == next => {
                count(&used);
                Answer::ok(manifest())
            }
            _ => demand(asked, ""),
        }
    });
    let options = options(&[&server], Login::Given(credential()));
    let reference = reference(&server, ":1");
    let registry = Registry::new(&reference, &options, &Silent);
    for _time in 0..3 {
        registry
            .manifest(&reference)
            .expect("there is a way to a token");
    }
    let asked = for_tokens(&server);
    let methods: Vec<_> = asked.iter().map(|line| &line[..4]).collect();
    // By the password; by the refresh token; by that in vain, in both manners, and by the password.
    assert_eq!(methods, ["GET ", "POST", "POST", "GET ", "GET "]);
}

#[test]
fn a_token_that_allows_too_little_is_replaced_once() {
    for status in [401, 403] {
        let server = Server::start(move |asked, _| {
            if asked.path.starts_with("/token") {
                return match asked.path.contains("scope=other%3Ax%3Apull&scope=more") {
                    true => token("strong"),
                    false => token("weak"),
                };
            }
            match asked.header("authorization") {
                Some("Bearer strong") => Answer::ok(manifest()),
                Some(_) => {
                    let more = ",error=\"insufficient_scope\",scope=\"other:x:pull more\"";
                    let realm = demand(asked, more);
                    realm.with_status(status)
                }
                None => demand(asked, ",scope=\"repository:a/b:pull\""),
            }
        });
        fetch(&server, Login::Anonymous).unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_eq!(for_tokens(&server).len(), 2);
    }
    let never = Server::start(|asked, number| match asked.path.starts_with("/token") {
        true => token(&format!("t{number}")),
        false => demand(asked, ",error=\"insufficient_scope\",scope=\"more\""),
    });
    let error = fetch(&never, Login::Anonymous).expect_err("no token is good enough");
    assert_eq!(error.kind(), Kind::Denied);
    assert_eq!(for_tokens(&never).len(), 2, "{:?}", never.asked());
}

#[test]
fn a_token_that_expires_in_mid_blob_is_renewed_and_the_blob_goes_on() {
    let body: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    let content = body.clone();
    let tokens = AtomicUsize::new(0);
    // Each token is good for one request, and each connection breaks after 90,000 bytes.
    let used = AtomicUsize::new(0);
    let server = Server::start(move |asked, _| {
        if asked.path.starts_with("/token") {
            return token(&format!("t{}", tokens.fetch_add(1, Ordering::SeqCst)));
        }
        let newest = tokens.load(Ordering::SeqCst);
        let fresh = format!("Bearer t{}", newest.saturating_sub(1));
        let is_fresh = asked.header("authorization") == Some(&fresh);
        if newest == 0 || !is_fresh || used.swap(newest, Ordering::SeqCst) == newest {
            return demand(asked, "");
        }
        let range = asked.header("range").unwrap_or("bytes=0-");
        let start = range["bytes=".len()..range.len() - 1].parse().unwrap_or(0);
        let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
        Answer::new(206)
            .header("Content-Range", range)
            .body(&content[start..])
            .cut_after(90_000)
    });
    let options = Options {
        patience: Patience::seconds(1),
        ..options(&[&server], Login::Anonymous)
    };
    let descriptor = descriptor(&body);
    let registry = Registry::new(&reference(&server, ""), &options, &Silent);
    let mut got = Vec::new();
    // From the second byte on, so that the first request asks for a range, too.
    let mut stream = registry.blob(&descriptor, 1);
    stream
        .read_to_end(&mut got)
        .expect("each part has its own token");
    assert!(got == body[1..]);
    let asked = server.asked();
    let ranges: Vec<_> = asked.iter().filter_map(|one| one.header("range")).collect();
    let unique: std::collections::BTreeSet<_> = ranges.iter().collect();
    assert_eq!((ranges.len(), unique.len()), (10, 5), "{ranges:?}");
    assert_eq!(for_tokens(&server).len(), 5);
}

#[test]
fn threads_that_ask_at_once_share_one_token() {
    let server = with_service(|_| token("good"));
    let options = options(&[&server], Login::Given(credential()));
    let reference = reference(&server, ":1");
    let registry = Registry::new(&reference, &options, &Silent);
    std::thread::scope(|scope| {
        for _thread in 0..8 {
            scope.spawn(|| {
                registry
                    .manifest(&reference)
                    .expect("there is a token for all")
            });
        }
    });
    assert_eq!(for_tokens(&server).len(), 1);
}

#[test]
fn a_token_service_that_is_busy_is_asked_again() {
    let times = AtomicUsize::new(0);
    let server = with_service(move |_| match times.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::new(503),
        1 => Answer::new(429).header("Retry-After", "0"),
        _ => token("good"),
    });
    let options = Options {
        patience: Patience::seconds(1),
        ..options(&[&server], Login::Anonymous)
    };
    fetch_with(&server, &options, &Silent).expect("it was only busy twice");
    assert_eq!(for_tokens(&server).len(), 3);
}

#[test]
fn several_challenges_in_several_headers() {
    let server = Server::start(|asked, _| {
        let host = asked.header("host").unwrap_or_default();
        let bearer = format!("Bearer scope=\"x\", realm=\"http://{host}/token\"");
        match (asked.path.as_str(), asked.header("authorization")) {
            (path, _) if path.starts_with("/token") => token("good"),
            (_, Some("Bearer good")) => Answer::ok(manifest()),
            _ => Answer::new(401)
                .header("WWW-Authenticate", "Negotiate")
                .header(
                    "WWW-Authenticate",
                    format!("Basic realm=\"a, b\", {bearer}"),
                )
                .header("WWW-Authenticate", "Digest realm=\"c\""),
        }
    });
    fetch(&server, Login::Given(credential())).expect("one of them is for us");
    assert!(for_tokens(&server)[0].contains("scope=x&account=user"));
}

#[test]
fn credentials_are_not_shown_to_a_token_service_without_tls() {
    let service = Server::start(|_, _| token("good"));
    let realm = format!("Bearer realm=\"http://{}/token\"", service.host);
    let registry = Server::start(move |asked, _| match asked.header("authorization") {
        Some("Bearer good") => Answer::ok(manifest()),
        _ => Answer::new(401).header("WWW-Authenticate", &realm),
    });
    // The registry is allowed to speak plain http, its token service is not.
    for login in [Login::Given(credential()), identity()] {
        let error = fetch(&registry, login).expect_err("they would be read on the way");
        assert!(matches!(error, RegistryError::Insecure { .. }), "{error:?}");
        assert!(error.to_string().contains(&service.host), "{error}");
        assert!(service.asked().is_empty());
    }
    let listening = Listening::default();
    let open = options(&[&registry], Login::Anonymous);
    fetch_with(&registry, &open, &listening).expect("there is nothing to be read");
    assert!(service.asked()[0].header("authorization").is_none());
    let heard = listening.heard();
    let named = format!("asking `http://{}/token` for a token", service.host);
    assert!(heard.contains(&named), "{heard:?}");
}

#[test]
fn the_registry_says_how_much_more_may_be_asked() {
    let server = Server::start(|_, _| {
        Answer::ok(manifest())
            .header("RateLimit-Limit", "100;w=21600")
            .header("RateLimit-Remaining", "76;w=21600")
    });
    let listening = Listening::default();
    let open = options(&[&server], Login::Anonymous);
    fetch_with(&server, &open, &listening).expect("nothing is in the way");
    let heard = listening.heard().join("\n");
    assert!(heard.contains("76;w=21600 left, of 100;w=21600"), "{heard}");
}

#[test]
fn what_one_transfer_hears_of_a_busy_host_counts_for_all() {
    let server = Server::start(|asked, _| match asked.method.as_str() {
        "HEAD" => Answer::new(429).header("Retry-After", "2"),
        _ => Answer::ok(manifest()),
    });
    let patient = Options {
        patience: Patience::seconds(2),
        ..options(&[&server], Login::Anonymous)
    };
    let reference = reference(&server, ":1");
    let asked = Registry::new(&reference, &patient, &Silent).digest_of(&reference);
    assert_eq!(asked.ok().flatten(), None);
    let listening = Listening::default();
    fetch_with(&server, &patient, &listening).expect("it answers other questions");
    let heard = listening.heard().join("\n");
    let left_alone = format!("`{}` is left alone for ", server.host);
    assert!(heard.contains(&left_alone), "{heard}");
}
