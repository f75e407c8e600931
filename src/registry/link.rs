//! `Link`: where the next page of a list is. RFC 8288.

use crate::registry::url::Url;

/// The target of a `Link` header with `rel="next"`.
pub fn target(link: &str) -> Option<&str> {
    link.split(',').find_map(|part| {
        let (target, parameters) = part.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            let parameter = parameter.trim().replace('"', "");
            parameter.eq_ignore_ascii_case("rel=next")
        });
        is_next.then_some(target)
    })
}

/// Where `target`, found at the page `url`, leads: to another page of the same host, as whoever lists must not send us,
/// and what we show, elsewhere.
pub fn follow(url: &Url, target: &str) -> Option<Url> {
    let next = url.join(target);
    next.filter(|next| next.origin == url.origin && next != url)
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn the_next_page_is_found() {
        for (link, expected) in [
            (
                "</v2/a/tags/list?last=b&n=2>; rel=\"next\"",
                Some("/v2/a/tags/list?last=b&n=2"),
            ),
            ("<a>; rel=prev, <b>; rel=next", Some("b")),
            ("<a>; rel=prev", None),
            ("a; rel=next", None),
            ("", None),
        ] {
            assert_eq!(target(link), expected, "{link}");
        }
    }
}
