//! Accounts made for the guest: the image's or the host's, and never a duplicate or broken line more.

use coracle::plan::Ids;
use coracle::plan::Level;
use coracle::plan::RunPlan;
use coracle::plan::fault::PlanError;
use coracle::plan::wish::{Accounts, Changer, OtherIds, Userns, Wish};

use super::{World, value};

/// Lines as strangers write them. Those of the first row have been seen in images and on sites.
const LINES: [&str; 24] = [
    "root:x:0:0:root:/root:/bin/sh",
    "root::0:0:again:/:/bin/sh",
    "ada:x:1001:1002:Ada,,,:/home/ada:/bin/sh",
    "ada:x:77:77::/elsewhere:/bin/sh",
    "user500:x:501:501::/:",
    "user500",
    "user500_:x:nonsense:500::/:",
    "group600:x:601:ada,root",
    "group600:",
    "www:x:600:ada,ada,,root",
    "zwei:x:600:",
    "+::::::",
    "+ada",
    "-:x:500:600",
    "::500:600::/:",
    ":::",
    "",
    "# 500:x:500:500",
    "  lead:x:502:502:b:/:",
    "big:x:4294967296:99999999999999:::",
    "neg:x:-2:-2:::",
    "cr:x:503:503:::\r",
    "nul\0:x:504:504:::",
    "wide:x:505:505:::::::::::",
];

/// A sequence that looks like chance and is the same in every run. Knuth's constants.
fn shuffled(seed: u64) -> impl Iterator<Item = usize> {
    let mut state = seed.wrapping_mul(2_862_933_555_777_941_757) | 1;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    })
}

/// A file of up to nine such lines, with or without an end to the last.
fn hostile(seed: u64) -> &'static [u8] {
    let mut chance = shuffled(seed);
    let mut next = |below: usize| chance.next().expect("it never ends") % below;
    let lines: Vec<_> = (0..next(10)).map(|_| LINES[next(LINES.len())]).collect();
    let end = ["", "\n", "\n\n", "\r\n"][next(4)];
    (lines.join("\n") + end).leak().as_bytes()
}

/// The text of a file that was made, or of the one that stays.
fn text(plan: &RunPlan, path: &str, otherwise: &[u8]) -> String {
    let mut made = plan
        .files
        .iter()
        .filter(|file| file.path.to_string() == path);
    let content = made.next().map_or(otherwise, |file| &file.content);
    assert!(made.next().is_none(), "{path} is made twice");
    String::from_utf8(content.to_vec()).expect("the lines above are UTF-8")
}

/// What stands behind `base` in `made` must be at most `most` sound lines for ids and names that `base` lacks.
fn check(base: &[u8], made: &str, fields: usize, most: usize, wanted: u32) {
    let base = std::str::from_utf8(base).expect("the lines above are UTF-8");
    let added = made
        .strip_prefix(base)
        .expect("what was there stays as it is");
    let added = added.strip_prefix('\n').unwrap_or(added);
    let id = |line: &str| line.trim().split(':').nth(2)?.parse::<u32>().ok();
    let name = |line: &str| line.trim().split(':').next().unwrap_or_default().to_owned();
    let (mut ids, mut names): (Vec<_>, Vec<_>) =
        base.lines().map(|line| (id(line), name(line))).unzip();
    assert!(added.is_empty() || added.ends_with('\n'), "{made:?}");
    assert!(added.lines().count() <= most, "{made:?}");
    for line in added.lines() {
        assert_eq!(line.split(':').count(), fields, "{line:?} in {made:?}");
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(
            id(line).is_some() && !names.contains(&name(line)),
            "{line:?} in {made:?}"
        );
        // Who has a line with an empty name is known to no program.
        let known = base.lines().filter(|line| !name(line).is_empty());
        assert!(
            !known.map(id).any(|known| known == id(line)),
            "{line:?} in {made:?}"
        );
        ids.push(id(line));
        names.push(name(line));
    }
    assert!(
        ids.contains(&Some(wanted)),
        "{wanted} has no line in {made:?}"
    );
}

#[test]
fn no_line_is_double_or_broken_in_any_combination() {
    let mut world = World::new();
    let users = [
        None,
        Some("0"),
        Some("500:600"),
        Some("1001"),
        Some("ada"),
        Some(":600"),
    ];
    let kinds = [None, Some(Userns::KeepId), Some(Userns::Subids)];
    let mut made = 0;
    for seed in 0..400 {
        let texts = [0, 1, 2, 3].map(|part| hostile(seed * 4 + part));
        (world.passwd, world.group) = (texts[0], texts[1]);
        world.host_accounts = (texts[2], texts[3]);
        world.caller.name =
            [None, Some("ada"), Some("a:b"), Some("root")][seed as usize % 4].map(Into::into);
        for (user, kind) in users.iter().flat_map(|user| kinds.map(|kind| (user, kind))) {
            for accounts in [None, Some(Accounts::Host), Some(Accounts::Image)] {
                let wish = Wish {
                    user: user.map(Into::into),
                    userns: kind,
                    accounts,
                    ..Wish::default()
                };
                // A name that these files do not have is refused, and so is `-u` beside `keep-id`.
                let Ok(plan) = world.plan(&wish) else {
                    continue;
                };
                let ((passwd, group), most) = match accounts {
                    None => ((world.passwd, world.group), 1),
                    Some(Accounts::Host) => (world.host_accounts, 2),
                    Some(Accounts::Image) => {
                        assert!(plan.files.is_empty());
                        continue;
                    }
                };
                check(
                    passwd,
                    &text(&plan, "/etc/passwd", passwd),
                    7,
                    most,
                    plan.user.uid,
                );
                check(
                    group,
                    &text(&plan, "/etc/group", group),
                    4,
                    most,
                    plan.user.gid,
                );
                made += 1;
            }
        }
    }
    assert!(made > 5000, "only {made} of the combinations were plans");
}

#[test]
fn the_hosts_accounts_have_the_caller() {
    let mut world = World::new();
    world.host_accounts = (
        b"root:x:0:0::/root:/bin/sh\nbob:x:5:6::/home/bob:\n",
        b"root:x:0:",
    );
    let host = |user: &str| Wish {
        accounts: Some(Accounts::Host),
        user: Some(user.to_owned()),
        ..Wish::default()
    };
    let plan = world.made(&host("ada"));
    assert_eq!((plan.user.uid, plan.user.gid), (1001, 1002));
    assert_eq!(value(&plan, "HOME"), Some("/home/ada"));
    let passwd = text(&plan, "/etc/passwd", b"");
    assert!(
        passwd.ends_with(":\nada:x:1001:1002:ada:/home/ada:/bin/sh\n"),
        "{passwd}"
    );
    assert_eq!(text(&plan, "/etc/group", b""), "root:x:0:\nada:x:1002:\n");
    assert_eq!(value(&world.made(&host("bob")), "HOME"), Some("/home/bob"));
    assert!(world.refused(&host("web")).contains("no user `web`"));
    let image = Wish {
        accounts: Some(Accounts::Image),
        ..host("4000")
    };
    assert!(world.made(&image).files.is_empty());
}

#[test]
fn groups_are_added_where_ids_for_them_exist() {
    let world = World::new();
    let wish = |user: &str, userns, groups: &[&str]| Wish {
        user: Some(user.to_owned()),
        userns,
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..Wish::default()
    };
    let many = Some(Userns::Subids);
    let groups = |wish: &Wish| world.made(wish).user.groups;
    assert_eq!(
        groups(&wish("web", many, &["www", "video", "7", "44"])),
        [44, 29, 7]
    );
    assert_eq!(groups(&wish("0", many, &["audio"])), [29]);
    assert_eq!(groups(&wish("500:600", None, &["600"])), [0; 0]);
    for (one, part) in [
        (
            wish("web", None, &["video"]),
            "cannot add the group `video`",
        ),
        (wish("web", many, &["nogroup"]), "no group `nogroup`"),
        (wish("web", many, &["keep-groups", "7"]), "contradicts"),
        (wish("web", many, &[""]), "no group ``"),
    ] {
        let refused = world.refused(&one);
        assert!(refused.contains(part), "{refused}");
    }
    let kept = world.made(&wish("web", None, &["keep-groups"])).user;
    assert!(kept.keeps_groups && kept.groups == [44, 29]);
}

#[test]
fn an_image_that_changes_its_user_gets_ids_where_there_are_any() {
    let mut world = World::new();
    let ids = |world: &World, wish: &Wish| {
        let plan = world.made(wish);
        (plan.user.ids, plan.notes.first().map(|note| note.level))
    };
    let changer = |others| {
        Some(Changer {
            program: "/usr/sbin/gosu".to_owned(),
            others,
        })
    };
    let plain = Wish::default();
    assert_eq!(ids(&world, &plain), (Ids::Single, None));
    world.changer = changer(OtherIds::Granted);
    assert_eq!(ids(&world, &plain), (Ids::Ranges, Some(Level::Detail)));
    let of = |user: &str| Wish {
        user: Some(user.to_owned()),
        ..Wish::default()
    };
    assert_eq!(ids(&world, &of("web")), (Ids::Single, None));
    let single = Wish {
        userns: Some(Userns::Single),
        ..Wish::default()
    };
    assert_eq!(ids(&world, &single), (Ids::Single, None));
    world.changer = changer(OtherIds::Lacking("no line".to_owned()));
    assert_eq!(ids(&world, &plain), (Ids::Single, Some(Level::Warning)));
    world.in_pmi_launch = true;
    assert_eq!(
        ids(&world, &plain),
        (Ids::Single, None),
        "a rank keeps its id"
    );
    assert!(matches!(
        world.plan(&Wish {
            userns: Some(Userns::KeepId),
            ..of("web")
        }),
        Err(PlanError::UserAndKeepId(_))
    ));
}
