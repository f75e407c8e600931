//! Which processors and which of the driver's files a run is to have, by whoever may say so.
//!
//! What was typed counts before what the caller's environment says; what the image says never counts, or it would
//! widen what a scheduler has granted.

use std::ffi::OsStr;

use crate::base::env;
use crate::gpu::choice::{Capabilities, Choice, ChoiceError, Chosen};
use crate::gpu::nvidia::{Group, Nvidia};
use crate::gpu::preflight::{self, Refusal, Wanted};
use crate::plan::environ::typed;
use crate::plan::fault::PlanError;
use crate::plan::wish::{Facts, Wish};

/// Groups by the words of `NVIDIA_DRIVER_CAPABILITIES`.
const WORDS: [(Group, &str); 6] = [
    (Group::Compute, "compute"),
    (Group::Display, "display"),
    (Group::Graphics, "graphics"),
    (Group::Ngx, "ngx"),
    (Group::Utility, "utility"),
    (Group::Video, "video"),
];

/// What was selected.
pub(super) struct Selection {
    /// Which processors.
    pub(super) chosen: Chosen,
    /// Whether none are wanted, so that none has to be there.
    pub(super) is_none: bool,
    /// Which of the driver's files.
    pub(super) capabilities: Capabilities,
    /// What the caller's environment said and could not be followed.
    pub(super) ignored: Vec<String>,
}

/// Selects among what was found.
pub(super) fn select(
    wish: &Wish,
    facts: &Facts<'_>,
    nvidia: &Nvidia,
) -> Result<Selection, PlanError> {
    let mut ignored = Vec::new();
    let (choice, chosen) = choose(wish, facts, nvidia, &mut ignored)?;
    let capabilities = match choice.capabilities() {
        Some(capabilities) => capabilities.clone(),
        None => capabilities(wish, facts, &mut ignored)?,
    };
    Ok(Selection {
        is_none: choice.is_none(),
        chosen,
        capabilities,
        ignored,
    })
}

fn choose(
    wish: &Wish,
    facts: &Facts<'_>,
    nvidia: &Nvidia,
    ignored: &mut Vec<String>,
) -> Result<(Choice, Chosen), PlanError> {
    let flag = wish.gpu.gpus.clone();
    let variable = typed(wish, facts, env::NVIDIA_VISIBLE_DEVICES)
        .flatten()
        .map(text);
    for wanted in [flag, variable].into_iter().flatten() {
        let choice = Choice::parse(&wanted)?;
        if !choice.is_unset() {
            let chosen = choice.resolve(nvidia);
            let chosen = chosen.map_err(|error| cause(error, nvidia))?;
            return Ok((choice, chosen));
        }
    }
    // A surrounding container's runtime leaves its own choice there, which counted the outer host's processors.
    let inherited = of_caller(facts, env::NVIDIA_VISIBLE_DEVICES);
    let inherited = inherited.map(|text| {
        let choice = Choice::parse(&text)?;
        let chosen = choice.resolve(nvidia)?;
        Ok::<_, ChoiceError>((choice, chosen))
    });
    match inherited {
        Some(Ok((choice, chosen))) if !choice.is_unset() => return Ok((choice, chosen)),
        Some(Err(error)) => ignored.push(not_followed(env::NVIDIA_VISIBLE_DEVICES, &error)),
        _ => {}
    }
    let all = Choice::parse("all")?;
    let chosen = all.resolve(nvidia)?;
    Ok((all, chosen))
}

/// Why a processor that was chosen is not there: where nobody could compute here, that is the reason.
fn cause(error: ChoiceError, nvidia: &Nvidia) -> PlanError {
    let any = Wanted {
        processors: Some(&[]),
        cuda_visible: None,
    };
    match Refusal::of(&preflight::check_host(nvidia, &any)) {
        Some(refusal) => refusal.into(),
        None => error.into(),
    }
}

fn capabilities(
    wish: &Wish,
    facts: &Facts<'_>,
    ignored: &mut Vec<String>,
) -> Result<Capabilities, PlanError> {
    if let Some(wanted) = typed(wish, facts, env::NVIDIA_DRIVER_CAPABILITIES).flatten() {
        return Ok(Capabilities::parse(&text(wanted))?);
    }
    let inherited = of_caller(facts, env::NVIDIA_DRIVER_CAPABILITIES);
    match inherited.map(|text| Capabilities::parse(&text)) {
        Some(Ok(capabilities)) => return Ok(capabilities),
        Some(Err(error)) => ignored.push(not_followed(env::NVIDIA_DRIVER_CAPABILITIES, &error)),
        None => {}
    }
    Ok(Capabilities::default())
}

impl Selection {
    /// What the guest finds in `NVIDIA_VISIBLE_DEVICES`: UUIDs, which mean the same however few processors it sees.
    pub(super) fn visible(&self, nvidia: &Nvidia) -> Option<String> {
        match &self.chosen {
            _ if self.is_none => Some("none".to_owned()),
            Chosen::All => Some("all".to_owned()),
            Chosen::ByCuda(words) => Some(words.clone()),
            Chosen::Only { processors, .. } => {
                let each = processors
                    .iter()
                    .map(|at| nvidia.processors.get(*at)?.uuid.as_deref());
                Some(each.collect::<Option<Vec<_>>>()?.join(","))
            }
        }
    }

    /// The same in `NVIDIA_DRIVER_CAPABILITIES`.
    pub(super) fn groups(&self) -> String {
        let wanted = WORDS
            .iter()
            .filter(|(group, _)| self.capabilities.contains(*group));
        wanted.map(|(_, word)| *word).collect::<Vec<_>>().join(",")
    }

    /// The positions of the processors that are to work; `None` where none is wanted.
    pub(super) fn positions(&self, nvidia: &Nvidia) -> Option<Vec<usize>> {
        match &self.chosen {
            _ if self.is_none => None,
            Chosen::Only { processors, .. } => Some(processors.clone()),
            Chosen::All | Chosen::ByCuda(_) => {
                let open = nvidia.processors.iter().enumerate();
                let open = open.filter(|(_, one)| one.index.is_some());
                Some(open.map(|(at, _)| at).collect())
            }
        }
    }
}

fn of_caller(facts: &Facts<'_>, name: &str) -> Option<String> {
    let mut found = facts.environment.iter().filter(|(known, _)| known == name);
    found.next().map(|(_, value)| text(value))
}

fn text(value: impl AsRef<OsStr>) -> String {
    value.as_ref().to_string_lossy().into_owned()
}

fn not_followed(name: &str, error: &ChoiceError) -> String {
    format!("{name} of your environment is not followed: {error}")
}
