//! NVIDIA: the driver's files, nodes and processors, each with the reason why it is taken or left.
//!
//! The kernel module's version comes first: all of the driver's files carry it in their names and must have it
//! exactly, so that a glob finds what no list knows. A table adds what does not carry it.

mod candidate;
mod data;
mod found;
mod inspect;
mod libraries;
mod listing;
mod nodes;
mod places;
mod processors;
mod programs;
mod sockets;
mod table;
mod version;
mod wsl;

pub use found::*;

use crate::gpu::vantage::Vantage;

/// The device nodes alone, for whoever has the driver's files from elsewhere.
pub fn nodes(vantage: &Vantage) -> Vec<Node> {
    nodes::find(vantage)
}

/// Looks for the driver. Whatever cannot be read is as if it were not there, or is in the result with a reason:
/// a host without a driver is no error here.
pub fn discover(vantage: &Vantage) -> Nvidia {
    let flavour = wsl::flavour(vantage);
    let search = match flavour {
        Flavour::Native => libraries::search(vantage),
        Flavour::Wsl => wsl::search(vantage),
    };
    let mut files = search.files;
    let holding: Vec<_> = search
        .searched
        .iter()
        .filter(|place| place.holds_driver)
        .collect();
    files.extend(programs::find(vantage, &holding));
    files.extend(data::find(vantage, &holding));
    let mut nodes = nodes::find(vantage);
    let processors = processors::find(vantage, &nodes);
    nodes.extend(nodes::of_displays(vantage, &processors));
    Nvidia {
        driver: search.driver,
        flavour,
        searched: search.searched,
        files,
        // WSL has none, and CUDA does without.
        uvm_loaded: match flavour {
            Flavour::Native => nodes::uvm_loaded(vantage),
            Flavour::Wsl => None,
        },
        dev_is_nodev: nodes::dev_is_nodev(vantage),
        processors,
        nodes,
        sockets: sockets::find(vantage),
        trees: wsl::trees(vantage, flavour),
    }
}
