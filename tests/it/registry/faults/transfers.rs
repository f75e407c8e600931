//! What a pull asks for, and what it does not ask for again.

use serde_json::{Value, json};

use coracle::oci::media::{OCI_CONFIG, OCI_LAYER};

use super::super::shelf::{Shelf, config, layer};
use super::fault::{At, Fault};
use super::scene::{ALWAYS, Planned, Scene, Setting};
use super::{Certificate, Ends, ended};
use crate::support::Output;

fn pull(scene: &Scene) -> Output {
    let run = scene.pull(&scene.image());
    run.env("CORACLE_INSECURE", scene.insecure()).run()
}

fn cut_off() -> Scene {
    let plan = Planned {
        at: At::Layer,
        times: ALWAYS,
        fault: Fault::Cut(30_000),
    };
    let scene = Scene::new(&Setting::default(), &[plan]);
    pull(&scene)
        .exits(1)
        .complains("then the connection closed");
    scene
}

#[test]
fn a_later_process_asks_for_the_rest_alone() {
    let scene = cut_off();
    // Five times: each connection brought some of it.
    assert_eq!(scene.partial(), Some(150_000));
    let before = scene.registry.asked().len();
    scene.heal();
    pull(&scene).success();
    assert_eq!(scene.ranges(before), [Some("bytes=150000-".to_owned())]);
    scene.check_tree().expect("both parts are right");
}

#[test]
fn what_an_earlier_process_left_is_hashed_again() {
    let scene = cut_off();
    let part = scene.partial_path().expect("some of it is here");
    let mut bytes = std::fs::read(&part).expect("it is here");
    bytes[100_000] ^= 1;
    std::fs::write(&part, bytes).expect("it can be written");
    let before = scene.registry.asked().len();
    scene.heal();
    // What was left is no fault of the registry, which is asked for all of it.
    let output = pull(&scene).success().complains("got digest `sha256:");
    let expected = [Some("bytes=150000-".to_owned()), None];
    assert_eq!(scene.ranges(before), expected);
    scene.check(&output).expect("no wrong byte has a name");
    scene.check_tree().expect("all of it is new");
}

/// Which requests came, without the names of what is asked for.
fn requests(scene: &Scene, from: usize) -> Vec<String> {
    let asked = scene.registry.asked();
    let mut requests: Vec<String> = asked[from..]
        .iter()
        .map(|asked| {
            let path = asked.path.split(['?', ':']).next().unwrap_or_default();
            format!("{} {path}", asked.method)
        })
        .collect();
    // Layers come in any order.
    let documents = requests.len().min(4);
    requests[documents..].sort();
    requests
}

/// A cold pull, another one, one by digest, and that again: what each asks for.
fn asks(setting: Setting) -> [Vec<String>; 4] {
    let forge = Certificate::forge();
    let setting = Setting {
        secured: Some(Certificate::Good.by(&forge)),
        ..setting
    };
    let scene = Scene::new(&setting, &[]);
    let mut pinned = String::new();
    [0, 1, 2, 3].map(|time| {
        let from = scene.registry.asked().len();
        let image = if time < 2 { &scene.image() } else { &pinned };
        let run = scene.pull(image);
        let output = run.env("CORACLE_TLS_CA", forge.path("ca.crt")).run();
        ended(Ends::Well, &output).expect("nothing goes wrong");
        pinned = output.stdout.trim().to_owned();
        requests(&scene, from)
    })
}

#[test]
fn no_more_is_asked_than_has_to_be() {
    let (manifest, blob) = ("GET /v2/x/manifests/1", "GET /v2/x/blobs/sha256");
    let head = "HEAD /v2/x/manifests/1";
    let open = asks(Setting {
        is_open: true,
        ..Setting::default()
    });
    // By its digest nothing, once it is here under that name.
    let pinned = "GET /v2/x/manifests/sha256";
    let expected: [&[&str]; 4] = [&[manifest, blob, blob, blob], &[head], &[pinned, blob], &[]];
    assert_eq!(open, expected);
    // With tokens twice: who may ask is what the first answer says.
    let token = "GET /token";
    let private = asks(Setting::default());
    let expected: [&[&str]; 4] = [
        &[manifest, token, manifest, blob, blob, blob],
        &[head, token, head],
        &[pinned, token, pinned, blob],
        &[],
    ];
    assert_eq!(private, expected);
}

/// An image of many layers.
fn many(shelf: &mut Shelf) -> Value {
    let layers: Vec<_> = (0..12)
        .map(|number| layer(&format!("f{number}"), "x"))
        .collect();
    let borrowed: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
    let config = shelf.put(OCI_CONFIG, &config(&borrowed));
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| shelf.put(OCI_LAYER, layer))
        .collect();
    shelf.manifest(json!({"config": config, "layers": layers}))
}

#[test]
fn a_host_that_is_busy_is_left_alone_by_all_transfers() {
    let setting = Setting {
        holds: Some(many),
        ..Setting::default()
    };
    let plan = Planned {
        at: At::Small,
        times: 1,
        fault: Fault::Busy(429, "1"),
    };
    let scene = Scene::new(&setting, &[plan]);
    let left_alone = format!("`{}` is left alone for ", scene.registry.host);
    let output = pull(&scene).success().complains(&left_alone);
    assert_eq!(scene.fired().len(), 1, "{output}");
}
