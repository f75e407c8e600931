//! Plans are pure: tables of wishes and facts, and what comes of them.

mod accounts;
mod files;
mod gpu;
mod limits;
mod network;
mod users;

use std::ffi::OsString;

use coracle::base::path::HostPath;
use coracle::gpu::Findings;
use coracle::oci::config::RunConfig;
use coracle::plan::fault::PlanError;
use coracle::plan::wish::{Around, Caller, Changer, Facts, Text, Userns, Wish};
use coracle::plan::{Mount, Root, RunPlan, Source, View, build, environ, explain};

const PASSWD: &[u8] =
    b"root:x:0:0:root:/root:/bin/sh\n# comment\nweb:x:33:34:web:/srv/web:/bin/sh\n7:x:8:9::/odd:\n";
const GROUP: &[u8] = b"root:x:0:\nwww:x:34:\nvideo:x:44:web,other\naudio:x:29:other,web\n";

/// A small world in which plans are made.
struct World {
    image: RunConfig,
    passwd: &'static [u8],
    group: &'static [u8],
    environment: Vec<(OsString, OsString)>,
    caller: Caller,
    stdin_is_terminal: bool,
    in_pmi_launch: bool,
    has_apt: bool,
    gpu: Option<Findings>,
    host_accounts: (&'static [u8], &'static [u8]),
    changer: Option<Changer>,
    around: Around,
}

impl World {
    fn new() -> World {
        World {
            image: RunConfig {
                entrypoint: strings(&["/entry"]),
                cmd: strings(&["default", ""]),
                ..RunConfig::default()
            },
            passwd: PASSWD,
            group: GROUP,
            environment: pairs(&[("TERM", "vt100"), ("SECRET", "s=1"), ("EMPTY", "")]),
            caller: Caller {
                uid: 1001,
                gid: 1002,
                name: Some("ada".into()),
                home: Some(HostPath::new("/home/ada")),
            },
            stdin_is_terminal: false,
            in_pmi_launch: false,
            has_apt: false,
            gpu: None,
            host_accounts: (b"", b""),
            changer: None,
            around: Around::default(),
        }
    }

    fn plan(&self, wish: &Wish) -> Result<RunPlan, PlanError> {
        let facts = Facts {
            image: &self.image,
            passwd: self.passwd,
            group: self.group,
            environment: &self.environment,
            caller: &self.caller,
            cwd: None,
            hostname: "node1",
            stdin_is_terminal: self.stdin_is_terminal,
            in_pmi_launch: self.in_pmi_launch,
            has_apt: self.has_apt,
            gpu: self.gpu.as_ref(),
            host_accounts: self.host_accounts,
            changer: self.changer.as_ref(),
            around: &self.around,
        };
        let root = Root {
            lower: HostPath::new("/store/rootfs"),
            view: View::ReadOnly,
        };
        build::build(wish, &facts, root)
    }

    fn made(&self, wish: &Wish) -> RunPlan {
        self.plan(wish).expect("a sound wish")
    }

    fn refused(&self, wish: &Wish) -> String {
        self.plan(wish).expect_err("an unsound wish").to_string()
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn texts(words: &[&str]) -> Vec<Text> {
    words.iter().map(|word| Text::from(*word)).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn value<'a>(plan: &'a RunPlan, name: &str) -> Option<&'a str> {
    let mut found = plan.environment.iter().filter(|(known, _)| known == name);
    let value = found
        .next()
        .map(|(_, value)| value.to_str().expect("UTF-8"));
    assert!(found.next().is_none(), "{name} stands there twice");
    value
}

#[test]
fn argv_follows_docker() {
    let world = World::new();
    for (entrypoint, args, expected) in [
        (None, &[][..], &["/entry", "default", ""][..]),
        (None, &["", "a b"], &["/entry", "", "a b"]),
        (Some("sh -c"), &[], &["sh -c"]),
        (Some("sh"), &["-c", "--", ""], &["sh", "-c", "--", ""]),
        (Some(""), &["ls"], &["ls"]),
    ] {
        let wish = Wish {
            entrypoint: entrypoint.map(Text::from),
            args: texts(args),
            ..Wish::default()
        };
        assert_eq!(world.made(&wish).argv, expected, "{entrypoint:?} {args:?}");
    }
    let nothing = Wish {
        entrypoint: Some("".into()),
        ..Wish::default()
    };
    assert!(matches!(world.plan(&nothing), Err(PlanError::NoCommand)));
}

#[test]
fn the_environment_is_the_guests_own() {
    let mut world = World::new();
    world.image.env = strings(&[
        "PATH=/opt/bin",
        "A=image",
        "A=twice",
        "SECRET=image",
        "junk",
        "=x",
    ]);
    let plan = world.made(&Wish {
        environment: texts(&["A=typed", "B=x=y", "SECRET", "EMPTY", "E="]),
        ..Wish::default()
    });
    for (name, expected) in [
        ("PATH", Some("/opt/bin")),
        ("A", Some("typed")),
        ("B", Some("x=y")),
        ("SECRET", Some("s=1")),
        ("EMPTY", Some("")),
        ("E", Some("")),
        ("HOME", Some("/root")),
        ("HOSTNAME", Some("node1")),
        ("TERM", None),
        ("junk", None),
        ("", None),
    ] {
        assert_eq!(value(&plan, name), expected, "{name}");
    }
    let absent = world.made(&Wish {
        environment: texts(&["A", "HOME=/elsewhere"]),
        ..Wish::default()
    });
    assert_eq!(
        value(&absent, "A"),
        None,
        "a name that the host lacks is taken away"
    );
    assert_eq!(value(&absent, "HOME"), Some("/elsewhere"));
    let nameless = Wish {
        environment: texts(&["=x"]),
        ..Wish::default()
    };
    assert!(world.refused(&nameless).contains("`=x`"));
    world.image.env.clear();
    let default = world.made(&Wish::default());
    assert_eq!(value(&default, "PATH"), Some(environ::DEFAULT_PATH));
}

#[test]
fn a_terminal_is_refused_where_there_is_none() {
    let mut world = World::new();
    let wish = Wish {
        terminal: true,
        ..Wish::default()
    };
    assert!(matches!(world.plan(&wish), Err(PlanError::NoTerminal)));
    world.stdin_is_terminal = true;
    assert_eq!(value(&world.made(&wish), "TERM"), Some("vt100"));
    world.environment.clear();
    assert_eq!(value(&world.made(&wish), "TERM"), Some("xterm"));
}

#[test]
fn environment_files_are_read_as_docker_reads_them() {
    let host = pairs(&[("KNOWN", "v")]);
    let file = b"\xef\xbb\xbf# comment\n\n  A=1 # kept \r\nB=\"q\"\nKNOWN\nUNKNOWN\nC=\n";
    let entries = environ::from_file(file, &host).expect("a sound file");
    assert_eq!(entries, texts(&["A=1 # kept ", "B=\"q\"", "KNOWN", "C="]));
    for (bad, line) in [
        (&b"A=1\n=x"[..], 2),
        (b"A B=1", 1),
        (b"A=\xff", 1),
        (b"\nA=\0", 2),
    ] {
        let fault = environ::from_file(bad, &host)
            .expect_err("a bad file")
            .to_string();
        assert!(fault.contains(&format!("line {line} ")), "{fault}");
    }
}

#[test]
fn outer_mounts_come_first_and_the_users_own_win() {
    let world = World::new();
    let plan = world.made(&Wish {
        volumes: texts(&["/x:/data/inner", "/y:/data", "/z:/etc/hosts"]),
        ..Wish::default()
    });
    let targets: Vec<String> = plan
        .mounts
        .iter()
        .map(|mount| mount.target.to_string())
        .collect();
    let at = |target: &str| targets.iter().position(|known| known == target);
    assert!(at("/data") < at("/data/inner"), "{targets:?}");
    assert_eq!(
        targets
            .iter()
            .filter(|target| *target == "/etc/hosts")
            .count(),
        1
    );
    assert!(
        plan.mounts
            .iter()
            .any(|mount| mount.source == Source::Bind(HostPath::new("/z")))
    );
    for host in ["/proc", "/sys", "/dev", "/etc/resolv.conf"] {
        assert!(at(host).is_some(), "{host}");
    }
    let own_etc = world.made(&Wish {
        volumes: texts(&["/mine:/etc"]),
        ..Wish::default()
    });
    let below_etc = |mount: &Mount| mount.target.as_path().starts_with("/etc");
    let sources = own_etc.mounts.iter().filter(|mount| below_etc(mount));
    let sources: Vec<_> = sources.map(|mount| mount.source.clone()).collect();
    assert_eq!(sources, [Source::Bind(HostPath::new("/mine"))]);
    let twice = Wish {
        volumes: texts(&["/x:/a", "/y:/a/."]),
        ..Wish::default()
    };
    assert!(world.refused(&twice).contains("`/a`"));
}

#[test]
fn directory_host_name_and_processors() {
    let mut world = World::new();
    world.image.working_dir = "srv/./app".to_owned();
    assert_eq!(
        world.made(&Wish::default()).cwd.path.to_string(),
        "/srv/app"
    );
    let wish = Wish {
        workdir: Some("/w".into()),
        hostname: Some("box".to_owned()),
        cpus: Some("7,0-2,1".to_owned()),
        ..Wish::default()
    };
    let plan = world.made(&wish);
    assert_eq!(plan.cwd.path.to_string(), "/w");
    assert_eq!(plan.hostname.as_deref(), Some("box"));
    assert_eq!(value(&plan, "HOSTNAME"), Some("box"));
    assert_eq!(plan.cpus, Some(vec![0, 1, 2, 7]));
    for bad in [
        "",
        "a",
        "3-1",
        "1-",
        "-1",
        "0,",
        "1024",
        "+1",
        "0-99999999999999999999",
    ] {
        assert!(build::cpus(bad).is_err(), "{bad}");
    }
    for bad in [
        Wish {
            workdir: Some("w".into()),
            ..Wish::default()
        },
        Wish {
            hostname: Some("a b".to_owned()),
            ..Wish::default()
        },
        Wish {
            hostname: Some("x".repeat(64)),
            ..Wish::default()
        },
    ] {
        world.refused(&bad);
    }
}

#[test]
fn a_container_remembers_its_wish_byte_for_byte() {
    use std::os::unix::ffi::OsStringExt;
    let wish = Wish {
        args: vec![Text(OsString::from_vec(vec![0xff, b'a'])), "größer".into()],
        userns: Some(Userns::KeepId),
        environment: texts(&["A=1"]),
        ..Wish::default()
    };
    let stored = serde_json::to_string(&wish).expect("plain data");
    let read: Wish = serde_json::from_str(&stored).expect("what was just written");
    assert_eq!(read, wish);
    let later = read.overlaid(Wish {
        args: texts(&["ls"]),
        environment: texts(&["A=2"]),
        ..Wish::default()
    });
    assert_eq!(later.args, texts(&["ls"]));
    assert_eq!(later.environment, texts(&["A=1", "A=2"]));
    assert_eq!(later.userns, Some(Userns::KeepId));
}

#[test]
fn the_same_inputs_explain_themselves_the_same() {
    let world = World::new();
    let wish = Wish {
        args: texts(&["a b", "it's", "\x1b[2J"]),
        volumes: texts(&["/a:/b:ro"]),
        ..Wish::default()
    };
    let text = explain::text(&world.made(&wish));
    assert_eq!(text, explain::text(&world.made(&wish)));
    assert!(
        text.contains(r"command      /entry 'a b' 'it'\''s' '\u{1b}[2J'"),
        "{text}"
    );
    assert!(text.contains("/b from /a, read-only"), "{text}");
    let json = explain::json(&world.made(&wish));
    assert_eq!(json["argv"][1], "a b");
    assert_eq!(json["user"]["uid"], 0);
    assert_eq!(json["environment"]["HOME"], "/root");
}

#[test]
fn an_explained_plan_cannot_drive_the_terminal() {
    let mut world = World::new();
    world.image.working_dir = "/work\x1b[2J".to_owned();
    world.image.env = strings(&["NAME\u{9b}=\u{202e}\n"]);
    let text = explain::text(&world.made(&Wish::default()));
    assert!(text.contains(r"directory    /work\u{1b}[2J"), "{text}");
    assert!(text.contains(r"NAME\u{9b}='\u{202e}\n'"), "{text}");
}
