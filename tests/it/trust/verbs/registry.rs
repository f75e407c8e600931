//! Signatures in a registry: where they are found, and what is asked for on the way.

use super::{Port, payload, signed};

#[test]
fn a_signature_over_the_manifest_at_its_tag_is_enough() {
    let port = Port::new();
    let key = port.key("key");
    port.signed_by(&key, &port.manifest);
    port.demand(&[&key]);
    port.pull().success();
}

#[test]
fn a_signature_over_the_index_alone_or_over_the_manifest_alone_is_enough() {
    for over_index in [true, false] {
        let port = Port::indexed();
        assert_ne!(port.target, port.manifest);
        let key = port.key("key");
        let image = if over_index {
            &port.target
        } else {
            &port.manifest
        };
        port.signed_by(&key, image);
        port.demand(&[&key]);
        port.pull().success();
    }
}

#[test]
fn bundles_are_found_by_the_registrys_list_and_by_the_tag_in_its_place() {
    for has_list in [true, false] {
        let port = Port::indexed();
        port.change(|world| world.referrers = has_list.then(Default::default));
        let key = port.key("key");
        let bundle = port.bundle(&[&key], &[&port.target]);
        port.refer(&port.target, &bundle);
        port.demand(&[&key]);
        port.pull().success();
    }
}

#[test]
fn a_list_on_pages_is_read_to_the_one_that_counts() {
    let port = Port::new();
    port.change(|world| {
        world.referrers = Some(Default::default());
        world.page = Some(2);
    });
    let [key, other] = ["key", "other"].map(|name| port.key(name));
    for _n in 0..5 {
        // Each is another one: who signs with P-256 never makes the same signature twice.
        let bundle = port.bundle(&[&other], &[&port.manifest]);
        port.refer(&port.manifest, &bundle);
    }
    let bundle = port.bundle(&[&key], &[&port.manifest]);
    port.refer(&port.manifest, &bundle);
    port.demand(&[&key]);
    port.pull().success();
    let pages = port.asked().into_iter();
    assert_eq!(pages.filter(|path| path.contains("from=")).count(), 2);
}

#[test]
fn without_a_policy_nothing_more_is_asked_for() {
    let port = Port::new();
    let key = port.key("key");
    port.signed_by(&key, &port.manifest);
    port.pull().success();
    let asked = port.asked();
    let first = asked.len();
    assert!(
        !asked
            .iter()
            .any(|path| path.contains(".sig") || path.contains("referrers")),
        "{asked:#?}"
    );
    port.pull().success();
    let warm = &port.asked()[first..];
    assert!(warm.len() <= 2, "{warm:#?}");
    port.policy("mode = \"accept\"");
    port.pull().success();
    assert_eq!(port.asked().len(), first + 2 * warm.len());
}

#[test]
fn a_mirror_without_signatures_or_with_bad_ones_has_not_the_last_word() {
    for is_bad in [false, true] {
        let (port, mirror) = (Port::new(), Port::new());
        let [key, other] = ["key", "other"].map(|name| port.key(name));
        port.signed_by(&key, &port.manifest);
        if is_bad {
            let text = payload(&port.manifest, &port.repository());
            let signature = super::base64(&port.bench.sign(&other, text.as_bytes()));
            mirror.put_simple(&port.manifest, &[(text.into_bytes(), signature)]);
        }
        port.demand(&[&key]);
        let run = port.pulling(&["--insecure", mirror.host()]);
        let mirrors = format!("{}={}", port.host(), mirror.host());
        run.env("CORACLE_MIRROR", mirrors).run().success();
        assert!(mirror.asked().iter().any(|line| line.ends_with(".sig")));
        assert!(port.asked().iter().any(|line| line.ends_with(".sig")));
    }
}

#[test]
fn a_rejected_image_is_not_even_asked_for() {
    let port = Port::new();
    port.policy("mode = \"reject\"");
    port.refuses("rejects");
    assert!(port.asked().is_empty());
}

#[test]
fn so_many_keys_as_are_demanded_must_have_signed() {
    let port = Port::new();
    let [a, b] = ["a", "b"].map(|name| port.key(name));
    let text = payload(&port.manifest, &port.repository());
    port.sign(&port.manifest, &[(&a, text.clone()), (&a, text.clone())]);
    port.policy(&signed(&[&a, &b], 2));
    port.refuses("signatures by 2 trusted keys");
    port.sign(&port.manifest, &[(&a, text.clone()), (&b, text)]);
    port.pull().success();
}
