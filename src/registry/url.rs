//! URLs as far as a registry needs them: http and https, no user names, no fragments.
//!
//! RFC 3986. Redirects come from strangers, so what is not plainly one of these is refused.

use std::fmt;

/// The two ways to speak HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// What stands before the colon.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Who is spoken to: credentials for one origin are never shown to another. RFC 6454.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Lower case; IPv6 addresses in brackets.
    pub host: String,
    /// The scheme's own where none is named.
    pub port: u16,
}

impl Origin {
    /// `host[:port]` with the scheme's own port left out, as users write it.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() {
            return self.host.clone();
        }
        format!("{}:{}", self.host, self.port)
    }
}

/// An absolute URL. `Display` leaves out the query: signed URLs are secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Who is spoken to.
    pub origin: Origin,
    path: String,
    query: Option<String>,
}

impl Url {
    /// Reads an absolute URL; `None` for another scheme, a user name, or a malformed one.
    pub fn parse(text: &str) -> Option<Url> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let text = text.split('#').next()?;
        let (scheme, rest) = text.split_once("://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let origin = parse_authority(scheme, authority)?;
        let (path, query) = split_query(tail);
        let path = if path.is_empty() { "/" } else { path };
        Some(Url {
            origin,
            path: path.to_owned(),
            query: query.map(str::to_owned),
        })
    }

    /// The URL at `host[:port]` with `path`, which starts with a slash.
    pub(super) fn new(scheme: Scheme, authority: &str, path: &str) -> Option<Url> {
        Url::parse(&format!("{}://{authority}{path}", scheme.name()))
    }

    /// Where a `Location` header found at this URL leads; RFC 3986, 5.2.
    pub fn join(&self, location: &str) -> Option<Url> {
        if location.split(['/', '?']).next()?.contains(':') {
            return Url::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Url::parse(&format!("{}://{rest}", self.origin.scheme.name()));
        }
        let path = match location.as_bytes().first()? {
            b'/' => location.to_owned(),
            b'?' => format!("{}{location}", self.path),
            _ => {
                let dir = &self.path[..=self.path.rfind('/')?];
                without_dots(&format!("{dir}{location}"))
            }
        };
        Url::new(self.origin.scheme, &self.origin.authority(), &path)
    }

    /// The same URL with `pairs` added to its query, percent-encoded.
    pub(super) fn with_query(mut self, pairs: &[(&str, &str)]) -> Url {
        let own = self.query.take().filter(|query| !query.is_empty());
        let all: Vec<String> = own.into_iter().chain([form(pairs)]).collect();
        self.query = Some(all.join("&"));
        self
    }

    /// The whole text, for the request itself and for nothing else.
    pub fn request_text(&self) -> String {
        let query = self.query.as_deref().map(|query| format!("?{query}"));
        format!("{self}{}", query.unwrap_or_default())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, authority) = (self.origin.scheme.name(), self.origin.authority());
        write!(f, "{scheme}://{authority}{}", self.path)
    }
}

/// `name=value` with `&` between, percent-encoded: a query, or the body of a form.
pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", encode(name), encode(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// An absolute path, with or without a query, in which no segment is `.` or `..`. RFC 3986, 5.2.4.
fn without_dots(text: &str) -> String {
    let (path, query) = split_query(text);
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    // A directory stays one.
    if path.ends_with("/.") || path.ends_with("/..") {
        segments.push("");
    }
    let query = query.map(|query| format!("?{query}"));
    format!("/{}{}", segments.join("/"), query.unwrap_or_default())
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    }
}

fn parse_authority(scheme: Scheme, text: &str) -> Option<Origin> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_address = |byte: u8| byte.is_ascii_hexdigit() || b":.[]".contains(&byte);
    let well_formed = match is_bracketed {
        true => host.bytes().all(is_address),
        false => !host.is_empty() && host.bytes().all(is_name),
    };
    let port = match port {
        None => scheme.port(),
        Some(digits) => digits.parse().ok()?,
    };
    well_formed.then(|| Origin {
        scheme,
        host: host.to_ascii_lowercase(),
        port,
    })
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte.into());
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_parse() {
        for bad in [
            "file:///etc/passwd",
            "ftp://a/",
            "https://user:word@a/",
            "https://",
            "https://a b/",
            "/a",
            "https://a:99999/",
        ] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
        let url = Url::parse("HTTPS://A.example:443/x?sig=1#f").expect("well-formed");
        assert_eq!(url.to_string(), "https://a.example/x");
        assert_eq!(url.request_text(), "https://a.example/x?sig=1");
        let v6 = Url::parse("http://[::1]:5000").expect("well-formed");
        assert_eq!(v6.to_string(), "http://[::1]:5000/");
    }

    #[test]
    fn locations_are_resolved_against_the_request() {
        let base = Url::parse("https://a.example/v2/x/blobs/1?q").expect("well-formed");
        for (location, expected) in [
            ("https://b.example/y", "https://b.example/y"),
            ("//b.example/y", "https://b.example/y"),
            ("/y?z=1", "https://a.example/y?z=1"),
            ("y", "https://a.example/v2/x/blobs/y"),
            ("./b:1?./z", "https://a.example/v2/x/blobs/b:1?./z"),
            ("../../../../y/.", "https://a.example/y/"),
            ("..", "https://a.example/v2/x/"),
            ("?z", "https://a.example/v2/x/blobs/1?z"),
        ] {
            assert_eq!(
                base.join(location).map(|url| url.request_text()).as_deref(),
                Some(expected)
            );
        }
        assert_eq!(base.join("file:///etc/passwd"), None);
        let asked = base.with_query(&[("scope", "repository:a/b:pull")]);
        assert!(
            asked
                .request_text()
                .ends_with("?q&scope=repository%3Aa%2Fb%3Apull")
        );
    }
}
