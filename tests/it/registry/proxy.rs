//! Proxies of every kind that we speak to, small but real: what they are asked, and what happens when they refuse.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use coracle::base::fault::{Fault, Kind};
use coracle::base::progress::Silent;
use coracle::oci::media::OCI_MANIFEST;
use coracle::oci::reference::Reference;
use coracle::registry::{Login, Options, Patience, Registry, RegistryError};

use super::manifest;
use super::server::{Answer, Server};
use crate::support::Sandbox;

/// A name and a password with what a URL has to encode, and both as a URL has them.
const USER: &str = "ada";
const PASSWORD: &str = "p@ss:w/rd";
pub(super) const ENCODED: &str = "ada:p%40ss%3Aw%2Frd";
/// `ada:p@ss:w/rd`
const BASIC: &str = "Basic YWRhOnBAc3M6dy9yZA==";

/// How a proxy is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Connect,
    Socks5,
}

/// A proxy that wants a name and a password, and leads everywhere to one server.
pub(super) struct Proxy {
    /// `127.0.0.1:PORT`.
    pub(super) host: String,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// One for CONNECT. RFC 9110, 9.3.6.
    pub(super) fn connect(to: &str) -> Proxy {
        Proxy::start(Kinds::Connect, to)
    }

    /// One for SOCKS. RFC 1928 and 1929.
    pub(super) fn socks5(to: &str) -> Proxy {
        Proxy::start(Kinds::Socks5, to)
    }

    fn start(kind: Kinds, to: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
        let host = listener.local_addr().expect("it is bound").to_string();
        let (asked, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (log, stopped, to) = (Arc::clone(&asked), stop.clone(), to.to_owned());
        let thread = std::thread::spawn(move || {
            let mut tunnels = Vec::new();
            for client in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (log, to) = (Arc::clone(&log), to.clone());
                tunnels.push(std::thread::spawn(move || {
                    // A client that hangs up is what some tests are about.
                    drop(serve(kind, client, &to, &log));
                }));
            }
            tunnels.into_iter().for_each(|tunnel| drop(tunnel.join()));
        });
        Proxy {
            host,
            asked,
            stop,
            thread: Some(thread),
        }
    }

    /// Where it was asked to lead to.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics in here").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.host));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn serve(kind: Kinds, mut client: TcpStream, to: &str, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let target = match kind {
        Kinds::Connect => hear_connect(&mut client)?,
        Kinds::Socks5 => hear_socks5(&mut client)?,
    };
    let Some(target) = target else { return Ok(()) };
    log.lock().expect("no test panics in here").push(target);
    let server = TcpStream::connect(to)?;
    client.write_all(match kind {
        Kinds::Connect => b"HTTP/1.1 200 Connected\r\n\r\n",
        Kinds::Socks5 => b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00",
    })?;
    let (mut from, mut into) = (client.try_clone()?, server.try_clone()?);
    let there = std::thread::spawn(move || {
        drop(io::copy(&mut from, &mut into));
        drop(into.shutdown(Shutdown::Write));
    });
    drop(io::copy(&mut &server, &mut client));
    drop(client.shutdown(Shutdown::Both));
    drop(there.join());
    Ok(())
}

/// The target of a CONNECT with the right password; the others are told.
fn hear_connect(client: &mut TcpStream) -> io::Result<Option<String>> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut target, mut is_right) = (String::new(), false);
    for number in 0.. {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end() {
            "" => break,
            first if number == 0 => {
                let word = first.split(' ').nth(1).unwrap_or_default();
                target = word.to_owned();
            }
            header => is_right |= header == format!("Proxy-Authorization: {BASIC}"),
        }
    }
    if !is_right {
        client.write_all(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")?;
    }
    Ok(is_right.then_some(target))
}

/// The target of a request with the right password; the others are told.
fn hear_socks5(client: &mut TcpStream) -> io::Result<Option<String>> {
    fn take(client: &mut TcpStream, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        client.read_exact(&mut bytes).map(|()| bytes)
    }
    fn text(client: &mut TcpStream) -> io::Result<String> {
        let length = take(client, 1)?[0];
        let bytes = take(client, length.into())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
    let greeting = take(client, 2)?;
    let methods = take(client, greeting[1].into())?;
    if !methods.contains(&2) {
        client.write_all(b"\x05\xff")?;
        return Ok(None);
    }
    client.write_all(b"\x05\x02")?;
    take(client, 1)?;
    let is_right = text(client)? == USER && text(client)? == PASSWORD;
    client.write_all(&[1, u8::from(!is_right)])?;
    if !is_right {
        return Ok(None);
    }
    let name = match take(client, 4)?[3] {
        1 => {
            let parts = take(client, 4)?;
            let parts: Vec<_> = parts.iter().map(u8::to_string).collect();
            parts.join(".")
        }
        3 => text(client)?,
        kind => panic!("an address of kind {kind}"),
    };
    let port = take(client, 2)?;
    Ok(Some(format!(
        "{name}:{}",
        u16::from_be_bytes([port[0], port[1]])
    )))
}

fn registry() -> Server {
    Server::start(|_, _| Answer::ok(manifest()).header("Content-Type", OCI_MANIFEST))
}

/// What asking the registry `host` through `proxy` gives; plain http will do.
fn fetch(host: &str, proxy: String) -> Result<(), RegistryError> {
    let reference: Reference = format!("{host}/a/b:1").parse().expect("a reference");
    let options = Options {
        insecure: vec![host.to_owned()],
        proxy: Some(proxy),
        login: Login::Anonymous,
        patience: Patience::seconds(1),
        ..Options::default()
    };
    let registry = Registry::new(&reference, &options, &Silent);
    registry.manifest(&reference).map(drop)
}

#[test]
fn each_kind_of_proxy_leads_to_a_name_that_it_alone_knows() {
    let server = registry();
    let (connect, socks) = (Proxy::connect(&server.host), Proxy::socks5(&server.host));
    for (scheme, proxy) in [("http", &connect), ("socks5h", &socks)] {
        let url = format!("{scheme}://{ENCODED}@{}", proxy.host);
        fetch("registry.invalid:5000", url).unwrap_or_else(|error| panic!("{scheme}: {error}"));
        let asked = proxy.asked();
        assert!(!asked.is_empty(), "{scheme}");
        assert!(
            asked.iter().all(|target| target == "registry.invalid:5000"),
            "{asked:?}"
        );
    }
    // Here it is we who resolve: an address is one already.
    let url = format!("socks5://{ENCODED}@{}", socks.host);
    fetch("192.0.2.1:5000", url).expect("the proxy leads to the server");
    let asked = socks.asked();
    assert_eq!(asked.last().map(String::as_str), Some("192.0.2.1:5000"));
}

#[test]
fn a_proxy_that_refuses_is_named_without_the_password() {
    let server = registry();
    let (connect, socks) = (Proxy::connect(&server.host), Proxy::socks5(&server.host));
    let gone = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let nobody = gone.local_addr().expect("it is bound").to_string();
    drop(gone);
    for (scheme, host, words) in [
        ("http", &connect.host, "407"),
        ("socks5h", &socks.host, "authentication failed"),
        ("http", &nobody, "refused"),
        ("socks5h", &nobody, "refused"),
    ] {
        let error = fetch(
            "registry.invalid:5000",
            format!("{scheme}://ada:canary@{host}"),
        );
        let error = error.expect_err("it does not let us through");
        let why = std::error::Error::source(&error).map(ToString::to_string);
        let text = format!("{error} {why:?} {error:?} {:?}", error.hints());
        assert!(text.contains(words), "{text}");
        let through = format!("through the proxy `{scheme}://{host}`");
        assert!(
            text.contains(&through) && !text.contains("canary"),
            "{text}"
        );
        assert_eq!(error.kind(), Kind::Network);
        assert!(error.hints()[0].contains("all_proxy"), "{text}");
    }
    assert!(connect.asked().is_empty() && socks.asked().is_empty());
    assert!(server.asked().is_empty());
}

#[test]
fn the_environment_says_what_goes_through_a_proxy() {
    let server = registry();
    let proxy = Proxy::socks5(&server.host);
    let sandbox = Sandbox::new();
    let url = format!("socks5h://{ENCODED}@{}", proxy.host);
    let inspect = |host: &str, name: &str, direct: &str| {
        let words = ["--verbose", "manifest", "inspect", "--insecure", host];
        let run = sandbox.coracle(words).arguments([format!("{host}/a/b:1")]);
        run.env(name, &url)
            .env("no_proxy", direct)
            .env("CORACLE_NET_TIMEOUT", "1")
            .run()
    };
    for name in ["all_proxy", "http_proxy"] {
        inspect("registry.invalid:5000", name, "other.invalid").success();
    }
    let before = proxy.asked().len();
    // This host itself is never behind a proxy; nor is what was excepted, which nothing answers for.
    inspect(&server.host, "all_proxy", "").success();
    for direct in ["invalid", "registry.invalid:5000", "*"] {
        let output = inspect("registry.invalid:5000", "all_proxy", direct).exits(1);
        assert!(!output.stderr.contains("through the proxy"), "{output}");
    }
    assert_eq!(proxy.asked().len(), before);
}
