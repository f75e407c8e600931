//! `--ulimit`, `--shm-size` and `--security-opt`: what is read, what is refused, and what comes of it.

use coracle::plan::wish::Wish;
use nix::sys::resource::Resource;

use super::{World, strings};

fn limited(words: &[&str]) -> Wish {
    Wish {
        ulimits: strings(words),
        ..Wish::default()
    }
}

#[test]
fn limits_are_read_or_refused_by_name() {
    let world = World::new();
    let all = u64::MAX;
    for (text, resource, soft, hard) in [
        ("nofile=10:20", Resource::RLIMIT_NOFILE, 10, 20),
        ("core=0", Resource::RLIMIT_CORE, 0, 0),
        ("memlock=-1", Resource::RLIMIT_MEMLOCK, all, all),
        ("memlock=-1:-1", Resource::RLIMIT_MEMLOCK, all, all),
        ("stack=67108864:-1", Resource::RLIMIT_STACK, 67_108_864, all),
        ("as=1", Resource::RLIMIT_AS, 1, 1),
        ("rttime=5:6", Resource::RLIMIT_RTTIME, 5, 6),
    ] {
        let limits = world.made(&limited(&[text])).limits;
        let [limit] = limits.as_slice() else {
            panic!("{text}: {limits:?}");
        };
        assert_eq!(
            (limit.resource, limit.soft, limit.hard),
            (resource, soft, hard),
            "{text}"
        );
    }
    let two = world
        .made(&limited(&["nofile=1", "core=2", "nofile=3"]))
        .limits;
    assert_eq!(
        two.iter().map(|limit| limit.soft).collect::<Vec<_>>(),
        [2, 3]
    );
    for (text, reason) in [
        ("nofile", "`=`"),
        ("files=1", "`files`"),
        ("nofile=", "no number"),
        ("nofile=1:", "no number"),
        ("nofile=-2", "`-2`"),
        ("nofile=2:1", "above"),
        ("nofile=-1:5", "above"),
        ("nofile=99999999999999999999", "too large"),
        ("nofile=1:2:3", "`2:3`"),
    ] {
        let fault = world.refused(&limited(&[text]));
        assert!(
            fault.contains("--ulimit") && fault.contains(reason),
            "{text}: {fault}"
        );
    }
}

#[test]
fn shared_memory_is_the_hosts() {
    let mut world = World::new();
    let wish = |text: &str| Wish {
        shm_size: Some(text.to_owned()),
        ..Wish::default()
    };
    assert!(world.refused(&wish("64m")).contains("has none"));
    world.around.shared_memory = Some(64 << 20);
    world.made(&wish("64m"));
    world.made(&wish("1"));
    assert!(world.refused(&wish("65m")).contains("67108864"));
    assert!(world.refused(&wish("big")).contains("--shm-size"));
}

#[test]
fn of_security_options_one_changes_something() {
    let world = World::new();
    let wish = |words: &[&str]| Wish {
        security: strings(words),
        ..Wish::default()
    };
    for (words, expected) in [
        (&["no-new-privileges"][..], true),
        (&["no-new-privileges:true"], true),
        (&["no-new-privileges=true", "seccomp=unconfined"], true),
        (&["no-new-privileges:false"], false),
        (
            &[
                "apparmor:unconfined",
                "label=disable",
                "systempaths=unconfined",
            ],
            false,
        ),
    ] {
        assert_eq!(
            world.made(&wish(words)).no_new_privileges,
            expected,
            "{words:?}"
        );
    }
    for text in [
        "seccomp=/p.json",
        "label=type:x",
        "no-new-privileges=2",
        "x",
        "",
    ] {
        let fault = world.refused(&wish(&[text]));
        assert!(fault.contains("--security-opt"), "{text}: {fault}");
    }
}
