//! Which engine is chosen, for hosts that are described instead of had.

use std::ffi::OsString;
use std::path::Path;

use coracle::base::fault::{Fault, Kind};
use coracle::base::path::{GuestPath, HostPath};
use coracle::engine::apptainer::{Binding, Flavour, words};
use coracle::engine::select::{
    self, EngineWish, Mode, Rejection, SelectError, candidates, consider, turned_out, wish,
};
use coracle::host::{Ask, Fact, HostFacts};
use coracle::plan::farm::{Farm, Piece};
use coracle::plan::{
    Cwd, Ids, Limit, Mount, Network, Port, Protocol, Root, RunPlan, Source, UserView, View,
};
use nix::sys::resource::Resource;

/// A host that can do everything, without asking this one.
fn able() -> HostFacts {
    let nowhere = HostPath::new("/nonexistent");
    let facts = HostFacts::new(nowhere.clone(), nowhere);
    let all = Ask::ALL.into_iter();
    all.fold(facts, |facts, ask| facts.assume(ask, Fact::yes("said so")))
}

fn lacking(asks: &[Ask]) -> HostFacts {
    let no = |ask: &Ask| Fact::no(format!("no {}", ask.title())).with_remedy("change it");
    let asks = asks.iter();
    asks.fold(able(), |facts, ask| facts.assume(*ask, no(ask)))
}

fn plan() -> RunPlan {
    RunPlan {
        root: Root {
            lower: HostPath::new("/store/trees/x"),
            view: View::Kept {
                dir: HostPath::new("/store/containers/x"),
            },
        },
        mounts: Vec::new(),
        files: Vec::new(),
        links: Vec::new(),
        argv: vec![OsString::from("true")],
        environment: Vec::new(),
        cwd: Cwd {
            path: GuestPath::root(),
            create: false,
        },
        user: UserView {
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            keeps_groups: false,
            ids: Ids::Single,
            owners: Vec::new(),
        },
        hostname: None,
        cpus: None,
        limits: Vec::new(),
        network: Network::Host,
        kernel: None,
        no_new_privileges: false,
        notes: Vec::new(),
    }
}

fn mount(source: Source, target: &str) -> Mount {
    Mount {
        source,
        target: GuestPath::new(target).expect("tests name absolute paths"),
        read_only: false,
        optional: false,
    }
}

/// What `auto` takes, after which rejections: `proot:P1 (ns: no user namespaces)`.
fn auto(facts: &HostFacts, plan: &RunPlan) -> String {
    let mut rejected: Vec<String> = Vec::new();
    for mode in candidates(EngineWish::Auto) {
        match consider(*mode, facts, plan) {
            Ok(()) => return format!("{} ({})", mode.name(), rejected.join("; ")),
            Err(Rejection { mode, reason, .. }) => {
                rejected.push(format!("{}: {reason}", mode.name()));
            }
        }
    }
    format!("none ({})", rejected.join("; "))
}

#[track_caller]
fn takes(facts: &HostFacts, plan: &RunPlan, wanted: &str) {
    assert_eq!(auto(facts, plan), wanted);
}

#[test]
fn the_host_decides() {
    let plan = plan();
    let unclear = Ask::NamespacesLikely;
    takes(&able(), &plan, "ns ()");
    takes(&lacking(&[unclear]), &plan, "ns ()");
    let closed = [unclear, Ask::Namespaces];
    takes(
        &lacking(&closed),
        &plan,
        "proot:P1 (ns: no user namespaces)",
    );
    takes(
        &lacking(&[unclear, Ask::Seccomp]),
        &plan,
        "proot:P2 (ns: no seccomp filter; proot:P1: no seccomp filter)",
    );
    let unfiltered = [unclear, Ask::Namespaces, Ask::Seccomp];
    takes(
        &lacking(&unfiltered),
        &plan,
        "proot:P2 (ns: no user namespaces; proot:P1: no seccomp filter)",
    );
    let locked = [unclear, Ask::Namespaces, Ask::Ptrace];
    takes(
        &lacking(&locked),
        &plan,
        "apptainer (ns: no user namespaces; proot:P1: no ptrace; proot:P2: no ptrace)",
    );
    let alone = [unclear, Ask::Namespaces, Ask::Ptrace, Ask::Apptainer];
    takes(
        &lacking(&alone),
        &plan,
        "none (ns: no user namespaces; proot:P1: no ptrace; proot:P2: no ptrace; apptainer: no apptainer)",
    );
    // Where it seems to work the engine itself tries, so the probe is not asked.
    takes(&lacking(&[Ask::Namespaces, Ask::Ptrace]), &plan, "ns ()");
}

#[test]
fn proot_runs_guests_from_the_store() {
    let closed = [Ask::NamespacesLikely, Ask::Namespaces, Ask::StoreExec];
    let why = "no programs run from the store";
    let wanted = format!("apptainer (ns: no user namespaces; proot:P1: {why}; proot:P2: {why})");
    takes(&lacking(&closed), &plan(), &wanted);
}

fn tmpfs(size: Option<u64>) -> Source {
    Source::Tmpfs {
        size,
        mode: 0o1777,
        noexec: false,
    }
}

#[test]
fn the_plan_decides() {
    let only_ptrace = lacking(&[Ask::NamespacesLikely, Ask::Namespaces]);
    let check = |change: &dyn Fn(&mut RunPlan), refused: Option<&str>| {
        let mut plan = plan();
        change(&mut plan);
        let reason = consider(Mode::ProotP1, &only_ptrace, &plan).err();
        let reason = reason.map(|rejection| rejection.reason);
        assert_eq!(reason.as_deref(), refused);
    };
    let bind = |source: &str, target: &str| mount(Source::Bind(HostPath::new(source)), target);
    check(&|_| {}, None);
    check(
        &|plan| plan.root.view = View::ReadOnly,
        Some("it cannot do a read-only root (`--read-only`)"),
    );
    check(
        &|plan| plan.user.ids = Ids::Ranges,
        Some("it cannot do ids from /etc/subuid"),
    );
    check(
        &|plan| plan.argv[0] = "-x".into(),
        Some("it cannot do a program named `-x`"),
    );
    check(&|plan| plan.mounts.push(bind("/a", "/b:c")), None);
    check(
        &|plan| plan.mounts.push(bind("/a:b", "/c")),
        Some("it cannot do a mount of `/a:b`, as its name has a `:`"),
    );
    check(
        &|plan| plan.mounts.push(bind("/a", "/c!")),
        Some("it cannot do a mount on `/c!`, as its name ends in `!`"),
    );
    check(&|plan| plan.mounts.push(mount(tmpfs(None), "/t")), None);
    check(
        &|plan| plan.mounts.push(mount(tmpfs(Some(4096)), "/t")),
        Some("it cannot do a limit on the size of the tmpfs on `/t`"),
    );
    let read_only = |optional| Mount {
        read_only: true,
        optional,
        ..bind("/etc/hosts", "/etc/hosts")
    };
    check(&|plan| plan.mounts.push(read_only(true)), None);
    check(
        &|plan| plan.mounts.push(read_only(false)),
        Some("it cannot do a read-only mount (on `/etc/hosts`)"),
    );
    // What the guest cannot change is made of bindings, each of which has to be sayable.
    let farm = |source: &str| {
        let mut farm = Farm::default();
        assert!(farm.add("lib64/x", Piece::File(HostPath::new(source))));
        let source = Source::Farm(farm);
        Mount {
            read_only: true,
            ..mount(source, "/farm")
        }
    };
    check(&|plan| plan.mounts.push(farm("/x")), None);
    check(
        &|plan| plan.mounts.push(farm("/x:y")),
        Some("it cannot do a mount of `/x:y`, as its name has a `:`"),
    );
    check(
        &|plan| plan.mounts.push(mount(Source::Masked, "/dev/x")),
        None,
    );
}

fn port(address: Option<&str>, protocol: Protocol) -> Port {
    Port {
        address: address.map(|text| text.parse().expect("an address")),
        host: 8080,
        guest: 80,
        protocol,
    }
}

/// What each engine says of fields that not every one can carry out.
#[test]
fn no_field_is_passed_over() {
    let says = |mode: Mode, facts: &HostFacts, change: &dyn Fn(&mut RunPlan)| {
        let mut plan = plan();
        change(&mut plan);
        let rejection = consider(mode, facts, &plan).err();
        rejection.map_or_else(String::new, |rejection| rejection.reason)
    };
    let check = |change: &dyn Fn(&mut RunPlan), wanted: [&str; 3]| {
        let modes = [Mode::Ns, Mode::ProotP1, Mode::Apptainer];
        for (mode, wanted) in modes.into_iter().zip(wanted) {
            let wanted = match wanted {
                "" => String::new(),
                wanted => format!("it cannot do {wanted}"),
            };
            assert_eq!(says(mode, &able(), change), wanted, "{}", mode.name());
        }
    };
    let mapped = |port: Port| move |plan: &mut RunPlan| plan.network = Network::Mapped(vec![port]);
    let own_ports = "ports of its own (`--publish`)";
    let tcp = port(None, Protocol::Tcp);
    check(&mapped(tcp), ["", "", own_ports]);
    let udp = mapped(port(None, Protocol::Udp));
    check(&udp, ["", "a port of UDP (`8080:80/udp`)", own_ports]);
    let there = mapped(port(Some("127.0.0.1"), Protocol::Tcp));
    let at_one = "a port at one address of the host (`127.0.0.1:8080:80`)";
    check(&there, ["", at_one, own_ports]);
    check(
        &|plan| plan.network = Network::Mapped(vec![tcp, tcp]),
        [
            "",
            "two ports of the host for one of the guest (`80`)",
            own_ports,
        ],
    );
    let no_uplink = lacking(&[Ask::Uplink]);
    let wanted = "no ports of a guest's own";
    assert_eq!(says(Mode::Ns, &no_uplink, &mapped(tcp)), wanted);
    check(
        &|plan| plan.network = Network::None,
        ["", "a network of its own (`--network=none`)", ""],
    );
    let release = "another kernel release (`6.1.0`)";
    check(
        &|plan| plan.kernel = Some("6.1.0".to_owned()),
        [release, "", release],
    );
    let limit = |resource, soft| {
        let limit = Limit {
            resource,
            soft,
            hard: u64::MAX,
        };
        move |plan: &mut RunPlan| plan.limits.push(limit)
    };
    check(
        &limit(Resource::RLIMIT_NOFILE, 3),
        [
            "",
            "a limit `nofile` below 32, which PRoot needs itself",
            "",
        ],
    );
    check(
        &limit(Resource::RLIMIT_CPU, 3),
        ["", "a limit on `cpu`, which PRoot would reach itself", ""],
    );
    check(&limit(Resource::RLIMIT_NOFILE, 64), ["", "", ""]);
    check(&|plan| plan.no_new_privileges = true, ["", "", ""]);
    check(
        &|plan| plan.user.uid = 4_000_000_000,
        ["", "", "the user 4000000000:0, only root and the caller"],
    );
}

/// No apptainer can be had where these tests are made, so that its command line is compared as data.
#[test]
fn apptainer_is_told_by_its_command_line() {
    let mut plan = plan();
    plan.hostname = Some("box".to_owned());
    plan.environment = [("HOME", "/root"), ("SECRET", "s3cr$t")]
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec();
    let bindings = [Binding {
        source: HostPath::new("/data"),
        target: GuestPath::root().join("d"),
        read_only: true,
    }];
    let callers = ["PATH=/bin", "APPTAINER_BIND=/x", "SINGULARITYENV_A=b"].map(|text| {
        let (name, value) = text.split_once('=').expect("it has one");
        (OsString::from(name), OsString::from(value))
    });
    let program = HostPath::new("/usr/bin/apptainer");
    let rootfs = HostPath::new("/tree");
    let flavour = Flavour::of(&program);
    let (argv, environment) = words(&plan, &program, flavour, &rootfs, &bindings, &callers);
    let argv: Vec<_> = argv.iter().map(|word| word.to_string_lossy()).collect();
    let argv = argv.join(" ").replace(" --fakeroot", "");
    assert_eq!(
        argv,
        "/usr/bin/apptainer --quiet exec --writable --cleanenv --no-eval --no-mount tmp,cwd,hostfs,bind-paths \
         --home /tree/root:/root --hostname box --bind /data:/d:ro --pwd / /tree true"
    );
    let variables: Vec<_> = environment
        .iter()
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .collect();
    assert_eq!(variables, ["PATH=/bin", "APPTAINERENV_SECRET=s3cr$t"]);
    assert_eq!(
        Flavour::of(Path::new("/opt/bin/singularity")),
        Flavour::Singularity
    );
}

#[test]
fn id_ranges_need_their_program() {
    let mut plan = plan();
    plan.user.ids = Ids::Ranges;
    takes(&able(), &plan, "ns ()");
    let refused = consider(Mode::Ns, &lacking(&[Ask::IdRanges]), &plan);
    let reason = refused.map_err(|rejection| rejection.reason);
    assert_eq!(reason, Err("no sub-id ranges".to_owned()));
}

#[test]
fn every_name_of_an_engine_is_known() {
    let check = |text: &str, wanted: EngineWish| {
        let got = wish(text);
        assert!(matches!(got, Ok(got) if got == wanted), "{text}: {got:?}");
    };
    check("auto", EngineWish::Auto);
    for text in ["ns", "NS", "R1", "R2", "r3"] {
        check(text, EngineWish::Only(Mode::Ns));
    }
    for text in ["proot", "proot:P1", "P1", "p1"] {
        check(text, EngineWish::Only(Mode::ProotP1));
    }
    for text in ["proot:P2", "P2"] {
        check(text, EngineWish::Only(Mode::ProotP2));
    }
    for text in ["apptainer", "singularity", "S1", "s1"] {
        check(text, EngineWish::Only(Mode::Apptainer));
    }
    for mode in candidates(EngineWish::Auto) {
        check(mode.name(), EngineWish::Only(*mode));
        assert_eq!(candidates(EngineWish::Only(*mode)), [*mode]);
    }
}

#[test]
fn other_names_are_refused_with_the_known_ones() {
    let check = |text: &str, beginning: &str| {
        let error = wish(text).expect_err("it is no engine of ours");
        assert_eq!(error.kind(), Kind::Usage);
        let text = error.to_string();
        assert!(text.starts_with(beginning), "{text}");
        assert!(text.contains("`auto`, `ns`, `proot`"), "{text}");
    };
    check("docker", "unknown engine `docker`, expected one of");
    check("", "unknown engine ``");
    for text in ["trap", "T1", "fakechroot", "F4"] {
        check(text, &format!("the engine `{text}` is not in this version"));
    }
}

#[test]
fn when_none_can_the_way_out_is_named_once() {
    let facts = lacking(&[
        Ask::NamespacesLikely,
        Ask::Namespaces,
        Ask::Ptrace,
        Ask::Apptainer,
    ]);
    let plan = plan();
    let modes = candidates(EngineWish::Auto).iter();
    let rejections = modes.filter_map(|mode| consider(*mode, &facts, &plan).err());
    let error = SelectError::NoEngine(rejections.collect());
    assert_eq!(error.kind(), Kind::Refused);
    assert_eq!(
        error.to_string(),
        "no engine can run this here: `ns`: no user namespaces; `proot:P1`: no ptrace; `proot:P2`: no ptrace; `apptainer`: no apptainer"
    );
    let hints = error.hints();
    assert_eq!(
        hints,
        ["change it", "`coracle doctor` shows what was tried"]
    );
}

#[test]
fn an_engine_that_stops_is_rejected_with_the_hosts_remedy() {
    let facts = lacking(&[Ask::Namespaces]);
    let rejection = turned_out(Mode::Ns, "unshare: EPERM".to_owned(), &facts);
    assert_eq!(rejection.reason, "unshare: EPERM");
    assert_eq!(rejection.remedy.as_deref(), Some("change it"));
    assert!(select::works_here(Mode::Ns, &facts).is_ok());
}
