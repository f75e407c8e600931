//! Programs that keep credentials: asked, given to keep and to forget, hanging, missing, lying.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use coracle::oci::media::OCI_MANIFEST;

use super::server::{Answer, Server};
use super::{BASIC, manifest};
use crate::support::{Output, Run, Sandbox};

/// A helper that keeps things in a folder, one file per server. What it is asked it writes to a log, without secrets.
const HONEST: &str = r#"#!/bin/sh
input=$(cat)
kept() { printf '%s/%s' "$(dirname "$0")" "$(printf %s "$1" | tr '/:' '__')"; }
case $1 in
    store) server=$(printf %s "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/') ;;
    *) server=$input ;;
esac
echo "$# $1 $server" >>"$(dirname "$0")/log"
case $1 in
    get) cat "$(kept "$server")" 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; } ;;
    store) printf %s "$input" >"$(kept "$server")" ;;
    erase) rm "$(kept "$server")" ;;
esac
"#;

/// A home with helpers, and a registry that wants user and password.
struct Vault {
    sandbox: Sandbox,
    server: Server,
}

impl Vault {
    fn new() -> Self {
        let vault = Self {
            sandbox: Sandbox::new(),
            server: Server::start(|asked, _| match asked.header("authorization") {
                Some(BASIC) => Answer::ok(manifest()).header("Content-Type", OCI_MANIFEST),
                _ => Answer::new(401).header("WWW-Authenticate", "Basic realm=\"here\""),
            }),
        };
        vault.sandbox.folder("home/.docker");
        vault.sandbox.folder("bin");
        vault
    }

    fn helper(&self, name: &str, script: &str) {
        let path = self.sandbox.path("bin/new");
        self.sandbox.file("bin/new", script);
        // By another process: a file that we hold open for writing cannot be executed.
        let to = self.sandbox.path(format!("bin/docker-credential-{name}"));
        let mut install = std::process::Command::new("install");
        let status = install.arg("-m755").args([&path, &to]).status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    fn config(&self) -> PathBuf {
        self.sandbox.path("home/.docker/config.json")
    }

    fn configure(&self, text: &str) {
        let text = text.replace("HOST", &self.server.host);
        self.sandbox.file("home/.docker/config.json", text);
    }

    fn coracle(&self, words: &[&str]) -> Run {
        let path = format!("{}:/usr/bin:/bin", self.sandbox.path("bin").display());
        let run = self.sandbox.coracle(["--verbose"]);
        run.arguments(words)
            .env("PATH", path)
            .env("CORACLE_INSECURE", &self.server.host)
    }

    fn inspect(&self) -> Output {
        let image = format!("{}/a/b:1", self.server.host);
        self.coracle(&["manifest", "inspect", &image]).run()
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.sandbox.path("bin/log"));
        log.unwrap_or_default().replace(&self.server.host, "HOST")
    }
}

/// What the registry wants, as a helper answers it.
const RIGHT: &str = r#"#!/bin/sh
cat >/dev/null; echo '{"ServerURL":"x","Username":"user","Secret":"secret"}'
"#;

#[test]
fn a_helper_keeps_gives_and_forgets() {
    let vault = Vault::new();
    vault.helper("chest", HONEST);
    vault.configure(r#"{"credsStore":"chest","other":1}"#);
    let host = vault.server.host.clone();
    let login = ["login", "-u", "user", "--password-stdin", &host];
    vault
        .coracle(&login)
        .input("secret")
        .run()
        .success()
        .complains("kept by `docker-credential-chest`");
    let file = std::fs::read_to_string(vault.config()).expect("it is still there");
    let file: serde_json::Value = serde_json::from_str(&file).expect("it is JSON");
    assert_eq!(file["auths"][&host], serde_json::json!({}), "{file}");
    assert_eq!(file["other"], 1);
    vault.inspect().success();
    vault
        .coracle(&["logout", &host])
        .run()
        .success()
        .complains("forgotten by `docker-credential-chest`");
    vault.inspect().exits(1).complains("coracle login");
    // Each with one argument, and the server on stdin.
    let expected = "1 store HOST\n1 get HOST\n1 get HOST\n1 erase HOST\n1 get HOST\n";
    assert_eq!(vault.log(), expected);
    vault.coracle(&["logout", &host]).run().exits(1);
}

#[test]
fn a_helper_of_one_registry_wins_over_that_of_all_and_both_over_the_file() {
    let vault = Vault::new();
    vault.helper("right", RIGHT);
    vault.helper("wrong", &RIGHT.replace("secret", "other"));
    let wrong = r#""auths":{"HOST":{"auth":"dXNlcjpvdGhlcg=="}}"#;
    for config in [
        format!(r#"{{"credHelpers":{{"HOST":"right"}},"credsStore":"wrong",{wrong}}}"#),
        format!(r#"{{"credHelpers":{{"other.example":"wrong"}},"credsStore":"right",{wrong}}}"#),
    ] {
        vault.configure(&config);
        vault.inspect().success();
    }
    vault.configure(r#"{"credHelpers":{"HOST":"wrong"},"credsStore":"right"}"#);
    let output = vault.inspect().exits(1);
    assert!(!output.stderr.contains("other"), "{output}");
}

#[test]
fn a_helper_that_knows_nothing_leaves_it_to_the_file() {
    let vault = Vault::new();
    vault.helper("chest", HONEST);
    let right = r#""auths":{"HOST":{"auth":"dXNlcjpzZWNyZXQ="}}"#;
    vault.configure(&format!(r#"{{"credsStore":"chest",{right}}}"#));
    let config = vault.config();
    let mode = |mode| std::fs::set_permissions(&config, std::fs::Permissions::from_mode(mode));
    for (bits, is_open) in [(0o644, true), (0o600, false)] {
        mode(bits).expect("the test may");
        let output = vault.inspect().success();
        assert_eq!(output.stderr.contains("chmod 600"), is_open, "{output}");
    }
    assert_eq!(vault.log(), "1 get HOST\n1 get HOST\n");
}

#[test]
fn a_helper_that_fails_is_named_with_its_words() {
    let vault = Vault::new();
    vault.helper(
        "locked",
        "#!/bin/sh\necho 'the chest is locked' >&2; exit 1\n",
    );
    vault.helper("liar", "#!/bin/sh\necho '{\"Secret\": canary-7'\n");
    vault.helper("killed", "#!/bin/sh\nkill -9 $$\n");
    for (name, code, words) in [
        ("locked", 1, "the chest is locked"),
        ("missing", 1, "there is no such program in PATH"),
        ("liar", 1, "its answer is not the JSON that was expected"),
        ("killed", 1, "a signal ended it"),
        ("a/../b", 2, "names no credential helper"),
    ] {
        vault.configure(&format!(r#"{{"credHelpers":{{"HOST":"{name}"}}}}"#));
        let output = vault.inspect().exits(code).complains(words);
        assert!(!output.stderr.contains("canary"), "{output}");
    }
    // Of one that is for all nobody knows whether it has anything: it is told, and gone on without.
    vault.configure(r#"{"credsStore":"missing"}"#);
    vault
        .inspect()
        .exits(1)
        .complains("warning: `docker-credential-missing` did not give the credentials")
        .complains("denies access");
}

#[test]
fn a_helper_that_hangs_is_ended_with_its_children() {
    let vault = Vault::new();
    let script = "#!/bin/sh\nsleep 1234 & echo $! >\"$(dirname \"$0\")/child\"; wait\n";
    vault.helper("slow", script);
    vault.configure(r#"{"credHelpers":{"HOST":"slow"}}"#);
    let image = format!("{}/a/b:1", vault.server.host);
    // Long enough for a shell to get that far.
    let run = vault.coracle(&["manifest", "inspect", &image]);
    run.env("CORACLE_NET_TIMEOUT", "4")
        .run()
        .exits(1)
        .complains("`docker-credential-slow` did not give")
        .complains("it did not answer within 2.0 s");
    let child = std::fs::read_to_string(vault.sandbox.path("bin/child"));
    let child = child.expect("it came as far as that");
    let process = format!("/proc/{}/stat", child.trim());
    let state = || std::fs::read_to_string(&process).unwrap_or_default();
    // Who is killed is on his way out for a moment; who is not sleeps for twenty minutes.
    let is_here = |state: &str| state.contains("(sleep)") && !state.contains(") Z ");
    for _glance in 0..1000 {
        if !is_here(&state()) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{}", state());
}

#[test]
fn an_identity_token_of_a_helper_is_exchanged() {
    let vault = Vault {
        server: Server::start(|asked, _| {
            let host = asked.header("host").unwrap_or_default();
            let is_right = asked.body.contains("refresh_token=secret&");
            match (asked.path.as_str(), asked.header("authorization")) {
                ("/token", _) if is_right => Answer::ok(r#"{"access_token":"good"}"#),
                (_, Some("Bearer good")) => {
                    Answer::ok(manifest()).header("Content-Type", OCI_MANIFEST)
                }
                _ => {
                    let realm = format!("Bearer realm=\"http://{host}/token\"");
                    Answer::new(401).header("WWW-Authenticate", realm)
                }
            }
        }),
        ..Vault::new()
    };
    vault.helper("right", &RIGHT.replace("\"user\"", "\"<token>\""));
    vault.configure(r#"{"credHelpers":{"HOST":"right"}}"#);
    vault.inspect().success();
    vault.configure(r#"{"auths":{"HOST":{"identitytoken":"secret"}}}"#);
    vault.inspect().success();
    vault.configure(r#"{"auths":{"HOST":{"registrytoken":"good"}}}"#);
    let before = vault.server.asked().len();
    vault.inspect().success();
    let asked = vault.server.asked();
    assert!(asked[before..].iter().all(|one| one.path != "/token"));
}
