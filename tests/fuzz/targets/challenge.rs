//! Any text as `WWW-Authenticate`: bounded, and a demand that is written down again is the same demand.
#![no_main]

use coracle::registry::Demand;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let demand = Demand::from_headers(text.split('\n'));
    let Some(Demand::Bearer(token)) = demand else {
        return;
    };
    assert!(token.realm.len() <= text.len());
    let scopes = token.scopes();
    assert!(scopes.len() <= 16 && scopes.iter().all(|it| !it.is_empty() && !it.contains(' ')));

    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut again = format!("Basic realm=\"x\", Bearer realm={}", quoted(&token.realm));
    if let Some(service) = &token.service {
        again += &format!(",service={}", quoted(service));
    }
    if !scopes.is_empty() {
        again += &format!(",scope={}", quoted(&scopes.join(" ")));
    }
    if token.wants_more {
        again += ", error=insufficient_scope";
    }
    let Some(Demand::Bearer(other)) = Demand::from_headers([again.as_str()].into_iter()) else {
        panic!("{again}");
    };
    assert_eq!(
        (&other.realm, &other.service),
        (&token.realm, &token.service)
    );
    assert_eq!(
        (other.scopes(), other.wants_more),
        (scopes, token.wants_more)
    );
});
