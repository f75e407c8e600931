//! Which proxy stands before which host, from the environment.
//!
//! curl(1), "PROXY ENVIRONMENT VARIABLES", and Go's httpproxy for CIDR in `no_proxy`.
//! ureq's own reading mixes the schemes up and knows no blanks and no networks.

use std::net::IpAddr;

use ureq::Proxy;

use crate::base::env;
use crate::registry::error::RegistryError;
use crate::registry::url::{Origin, Scheme};

/// What the environment says of proxies.
#[derive(Clone, Debug, Default)]
pub(in crate::registry) struct ProxySettings {
    https: Option<String>,
    http: Option<String>,
    direct: Vec<String>,
}

impl ProxySettings {
    /// Reads the environment.
    pub(in crate::registry) fn from_environment() -> ProxySettings {
        let text = |names: &[&str]| env::first(names).and_then(|value| value.into_string().ok());
        let all = text(&env::ALL_PROXY);
        let direct = text(&env::NO_PROXY).unwrap_or_default();
        ProxySettings {
            https: text(&env::HTTPS_PROXY).or_else(|| all.clone()),
            http: text(&env::HTTP_PROXY).or(all),
            direct: split_list(&direct),
        }
    }

    /// One proxy for all.
    pub(in crate::registry) fn only(url: &str) -> ProxySettings {
        ProxySettings {
            https: Some(url.to_owned()),
            http: Some(url.to_owned()),
            direct: Vec::new(),
        }
    }

    /// The proxy's URL for `origin`; `None` for a direct connection. This host itself is
    /// never behind a proxy, as for Go's clients.
    pub(super) fn choose(&self, origin: &Origin) -> Option<&str> {
        let proxy = match origin.scheme {
            Scheme::Https => self.https.as_deref(),
            Scheme::Http => self.http.as_deref(),
        };
        proxy.filter(|_| {
            !is_loopback(&origin.host)
                && !self.direct.iter().any(|pattern| matches(pattern, origin))
        })
    }
}

/// The proxy at `url`: `http`, `https`, `socks4`, `socks4a`, `socks5` (names are resolved here) or `socks5h` (there),
/// http where none is said; with a percent-encoded name and password before an `@` where it wants them.
pub(super) fn parse(url: &str) -> Result<Proxy, RegistryError> {
    // The URL may hold a password, so the error does not repeat it.
    Proxy::new(url).map_err(|_| RegistryError::Config {
        path: "https_proxy, http_proxy or all_proxy".into(),
        how: "expected the URL of an http or socks proxy".into(),
    })
}

/// What of a proxy's URL is no secret: its kind, host and port.
pub(super) fn shown(url: &str) -> Option<String> {
    let proxy = Proxy::new(url).ok()?;
    let kind = proxy.uri().scheme_str()?.to_owned();
    Some(format!("{kind}://{}:{}", proxy.host(), proxy.port()))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn split_list(text: &str) -> Vec<String> {
    let parts = text.split([',', ' ', '\t']).filter(|part| !part.is_empty());
    parts.map(str::to_ascii_lowercase).collect()
}

/// Whether an entry of `no_proxy` names `origin`: `*`, a host, a domain with or without
/// a leading dot, an address, a network `address/bits`; each but the first may have a port.
fn matches(pattern: &str, origin: &Origin) -> bool {
    let host = origin.host.trim_matches(['[', ']']);
    let address: Option<IpAddr> = host.parse().ok();
    if pattern == "*" {
        return true;
    }
    if let (Some(address), Some((network, bits))) = (address, pattern.split_once('/')) {
        let (bits, port) = match bits.split_once(':') {
            Some((bits, port)) => (bits, Some(port)),
            None => (bits, None),
        };
        let is_port = port.is_none_or(|port| port.parse() == Ok(origin.port));
        return is_port && in_network(address, network.trim_matches(['[', ']']), bits);
    }
    if let (Some(address), Ok(same)) = (address, pattern.trim_matches(['[', ']']).parse::<IpAddr>())
    {
        return address == same;
    }
    let (name, port) = match pattern.rsplit_once(':') {
        Some((name, port)) => (name, port.parse::<u16>().ok()),
        None => (pattern, None),
    };
    if port.is_some_and(|port| port != origin.port) {
        return false;
    }
    let name = name
        .trim_start_matches("*.")
        .trim_start_matches('.')
        .trim_matches(['[', ']']);
    let is_below = || {
        host.strip_suffix(name)
            .is_some_and(|front| front.ends_with('.'))
    };
    !name.is_empty() && (host == name || (address.is_none() && is_below()))
}

fn in_network(address: IpAddr, network: &str, bits: &str) -> bool {
    let Ok(bits) = bits.parse::<u32>() else {
        return false;
    };
    let (address, network, width) = match (address, network.parse()) {
        (IpAddr::V4(address), Ok(IpAddr::V4(network))) => (
            u128::from(address.to_bits()),
            u128::from(network.to_bits()),
            32,
        ),
        (IpAddr::V6(address), Ok(IpAddr::V6(network))) => {
            (address.to_bits(), network.to_bits(), 128)
        }
        _ => return false,
    };
    let Some(shift) = u32::checked_sub(width, bits) else {
        return false;
    };
    let prefix = |value: u128| value.checked_shr(shift).unwrap_or(0);
    prefix(address) == prefix(network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::url::Url;

    fn origin(url: &str) -> Origin {
        Url::parse(url).expect("a literal of this test").origin
    }

    #[test]
    fn exceptions_are_names_domains_addresses_and_networks() {
        for (pattern, url, expected) in [
            ("*", "https://a.example", true),
            ("example", "https://a.example", true),
            (".a.example", "https://a.example", true),
            ("a.example", "https://ba.example", false),
            ("a.example:5000", "https://a.example", false),
            ("a.example:5000", "https://a.example:5000", true),
            ("10.0.0.0/8", "https://10.2.3.4", true),
            ("10.0.0.0/8", "https://11.2.3.4", false),
            ("10.0.0.0/33", "https://10.0.0.0", false),
            ("10.0.0.0/8:5000", "https://10.2.3.4:5000", true),
            ("10.0.0.0/8:5000", "https://10.2.3.4", false),
            ("10.0.0.0/8:", "https://10.2.3.4", false),
            ("[fd00::]/8:443", "https://[fd12::1]", true),
            ("10.2.3.4:5000", "https://10.2.3.4:5001", false),
            ("10.0.0.0/8", "https://10.example", false),
            ("0.0.0.0/0", "https://10.0.0.0", true),
            ("fd00::/8", "https://[fd12::1]", true),
            ("::1", "https://[::1]:5000", true),
            ("127.0.0.1:80", "http://127.0.0.1", true),
            ("0.1", "http://10.0.0.1", false),
        ] {
            assert_eq!(matches(pattern, &origin(url)), expected, "{pattern} {url}");
        }
    }

    #[test]
    fn a_password_of_a_proxy_is_never_shown() {
        let url = "socks5h://ada:s%40cret@p.example";
        assert_eq!(shown(url).as_deref(), Some("socks5h://p.example:1080"));
        assert_eq!(shown("p:3128").as_deref(), Some("http://p:3128"));
        let error = parse("ftp://ada:s%40cret@p.example").expect_err("no proxy speaks FTP");
        assert!(!format!("{error} {error:?}").contains("cret"));
    }

    #[test]
    fn each_scheme_has_its_own_proxy() {
        let settings = ProxySettings {
            https: Some("http://p:1".into()),
            http: None,
            direct: split_list(" b.example ,c.example d.example"),
        };
        assert_eq!(
            settings.choose(&origin("https://a.example")),
            Some("http://p:1")
        );
        assert_eq!(settings.choose(&origin("http://a.example")), None);
        assert_eq!(settings.choose(&origin("https://d.example")), None);
        assert_eq!(settings.choose(&origin("https://127.0.0.1:5000")), None);
    }
}
