//! Which processors a run is to have, from text as people, schedulers and Docker write it.
//!
//! NVIDIA Container Toolkit, "Environment variables"; docker-run(1), `--gpus`. Where they disagree on a bare number,
//! it is a position here, as in `NVIDIA_VISIBLE_DEVICES` and `nvidia-smi --id`; Docker's number of processors is
//! `count=N`.

mod fault;
mod item;
mod resolve;

pub use fault::ChoiceError;
pub use resolve::Chosen;

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::gpu::cdi::{DeviceName, Kind};
use crate::gpu::nvidia::Group;
use item::Item;

/// Bytes of a choice; a list of every instance of a host with 16 processors has 6 KiB.
const MAX_TEXT: usize = 64 << 10;
/// What one choice names at most.
const MAX_ITEMS: usize = 1024;
/// The kind of CDI devices that are processors of NVIDIA.
const CDI_KIND: &str = "nvidia.com/gpu";

/// Which processors are wanted, and what of the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    devices: Devices,
    capabilities: Option<Capabilities>,
}

/// Which processors are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Devices {
    /// Nothing was said: empty, or `void`.
    Unset,
    /// The driver's files, but no processor.
    None,
    All,
    /// So many, from the first.
    First(usize),
    /// Every instance of a partitioned processor.
    AllMig,
    These(Vec<Item>),
}

/// What of a driver is wanted: `NVIDIA_DRIVER_CAPABILITIES`, or `capabilities=` of `--gpus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    groups: BTreeSet<Group>,
}

/// What the bare words after a `key=` belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Device,
    Capabilities,
    /// A key with one value.
    Other,
}

/// The parts of a choice, while they are read.
#[derive(Default)]
struct Reading {
    words: Vec<String>,
    count: Option<String>,
    capabilities: Vec<String>,
}

impl Choice {
    /// Reads a choice: `all`, `none`, `void` or nothing, `mig`; or a list, with commas, of positions, `GPU-…` and
    /// `MIG-…` UUIDs (or their unique beginnings), PCI bus ids, `gpu:instance` positions and CDI names; or Docker's
    /// `device=…`, `count=…`, `capabilities=…`, with or without its quotes.
    pub fn parse(text: &str) -> Result<Choice, ChoiceError> {
        let bad = |reason: String| ChoiceError::Malformed {
            got: fault::shown(text),
            reason,
        };
        if text.len() > MAX_TEXT {
            return Err(bad(format!("more than {MAX_TEXT} bytes")));
        }
        let reading = Reading::of(text).map_err(bad)?;
        let capabilities = match reading.capabilities.as_slice() {
            [] => None,
            words => Some(Capabilities::parse(&words.join(","))?),
        };
        // As in the toolkit: one `void` anywhere, and nothing was said.
        let devices = if reading.words.iter().any(|word| word == "void") {
            Devices::Unset
        } else {
            reading.devices(capabilities.is_some()).map_err(bad)?
        };
        Ok(Choice {
            devices,
            capabilities,
        })
    }

    /// Whether it says nothing, so that the next source of a choice counts.
    pub fn is_unset(&self) -> bool {
        self.devices == Devices::Unset
    }

    /// Whether no processor is wanted, so that none has to be there.
    pub fn is_none(&self) -> bool {
        self.devices == Devices::None
    }

    /// The same as names of the Container Device Interface, for runs whose devices a specification describes
    /// (`--nvidia=cdi`). `nvidia-ctk` calls them by position and by UUID; nothing else can be looked up there.
    pub fn cdi_names(&self) -> Result<Vec<DeviceName>, ChoiceError> {
        let words: Vec<String> = match &self.devices {
            Devices::Unset | Devices::All => vec!["all".to_owned()],
            Devices::None => Vec::new(),
            Devices::First(count) => (0..*count).map(|position| position.to_string()).collect(),
            Devices::AllMig => return Err(ChoiceError::NoCdiName("mig".to_owned())),
            Devices::These(items) => items.iter().map(Item::name).collect(),
        };
        let kind: Kind = CDI_KIND
            .parse()
            .expect("it is in the specification's own examples");
        let name = |word: &String| {
            let name = kind.device(word).ok().filter(|_| !word.contains('.'));
            name.ok_or_else(|| ChoiceError::NoCdiName(word.clone()))
        };
        words.iter().map(name).collect()
    }

    /// What of the driver it wants, where it says so.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.capabilities.as_ref()
    }
}

impl Reading {
    fn of(text: &str) -> Result<Reading, String> {
        let mut reading = Reading::default();
        let mut key = Key::Device;
        // Docker's value is a line of CSV, in which quotes keep a list together: `"device=0,1"`. Here a list goes on
        // until the next `key=`, so they may be left out, as a shell does with the outer ones anyway.
        let text = text.replace('"', "");
        for (idx, field) in text.split(',').map(str::trim).enumerate() {
            if idx >= MAX_ITEMS {
                return Err(format!("it names more than {MAX_ITEMS} things"));
            }
            let mut word = field;
            if let Some((name, value)) = field.split_once('=')
                && name != CDI_KIND
            {
                word = value.trim();
                key = match name.trim() {
                    "device" => Key::Device,
                    "capabilities" => Key::Capabilities,
                    "count" | "driver" => Key::Other,
                    other => return Err(unknown_key(other)),
                };
                match name.trim() {
                    "count" if reading.count.replace(word.to_owned()).is_some() => {
                        return Err("two times `count`".to_owned());
                    }
                    "driver" if !matches!(word, "" | "nvidia") => {
                        return Err(format!("driver `{}` is not NVIDIA's", fault::shown(word)));
                    }
                    _ => {}
                }
                if key == Key::Other {
                    continue;
                }
            }
            match key {
                _ if word.is_empty() => {}
                Key::Device => reading.words.push(word.to_owned()),
                Key::Capabilities => reading.capabilities.push(word.to_owned()),
                Key::Other => {
                    let word = fault::shown(word);
                    return Err(format!("`{word}` stands behind a key that takes one value"));
                }
            }
        }
        Ok(reading)
    }

    fn devices(self, has_capabilities: bool) -> Result<Devices, String> {
        if let Some(count) = self.count {
            if !self.words.is_empty() {
                return Err("`count` and names of processors contradict each other".to_owned());
            }
            return match count.as_str() {
                // Docker's word for all.
                "all" | "-1" => Ok(Devices::All),
                digits => {
                    let count = digits.parse().ok().filter(|count| *count <= MAX_ITEMS);
                    let digits = fault::shown(digits);
                    let bad =
                        || format!("count `{digits}` is neither `all` nor a number to {MAX_ITEMS}");
                    count.map(Devices::First).ok_or_else(bad)
                }
            };
        }
        let mut words = self.words;
        for word in &mut words {
            if let Some((CDI_KIND, name)) = word.split_once('=') {
                *word = item::of_cdi(name).to_owned();
            }
        }
        match words.as_slice() {
            // `--gpus capabilities=utility` is all of them, as with Docker.
            [] if has_capabilities => return Ok(Devices::All),
            [] => return Ok(Devices::Unset),
            [word] if word == "all" => return Ok(Devices::All),
            [word] if word == "none" => return Ok(Devices::None),
            [word] if word == "mig" => return Ok(Devices::AllMig),
            _ => {}
        }
        let alone = ["all", "none", "mig"];
        if let Some(word) = words.iter().find(|word| alone.contains(&word.as_str())) {
            return Err(format!("`{word}` stands alone or not at all"));
        }
        let items: Result<Vec<Item>, String> = words.iter().map(|word| Item::parse(word)).collect();
        items.map(Devices::These)
    }
}

fn unknown_key(name: &str) -> String {
    let name = fault::shown(name);
    match name.contains('/') {
        true => format!("`{name}` is another kind of device, which `--device {name}=…` takes"),
        false => format!("`{name}=` is not supported"),
    }
}

impl FromStr for Choice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Choice, ChoiceError> {
        Choice::parse(text)
    }
}

/// NVIDIA's words for the groups. `compat32`, the set for 32-bit programs, and `gpu`, Docker's word for "a
/// processor", are known and add nothing.
const WORDS: [(&str, &[Group]); 9] = [
    ("utility", &[Group::Utility]),
    ("compute", &[Group::Compute]),
    ("video", &[Group::Video]),
    ("graphics", &[Group::Graphics]),
    ("display", &[Group::Display]),
    ("ngx", &[Group::Ngx]),
    ("compat32", &[]),
    ("gpu", &[]),
    (
        "all",
        &[
            Group::Utility,
            Group::Compute,
            Group::Video,
            Group::Graphics,
            Group::Display,
            Group::Ngx,
        ],
    ),
];

impl Capabilities {
    /// Reads NVIDIA's list of words with commas. An unknown word is an error, as in every tool that knows the
    /// variable; a list that names no group (empty, or `gpu`) is the default.
    pub fn parse(text: &str) -> Result<Capabilities, ChoiceError> {
        let mut groups = BTreeSet::new();
        let words = text.split(',').map(str::trim);
        for word in words.filter(|word| !word.is_empty()).take(MAX_ITEMS) {
            let known = WORDS.iter().find(|(name, _)| *name == word);
            let (_, more) = known.ok_or_else(|| ChoiceError::Capability {
                got: fault::shown(word),
                known: WORDS.map(|(name, _)| name).join("`, `"),
            })?;
            groups.extend(more.iter().copied());
        }
        if groups.is_empty() {
            return Ok(Capabilities::default());
        }
        Ok(Capabilities { groups })
    }

    /// Whether files of this group are wanted.
    pub fn contains(&self, group: Group) -> bool {
        self.groups.contains(&group)
    }
}

/// Everything but the modules of an X server: where processors are shared by batch jobs, a filter gains nothing.
impl Default for Capabilities {
    fn default() -> Capabilities {
        let all = WORDS.iter().flat_map(|(_, groups)| groups.iter().copied());
        Capabilities {
            groups: all.filter(|group| *group != Group::Display).collect(),
        }
    }
}
