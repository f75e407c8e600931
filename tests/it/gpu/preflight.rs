//! What keeps a guest from the processors: every cause is provoked, and answered with its message and its way out.

mod compat;
mod fit;
mod host;
mod image;
mod ports;
mod requires;
mod run;
mod tree;
mod trees;
mod world;

use coracle::base::fault::Fault;
use coracle::gpu::preflight::{Cause, Finding, Refusal, Severity};
use world::World;

/// One cause: what is changed in a world where all is well, and what is to be said of it.
struct Row {
    /// What happened, in a few words.
    name: &'static str,
    /// The change.
    change: fn(&mut World),
    /// Each finding as `severity: message`, and what to do after `->`.
    said: &'static [&'static str],
}

/// Lists every cause, and names one. That none is forgotten here the compiler sees to.
macro_rules! causes {
    ($($variant:ident)*) => {
        const CAUSES: &[&str] = &[$(stringify!($variant)),*];

        fn name_of(cause: &Cause) -> &'static str {
            match cause {
                $(Cause::$variant { .. } => stringify!($variant),)*
            }
        }
    };
}

causes! {
    NoDriver NoLibcuda OtherVersion OnlyStub Only32Bit LibcudaOfOtherMachine BrokenLibcuda NoPtxCompiler NoNvml
    ModuleNotLoaded NoControlNode NoProcessorNode NoDxg NodeDenied NodeInCgroup NodeFailed SomeClosed DevIsNodev
    UvmNotLoaded NoUvmNode NoFabricManager StubFirst HiddenProcessors NoGraphicsNode NoVulkanFile
    ImageOfOtherMachine Musl NoLibc ImageTooOld LeftOut ImageLacks FeatureLacks ShippedDriver StubInImage
    CompatTaken CompatRefused CompatOvertaken NoKfd NoRenderNode
}

/// Changes a healthy world and compares all that is said of it.
#[track_caller]
fn check(row: &Row) {
    let mut world = World::healthy();
    (row.change)(&mut world);
    let mut said = Vec::new();
    for finding in world.findings() {
        let severity = format!("{:?}", finding.severity).to_lowercase();
        said.push(format!("{severity}: {}", finding.message));
        said.extend(finding.remedy.map(|remedy| format!("-> {remedy}")));
    }
    assert_eq!(said, row.said, "{}", row.name);
}

fn rows() -> impl Iterator<Item = &'static Row> {
    let tables = [host::FILES, host::NODES, image::ROWS, ports::ROWS];
    tables.into_iter().flatten()
}

#[test]
fn a_healthy_world_gives_no_findings() {
    check(&Row {
        name: "nothing is changed",
        change: |_| (),
        said: &[],
    });
}

#[test]
fn every_cause_is_answered_with_its_message() {
    rows().for_each(check);
}

#[test]
fn no_cause_is_left_out_of_the_table() {
    let mut provoked: Vec<&str> = Vec::new();
    for row in rows() {
        let mut world = World::healthy();
        (row.change)(&mut world);
        provoked.extend(
            world
                .findings()
                .iter()
                .map(|finding| name_of(&finding.cause)),
        );
    }
    let missing: Vec<&&str> = CAUSES
        .iter()
        .filter(|cause| !provoked.contains(cause))
        .collect();
    assert!(missing.is_empty(), "nothing provokes {missing:?}");
}

#[test]
fn messages_are_single_lines_without_a_full_stop() {
    for row in rows() {
        let mut world = World::healthy();
        (row.change)(&mut world);
        for finding in world.findings() {
            let texts = [Some(finding.message), finding.remedy];
            for text in texts.into_iter().flatten() {
                assert!(
                    !text.contains('\n') && !text.contains("  ") && !text.ends_with('.'),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn nothing_is_fatal_where_no_processor_is_wanted() {
    for row in rows() {
        let mut world = World::healthy();
        (row.change)(&mut world);
        world.chosen = None;
        world.amd = None;
        world.intel = None;
        let fatal = |finding: &Finding| finding.severity == Severity::Fatal;
        assert!(!world.findings().iter().any(fatal), "{}", row.name);
    }
}

#[test]
fn fatal_findings_make_one_error_that_knows_the_way_out() {
    let mut world = World::healthy();
    world.nvidia.uvm_loaded = Some(false);
    world.nvidia.dev_is_nodev = true;
    world.cuda_visible = Some("");
    let refusal = Refusal::of(&world.findings()).expect("two of the findings are fatal");
    assert_eq!(
        refusal.to_string(),
        "the kernel module nvidia_uvm is not loaded: CUDA would fail with error 999, while `nvidia-smi` works; \
         `/dev` is mounted nodev: no device node in it can be opened (error 100)"
    );
    assert_eq!(refusal.hints().len(), 2);
    assert!(Refusal::of(&World::healthy().findings()).is_none());
}

#[test]
fn a_finding_as_json_has_name_values_and_texts() {
    let mut world = World::healthy();
    world.nvidia.processors[1].index = None;
    let findings = serde_json::to_value(world.findings()).expect("findings are texts and numbers");
    assert_eq!(
        findings,
        serde_json::json!([{
            "cause": "some-closed",
            "closed": 1,
            "all": 2,
            "severity": "detail",
            "message": "1 of 2 NVIDIA processors cannot be opened by this user or job, the others can",
            "remedy": null,
        }])
    );
}
