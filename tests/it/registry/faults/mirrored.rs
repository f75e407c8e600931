//! The same faults at a mirror: whatever it does, an honest registry behind it makes up for it.

use super::scene::{Planned, Scene, Setting};
use super::{Ends, each, ended, table};

/// Pulls from a registry without faults, through a mirror with those.
fn through(faults: &[Planned]) -> Result<(), String> {
    let scene = Scene::new(&Setting::default(), faults);
    let upstream = scene.upstream();
    let run = scene.pull(&format!("{}/x:1", upstream.host));
    let output = run
        .env(
            "CORACLE_MIRROR",
            format!("{}={}/copies", upstream.host, scene.registry.host),
        )
        .env(
            "CORACLE_INSECURE",
            format!("{},{}", scene.insecure(), upstream.host),
        )
        .run();
    ended(Ends::Well, &output)?;
    scene.check(&output)?;
    scene.check_tree()?;
    let asked = upstream.asked();
    match asked
        .iter()
        .find(|asked| asked.header("authorization").is_some())
    {
        None => Ok(()),
        Some(asked) => Err(format!(
            "a mirror's rights are shown to its registry: {asked:?}"
        )),
    }
}

#[test]
fn no_fault_of_a_mirror_fails_a_pull() {
    let scripts = table::SCRIPTS
        .iter()
        .filter(|script| script.specials.is_empty());
    let scripts: Vec<_> = scripts.collect();
    let errors = each(scripts.len(), |index| {
        let script = scripts[index];
        let outcome = through(script.faults);
        outcome.map_err(|error| format!("{}: {error}", script.name))
    });
    assert!(
        errors.is_empty(),
        "{} of {} scripts:\n{}",
        errors.len(),
        scripts.len(),
        errors.join("\n\n")
    );
}
