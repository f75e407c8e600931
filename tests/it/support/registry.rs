//! Debian's `docker-registry` on a loopback port of its own: TLS by a private authority, one user, a copy of the fixtures.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use super::{Run, Sandbox, fixture};

/// How a registry proves who it is, and whether its clients must.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    /// Its certificate.
    pub(crate) certificate: PathBuf,
    /// The key to that.
    pub(crate) key: PathBuf,
    /// The authority that must have signed the certificates of its clients.
    pub(crate) clients: Option<PathBuf>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificate: fixture::path("tls/server.pem"),
            key: fixture::path("tls/server.key"),
            clients: None,
        }
    }
}

/// A running registry; dropped, it is stopped and its storage removed.
pub(crate) struct Registry {
    child: Child,
    port: u16,
    // Dropped after `drop` has stopped the registry, which writes there.
    scratch: Sandbox,
}

impl Registry {
    /// Starts one and waits until it listens.
    pub(crate) fn start() -> Self {
        let scratch = Sandbox::new();
        let storage = scratch.path("registry");
        let mut copy = Command::new("cp");
        copy.args(["-r", "--reflink=auto"])
            .arg(fixture::path("registry"))
            .arg(&storage);
        assert!(
            copy.status().expect("cp is everywhere").success(),
            "cannot copy the registry's storage"
        );
        Self::serve(scratch, &Tls::default())
    }

    /// Starts one without any image.
    pub(crate) fn empty(tls: &Tls) -> Self {
        Self::serve(Sandbox::new(), tls)
    }

    fn serve(scratch: Sandbox, tls: &Tls) -> Self {
        let storage = scratch.path("registry");
        let configuration = scratch.file("registry.yml", configuration(&storage, tls));
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(configuration)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the test required docker-registry");
        let port = port(child.stderr.take().expect("stderr was piped"));
        Self {
            child,
            port,
            scratch,
        }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A reference to one of the images, by the name that it has in the fixtures.
    pub(crate) fn image(&self, name: &str) -> String {
        format!("{}/boats/{name}:latest", self.host())
    }

    /// The authority that signed the registry's certificate.
    pub(crate) fn authority() -> PathBuf {
        fixture::path("tls/ca.pem")
    }

    /// Where the registry keeps a blob; flip a byte there.
    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest
            .strip_prefix("sha256:")
            .expect("the fixtures use sha256");
        let below = format!(
            "registry/docker/registry/v2/blobs/sha256/{}/{hex}/data",
            &hex[..2]
        );
        self.scratch.path(below)
    }

    /// `coracle login` to this registry in that sandbox.
    pub(crate) fn login(&self, sandbox: &Sandbox) -> Run {
        sandbox
            .coracle([
                "login",
                "--username",
                fixture::USER,
                "--password-stdin",
                "--tls-ca",
            ])
            .arguments([Self::authority()])
            .arguments([self.host()])
            .input(fixture::PASSWORD)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(storage: &Path, tls: &Tls) -> String {
    let clients = tls.clients.iter();
    let clients: String = clients
        .map(|path| format!(", clientcas: [{}]", path.display()))
        .collect();
    format!(
        "version: 0.1\n\
         log: {{level: info}}\n\
         storage: {{filesystem: {{rootdirectory: {storage}}}}}\n\
         auth: {{htpasswd: {{realm: harbour, path: {htpasswd}}}}}\n\
         http: {{addr: '127.0.0.1:0', tls: {{certificate: {certificate}, key: {key}{clients}}}}}\n",
        storage = storage.display(),
        htpasswd = fixture::path("htpasswd").display(),
        certificate = tls.certificate.display(),
        key = tls.key.display(),
    )
}

/// Reads the log up to the line that names the port, and the rest in the background so that the registry never blocks.
fn port(log: ChildStderr) -> u16 {
    let mut lines = BufReader::new(log).lines().map_while(Result::ok);
    let mut seen = String::new();
    for line in lines.by_ref() {
        if let Some((_, rest)) = line.split_once("listening on 127.0.0.1:") {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            std::thread::spawn(move || lines.for_each(drop));
            return digits.parse().expect("a port was logged");
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    panic!("docker-registry ended before it listened:\n{seen}");
}
