//! Any bytes as passwd and group: a line that is added is the one that was wanted, and changes nothing before it.
#![no_main]

use coracle::plan::accounts::{group_with, groups, passwd_with, users};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u32, u32, Option<&str>, &[u8], &[u8])| {
    let (uid, gid, wanted, home, text) = input;
    let before: Vec<_> = users(text)
        .map(|it| (it.name, it.uid, it.gid, it.home))
        .collect();
    assert!(
        before
            .iter()
            .all(|(name, ..)| !name.is_empty() && !name.contains(&b':'))
    );
    if let Some(with) = passwd_with(text, uid, gid, wanted, home) {
        assert!(with.starts_with(text) && with.ends_with(b"\n"));
        let after: Vec<_> = users(&with)
            .map(|it| (it.name, it.uid, it.gid, it.home))
            .collect();
        let (added, rest) = after.split_last().expect("a line was added");
        assert_eq!(rest, before);
        assert_eq!((added.1, added.2), (uid, gid));
        assert!(before.iter().all(|(name, ..)| *name != added.0));
        assert!(added.3 == home || added.3 == b"/");
        assert_eq!(passwd_with(&with, uid, gid, wanted, home), None);
        assert!(
            !added
                .0
                .iter()
                .any(|byte| byte.is_ascii_control() || b"/ ,".contains(byte))
        );
    } else {
        assert!(before.iter().any(|(_, known, ..)| *known == uid));
    }
    let before: Vec<_> = groups(text)
        .map(|it| (it.name, it.gid, it.members))
        .collect();
    if let Some(with) = group_with(text, gid, wanted) {
        assert!(with.starts_with(text));
        let after: Vec<_> = groups(&with)
            .map(|it| (it.name, it.gid, it.members))
            .collect();
        let (added, rest) = after.split_last().expect("a line was added");
        assert_eq!(rest, before);
        assert_eq!((added.1, added.2), (gid, &b""[..]));
        assert!(before.iter().all(|(name, ..)| *name != added.0));
        assert_eq!(group_with(&with, gid, wanted), None);
    }
});
