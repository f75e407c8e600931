//! Whether a device node can be opened, asked without opening it, and to whom it belongs.

use std::os::unix::fs::{FileTypeExt, MetadataExt};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::nvidia::Access;
use crate::gpu::vantage::{NodeCheck, Vantage};

/// As `/etc/group` of the largest sites.
const MAX_DATABASE: u64 = 4 << 20;

/// Whether `host` is there and a node, by what counts as one from this vantage.
pub fn is_there(vantage: &Vantage, host: &HostPath) -> bool {
    let kind = fsx::metadata(host).map(|facts| facts.file_type());
    kind.is_ok_and(|kind| match vantage.node_check {
        NodeCheck::Device => kind.is_char_device(),
        NodeCheck::AnyFile => kind.is_file() || kind.is_char_device(),
    })
}

/// Asks whether the node could be opened, without opening it: that wakes a processor, for seconds where its
/// persistence mode is off. The kernel asks the control group of devices here too (`devcgroup_inode_permission`), and
/// says EPERM for it where permission bits give EACCES.
pub fn try_access(vantage: &Vantage, host: &HostPath, wanted: AccessFlags) -> Access {
    match access(host.as_os_str(), wanted) {
        Ok(()) => Access::Granted,
        Err(Errno::EACCES) => Access::Denied(owners(vantage, host)),
        Err(Errno::EPERM) => Access::Cgroup,
        Err(errno) => Access::Failed(errno.desc().to_owned()),
    }
}

/// Mode, owner and group in the manner of `ls -l`: `crw-rw---- root video`.
pub fn owners(vantage: &Vantage, host: &HostPath) -> String {
    Names::read(vantage).owners(host)
}

/// The names of users and groups, for several nodes.
#[derive(Clone, Debug)]
pub struct Names {
    passwd: String,
    group: String,
}

impl Names {
    /// Reads passwd(5) and group(5); what cannot be read names nobody.
    pub fn read(vantage: &Vantage) -> Names {
        let text = |database: &str| {
            let path = GuestPath::root().join(database);
            let file = vantage.root.resolve(&path).ok();
            let bytes = file.and_then(|file| fsx::read(file, MAX_DATABASE).ok());
            String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
        };
        Names {
            passwd: text("/etc/passwd"),
            group: text("/etc/group"),
        }
    }

    /// As [`owners`].
    pub fn owners(&self, host: &HostPath) -> String {
        let Ok(facts) = fsx::metadata(host) else {
            return "no facts of it can be had".to_owned();
        };
        let kind = match facts.file_type().is_char_device() {
            true => 'c',
            false => '-',
        };
        let bits = "rwxrwxrwx".chars().enumerate();
        let mode: String = bits
            .map(|(idx, letter)| match facts.mode() & (0o400 >> idx) {
                0 => '-',
                _ => letter,
            })
            .collect();
        let owner = name_of(&self.passwd, facts.uid());
        let group = name_of(&self.group, facts.gid());
        format!("{kind}{mode} {owner} {group}")
    }
}

/// The name of an id in one of them, which agree in their first three fields; otherwise the number.
fn name_of(database: &str, id: u32) -> String {
    let number = id.to_string();
    let lines = database.lines();
    let mut lines = lines.map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.get(2).is_some_and(|field| *field == number));
    line.map_or(number, |fields| fields[0].to_owned())
}
