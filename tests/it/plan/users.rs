//! Who the guest believes to be: forms of `-u`, files made up, keep-id and PMI.

use coracle::base::path::GuestPath;
use coracle::plan::Ids;
use coracle::plan::fault::PlanError;
use coracle::plan::wish::{Userns, Wish};

use super::{PASSWD, World, pairs, texts, value};

#[test]
fn users_are_those_of_the_image() {
    let world = World::new();
    for (spec, ids, groups, home) in [
        ("", (0, 0), &[][..], "/root"),
        ("web", (33, 34), &[44, 29], "/srv/web"),
        ("33", (33, 34), &[44, 29], "/srv/web"),
        ("web:0", (33, 0), &[], "/srv/web"),
        ("web:video", (33, 44), &[], "/srv/web"),
        (":video", (0, 44), &[], "/root"),
        ("500", (500, 0), &[], "/"),
        ("500:600", (500, 600), &[], "/"),
        ("500:www", (500, 34), &[], "/"),
        ("7", (7, 0), &[], "/"),
        (":7", (0, 7), &[], "/root"),
    ] {
        let plan = world.made(&Wish {
            user: Some(spec.to_owned()),
            ..Wish::default()
        });
        assert_eq!((plan.user.uid, plan.user.gid), ids, "{spec}");
        assert_eq!(plan.user.groups, groups, "{spec}");
        assert_eq!(value(&plan, "HOME"), Some(home), "{spec}");
    }
    for bad in ["nobody", "web:nogroup", "4294967295", "0:2147483648", "-1"] {
        let wish = Wish {
            user: Some(bad.to_owned()),
            ..Wish::default()
        };
        assert!(world.plan(&wish).is_err(), "{bad}");
    }
}

#[test]
fn files_are_made_only_for_ids_without_a_line() {
    let mut world = World::new();
    assert!(world.made(&Wish::default()).files.is_empty());
    let wish = Wish {
        user: Some("500:600".to_owned()),
        ..Wish::default()
    };
    let plan = world.made(&wish);
    let passwd = String::from_utf8_lossy(&plan.files[0].content).into_owned();
    assert_eq!(plan.files[0].path.to_string(), "/etc/passwd");
    assert!(passwd.as_bytes().starts_with(PASSWD));
    assert!(
        passwd.ends_with("\nuser500:x:500:600:user500:/:/bin/sh\n"),
        "{passwd}"
    );
    assert!(plan.files[1].content.ends_with(b"\ngroup600:x:600:\n"));
    // What the user mounts there is the user's.
    let mounted = world.made(&Wish {
        mounts: texts(&["type=bind,src=/etc/passwd,dst=/etc/passwd"]),
        ..wish.clone()
    });
    assert_eq!(mounted.files.len(), 1);
    // A name that is taken by another id is not given away.
    world.passwd = b"user500:x:1:1::/:\nada:x:2:2::/:";
    let plan = world.made(&wish);
    assert!(
        plan.files[0]
            .content
            .ends_with(b":/:\nuser500_:x:500:600:user500_:/:/bin/sh\n")
    );
    world.passwd = b"";
    world.group = b"";
    let root = world.made(&Wish::default());
    assert_eq!(root.files[0].content, b"root:x:0:0:root:/:/bin/sh\n");
    assert_eq!(root.files[1].content, b"root:x:0:\n");
}

#[test]
fn keep_id_is_the_caller_and_what_pmi_needs() {
    let mut world = World::new();
    world.image.user = "web".to_owned();
    let keep = Wish {
        userns: Some(Userns::KeepId),
        ..Wish::default()
    };
    let plan = world.made(&keep);
    assert_eq!(
        (plan.user.uid, plan.user.gid, plan.user.ids),
        (1001, 1002, Ids::Single)
    );
    assert!(
        plan.files[0]
            .content
            .ends_with(b"\nada:x:1001:1002:ada:/:/bin/sh\n")
    );
    assert_eq!(value(&plan, "HOME"), Some("/"));
    let with_home = world.made(&Wish {
        volumes: texts(&["/home"]),
        ..keep.clone()
    });
    assert_eq!(value(&with_home, "HOME"), Some("/home/ada"));
    let both = Wish {
        user: Some("0".to_owned()),
        ..keep
    };
    assert!(matches!(
        world.plan(&both),
        Err(PlanError::UserAndKeepId(_))
    ));

    world.environment = pairs(&[
        ("PMIX_RANK", "0"),
        ("PMIX_SERVER_TMPDIR", "/spool/pmix.1.0"),
        ("SLURM_PROCID", "0"),
        ("LD_PRELOAD", "/host.so"),
    ]);
    let outside = world.made(&Wish::default());
    assert_eq!(outside.user.uid, 33);
    assert_eq!(value(&outside, "SLURM_PROCID"), None);
    world.in_pmi_launch = true;
    let rank = world.made(&Wish::default());
    assert_eq!(rank.user.uid, 1001);
    assert_eq!(value(&rank, "SLURM_PROCID"), Some("0"));
    assert_eq!(value(&rank, "LD_PRELOAD"), None);
    let spool = GuestPath::new("/spool/pmix.1.0");
    assert!(
        rank.mounts
            .iter()
            .any(|mount| Some(&mount.target) == spool.as_ref() && !mount.read_only)
    );
    let typed = world.made(&Wish {
        user: Some("web".to_owned()),
        ..Wish::default()
    });
    assert_eq!(typed.user.uid, 33, "who says -u knows better");
    let subids = world.made(&Wish {
        userns: Some(Userns::Subids),
        ..Wish::default()
    });
    assert_eq!((subids.user.uid, subids.user.ids), (33, Ids::Ranges));
}

#[test]
fn apt_is_told_where_ids_cannot_change() {
    let mut world = World::new();
    world.has_apt = true;
    let has_setting = |world: &World, wish: Wish| {
        let files = world.made(&wish).files;
        files
            .iter()
            .any(|file| file.path.to_string() == "/etc/apt/apt.conf.d/99coracle")
    };
    assert!(has_setting(&world, text_user("0")));
    assert!(!has_setting(&world, text_user("1000")));
    let subids = Wish {
        userns: Some(Userns::Subids),
        ..text_user("0")
    };
    assert!(!has_setting(&world, subids), "real ids exist");
    world.has_apt = false;
    assert!(!has_setting(&world, text_user("0")));
}

fn text_user(user: &str) -> Wish {
    Wish {
        user: Some(user.to_owned()),
        ..Wish::default()
    }
}
