//! Whom the guest can reach, and who can reach it: `--network`, `-p`, `-P`.
//!
//! The guest has the host's network unless it asks for something else: its ports are the
//! host's, and to publish one under its own number is nothing to be done. Another number,
//! or one address only, needs a network of its own.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::oci::config::RunConfig;
use crate::plan::fault::{PlanError, shown};
use crate::plan::wish::Wish;
use crate::plan::{Level, Network, Note, Port, Protocol};

/// What `--network` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Nothing, or that it does not matter.
    Whatever,
    /// The host's.
    Host,
    /// None at all.
    None,
    /// One of its own, through which it reaches whom the host can.
    Own,
}

/// The network of a run, and what the user should know of its ports.
pub(super) fn network(wish: &Wish, image: &RunConfig) -> Result<(Network, Vec<Note>), PlanError> {
    let asked = asked(wish)?;
    let mut ports = published(wish)?;
    if wish.publish_all {
        let exposed = image
            .exposed_ports
            .iter()
            .filter_map(|text| port(text).ok());
        for exposed in exposed.flatten() {
            let is_known =
                |port: &Port| (port.guest, port.protocol) == (exposed.guest, exposed.protocol);
            if !ports.iter().any(is_known) {
                ports.push(exposed);
            }
        }
    }
    let first = wish.publish.first().map_or("", String::as_str);
    let contradicts = |reason: &str| PlanError::Flag {
        flag: "--publish",
        text: shown(first),
        reason: reason.to_owned(),
        hint: "leave one of `--network` and `--publish` away".to_owned(),
    };
    let differs = ports
        .iter()
        .any(|port| port.host != port.guest || port.address.is_some());
    match asked {
        Asked::None if !ports.is_empty() => Err(contradicts(
            "with `--network none` nobody reaches the guest",
        )),
        Asked::None => Ok((Network::None, Vec::new())),
        Asked::Own => Ok((Network::Mapped(ports), Vec::new())),
        Asked::Host if differs => Err(contradicts(
            "with `--network host` a port of the guest has the same number on the host, at all addresses",
        )),
        Asked::Whatever if differs => Ok((Network::Mapped(ports), Vec::new())),
        Asked::Host | Asked::Whatever => Ok((Network::Host, said(&ports))),
    }
}

/// Says of published ports that they are there.
fn said(ports: &[Port]) -> Vec<Note> {
    if ports.is_empty() {
        return Vec::new();
    }
    let numbers: Vec<String> = ports.iter().map(|port| port.guest.to_string()).collect();
    let (word, verb) = match ports.len() {
        1 => ("port", "is"),
        _ => ("ports", "are"),
    };
    let text = format!(
        "{word} {} of the guest {verb} the host's own, as it has the host's network",
        numbers.join(", ")
    );
    vec![Note {
        level: Level::Warning,
        text,
    }]
}

fn asked(wish: &Wish) -> Result<Asked, PlanError> {
    match wish.network.as_deref() {
        None | Some("" | "default") => Ok(Asked::Whatever),
        Some("host") => Ok(Asked::Host),
        Some("none") => Ok(Asked::None),
        // Podman's names for how, of which the engine takes what the host has.
        Some("bridge" | "private" | "pasta" | "slirp4netns") => Ok(Asked::Own),
        Some(other) => Err(PlanError::Flag {
            flag: "--network",
            text: shown(other),
            reason: "there are no networks that containers could share but the host's".to_owned(),
            hint: "`host` (or nothing) is the host's, where containers reach each other at `localhost`; `bridge` one of \
                   the guest's own, `none` none"
                .to_owned(),
        }),
    }
}

/// Whether `--network` and `-p` can be understood.
pub(super) fn check(wish: &Wish) -> Result<(), PlanError> {
    asked(wish)?;
    published(wish).map(drop)
}

/// What `-p` asks for, each once.
fn published(wish: &Wish) -> Result<Vec<Port>, PlanError> {
    let mut ports: Vec<Port> = Vec::new();
    // A range may be all ports there are.
    let mut taken = HashMap::new();
    for text in &wish.publish {
        let read = port(text).map_err(|reason| PlanError::Flag {
            flag: "--publish",
            text: shown(text),
            reason,
            hint: "write `-p HOST:GUEST`, with `ADDRESS:` before it, `/udp` behind it, or ranges such as \
                   `8000-8010:8000-8010`"
                .to_owned(),
        })?;
        for port in read {
            let is_udp = port.protocol == Protocol::Udp;
            match taken.insert((port.host, is_udp, port.address), port.guest) {
                Some(known) if known == port.guest => {}
                Some(known) => {
                    return Err(PlanError::Flag {
                        flag: "--publish",
                        text: shown(text),
                        reason: format!(
                            "port {} of the host leads to port {} already",
                            port.host, known
                        ),
                        hint: "give each port of the guest another one of the host".to_owned(),
                    });
                }
                None => ports.push(port),
            }
        }
    }
    Ok(ports)
}

/// Reads `[[ADDRESS:]HOST:]GUEST[/PROTOCOL]`, where both may be ranges. docker/go-connections, `ParsePortSpec`. A port
/// of the host that is not said may be any, so it is that of the guest.
fn port(text: &str) -> Result<Vec<Port>, String> {
    let (text, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        other => {
            return Err(format!(
                "protocol `{}`, expected `tcp` or `udp`",
                shown(other)
            ));
        }
    };
    let (rest, guest) = match text.rsplit_once(':') {
        Some((rest, guest)) => (Some(rest), guest),
        None => (None, text),
    };
    let (address, host) =
        match rest.map(|rest| rest.rsplit_once(':').map_or(("", rest), |both| both)) {
            Some((address, host)) => (address, host),
            None => ("", ""),
        };
    let address = match address {
        "" => None,
        text => Some(parse_address(text)?),
    };
    let guests = range(guest)?;
    let hosts = match host {
        "" | "0" => guests.clone(),
        host => range(host)?,
    };
    if hosts.len() != guests.len() {
        return Err(format!(
            "{} ports of the host for {} of the guest",
            hosts.len(),
            guests.len()
        ));
    }
    let pairs = hosts.zip(guests);
    Ok(pairs
        .map(|(host, guest)| Port {
            address,
            host,
            guest,
            protocol,
        })
        .map(|port| Port {
            // The address that means all of them.
            address: port.address.filter(|address| !address.is_unspecified()),
            ..port
        })
        .collect())
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = inner.unwrap_or(text).parse();
    address.map_err(|_| format!("`{}` is no address", shown(text)))
}

fn range(text: &str) -> Result<std::ops::RangeInclusive<u16>, String> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let port = text.parse::<u16>().ok().filter(|port| digits && *port > 0);
        port.ok_or_else(|| format!("`{}` is no port, expected 1 to 65535", shown(text)))
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(first)?, number(last)?);
    match first <= last {
        true => Ok(first..=last),
        false => Err(format!("range `{}` ends before it begins", shown(text))),
    }
}
