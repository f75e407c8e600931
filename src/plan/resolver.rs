//! How the guest finds names: texts of its own for `/etc/hosts` and `/etc/resolv.conf`, where it asks for such.

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::base::path::GuestPath;
use crate::plan::fault::{PlanError, shown};
use crate::plan::wish::{Facts, Wish};
use crate::plan::{GuestFile, Network};

/// Where names stand in a file. hosts(5).
pub const HOSTS: &str = "/etc/hosts";
/// Where the addresses of name servers stand. resolv.conf(5).
pub const RESOLVER: &str = "/etc/resolv.conf";

/// Whether the guest has a hosts file of its own.
pub fn needs_hosts(wish: &Wish) -> bool {
    wish.hostname.is_some() || !wish.add_hosts.is_empty()
}

/// Whether it has a resolv.conf of its own.
pub fn needs_resolver(wish: &Wish) -> bool {
    !wish.dns.is_empty() || !wish.dns_search.is_empty() || !wish.dns_options.is_empty()
}

/// The texts.
pub(super) fn files(
    wish: &Wish,
    facts: &Facts<'_>,
    network: &Network,
) -> Result<Vec<GuestFile>, PlanError> {
    let file = |path: &str, content: String| GuestFile {
        path: GuestPath::root().join(path),
        content: content.into_bytes(),
        mode: 0o644,
    };
    let mut files = Vec::new();
    if needs_hosts(wish) {
        files.push(file(HOSTS, hosts(wish, facts, network)?));
    }
    if needs_resolver(wish) {
        files.push(file(RESOLVER, resolver(wish, facts)?));
    }
    Ok(files)
}

/// The names that were typed, then the guest's own, then the host's: of two lines for a name the first counts. The
/// guest's own has the address that Debian gives a host without a fixed one.
fn hosts(wish: &Wish, facts: &Facts<'_>, network: &Network) -> Result<String, PlanError> {
    let mut text = String::new();
    for typed in &wish.add_hosts {
        let (name, address) = added(typed)?;
        let address = match (address, network) {
            (Address::Is(address), _) => address,
            (Address::Host, Network::Host) => IpAddr::from([127, 0, 0, 1]),
            (Address::Host, _) => {
                return Err(PlanError::Flag {
                    flag: "--add-host",
                    text: shown(typed),
                    reason: "from a network of its own, the guest reaches the host at an address that is not known \
                             beforehand"
                        .to_owned(),
                    hint: "name the host's address, or leave the guest on the host's network".to_owned(),
                });
            }
        };
        let _infallible = writeln!(text, "{address}\t{name}");
    }
    if let Some(name) = &wish.hostname {
        let short = name.split('.').next().filter(|short| short != name);
        let short = short.map_or_else(String::new, |short| format!(" {short}"));
        let _infallible = writeln!(text, "127.0.1.1\t{name}{short}");
    }
    text.push_str(&String::from_utf8_lossy(&facts.around.hosts));
    Ok(text)
}

/// The address of a name that was typed.
enum Address {
    Is(IpAddr),
    /// `host-gateway`: wherever the guest reaches the host.
    Host,
}

/// Reads `NAME:ADDRESS`, or with `=` between them. docker/cli, `ValidateExtraHost`.
fn added(text: &str) -> Result<(&str, Address), PlanError> {
    let wrong = |reason: String| PlanError::Flag {
        flag: "--add-host",
        text: shown(text),
        reason,
        hint: "write `--add-host NAME:ADDRESS`, or `--add-host NAME:host-gateway` for this host"
            .to_owned(),
    };
    let at = text.find(['=', ':']);
    let (name, address) = match at {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => return Err(wrong("no address".to_owned())),
    };
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || c == '#';
    if name.is_empty() || name.contains(is_bad) {
        return Err(wrong("no name of a host".to_owned()));
    }
    if address == "host-gateway" {
        return Ok((name, Address::Host));
    }
    let inner = address
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    match inner.unwrap_or(address).parse() {
        Ok(address) => Ok((name, Address::Is(address))),
        Err(_) => Err(wrong(format!("`{}` is no address", shown(address)))),
    }
}

/// What was typed; of what was not, the host's.
fn resolver(wish: &Wish, facts: &Facts<'_>) -> Result<String, PlanError> {
    let of_host = String::from_utf8_lossy(&facts.around.resolver);
    let words = |names: &[&str]| -> Vec<String> {
        let lines = of_host.lines().filter_map(|line| {
            let (key, rest) = line.trim().split_once(char::is_whitespace)?;
            names.contains(&key).then(|| rest.split_whitespace())
        });
        lines.flatten().map(str::to_owned).collect()
    };
    let or_hosts = |typed: &[String], names: &[&str]| match typed.is_empty() {
        true => words(names),
        false => typed.to_vec(),
    };
    check(wish)?;
    let mut text = String::new();
    let search = or_hosts(&wish.dns_search, &["search", "domain"]);
    // A single dot is Docker's word for none.
    if !search.is_empty() && search != ["."] {
        let _infallible = writeln!(text, "search {}", search.join(" "));
    }
    for server in or_hosts(&wish.dns, &["nameserver"]) {
        let _infallible = writeln!(text, "nameserver {server}");
    }
    let options = or_hosts(&wish.dns_options, &["options"]);
    if !options.is_empty() {
        let _infallible = writeln!(text, "options {}", options.join(" "));
    }
    Ok(text)
}

/// Whether what was typed of names can be understood.
pub(super) fn check(wish: &Wish) -> Result<(), PlanError> {
    wish.add_hosts
        .iter()
        .try_for_each(|text| added(text).map(drop))?;
    let flag = |flag, text: &str, expected: &str| PlanError::Flag {
        flag,
        text: shown(text),
        reason: format!("expected {expected}"),
        hint: "resolv.conf(5) says what it is for".to_owned(),
    };
    let is_bad = |text: &&String| {
        text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    let no_address = |text: &&String| text.parse::<IpAddr>().is_err();
    if let Some(bad) = wish.dns.iter().find(no_address) {
        return Err(flag("--dns", bad, "the address of a name server"));
    }
    if let Some(bad) = wish.dns_search.iter().find(is_bad) {
        return Err(flag("--dns-search", bad, "a domain"));
    }
    match wish.dns_options.iter().find(is_bad) {
        Some(bad) => Err(flag("--dns-option", bad, "a word such as `ndots:2`")),
        None => Ok(()),
    }
}
