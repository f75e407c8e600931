//! No secret is seen: not in what is said at its loudest, not in an address, not in an argument vector.

use base64::Engine as _;

use super::proxy::Proxy;
use super::server::{Answer, Asked, Server};
use super::{descriptor, manifest};
use crate::support::{Output, Run, Sandbox};

/// A part of every secret of these tests.
const CANARY: &str = "canary";
/// A helper that writes down who called it, and how.
const HELPER: &str = r#"#!/bin/sh
cat >/dev/null
{ cat "/proc/$PPID/cmdline"; printf ' / '; cat /proc/$$/cmdline; echo; } | tr '\0' ' ' >>"$(dirname "$0")/argv"
echo '{"ServerURL":"x","Username":"USER","Secret":"canary-helper"}'
"#;

/// How a registry answers who has no right (yet).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Demand {
    Basic,
    Token,
}

/// How it all ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Well,
    /// Whatever one shows is refused.
    Denied,
    /// The registry fails once it has seen it.
    Broken,
}

/// A registry whose manifests are signed addresses elsewhere, and whose tokens are secrets.
fn registry(demand: Demand, end: End) -> Server {
    Server::start(move |asked, _| {
        let host = asked.header("host").unwrap_or_default();
        let shown = asked.header("authorization");
        if asked.path.starts_with("/token") {
            return match (end, asked.method.as_str()) {
                (End::Denied, _) => echo(asked, 401),
                (_, "GET") if shown.is_none() => denied(),
                _ => Answer::ok(
                    r#"{"access_token":"canary-access","refresh_token":"canary-refresh","expires_in":60}"#,
                ),
            };
        }
        if asked.path.contains("X-Signature=canary") {
            let manifest = manifest();
            return Answer::ok(manifest).header("RateLimit-Remaining", "1;w=60");
        }
        match (shown, end, demand) {
            (Some(_), End::Broken, _) => echo(asked, 500),
            (Some(_), End::Well, _) => {
                let signed = format!("http://{host}/cdn?X-Signature=canary-signature");
                Answer::new(307).header("Location", signed)
            }
            (_, _, Demand::Basic) => denied().header("WWW-Authenticate", "Basic realm=\"x\""),
            (_, _, Demand::Token) => {
                let realm = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
                denied().header("WWW-Authenticate", realm)
            }
        }
    })
}

/// Who repeats all that he was shown.
fn echo(asked: &Asked, status: u16) -> Answer {
    let shown = asked.header("authorization").unwrap_or_default();
    let message = format!("what is {shown} {}?", asked.body);
    let error = serde_json::json!({"errors": [{"code": "UNKNOWN", "message": message}]});
    Answer::new(status).body(error.to_string())
}

fn denied() -> Answer {
    Answer::new(401).body(r#"{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}"#)
}

/// Puts a helper into `bin`, which writes to `bin/argv` and gives `canary-helper`.
pub(super) fn install_helper(sandbox: &Sandbox, name: &str, user: &str) {
    sandbox.folder("bin");
    let from = sandbox.file("bin/new", HELPER.replace("USER", user));
    let to = sandbox.path(format!("bin/docker-credential-{name}"));
    let mut install = std::process::Command::new("install");
    let status = install.arg("-m755").args([from, to]).status();
    assert!(status.is_ok_and(|status| status.success()));
}

/// Whether `text` holds a secret, as it is or as Basic has it.
pub(super) fn tells(text: &str) -> bool {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c)));
    let decoded = words.filter_map(|word| {
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(word)
            .ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    });
    text.contains(CANARY) || decoded.into_iter().any(|text| text.contains(CANARY))
}

/// A request as its address shows it; what the server itself signed is no secret of ours.
fn address(asked: &Asked) -> String {
    asked.path.replace("canary-signature", "")
}

struct Home {
    sandbox: Sandbox,
}

impl Home {
    fn new() -> Self {
        let home = Self {
            sandbox: Sandbox::new(),
        };
        home.sandbox.folder("home/.docker");
        for (name, user) in [("password", "ada"), ("identity", "<token>")] {
            install_helper(&home.sandbox, name, user);
        }
        home
    }

    fn coracle(&self, words: &[&str]) -> Run {
        let path = format!("{}:/usr/bin:/bin", self.sandbox.path("bin").display());
        let run = self.sandbox.coracle(["--verbose", "--log-format=json"]);
        run.arguments(words)
            .env("PATH", path)
            .env("CORACLE_INSECURE", "*")
            .env("CORACLE_NET_TIMEOUT", "2")
    }

    fn inspect(&self, host: &str, config: &str) -> Run {
        let config = config.replace("HOST", host);
        self.sandbox.file("home/.docker/config.json", config);
        self.coracle(&["manifest", "inspect", &format!("{host}/a/b:1")])
    }
}

#[track_caller]
fn is_silent(output: &Output) {
    assert!(!output.stderr.is_empty(), "nothing is noted: {output}");
    assert!(!tells(&output.stdout) && !tells(&output.stderr), "{output}");
}

#[test]
fn no_secret_is_seen_in_any_flow() {
    let home = Home::new();
    let auth = base64::engine::general_purpose::STANDARD.encode("ada:canary-password");
    let configs = [
        format!(r#"{{"auths":{{"HOST":{{"auth":"{auth}"}}}}}}"#),
        r#"{"auths":{"HOST":{"identitytoken":"canary-identity"}}}"#.to_owned(),
        r#"{"auths":{"HOST":{"registrytoken":"canary-registry"}}}"#.to_owned(),
        r#"{"credHelpers":{"HOST":"password"}}"#.to_owned(),
        r#"{"credsStore":"identity"}"#.to_owned(),
        // Cut off in the middle of one.
        r#"{"auths":{"HOST":{"auth":"canary"#.to_owned(),
    ];
    for demand in [Demand::Basic, Demand::Token] {
        for end in [End::Well, End::Denied, End::Broken] {
            let server = registry(demand, end);
            for config in &configs {
                let output = home.inspect(&server.host, config).run();
                is_silent(&output);
                // Neither kind of token is a password.
                let is_usable = demand == Demand::Token
                    || config.contains("auth\":\"Y")
                    || config.contains("\"password\"");
                let is_whole = config.ends_with('}');
                let succeeds = end == End::Well && is_usable && is_whole;
                assert_eq!(output.code() == Some(0), succeeds, "{config} {output}");
            }
            let asked = server.asked();
            assert!(
                asked
                    .iter()
                    .any(|one| one.header("authorization").is_some())
            );
            assert!(!asked.iter().any(|one| tells(&address(one))), "{asked:?}");
        }
    }
    let argv = std::fs::read_to_string(home.sandbox.path("bin/argv")).expect("it was called");
    assert!(argv.contains("manifest") && argv.contains(" get"), "{argv}");
    assert!(!tells(&argv), "{argv}");
}

#[test]
fn no_secret_of_a_login_or_a_proxy_is_seen() {
    let home = Home::new();
    for end in [End::Well, End::Denied, End::Broken] {
        let server = registry(Demand::Token, end);
        for config in ["{}", r#"{"credsStore":"password"}"#] {
            home.sandbox.file("home/.docker/config.json", config);
            let words = ["login", "-u", "ada", "--password-stdin", &server.host];
            is_silent(&home.coracle(&words).input("canary-typed").run());
        }
        let proxy = Proxy::connect(&server.host);
        for kind in ["http", "socks5h", "nonsense"] {
            let url = format!("{kind}://ada:canary-proxy@{}", proxy.host);
            let inspect = home.inspect("registry.invalid:80", "{}");
            is_silent(&inspect.env("all_proxy", url).run());
        }
    }
    let argv = std::fs::read_to_string(home.sandbox.path("bin/argv")).expect("it was called");
    assert!(argv.contains(" store") && !tells(&argv), "{argv}");
}

#[test]
fn a_secret_would_be_found() {
    let encoded = base64::engine::general_purpose::STANDARD.encode("ada:canary-password");
    assert!(tells(&format!("{{\"m\":\"Basic {encoded}\"}}")));
    assert!(tells("?token=canary-x") && !tells("sha256:abc"));
    assert!(!tells(&descriptor(b"x").digest.to_string()));
}
