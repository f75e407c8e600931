//! Whose policy counts, and that one which cannot be evaluated refuses: what is fetched, and what is here already.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Port, signed};
use crate::support::{Run, require};

impl Port {
    /// The same where /etc is a directory of the test's: the user has no right to write the real one.
    fn on_site(&self, words: &[&str]) -> Run {
        let etc = self.bench.0.path("etc");
        let script = format!("mount --bind {} /etc && exec \"$@\"", etc.display());
        let run = self
            .bench
            .0
            .command(["unshare", "-Urm", "sh", "-c", &script, "sh"]);
        let run = run.arguments([self.bench.0.binary()]).arguments(words);
        run.env("CORACLE_NET_TIMEOUT", "1")
    }

    fn pulling_on_site(&self) -> Run {
        let image = self.image();
        let words = [
            "pull",
            "--platform",
            "linux/amd64",
            "--insecure",
            self.host(),
            &image,
        ];
        self.on_site(&words)
    }

    /// Writes a file of the administrator's.
    fn system(&self, name: &str, text: &str) {
        let dir = Path::new("etc").join(name);
        let dir = dir.parent().expect("a file in a directory");
        self.bench.0.folder("etc");
        self.bench.0.folder(dir.to_str().expect("plain"));
        self.bench.0.file(&format!("etc/{name}"), text);
    }

    /// Fails unless neither a pull nor a use of the image that is here comes past what was just made wrong.
    #[track_caller]
    fn nothing_is_used(&self, code: i32, why: &[&str]) {
        let before = self.asked().len();
        let verify = self.coracle(&["verify", &self.image()]).run().exits(1);
        let create = self
            .coracle(&["create", "--platform", "linux/amd64", &self.image()])
            .run();
        for output in [self.pull(), create] {
            let output = output.exits(code);
            why.iter().fold(output, |output, why| output.complains(why));
        }
        why.iter()
            .filter(|why| !why.starts_with("hint"))
            .fold(verify, |output, why| output.mentions(why));
        assert_eq!(
            self.asked().len(),
            before,
            "asked although nothing could be decided"
        );
    }
}

#[test]
fn the_systems_file_wins_over_the_users() {
    require!(UserNamespaces);
    let port = Port::new();
    let [key, own] = ["key", "own"].map(|name| port.key(name));
    let entry = |entry: &str| format!("[scope.\"{}\"]\n{entry}\n", port.host());
    port.system("coracle/trust.toml", &entry(&signed(&[&key], 1)));
    port.policy("mode = \"accept\"");
    let refused = || port.pulling_on_site().run().exits(1);
    refused().complains("`/etc/coracle/trust.toml` demands a signature");
    port.signed_by(&own, &port.manifest);
    port.demand(&[&own]);
    refused().complains("`/etc/coracle/trust.toml` demands a signature");
    port.signed_by(&key, &port.manifest);
    refused().complains("home/.config/coracle/trust.toml` demands a signature");
    port.policy("mode = \"accept\"");
    port.pulling_on_site().run().success();
    port.policy("mode = \"reject\"");
    refused().complains("home/.config/coracle/trust.toml` rejects");
    // Users are free where the system says so.
    let free = format!("users = \"free\"\n{}", entry("mode = \"reject\""));
    port.system("coracle/trust.toml", &free);
    port.policy("mode = \"accept\"");
    port.pulling_on_site().run().success();
    let ignored = format!("users = \"ignored\"\n{}", entry("mode = \"reject\""));
    port.system("coracle/trust.toml", &ignored);
    refused().complains("`/etc/coracle/trust.toml` rejects");
    let image = port.image();
    let create = port
        .on_site(&["create", "--platform", "linux/amd64", &image])
        .run();
    create
        .exits(1)
        .complains("`/etc/coracle/trust.toml` rejects");
}

#[test]
fn policy_json_of_the_system_counts() {
    require!(UserNamespaces);
    let port = Port::new();
    let key = port.key("key");
    let policy = |requirement: &str| {
        let host = port.host();
        let text = format!(
            r#"{{"default":[{{"type":"insecureAcceptAnything"}}],"transports":{{"docker":{{"{host}":[{requirement}]}}}}}}"#
        );
        port.system("containers/policy.json", &text);
    };
    let refused = || port.pulling_on_site().run().exits(1);
    policy(r#"{"type":"reject"}"#);
    refused().complains("`/etc/containers/policy.json` rejects");
    policy(r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/a"}"#);
    refused()
        .complains("`signedBy`")
        .complains("hint: change `/etc/containers/policy.json`");
    let path = key.public.display();
    policy(&format!(
        r#"{{"type":"sigstoreSigned","keyPath":"{path}","signedIdentity":{{"type":"matchRepository"}}}}"#
    ));
    refused().complains("no signature was found");
    port.signed_by(&key, &port.manifest);
    port.pulling_on_site().run().success();
}

#[test]
fn a_policy_that_cannot_be_evaluated_refuses() {
    let port = Port::new();
    let key = port.key("key");
    port.signed_by(&key, &port.manifest);
    port.demand(&[&key]);
    port.pull().success();
    let entry = signed(&[&key], 1);
    // A file that is wrong.
    port.policy(&entry.replace("threshold = 1", "treshold = 1"));
    port.nothing_is_used(2, &["trust.toml`: line 4: unknown key `treshold`"]);
    port.policy(&entry.replace("signed", "sealed"));
    port.nothing_is_used(2, &["line 2: `mode`: got `sealed`, expected one of"]);
    port.policy("mode = \"signed\"\nkeys = [");
    port.nothing_is_used(2, &["trust.toml`: line"]);
    // A key that is not there, cannot be read, or is none.
    port.policy(&entry.replace("key.pub", "none.pub"));
    port.nothing_is_used(1, &["none.pub"]);
    port.policy(&entry);
    let mode = |path: &Path, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("it is ours");
    };
    mode(&key.public, 0);
    port.nothing_is_used(1, &["cannot learn which images are trusted", "key.pub"]);
    mode(&key.public, 0o644);
    let file = port.bench.0.path("home/.config/coracle/trust.toml");
    mode(&file, 0);
    port.nothing_is_used(1, &["cannot learn which images are trusted", "trust.toml"]);
    mode(&file, 0o644);
    port.bench
        .0
        .file("home/no.pub", "-----BEGIN PUBLIC KEY-----\n");
    port.policy(&entry.replace("key.pub", "no.pub"));
    port.nothing_is_used(2, &["no.pub"]);
    // A policy.json of a type that nobody knows, or that is no policy.
    port.policy("mode = \"accept\"");
    port.pull().success();
    port.bench.0.folder("home/.config/containers");
    let json = |text: &str| {
        drop(
            port.bench
                .0
                .file("home/.config/containers/policy.json", text),
        )
    };
    json(r#"{"default":[{"type":"trustMe"}]}"#);
    port.nothing_is_used(1, &["`trustMe`"]);
    json(r#"{"default":[{"type":"insecureAcceptAnything"}],"default":[]}"#);
    port.nothing_is_used(2, &["policy.json`"]);
    json("{");
    port.nothing_is_used(2, &["policy.json`"]);
}

#[test]
fn a_policy_that_is_a_link_to_nowhere_or_a_pipe_refuses() {
    let port = Port::new();
    let key = port.key("key");
    port.signed_by(&key, &port.manifest);
    port.demand(&[&key]);
    port.pull().success();
    let dir = port.bench.0.path("home/.config/coracle");
    let file = dir.join("trust.toml");
    std::fs::remove_file(&file).expect("it was written");
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o644);
    nix::unistd::mkfifo(&file, mode).expect("a pipe is anybody's to make");
    port.nothing_is_used(1, &["trust.toml", "not a regular file"]);
    std::fs::remove_file(&file).expect("it was made");
    std::os::unix::fs::symlink("/nowhere/trust.toml", &file).expect("the name is free");
    port.nothing_is_used(1, &["trust.toml", "No such file"]);
    std::fs::remove_file(&file).expect("it was made");
    std::fs::remove_dir(&dir).expect("nothing else is in it");
    std::os::unix::fs::symlink("/nowhere", &dir).expect("the name is free");
    port.nothing_is_used(1, &["trust.toml", "No such file"]);
}

/// What `create` opens, by strace(1).
fn opened(port: &Port) -> Vec<String> {
    let trace = port.bench.0.path("home/trace");
    let trace = trace.to_str().expect("plain").to_owned();
    let strace = ["strace", "-f", "-qq", "-e", "trace=%file", "-o", &trace];
    let binary = port.bench.0.binary();
    let run = port.bench.0.command(strace).arguments([binary]);
    run.arguments(["create", "--platform", "linux/amd64", &port.image()])
        .run()
        .success();
    let text = std::fs::read_to_string(trace).expect("a trace");
    let paths = text.lines().filter_map(|line| line.split('"').nth(1));
    paths.map(str::to_owned).collect()
}

#[test]
fn without_a_policy_a_start_looks_for_four_files_and_reads_no_signature() {
    require!(Strace, Ptrace);
    let port = Port::new();
    let key = port.key("key");
    port.signed_by(&key, &port.manifest);
    port.pull().success();
    let count = |paths: &[String], part: &str| paths.iter().filter(|it| it.contains(part)).count();
    let plain = opened(&port);
    port.pulling(&["--with-signatures"]).run().success();
    let kept = opened(&port);
    for paths in [&plain, &kept] {
        // Each is opened, and what is not there might be a link that leads nowhere.
        assert!(count(paths, "trust.toml") <= 4, "{paths:#?}");
        assert!(count(paths, "containers/policy.json") <= 4, "{paths:#?}");
        assert_eq!(
            count(paths, "/blobs/"),
            count(&plain, "/blobs/"),
            "{paths:#?}"
        );
    }
    port.demand(&[&key]);
    assert!(count(&opened(&port), "/blobs/") > count(&plain, "/blobs/"));
}
