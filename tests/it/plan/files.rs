//! `-v`, `--mount`, `--tmpfs` and what leaves mounts out: what is read, what is refused, and what comes of it.

use coracle::base::path::{GuestPath, HostPath};
use coracle::plan::binds::{self, Origin, Wanted};
use coracle::plan::wish::{Text, Wish};
use coracle::plan::{RunPlan, Source};

use super::{World, pairs, texts};

fn at(target: &str, origin: Origin) -> Wanted {
    Wanted {
        origin,
        target: GuestPath::new(target).expect("absolute"),
        read_only: false,
    }
}

fn bind(source: &str, target: &str) -> Wanted {
    at(target, Origin::Host(HostPath::new(source)))
}

fn named(name: &str, target: &str, copies: bool) -> Wanted {
    let name = name.to_owned();
    at(target, Origin::Volume { name, copies })
}

fn memory(size: Option<u64>, mode: u32, noexec: bool) -> Wanted {
    at("/t", Origin::Memory { size, mode, noexec })
}

fn read_only(wanted: Wanted) -> Wanted {
    Wanted {
        read_only: true,
        ..wanted
    }
}

#[test]
fn volumes_are_read_or_refused_by_name() {
    for (text, expected) in [
        ("/a:/b", bind("/a", "/b")),
        ("/a:/b:ro", read_only(bind("/a", "/b"))),
        ("/a:/b/../c/:rw", bind("/a", "/c")),
        ("/a b", bind("/a b", "/a b")),
        ("/a:/b:ro,Z", read_only(bind("/a", "/b"))),
        ("/a:/b:z,rslave,cached", bind("/a", "/b")),
        ("/a:/b:delegated,ro,ro", read_only(bind("/a", "/b"))),
        ("data:/b", named("data", "/b", true)),
        (
            "pg.data_1-x:/b:nocopy,ro",
            read_only(named("pg.data_1-x", "/b", false)),
        ),
    ] {
        assert_eq!(binds::volume(text.as_ref()).expect(text), expected);
    }
    for (text, name) in [
        ("/a:/b:U", "`U`"),
        ("/a:/b:ro,rshared", "`rshared`"),
        ("/a:/b:shared", "never appears on the host"),
        ("/a:/b:ro,rw", "both"),
        ("/a:/b:", "``"),
        ("/a:/b:ro:x", "colons"),
        ("/a:/b:nocopy", "named volumes"),
        ("/a:b", "`b`"),
        ("/a:/", "`/`"),
        ("a:/b", "`a` cannot name a volume"),
        ("_a:/b", "`_a` cannot name a volume"),
        ("data", "`data`"),
        (":/b", "empty"),
        ("", "empty"),
    ] {
        let fault = binds::volume(text.as_ref()).expect_err(text).to_string();
        assert!(fault.contains(name), "{text}: {fault}");
    }
}

#[test]
fn mounts_in_words_are_read_or_refused_by_name() {
    for (text, expected) in [
        (
            "type=bind,source=/a:x,target=/b,readonly",
            read_only(bind("/a:x", "/b")),
        ),
        ("type=bind,src=/a,dst=/b,ro=false", bind("/a", "/b")),
        ("TYPE=bind,\"src=/a,1\",dst=/b", bind("/a,1", "/b")),
        (
            "type=bind,src=/a,dst=/b,bind-propagation=rslave",
            bind("/a", "/b"),
        ),
        (
            "type=bind,src=/a,dst=/b,consistency=cached",
            bind("/a", "/b"),
        ),
        (
            "type=bind,src=/a,dst=/b,bind-recursive=readonly",
            bind("/a", "/b"),
        ),
        ("type=tmpfs,destination=/t", memory(None, 0o1777, false)),
        (
            "type=tmpfs,dst=/t,tmpfs-size=2K,tmpfs-mode=700",
            memory(Some(2048), 0o700, false),
        ),
        (
            "type=tmpfs,dst=/t,tmpfs-options=noexec",
            memory(None, 0o1777, true),
        ),
        ("type=volume,src=data,dst=/b", named("data", "/b", true)),
        (
            "src=data,dst=/b,volume-nocopy,volume-driver=local",
            named("data", "/b", false),
        ),
    ] {
        assert_eq!(binds::mount(text.as_ref()).expect(text), expected);
    }
    for (text, name) in [
        ("type=image,src=a,dst=/b", "`image`"),
        ("src=/a,dst=/b", "`type=bind`"),
        ("type=volume,dst=/b", "`source`"),
        ("type=bind,src=/a", "`target`"),
        ("type=bind,dst=/b", "`source`"),
        (
            "type=bind,src=/a,dst=/b,bind-propagation=shared",
            "`shared`",
        ),
        (
            "type=bind,src=/a,dst=/b,bind-nonrecursive",
            "always come along",
        ),
        (
            "type=bind,src=/a,dst=/b,bind-recursive=disabled",
            "always come along",
        ),
        (
            "type=bind,src=/a,dst=/b,tmpfs-size=1",
            "`tmpfs-size` needs `type=tmpfs`",
        ),
        (
            "type=bind,src=/a,dst=/b,volume-nocopy",
            "needs `type=volume`",
        ),
        ("type=volume,src=data,dst=/b,volume-driver=nfs", "plugins"),
        ("type=volume,src=data,dst=/b,volume-opt=o=x", "`volume-opt`"),
        (
            "type=volume,src=data,dst=/b,volume-subpath=x",
            "`volume-subpath`",
        ),
        ("type=bind,src=/a,dst=/b,consistency=odd", "odd"),
        ("type=tmpfs,src=/a,dst=/b", "`source`"),
        ("type=tmpfs,dst=/b,tmpfs-size=1x", "1x"),
        ("type=tmpfs,dst=/b,tmpfs-mode=9", "octal"),
        ("type=tmpfs,dst=/b,tmpfs-options=uid=5", "`uid=5`"),
        ("type=bind,src=/a,dst=/b,ro=perhaps", "perhaps"),
        ("type=bind,\"src=/a,dst=/b", "quote"),
    ] {
        let fault = binds::mount(text.as_ref()).expect_err(text).to_string();
        assert!(fault.contains(name), "{text}: {fault}");
    }
}

#[test]
fn directories_in_memory_are_read_or_refused_by_name() {
    for (text, expected) in [
        ("/t", memory(None, 0o1777, false)),
        (
            "/t:rw,noexec,nosuid,nodev,size=64m",
            memory(Some(64 << 20), 0o1777, true),
        ),
        ("/t:exec,mode=755", memory(None, 0o755, false)),
        (
            "/t:ro,size=1g",
            read_only(memory(Some(1 << 30), 0o1777, false)),
        ),
        ("/t:", memory(None, 0o1777, false)),
    ] {
        assert_eq!(binds::tmpfs(text.as_ref()).expect(text), expected);
    }
    for (text, name) in [
        ("t", "`t`"),
        ("", "``"),
        ("/", "`/`"),
        ("/t:suid", "`suid`"),
        ("/t:uid=5", "`uid=5`"),
        ("/t:size=much", "much"),
        ("/t:mode=+7", "octal"),
        ("/t:mode=10000", "octal"),
    ] {
        let fault = binds::tmpfs(text.as_ref()).expect_err(text).to_string();
        assert!(
            fault.contains("--tmpfs") && fault.contains(name),
            "{text}: {fault}"
        );
    }
}

#[test]
fn sizes_are_dockers() {
    for (text, bytes) in [
        ("0", 0),
        ("17", 17),
        ("17b", 17),
        ("2k", 2 << 10),
        ("2KiB", 2 << 10),
        ("1.5g", 3 << 29),
        ("64 MB", 64 << 20),
        ("1T", 1 << 40),
    ] {
        assert_eq!(binds::size(text), Some(bytes), "{text}");
    }
    for text in [
        "",
        "k",
        "-1",
        "1x",
        "1.k.",
        "1e3",
        ".5g",
        "99999999999t",
        "+1",
    ] {
        assert_eq!(binds::size(text), None, "{text}");
    }
}

#[test]
fn relative_sources_are_anchored_where_they_were_typed() {
    let cwd = HostPath::new("/work");
    for (text, expected) in [
        ("./a:/b", "/work/a:/b"),
        ("a/c:/b:ro", "/work/a/c:/b:ro"),
        (".:/b", "/work/.:/b"),
        ("..:/b", "/work/..:/b"),
        ("data:/b", "data:/b"),
        ("/a:/b", "/a:/b"),
        ("./a", "./a"),
    ] {
        let anchored = binds::anchored_volume(text.as_ref(), &cwd);
        assert_eq!(anchored, Text::from(expected));
    }
    for (text, expected) in [
        ("type=bind,src=a,dst=/b", "type=bind,src=/work/a,dst=/b"),
        (
            "type=bind,\"src=a,b\",dst=/b",
            "type=bind,\"src=/work/a,b\",dst=/b",
        ),
        ("type=volume,src=data,dst=/b", "type=volume,src=data,dst=/b"),
        ("src=data,dst=/b", "src=data,dst=/b"),
    ] {
        let anchored = binds::anchored_mount(text.as_ref(), &cwd);
        assert_eq!(anchored, Text::from(expected));
    }
}

#[test]
fn what_another_container_sees_can_be_said_again() {
    for wanted in [
        read_only(bind("/a,\"b\":c", "/d")),
        named("data", "/d", true),
        read_only(named("data", "/d", false)),
    ] {
        let again = wanted.as_mount().expect("what can be shared");
        assert_eq!(binds::mount(&again.0).expect("our own words"), wanted);
    }
    assert_eq!(memory(None, 0o700, false).as_mount(), None);
}

fn targets(plan: &RunPlan) -> Vec<String> {
    let targets = plan.mounts.iter().map(|mount| mount.target.to_string());
    targets.collect()
}

#[test]
fn what_is_left_out_is_not_there() {
    let world = World::new();
    let usual = targets(&world.made(&Wish::default()));
    let without = |paths: &[&str]| Wish {
        omitted: texts(paths),
        volumes: texts(&["/x:/data"]),
        ..Wish::default()
    };
    for (paths, gone) in [
        (&["/sys"][..], "/sys"),
        (&["/proc,/x"], "/data"),
        (&["/etc/hosts"], "/etc/hosts"),
    ] {
        let left = targets(&world.made(&without(paths)));
        assert!(
            !left.iter().any(|target| target == gone),
            "{paths:?}: {left:?}"
        );
    }
    for paths in [&["/nowhere"][..], &["sys"]] {
        let fault = world.refused(&without(paths));
        assert!(fault.contains("--novol"), "{fault}");
    }
    let bare = world.made(&Wish {
        bare: true,
        tmpfs: texts(&["/t"]),
        ..Wish::default()
    });
    assert_eq!(targets(&bare), ["/t"]);
    assert!(usual.len() > 4, "{usual:?}");
}

#[test]
fn the_home_comes_along_once() {
    let mut world = World::new();
    let wish = |volumes: &[&str]| Wish {
        home: true,
        volumes: texts(volumes),
        ..Wish::default()
    };
    let homes = |plan: RunPlan| -> Vec<Source> {
        let mounts = plan.mounts.into_iter();
        let home = mounts.filter(|mount| mount.target.to_string() == "/home/ada");
        home.map(|mount| mount.source).collect()
    };
    let own = Source::Bind(HostPath::new("/home/ada"));
    assert_eq!(homes(world.made(&wish(&[]))), [own]);
    let other = Source::Bind(HostPath::new("/x"));
    assert_eq!(homes(world.made(&wish(&["/x:/home/ada"]))), [other]);
    world.caller.home = None;
    assert!(world.refused(&wish(&[])).contains("--bindhome"));
}

#[test]
fn the_callers_variables_lie_below_those_of_the_image() {
    let mut world = World::new();
    world.image.env = vec!["SECRET=image".to_owned(), "B=1".to_owned()];
    world.environment = pairs(&[
        ("SECRET", "host"),
        ("MINE", "m"),
        ("PATH", "/opt/host/bin"),
        ("LD_LIBRARY_PATH", "/opt/host/lib"),
    ]);
    let plan = world.made(&Wish {
        host_environment: true,
        ..Wish::default()
    });
    for (name, expected) in [
        ("SECRET", Some("image")),
        ("MINE", Some("m")),
        ("LD_LIBRARY_PATH", None),
        ("PATH", Some(coracle::plan::environ::DEFAULT_PATH)),
    ] {
        assert_eq!(super::value(&plan, name), expected, "{name}");
    }
    let bare = world.made(&Wish {
        no_meta: true,
        args: texts(&["ls"]),
        ..Wish::default()
    });
    assert_eq!(bare.argv, ["ls"]);
    assert_eq!(super::value(&bare, "B"), None);
}
