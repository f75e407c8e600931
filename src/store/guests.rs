//! Who came into a container beside its first guest, and may outlive it: a small file for each.
//!
//! Two overlays with a common upper half do what the kernel calls undefined, so whoever starts a guest in a container
//! must find out that one lives in it. The state tells of the first guest alone; those that joined it (`exec`) say so
//! here themselves, as nobody waits for them. What a killed or ended one leaves is removed by the next who looks.

use nix::unistd::Pid;

use crate::base::creator::{Creator, Life};
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::store::{Result, Store};

/// How the names of these files begin; the rest is the process, which keeps its number when it becomes the guest.
const PREFIX: &str = ".guest";

impl Store {
    /// Notes that this process becomes a guest in the container `id`, by a file. Who does not become one removes it:
    /// others wait for whoever is noted.
    pub fn note_guest(&self, id: &str) -> Result<HostPath> {
        self.noted_guests(id)?;
        let path = Creator::current().private_name(&self.layout.container(id), PREFIX)?;
        fsx::create_new(&path, 0o600)?;
        Ok(HostPath::new(path))
    }

    /// The processes of this host that are noted so and live.
    pub fn noted_guests(&self, id: &str) -> Result<Vec<Pid>> {
        let dir = self.layout.container(id);
        let mut living = Vec::new();
        for name in fsx::names(&dir) {
            let Some((PREFIX, guest)) = Creator::parse(&name) else {
                continue;
            };
            match guest.life() {
                Life::Here(pid) => living.push(pid),
                Life::Gone => fsx::remove_file(dir.join(&name))?,
                Life::Elsewhere => {}
            }
        }
        Ok(living)
    }
}
