//! The words and the control socket of slirp4netns(1).

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::base::path::HostPath;
use crate::plan::{Port, Protocol};

/// The address at which it answers for the host's name servers.
pub(super) const RESOLVER: &str = "10.0.2.3";
/// The socket's name in the program's working directory: a whole path may be longer than an address can be. unix(7)
const SOCKET: &str = "api";
/// What is read of an answer, and how long it may take.
const MAX_ANSWER: u64 = 4096;
const PATIENCE: Duration = Duration::from_secs(10);

/// Its arguments: it tells through `tell` when the network of `guest` is set up. The host's loopback stays closed.
pub(super) fn words(tell: impl AsFd, guest: Pid) -> Vec<String> {
    let tell = tell.as_fd().as_raw_fd();
    vec![
        "--configure".into(),
        "--mtu=65520".into(),
        format!("--ready-fd={tell}"),
        format!("--api-socket={SOCKET}"),
        guest.to_string(),
        "tap0".into(),
    ]
}

/// Asks the program whose directory is `dir` for `ports`, one request a connection.
pub(super) fn add_ports(dir: &HostPath, ports: &[Port]) -> Result<(), String> {
    nix::unistd::chdir(dir.as_os_str()).map_err(|errno| errno.to_string())?;
    let asked = ports.iter().try_for_each(|port| {
        let answer = ask(&request(port)?).map_err(|error| format!("its socket: {error}"))?;
        match answer.pointer("/error/desc").and_then(Value::as_str) {
            None => Ok(()),
            Some(why) => Err(format!("port {} of the host: {why}", port.host)),
        }
    });
    let _it_is_only_a_place = nix::unistd::chdir("/");
    asked
}

fn request(port: &Port) -> Result<Value, String> {
    let address = match port.address {
        None => "0.0.0.0".to_owned(),
        Some(address) if address.is_ipv4() => address.to_string(),
        Some(address) => {
            return Err(format!(
                "it cannot listen at `{address}`, only at addresses of IPv4"
            ));
        }
    };
    let protocol = match port.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    Ok(json!({
        "execute": "add_hostfwd",
        "arguments": {
            "proto": protocol,
            "host_addr": address,
            "host_port": port.host,
            "guest_port": port.guest,
        }
    }))
}

fn ask(request: &Value) -> std::io::Result<Value> {
    let mut socket = UnixStream::connect(SOCKET)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(request.to_string().as_bytes())?;
    socket.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    socket.take(MAX_ANSWER).read_to_end(&mut answer)?;
    serde_json::from_slice(&answer).map_err(std::io::Error::from)
}
