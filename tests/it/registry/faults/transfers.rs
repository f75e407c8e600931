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
    let output = pull(&scene).exits(1).complains("got digest `sha256:");
    assert_eq!(scene.ranges(before), [Some("bytes=150000-".to_owned())]);
    scene.check(&output).expect("no wrong byte has a name");
    // It is not gone on from a second time.
    let before = scene.registry.asked().len();
    pull(&scene).success();
    assert_eq!(scene.ranges(before), [None]);
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

#[test]
fn no_more_is_asked_than_has_to_be() {
    let forge = Certificate::forge();
    let setting = Setting {
        secured: Some(Certificate::Good.by(&forge)),
        ..Setting::default()
    };
    let scene = Scene::new(&setting, &[]);
    let pull = |image: &str| {
        let run = scene.pull(image);
        let output = run.env("CORACLE_TLS_CA", forge.path("ca.crt")).run();
        ended(Ends::Well, &output).expect("nothing goes wrong");
        output.stdout.trim().to_owned()
    };
    let pinned = pull(&scene.image());
    let cold = [
        "GET /v2/x/manifests/1",
        "GET /token",
        "GET /v2/x/manifests/1",
        "GET /v2/x/blobs/sha256",
        "GET /v2/x/blobs/sha256",
        "GET /v2/x/blobs/sha256",
    ];
    assert_eq!(requests(&scene, 0), cold);
    // Of the registry itself two things are asked, of which the first is who may ask.
    pull(&scene.image());
    let warm = [
        "HEAD /v2/x/manifests/1",
        "GET /token",
        "HEAD /v2/x/manifests/1",
    ];
    assert_eq!(requests(&scene, cold.len()), warm);
    // By its digest nothing at all, once it is here under that name.
    pull(&pinned);
    let before = scene.registry.asked().len();
    pull(&pinned);
    assert!(requests(&scene, before).is_empty());
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
