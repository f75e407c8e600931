//! Certificates: private authorities, `certs.d`, those of clients, and those that nobody should accept.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::proxy::{ENCODED, Proxy};
use crate::support::{Output, Registry, Run, Sandbox, Tls, fixture, require, with_mounts};

/// Certificates made by openssl for one test.
pub(super) struct Forge(Sandbox);

impl Forge {
    pub(super) fn new() -> Self {
        Self(Sandbox::new())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn openssl(&self, words: &[&str]) {
        let mut command = Command::new("openssl");
        command.args(words).current_dir(self.path(""));
        let output = command.output().expect("openssl is everywhere");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
    }

    fn key(&self, words: &[&str], name: &str) {
        let key = format!("{name}.key");
        let new = [
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ];
        let more = ["-keyout", &key, "-subj", "/CN=a test"];
        self.openssl(&[&new[..], &more[..], words].concat());
    }

    /// `NAME.crt` and `NAME.key` of an authority.
    pub(super) fn authority(&self, name: &str) {
        let cert = format!("{name}.crt");
        let usage = "keyUsage=critical,keyCertSign";
        let words = ["-x509", "-days", "9", "-out", &cert, "-addext", usage];
        self.key(&words, name);
    }

    /// `NAME.cert` and `NAME.key`, signed by `authority`, for `names`, good for `days` from now on.
    pub(super) fn signed(&self, name: &str, authority: &str, names: &str, days: &str) {
        let (request, cert) = (format!("{name}.csr"), format!("{name}.cert"));
        self.key(&["-out", &request], name);
        self.0.file(
            "extensions",
            format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n"),
        );
        let (ca, ca_key) = (format!("{authority}.crt"), format!("{authority}.key"));
        let sign = [
            "x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &ca_key,
        ];
        let more = [
            "-CAcreateserial",
            "-days",
            days,
            "-extfile",
            "extensions",
            "-out",
            &cert,
        ];
        self.openssl(&[&sign[..], &more].concat());
        // The registry runs as whoever runs the tests, coracle as the plain user.
        self.openssl(&[
            "ec",
            "-in",
            &format!("{name}.key"),
            "-out",
            &format!("{name}.key"),
        ]);
    }

    /// A registry with the certificate `name`.
    fn registry(&self, name: &str) -> Registry {
        Registry::empty(&Tls {
            certificate: self.path(&format!("{name}.cert")),
            key: self.path(&format!("{name}.key")),
            clients: None,
        })
    }
}

/// A home with a `certs.d` for one registry.
struct Home {
    sandbox: Sandbox,
    host: String,
    certs: &'static str,
}

impl Home {
    fn new(registry: &Registry) -> Self {
        Self {
            sandbox: Sandbox::new(),
            host: registry.host(),
            certs: "home/.config/containers/certs.d",
        }
    }

    /// Puts a copy of `from` into the directory for the registry.
    fn put(&self, from: &Path, name: &str) -> PathBuf {
        let bytes = std::fs::read(from).expect("it was made before");
        let dir = format!("{}/{}", self.certs, self.host);
        self.sandbox.folder(&dir);
        self.sandbox.file(&format!("{dir}/{name}"), bytes)
    }

    fn login(&self) -> Run {
        let words = [
            "login",
            "--username",
            fixture::USER,
            "--password-stdin",
            &self.host,
        ];
        self.sandbox.coracle(words).input(fixture::PASSWORD)
    }

    #[track_caller]
    fn fails(&self, words: &str) -> Output {
        let output = self.login().run().complains(words);
        assert_ne!(output.code(), Some(0), "{output}");
        output
    }
}

#[test]
fn a_client_shows_its_certificate() {
    require!(Fixtures, DockerRegistry);
    let forge = Forge::new();
    forge.authority("clients");
    forge.signed("me", "clients", "DNS:me", "9");
    let registry = Registry::empty(&Tls {
        clients: Some(forge.path("clients.crt")),
        ..Tls::default()
    });
    let mut home = Home::new(&registry);
    home.fails("UnknownIssuer").complains("--tls-ca");
    home.put(&Registry::authority(), "ca.crt");
    home.fails("cannot speak TLS")
        .complains(&format!("certs.d/{}/", home.host));
    home.put(&forge.path("me.cert"), "me.cert");
    home.put(&forge.path("me.key"), "me.key");
    home.login().run().success();
    // Docker's own place, and one for another port.
    for (certs, port) in [("home/.config/docker/certs.d", ""), ("home/certs.d", "1")] {
        home = Home {
            certs,
            ..Home::new(&registry)
        };
        home.put(&forge.path("me.cert"), "me.cert");
        home.put(&forge.path("me.key"), "me.key");
        home.put(&Registry::authority(), "ca.crt");
        match port {
            "" => drop(home.login().run().success()),
            _ => drop(home.fails("UnknownIssuer")),
        }
    }
}

#[test]
fn a_file_of_certs_d_that_cannot_be_used_is_named() {
    require!(Fixtures, DockerRegistry);
    let forge = Forge::new();
    forge.authority("clients");
    forge.signed("me", "clients", "DNS:me", "9");
    forge.signed("other", "clients", "DNS:other", "9");
    forge.openssl(&[
        "ec",
        "-in",
        "me.key",
        "-aes128",
        "-passout",
        "pass:x",
        "-out",
        "locked.key",
    ]);
    let registry = Registry::empty(&Tls::default());
    let home = |files: &[(&str, &str)]| {
        let home = Home::new(&registry);
        for (from, name) in files {
            home.put(&forge.path(from), name);
        }
        home
    };
    let named = |home: &Home, name: &str| format!("{}/{}/{name}`", home.certs, home.host);
    for (files, name, words) in [
        (
            &[("me.cert", "me.cert")][..],
            "me.cert",
            "there is no `.key` of the same name",
        ),
        (
            &[("me.key", "me.key")],
            "me.key",
            "there is no `.cert` of the same name",
        ),
        (
            &[("me.cert", "me.cert"), ("other.key", "me.key")],
            "me.key",
            "it is not the key",
        ),
        (
            &[("me.cert", "me.cert"), ("locked.key", "me.key")],
            "me.key",
            "without a password",
        ),
        (
            &[("me.cert", "me.cert"), ("me.cert", "me.key")],
            "me.key",
            "holds no PEM key",
        ),
        (
            &[("me.key", "me.cert"), ("me.key", "me.key")],
            "me.cert",
            "no PEM certificate",
        ),
        (&[("me.csr", "ca.crt")], "ca.crt", "no PEM certificate"),
    ] {
        let home = home(files);
        home.fails(words).complains(&named(&home, name)).exits(2);
    }
    let home = home(&[("me.cert", "me.cert")]);
    let key = home.put(&forge.path("me.key"), "me.key");
    let mut chmod = Command::new("chmod");
    assert!(
        chmod
            .arg("000")
            .arg(key)
            .status()
            .is_ok_and(|status| status.success())
    );
    home.fails("ermission denied")
        .complains(&named(&home, "me.key"));
}

#[test]
fn certs_d_of_the_system_is_read_and_what_is_roots_alone_is_left_out() {
    require!(Fixtures, DockerRegistry, Root);
    let registry = Registry::empty(&Tls::default());
    let home = Home::new(&registry);
    let authority = Registry::authority();
    let script = "set -e; mkdir -p /etc/docker; mount -t tmpfs none /etc/docker
        mkdir -p \"/etc/docker/certs.d/$0\"; cp \"$1\" \"/etc/docker/certs.d/$0/ca.crt\"; chmod 644 /etc/docker/certs.d/*/*
        shift; install -m 600 /dev/null \"/etc/docker/certs.d/closed.crt\"
        [ \"$1\" = open ] || mv /etc/docker/certs.d/closed.crt \"/etc/docker/certs.d/$0/\"
        shift; exec \"$@\"";
    let behind = |how: &str| {
        let mut words = with_mounts(script, &home.host);
        words.extend([authority.display().to_string(), how.into()]);
        home.login().behind(words).run().success()
    };
    let output = behind("open");
    assert!(!output.stderr.contains("warning"), "{output}");
    behind("closed").complains("going on without it");
}

#[test]
fn certificates_that_nobody_should_accept() {
    require!(Fixtures, DockerRegistry);
    let forge = Forge::new();
    forge.authority("ca");
    forge.signed("expired", "ca", "IP:127.0.0.1", "-1");
    forge.signed("stranger", "ca", "DNS:elsewhere.example,IP:127.0.0.2", "9");
    forge.signed("good", "ca", "IP:127.0.0.1", "9");
    for (name, words) in [
        ("expired", "its certificate has expired"),
        ("stranger", "its certificate is for another name"),
        ("good", ""),
    ] {
        let registry = forge.registry(name);
        let home = Home::new(&registry);
        home.put(&forge.path("ca.crt"), "ca.crt");
        match words {
            "" => drop(home.login().run().success()),
            words => drop(home.fails(words).exits(1)),
        }
    }
}

#[test]
fn tls_goes_through_proxies_and_is_checked_behind_them() {
    require!(Fixtures, DockerRegistry);
    let forge = Forge::new();
    forge.authority("ca");
    forge.signed("named", "ca", "DNS:registry.test", "9");
    let registry = forge.registry("named");
    let (connect, socks) = (
        Proxy::connect(&registry.host()),
        Proxy::socks5(&registry.host()),
    );
    let sandbox = Sandbox::new();
    let login = |host: &str, proxy: String| {
        let words = ["login", "-u", fixture::USER, "--password-stdin", "--tls-ca"];
        let run = sandbox.coracle(words).arguments([forge.path("ca.crt")]);
        run.arguments([host])
            .env("https_proxy", proxy)
            .input(fixture::PASSWORD)
            .run()
    };
    for (kind, proxy) in [("http", &connect), ("socks5h", &socks)] {
        let url = format!("{kind}://{ENCODED}@{}", proxy.host);
        login("registry.test", url.clone()).success();
        assert_eq!(proxy.asked()[0], "registry.test:443");
        // Whoever is behind the proxy must still be who was asked for.
        let stranger = login("other.test", url).exits(1);
        stranger.complains("its certificate is for another name");
    }
}

#[test]
fn nothing_older_than_tls_1_2_is_spoken() {
    let forge = Forge::new();
    forge.authority("ca");
    forge.signed("good", "ca", "IP:127.0.0.1", "9");
    for version in ["-tls1_1", "-tls1_2"] {
        let mut server = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-WWW", version])
            .args([
                "-cipher",
                "ALL:@SECLEVEL=0",
                "-cert",
                "good.cert",
                "-key",
                "good.key",
            ])
            .current_dir(forge.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is everywhere");
        let stdout = server.stdout.take().expect("stdout was piped");
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
        let port = lines.find_map(|line| {
            let line = line.ok()?;
            line.strip_prefix("ACCEPT 127.0.0.1:").map(str::to_owned)
        });
        let host = format!("127.0.0.1:{}", port.expect("it listens"));
        let sandbox = Sandbox::new();
        let image = format!("{host}/a:1");
        let output = sandbox
            .coracle(["manifest", "inspect", "--tls-ca"])
            .arguments([forge.path("ca.crt").into_os_string(), image.into()])
            .env("CORACLE_NET_TIMEOUT", "2")
            .run();
        drop(server.kill());
        drop(server.wait());
        assert_ne!(output.code(), Some(0), "{version}: {output}");
        // This server has no `/v2/`; what counts is whether one comes to hear that.
        let is_refused = output.stderr.contains("cannot speak TLS");
        assert_eq!(is_refused, version == "-tls1_1", "{output}");
    }
}
