//! From names of processors to those of this host.

use std::collections::BTreeSet;

use super::fault::ChoiceError;
use super::item::{BusId, Item};
use super::{Choice, Devices};
use crate::gpu::nvidia::{Flavour, MigInstance, Node, NodeRole, Nvidia, Processor};

/// Processors that a message lists before it is cut.
const MAX_LISTED: usize = 16;

/// What a choice amounts to on one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// All that the user can open; no node has to be hidden.
    All,
    /// These and no other: positions in [`Nvidia::processors`], rising, each once. Of partitioned ones, the instances
    /// with these capability nodes.
    Only {
        /// Positions in [`Nvidia::processors`].
        processors: Vec<usize>,
        /// Minors of `/dev/nvidia-caps/nvidia-cap*`.
        capabilities: BTreeSet<u32>,
    },
    /// An instance was named by its UUID, and only NVML, which is a library of the driver, could tell on which
    /// processor that is. So no node can be hidden, and libcuda chooses, by this value of `CUDA_VISIBLE_DEVICES`.
    /// A process gets one instance anyway. NVIDIA, "MIG User Guide", "CUDA_VISIBLE_DEVICES".
    ByCuda(String),
}

/// What was picked so far.
#[derive(Default)]
struct Picked {
    processors: BTreeSet<usize>,
    capabilities: BTreeSet<u32>,
    /// The same in the words of `CUDA_VISIBLE_DEVICES`, in the order of the choice; without a word for a processor
    /// whose UUID is not known.
    words: Vec<Result<String, String>>,
    by_uuid: Option<String>,
}

impl Choice {
    /// Looks for what is wanted among the processors of a host. What is not there, or cannot be opened, is an error;
    /// nothing said, and `all`, are never one, also where there is nothing.
    pub fn resolve(&self, nvidia: &Nvidia) -> Result<Chosen, ChoiceError> {
        let mut picked = Picked::default();
        match &self.devices {
            Devices::Unset | Devices::All => return Ok(Chosen::All),
            Devices::None => {}
            Devices::First(count) => {
                let there = nvidia.processors.iter().enumerate();
                let open: Vec<_> = there.filter(|(_, one)| one.index.is_some()).collect();
                let first = open.get(..*count).ok_or_else(|| ChoiceError::TooMany {
                    wanted: *count,
                    there: listed(nvidia),
                })?;
                first.iter().for_each(|(at, one)| picked.whole(*at, one));
            }
            Devices::AllMig => {
                for (at, one) in nvidia.processors.iter().enumerate() {
                    let instances = one.mig.iter().filter(|_| one.index.is_some());
                    instances.for_each(|instance| picked.instance(at, one, instance));
                }
                if picked.processors.is_empty() {
                    return Err(no_instance(nvidia, "mig"));
                }
            }
            Devices::These(items) => {
                for item in items {
                    picked.item(nvidia, item)?;
                }
            }
        }
        picked.chosen()
    }
}

impl Picked {
    fn whole(&mut self, at: usize, one: &Processor) {
        self.processors.insert(at);
        self.capabilities
            .extend(one.mig.iter().flat_map(|instance| instance.caps));
        let word = one.uuid.clone();
        self.words.push(word.ok_or_else(|| one.bus_id.clone()));
    }

    fn instance(&mut self, at: usize, one: &Processor, instance: &MigInstance) {
        self.processors.insert(at);
        self.capabilities.extend(instance.caps);
        let word = one.uuid.as_ref();
        let word = word.map(|uuid| format!("MIG-{uuid}/{}/{}", instance.gi, instance.ci));
        self.words.push(word.ok_or_else(|| one.bus_id.clone()));
    }

    fn item(&mut self, nvidia: &Nvidia, item: &Item) -> Result<(), ChoiceError> {
        match item {
            Item::Position(_) | Item::Uuid(_) | Item::Bus(_) => {
                let (at, one) = find(nvidia, item)?;
                self.whole(at, one);
            }
            Item::Instance {
                processor,
                instance,
            } => {
                let (at, one) = find(nvidia, &Item::Position(*processor))?;
                // NVML counts instances in the order of their ids. Not documented; so `nvidia-smi -L` lists them.
                let mut all: Vec<&MigInstance> = one.mig.iter().collect();
                all.sort_by_key(|instance| (instance.gi, instance.ci));
                let found = all.get(*instance);
                let found = found.ok_or_else(|| no_instance(nvidia, &item.name()))?;
                self.instance(at, one, found);
            }
            Item::OldInstance { uuid, gi, ci } => {
                let (at, one) = find(nvidia, &Item::Uuid(uuid.clone()))?;
                let mut all = one.mig.iter();
                let found = all.find(|instance| (instance.gi, instance.ci) == (*gi, *ci));
                let found = found.ok_or_else(|| no_instance(nvidia, &item.name()))?;
                self.instance(at, one, found);
            }
            Item::InstanceUuid(uuid) => {
                self.words.push(Ok(uuid.clone()));
                self.by_uuid.get_or_insert_with(|| uuid.clone());
            }
        }
        Ok(())
    }

    fn chosen(self) -> Result<Chosen, ChoiceError> {
        let Some(instance) = self.by_uuid else {
            return Ok(Chosen::Only {
                processors: self.processors.into_iter().collect(),
                capabilities: self.capabilities,
            });
        };
        let words: Result<Vec<String>, String> = self.words.into_iter().collect();
        match words {
            Ok(words) => Ok(Chosen::ByCuda(words.join(","))),
            Err(processor) => Err(ChoiceError::Inexpressible {
                instance,
                processor,
            }),
        }
    }
}

impl Chosen {
    /// The nodes that the guest must not see: those of processors and instances that were not chosen. Nodes that
    /// belong to no processor stay, and so does everything on WSL, where one node is for all.
    pub fn hidden<'a>(&self, nvidia: &'a Nvidia) -> Vec<&'a Node> {
        let Chosen::Only {
            processors,
            capabilities,
        } = self
        else {
            return Vec::new();
        };
        let kept: Vec<&Processor> = processors
            .iter()
            .filter_map(|at| nvidia.processors.get(*at))
            .collect();
        let of_instances = |minor: u32| {
            let mut all = nvidia.processors.iter().flat_map(|one| &one.mig);
            all.any(|instance| instance.caps.contains(&minor))
        };
        let is_hidden = |node: &&Node| match node.role {
            NodeRole::Processor => {
                let minor = number_after(node, "nvidia");
                minor.is_some() && !kept.iter().any(|one| one.minor == minor)
            }
            NodeRole::MigCapability => number_after(node, "nvidia-cap")
                .is_some_and(|minor| of_instances(minor) && !capabilities.contains(&minor)),
            NodeRole::Dri => {
                let has = |one: &Processor| one.dri.contains(&node.host);
                nvidia.processors.iter().any(has) && !kept.iter().any(|one| has(one))
            }
            _ => false,
        };
        nvidia.nodes.iter().filter(is_hidden).collect()
    }
}

/// The number at the end of a node's name.
fn number_after(node: &Node, word: &str) -> Option<u32> {
    let name = node.path.as_path().file_name()?.to_str()?;
    name.strip_prefix(word)?.parse().ok()
}

/// The one processor of a name, with its position in the list.
fn find<'a>(nvidia: &'a Nvidia, item: &Item) -> Result<(usize, &'a Processor), ChoiceError> {
    let is_meant = |one: &Processor| match item {
        Item::Position(position) => one.index == Some(*position),
        Item::Uuid(beginning) => one
            .uuid
            .as_ref()
            .is_some_and(|uuid| uuid.to_ascii_lowercase().starts_with(beginning.as_str())),
        Item::Bus(bus) => BusId::parse(&one.bus_id.to_ascii_lowercase()) == Some(*bus),
        _ => false,
    };
    let all = nvidia.processors.iter().enumerate();
    let meant: Vec<(usize, &Processor)> = all.filter(|(_, one)| is_meant(one)).collect();
    match meant[..] {
        [(at, one)] if one.index.is_some() => Ok((at, one)),
        [(_, one)] => Err(ChoiceError::NoAccess {
            wanted: item.name(),
            which: match one.minor {
                Some(minor) => format!("{}, `/dev/nvidia{minor}`", one.bus_id),
                None => one.bus_id.clone(),
            },
        }),
        [] => Err(ChoiceError::Unknown {
            wanted: item.name(),
            there: listed(nvidia),
            is_number: matches!(item, Item::Position(_)) && !nvidia.processors.is_empty(),
        }),
        _ => {
            let uuids = meant.iter().filter_map(|(_, one)| one.uuid.as_deref());
            Err(ChoiceError::Ambiguous {
                wanted: item.name(),
                all: uuids.take(MAX_LISTED).collect::<Vec<_>>().join(", "),
            })
        }
    }
}

fn no_instance(nvidia: &Nvidia, wanted: &str) -> ChoiceError {
    let open = nvidia.processors.iter();
    let open = open.filter_map(|one| Some((one.index?, one.mig.len())));
    let counts: Vec<String> = open
        .take(MAX_LISTED)
        .map(|(index, n_instances)| format!("{n_instances} on GPU {index}"))
        .collect();
    ChoiceError::NoInstance {
        wanted: wanted.to_owned(),
        there: match counts.is_empty() {
            true => listed(nvidia),
            false => format!("MIG instances here: {}", counts.join(", ")),
        },
    }
}

/// The processors that can be chosen, for a message.
fn listed(nvidia: &Nvidia) -> String {
    let open = nvidia.processors.iter().filter_map(|one| {
        let uuid = one.uuid.as_deref().unwrap_or("UUID unknown");
        Some(format!("{} = {} {uuid}", one.index?, one.bus_id))
    });
    let open: Vec<String> = open.collect();
    let n_closed = nvidia.processors.len() - open.len();
    match (open.len(), n_closed) {
        (0, 0) if nvidia.flavour == Flavour::Wsl => {
            "WSL shows all by one node; choose by CUDA_VISIBLE_DEVICES".to_owned()
        }
        (0, 0) => "no GPU was found".to_owned(),
        (0, _) => format!("none of the {n_closed} found can be opened"),
        (n_open, _) if n_open > MAX_LISTED => {
            let more = n_open - MAX_LISTED;
            format!(
                "GPUs here: {} and {more} more",
                open[..MAX_LISTED].join(", ")
            )
        }
        _ => format!("GPUs here: {}", open.join(", ")),
    }
}

impl Item {
    /// The name as it is written.
    pub(super) fn name(&self) -> String {
        match self {
            Item::Position(position) => position.to_string(),
            Item::Uuid(uuid) => uuid.replacen("gpu-", "GPU-", 1),
            Item::Bus(bus) => bus.to_string(),
            Item::Instance {
                processor,
                instance,
            } => format!("{processor}:{instance}"),
            Item::OldInstance { uuid, gi, ci } => {
                format!("MIG-{}/{gi}/{ci}", uuid.replacen("gpu-", "GPU-", 1))
            }
            Item::InstanceUuid(uuid) => uuid.clone(),
        }
    }
}
