//! `--network`, `-p`, and the guest's own hosts and resolv.conf.

use coracle::plan::wish::Wish;
use coracle::plan::{Network, Port, Protocol, RunPlan, Source};

use super::{World, strings, texts};

fn published(network: Option<&str>, ports: &[&str]) -> Wish {
    Wish {
        network: network.map(str::to_owned),
        publish: strings(ports),
        ..Wish::default()
    }
}

fn port(address: &str, host: u16, guest: u16, protocol: Protocol) -> Port {
    Port {
        address: address.parse().ok(),
        host,
        guest,
        protocol,
    }
}

#[test]
fn a_port_under_its_own_number_is_simply_there() {
    let world = World::new();
    for ports in [
        &["80"][..],
        &["80:80"],
        &["0.0.0.0:80:80/tcp"],
        &["[::]:80:80"],
        &["80:80/udp", "90-92:90-92"],
        &["0:80"],
        &[":80"],
    ] {
        for network in [None, Some("host"), Some("default")] {
            let plan = world.made(&published(network, ports));
            assert_eq!(plan.network, Network::Host, "{ports:?}");
            let [note] = plan.notes.as_slice() else {
                panic!("{ports:?}: {:?}", plan.notes);
            };
            assert!(note.text.contains("80"), "{}", note.text);
        }
    }
    assert_eq!(world.made(&Wish::default()).notes, []);
}

#[test]
fn another_number_needs_a_network_of_its_own() {
    let world = World::new();
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    for (network, ports, expected) in [
        (None, &["8080:80"][..], vec![port("", 8080, 80, tcp)]),
        (
            None,
            &["127.0.0.1:80:80"],
            vec![port("127.0.0.1", 80, 80, tcp)],
        ),
        (None, &["[::1]:53:53/udp"], vec![port("::1", 53, 53, udp)]),
        (
            None,
            &["127.0.0.1::80"],
            vec![port("127.0.0.1", 80, 80, tcp)],
        ),
        (
            None,
            &["8000-8001:80-81", "90"],
            vec![
                port("", 8000, 80, tcp),
                port("", 8001, 81, tcp),
                port("", 90, 90, tcp),
            ],
        ),
        (None, &["8080:80", "8080:80"], vec![port("", 8080, 80, tcp)]),
        (Some("bridge"), &["80:80"], vec![port("", 80, 80, tcp)]),
        (Some("pasta"), &[], vec![]),
        (Some("slirp4netns"), &[], vec![]),
    ] {
        let plan = world.made(&published(network, ports));
        assert_eq!(
            plan.network,
            Network::Mapped(expected),
            "{network:?} {ports:?}"
        );
    }
    assert_eq!(
        world.made(&published(Some("none"), &[])).network,
        Network::None
    );
    for (network, ports, reason) in [
        (Some("host"), &["8080:80"][..], "--network host"),
        (Some("none"), &["80:80"], "--network none"),
        (Some("mine"), &[], "--network mine"),
        (Some("container:db"), &[], "--network container:db"),
        (None, &["80:80/sctp"], "sctp"),
        (None, &["80:"], "no port"),
        (None, &["a:80"], "`a`"),
        (None, &["0:0"], "`0`"),
        (None, &["65536"], "`65536`"),
        (None, &["1:2:3:4"], "`1:2`"),
        (None, &["80-82:80"], "3 ports of the host for 1"),
        (None, &["82-80:82-80"], "before it begins"),
        (None, &["8080:80", "8080:81"], "leads to port 80"),
        (None, &[""], "no port"),
    ] {
        let fault = world.refused(&published(network, ports));
        assert!(fault.contains(reason), "{network:?} {ports:?}: {fault}");
    }
}

#[test]
fn announced_ports_are_published_on_request() {
    let mut world = World::new();
    world.image.exposed_ports = strings(&["80/tcp", "53/udp", "junk"]);
    let wish = Wish {
        publish_all: true,
        ..published(Some("bridge"), &["8080:80"])
    };
    let expected = [
        port("", 8080, 80, Protocol::Tcp),
        port("", 53, 53, Protocol::Udp),
    ];
    assert_eq!(
        world.made(&wish).network,
        Network::Mapped(expected.to_vec())
    );
}

fn text(plan: &RunPlan, path: &str) -> Option<String> {
    let mut files = plan.files.iter();
    let file = files.find(|file| file.path.to_string() == path)?;
    let is_bound = |mount: &coracle::plan::Mount| mount.target == file.path;
    assert!(!plan.mounts.iter().any(is_bound), "{path} is bound as well");
    Some(String::from_utf8(file.content.clone()).expect("UTF-8"))
}

#[test]
fn names_that_were_typed_come_before_the_hosts() {
    let mut world = World::new();
    world.around.hosts = b"127.0.0.1 localhost\n".to_vec();
    assert_eq!(text(&world.made(&Wish::default()), "/etc/hosts"), None);
    let wish = Wish {
        add_hosts: strings(&["db:10.0.0.1", "v6=[::1]", "w6:fe80::2", "me:host-gateway"]),
        hostname: Some("box.example".to_owned()),
        ..Wish::default()
    };
    assert_eq!(
        text(&world.made(&wish), "/etc/hosts").as_deref(),
        Some(
            "10.0.0.1\tdb\n::1\tv6\nfe80::2\tw6\n127.0.0.1\tme\n127.0.1.1\tbox.example box\n127.0.0.1 localhost\n"
        )
    );
    let mounted = Wish {
        volumes: texts(&["/mine:/etc/hosts"]),
        ..wish.clone()
    };
    assert_eq!(text_or_bound(&world.made(&mounted), "/etc/hosts"), "/mine");
    for bad in [
        "db",
        "db:",
        ":10.0.0.1",
        "d b:1.2.3.4",
        "db:1.2.3",
        "db:host",
    ] {
        let fault = world.refused(&Wish {
            add_hosts: strings(&[bad]),
            ..Wish::default()
        });
        assert!(fault.contains("--add-host"), "{bad}: {fault}");
    }
    let apart = Wish {
        network: Some("bridge".to_owned()),
        ..wish
    };
    assert!(world.refused(&apart).contains("host-gateway"));
}

/// The source of the one mount at `path`, where no file is written there.
fn text_or_bound(plan: &RunPlan, path: &str) -> String {
    let at_path = |target: &coracle::base::path::GuestPath| target.to_string() == path;
    assert!(!plan.files.iter().any(|file| at_path(&file.path)));
    let mut mounts = plan.mounts.iter().filter(|mount| at_path(&mount.target));
    let Some(Source::Bind(source)) = mounts.next().map(|mount| &mount.source) else {
        panic!("nothing at {path}");
    };
    assert!(mounts.next().is_none());
    source.to_string()
}

#[test]
fn of_what_was_not_typed_the_resolver_has_the_hosts() {
    let mut world = World::new();
    world.around.resolver =
        b"# c\nnameserver 9.9.9.9\nsearch a.example b.example\noptions edns0\n".to_vec();
    assert_eq!(
        text(&world.made(&Wish::default()), "/etc/resolv.conf"),
        None
    );
    let wish = |dns: &[&str], search: &[&str], options: &[&str]| Wish {
        dns: strings(dns),
        dns_search: strings(search),
        dns_options: strings(options),
        ..Wish::default()
    };
    for (wish, expected) in [
        (
            wish(&["1.1.1.1", "::1"], &[], &[]),
            "search a.example b.example\nnameserver 1.1.1.1\nnameserver ::1\noptions edns0\n",
        ),
        (
            wish(&[], &["c.example"], &[]),
            "search c.example\nnameserver 9.9.9.9\noptions edns0\n",
        ),
        (
            wish(&[], &["."], &["ndots:2", "rotate"]),
            "nameserver 9.9.9.9\noptions ndots:2 rotate\n",
        ),
    ] {
        let written = text(&world.made(&wish), "/etc/resolv.conf");
        assert_eq!(written.as_deref(), Some(expected));
    }
    for (bad, flag) in [
        (wish(&["dns.example"], &[], &[]), "--dns "),
        (wish(&[], &["a b"], &[]), "--dns-search"),
        (wish(&[], &[], &["a\nb"]), "--dns-option"),
    ] {
        let fault = world.refused(&bad);
        assert!(fault.contains(flag), "{fault}");
    }
}
