//! Which processors a text means on a host with three, one of them partitioned and one closed to this user.

use coracle::base::fault::Fault;
use coracle::base::path::{GuestPath, HostPath};
use coracle::gpu::choice::{Capabilities, Choice, ChoiceError, Chosen};
use coracle::gpu::nvidia::{
    Access, Flavour, Group, MigInstance, Node, NodeRole, Nvidia, Processor,
};

/// Four processors in the order of the bus; minors run against it, as they do on real hosts. The second is closed to
/// this user, the fourth partitioned.
fn host() -> Nvidia {
    let one = |index, bus: &str, uuid: &str, minor: u32| Processor {
        index,
        bus_id: bus.to_owned(),
        uuid: Some(uuid.to_owned()),
        minor: Some(minor),
        model: Some("NVIDIA H200".to_owned()),
        mig: Vec::new(),
        dri: vec![HostPath::new(format!("/dev/dri/renderD{}", 128 + minor))],
    };
    let instance = |gi, ci, first| MigInstance {
        gi,
        ci,
        caps: [first, first + 1],
    };
    let mut processors = vec![
        one(Some(0), "0000:1b:00.0", "GPU-AAAA0000-1111", 3),
        one(None, "0000:43:00.0", "GPU-bbbb0000-2222", 2),
        one(Some(1), "0000:52:00.0", "GPU-aaaa1111-3333", 1),
        one(Some(2), "0001:0a:00.0", "GPU-cccc0000-4444", 0),
    ];
    processors[3].mig = vec![instance(2, 0, 21), instance(1, 0, 12)];
    let names = [
        ("/dev/nvidiactl", NodeRole::Control),
        ("/dev/nvidia0", NodeRole::Processor),
        ("/dev/nvidia1", NodeRole::Processor),
        ("/dev/nvidia3", NodeRole::Processor),
        ("/dev/nvidia-uvm", NodeRole::Uvm),
        ("/dev/nvidia-caps/nvidia-cap1", NodeRole::MigCapability),
        ("/dev/nvidia-caps/nvidia-cap12", NodeRole::MigCapability),
        ("/dev/nvidia-caps/nvidia-cap13", NodeRole::MigCapability),
        ("/dev/nvidia-caps/nvidia-cap21", NodeRole::MigCapability),
        ("/dev/nvidia-caps/nvidia-cap22", NodeRole::MigCapability),
        ("/dev/dri/renderD128", NodeRole::Dri),
        ("/dev/dri/renderD131", NodeRole::Dri),
        ("/dev/dri/renderD140", NodeRole::Dri),
    ];
    let nodes = names.map(|(path, role)| Node {
        path: GuestPath::new(path).expect("absolute"),
        host: HostPath::new(path),
        role,
        access: Access::Granted,
    });
    Nvidia {
        processors,
        nodes: nodes.into(),
        ..Nvidia::default()
    }
}

/// What a text means: bus ids and hidden nodes, or the error with its hints.
fn meaning(text: &str, nvidia: &Nvidia) -> String {
    let chosen = Choice::parse(text).and_then(|choice| choice.resolve(nvidia));
    match chosen {
        Ok(Chosen::All) => "all".to_owned(),
        Ok(Chosen::ByCuda(value)) => format!("CUDA_VISIBLE_DEVICES={value}"),
        Ok(only @ Chosen::Only { .. }) => {
            let hidden = only.hidden(nvidia);
            let hidden = hidden.iter().map(|node| node.path.as_path().file_name());
            let hidden: Vec<_> = hidden
                .map(|name| name.expect("a node has a name").to_string_lossy())
                .collect();
            let Chosen::Only { processors, .. } = &only else {
                unreachable!("matched above");
            };
            format!("{processors:?} without {}", hidden.join(" "))
        }
        Err(error) => {
            let hints = error.hints().into_iter().map(|hint| format!("; {hint}"));
            format!("error: {error}{}", hints.collect::<String>())
        }
    }
}

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    let host = host();
    for (text, expected) in rows {
        let meaning = meaning(text, &host);
        let is_met = match expected.strip_suffix('…') {
            Some(beginning) => meaning.starts_with(beginning),
            None => meaning == *expected,
        };
        assert!(
            is_met,
            "{text:?}\n  got      {meaning}\n  expected {expected}"
        );
    }
}

const FIRST: &str =
    "[0] without nvidia0 nvidia1 nvidia-cap12 nvidia-cap13 nvidia-cap21 nvidia-cap22 renderD128";
const BOTH: &str =
    "[0, 2] without nvidia0 nvidia-cap12 nvidia-cap13 nvidia-cap21 nvidia-cap22 renderD128";
const LAST: &str = "[3] without nvidia1 nvidia3 renderD131";

#[test]
fn every_way_to_name_processors_is_understood() {
    check(&[
        ("", "all"),
        ("void", "all"),
        ("0,void", "all"),
        ("all", "all"),
        ("\"all\"", "all"),
        ("count=all", "all"),
        ("count=-1", "all"),
        ("nvidia.com/gpu=all", "all"),
        ("capabilities=utility", "all"),
        ("all,capabilities=utility", "all"),
        (
            "none",
            "[] without nvidia0 nvidia1 nvidia3 nvidia-cap12 nvidia-cap13 nvidia-cap21 nvidia-cap22 renderD128 renderD131",
        ),
        ("0", FIRST),
        (" 0 ,", FIRST),
        ("0,0", FIRST),
        ("1,0", BOTH),
        ("\"device=0,1\"", BOTH),
        ("device=0,1", BOTH),
        ("device=0,1,capabilities=utility,compute", BOTH),
        ("\"device=0,1\",\"capabilities=compute,utility\"", BOTH),
        ("driver=nvidia,count=2", BOTH),
        ("nvidia.com/gpu=0,nvidia.com/gpu=1", BOTH),
        ("nvidia.com/gpu=gpu0,1", BOTH),
        ("2", LAST),
        ("GPU-aaaa0000-1111", FIRST),
        ("gpu-AAAA0", FIRST),
        ("GPU-c", LAST),
        ("0000:1b:00.0", FIRST),
        ("00000000:1B:00.0", FIRST),
        ("1b:00.0", FIRST),
        ("1:a:0.0", LAST),
    ]);
}

#[test]
fn instances_are_found_where_that_can_be_known() {
    let first = "[3] without nvidia1 nvidia3 nvidia-cap21 nvidia-cap22 renderD131";
    let second = "[3] without nvidia1 nvidia3 nvidia-cap12 nvidia-cap13 renderD131";
    check(&[
        ("mig", LAST),
        ("2:0", first),
        ("2:1", second),
        ("nvidia.com/gpu=mig2:1", second),
        ("MIG-GPU-cccc0000-4444/2/0", second),
        ("2:0,2:1", LAST),
        (
            "MIG-c7384736-a75d",
            "CUDA_VISIBLE_DEVICES=MIG-c7384736-a75d",
        ),
        ("mig-c7,MIG-d8", "CUDA_VISIBLE_DEVICES=MIG-c7,MIG-d8"),
        (
            "0,MIG-c7,2:1",
            "CUDA_VISIBLE_DEVICES=GPU-AAAA0000-1111,MIG-c7,MIG-GPU-cccc0000-4444/2/0",
        ),
    ]);
}

#[test]
fn what_is_not_there_is_named_with_what_is() {
    let list = "GPUs here: 0 = 0000:1b:00.0 GPU-AAAA0000-1111, 1 = 0000:52:00.0 GPU-aaaa1111-3333, \
                2 = 0001:0a:00.0 GPU-cccc0000-4444";
    let see = "`coracle gpu list` shows what is here, and why";
    let unknown = |what: &str| format!("error: there is no GPU `{what}` here; {list}; {see}");
    let docker =
        "a bare number is a position in this list, not Docker's number of GPUs, which is `count=3`";
    let numbered = format!("error: there is no GPU `3` here; {list}; {docker}; {see}");
    check(&[
        ("3", &numbered),
        ("gpu-dddd", &unknown("GPU-dddd")),
        ("0002:1b:00.0", &unknown("0002:1b:00.0")),
        ("3:0", &numbered),
        (
            "2:2",
            &format!(
                "error: there is no MIG instance `2:2` here; MIG instances here: 0 on GPU 0, 0 on GPU 1, 2 on GPU 2; {see}"
            ),
        ),
        (
            "GPU-aaaa",
            "error: `GPU-aaaa` is the beginning of more than one UUID: GPU-AAAA0000-1111, GPU-aaaa1111-3333; …",
        ),
        (
            "GPU-bbbb0000-2222",
            "error: GPU `GPU-bbbb0000-2222` (0000:43:00.0, `/dev/nvidia2`) is there, but you cannot open its device node; …",
        ),
        ("count=4", &format!("error: got `count=4`; {list}; {see}")),
    ]);
    let empty = Nvidia::default();
    let wsl = Nvidia {
        flavour: Flavour::Wsl,
        ..Nvidia::default()
    };
    for (text, nvidia, expected) in [
        ("0", &empty, "there is no GPU `0` here; no GPU was found; "),
        (
            "mig",
            &empty,
            "there is no MIG instance `mig` here; no GPU was found; ",
        ),
        ("count=1", &empty, "got `count=1`; no GPU was found; "),
        (
            "0",
            &wsl,
            "there is no GPU `0` here; WSL shows all by one node; choose by CUDA_VISIBLE_DEVICES; ",
        ),
    ] {
        let meaning = meaning(text, nvidia);
        let rest = meaning.strip_prefix("error: ");
        assert!(
            rest.is_some_and(|rest| rest.starts_with(expected)),
            "{text}: {meaning}"
        );
    }
    for nvidia in [&empty, &wsl] {
        assert_eq!(meaning("all", nvidia), "all");
        assert_eq!(meaning("none", nvidia), "[] without ");
        assert_eq!(meaning("count=0", nvidia), "[] without ");
    }
}

#[test]
fn nonsense_is_refused_by_what_is_wrong_with_it() {
    let number = |what: &str| {
        format!(
            "error: cannot choose GPUs by `{what}`: `{what}` is no position, UUID (`GPU-…`, `MIG-…`) or bus id \
             (`0000:1b:00.0`); …"
        )
    };
    for what in [
        "-1",
        "x",
        "0x1",
        "+1",
        "123456",
        "GPU-",
        "GPU-xyz",
        "MIG-",
        "1b:00.g",
        "1:2:3:4.5",
        "0:",
        ":0",
        "MIG-GPU-aa/1",
        "MIG-GPU-aa/1/2/3",
        "1 2",
        "Ⅷ",
    ] {
        check(&[(what, &number(what))]);
    }
    let because = |text: &str, reason: &str| {
        let expected = format!("error: cannot choose GPUs by `{text}`: {reason}; …");
        check(&[(text, &expected)]);
    };
    because("all,0", "`all` stands alone or not at all");
    because("none,0", "`none` stands alone or not at all");
    because("count=2,0", "`0` stands behind a key that takes one value");
    because(
        "0,count=2",
        "`count` and names of processors contradict each other",
    );
    because("count=1,count=2", "two times `count`");
    because(
        "count=two",
        "count `two` is neither `all` nor a number to 1024",
    );
    because("count=", "count `` is neither `all` nor a number to 1024");
    because("driver=amd", "driver `amd` is not NVIDIA's");
    because(
        "device=a=b",
        "`a=b` is no position, UUID (`GPU-…`, `MIG-…`) or bus id (`0000:1b:00.0`)",
    );
    because("options=x", "`options=` is not supported");
    because(
        "amd.com/gpu=0",
        "`amd.com/gpu` is another kind of device, which `--device amd.com/gpu=…` takes",
    );
    let long = "0,".repeat(2000);
    assert!(meaning(&long, &host()).contains("names more than 1024 things"));
    assert!(meaning(&"0".repeat(1 << 17), &host()).contains("more than 65536 bytes"));
}

#[test]
fn capabilities_are_nvidias_words() {
    let groups = |text: &str| {
        let capabilities = Capabilities::parse(text)?;
        let all = [
            Group::Utility,
            Group::Compute,
            Group::Video,
            Group::Graphics,
            Group::Display,
            Group::Ngx,
        ];
        let wanted = all
            .into_iter()
            .filter(|group| capabilities.contains(*group));
        Ok::<_, ChoiceError>(format!("{:?}", wanted.collect::<Vec<_>>()))
    };
    for (text, expected) in [
        ("", "[Utility, Compute, Video, Graphics, Ngx]"),
        ("gpu", "[Utility, Compute, Video, Graphics, Ngx]"),
        ("all", "[Utility, Compute, Video, Graphics, Display, Ngx]"),
        ("compute, utility,", "[Utility, Compute]"),
        ("compat32,display", "[Display]"),
    ] {
        assert_eq!(groups(text).as_deref(), Ok(expected), "{text:?}");
    }
    let wrong = groups("compute,Video").expect_err("words are in lower case");
    assert!(
        wrong
            .to_string()
            .starts_with("got `Video` as a driver capability, expected `utility`, ")
    );
    let choice = Choice::parse("device=0,capabilities=video").expect("sound");
    assert_eq!(
        choice.capabilities(),
        Some(&Capabilities::parse("video").expect("sound"))
    );
    assert!(Choice::parse("capabilities=x").is_err());
    let states = ["void", "none", "0"].map(|text| {
        let choice = Choice::parse(text).expect("sound");
        (choice.is_unset(), choice.is_none())
    });
    assert_eq!(states, [(true, false), (false, true), (false, false)]);
}

#[test]
fn a_choice_has_names_in_a_specification() {
    for (text, expected) in [
        ("", "nvidia.com/gpu=all"),
        ("all", "nvidia.com/gpu=all"),
        ("none", ""),
        ("count=2", "nvidia.com/gpu=0 nvidia.com/gpu=1"),
        (
            "device=3,GPU-AA-0,1:2",
            "nvidia.com/gpu=3 nvidia.com/gpu=GPU-aa-0 nvidia.com/gpu=1:2",
        ),
        ("nvidia.com/gpu=MIG-c7", "nvidia.com/gpu=MIG-c7"),
    ] {
        let names = Choice::parse(text).and_then(|choice| choice.cdi_names());
        let names = names
            .expect("sound")
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        assert_eq!(names.join(" "), expected, "{text:?}");
    }
    for text in ["mig", "0,1b:00.0", "MIG-GPU-aa/1/0"] {
        let names = Choice::parse(text).and_then(|choice| choice.cdi_names());
        let error = names.expect_err(text).to_string();
        assert!(
            error.starts_with("no CDI specification names a GPU `"),
            "{error}"
        );
    }
}
