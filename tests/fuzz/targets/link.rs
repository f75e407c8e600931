//! Any text as a `Link` header, and as an address: whoever lists leads nowhere but to another page of the same host.
#![no_main]

use coracle::registry::{Scheme, Url, link};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (base, header) = text
        .split_once('\n')
        .unwrap_or(("https://h.example:5000/v2/a/tags/list?n=2", text));
    if let Some(url) = Url::parse(header) {
        assert_plain(&url);
    }
    let Some(base) = Url::parse(base) else { return };
    assert_plain(&base);
    for joined in [
        base.join(header),
        link::target(header).and_then(|it| base.join(it)),
    ]
    .into_iter()
    .flatten()
    {
        assert_plain(&joined);
    }
    if let Some(next) = link::target(header).and_then(|target| link::follow(&base, target)) {
        assert_eq!(next.origin, base.origin);
        assert_ne!(next, base);
        assert!(next.request_text().starts_with(&format!(
            "{}://{}/",
            base.origin.scheme.name(),
            base.origin.authority()
        )));
    }
});

/// What is sent is one line of visible ASCII without a user's name, and reads as what it was.
fn assert_plain(url: &Url) {
    let text = url.request_text();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
    assert_eq!(Url::parse(&text).as_ref(), Some(url));
    let authority = text
        .split("//")
        .nth(1)
        .and_then(|rest| rest.split(['/', '?']).next());
    assert_eq!(authority, Some(url.origin.authority().as_str()));
    assert!(!url.origin.host.contains('@') && !url.origin.host.is_empty());
    assert!(matches!(url.origin.scheme, Scheme::Http | Scheme::Https) && !text.contains('#'));
}
