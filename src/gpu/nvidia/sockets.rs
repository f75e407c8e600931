//! Sockets and directories through which daemons of the driver are reached.

use std::os::unix::fs::FileTypeExt;

use crate::base::fsx;
use crate::base::path::{GuestPath, HostPath};
use crate::gpu::nvidia::Socket;
use crate::gpu::vantage::{NodeCheck, Vantage};

/// Daemons whose socket has one place. `/var/run` is a link to `/run` wherever it still exists.
const SOCKETS: [(&str, &str); 2] = [
    ("nvidia-persistenced", "/run/nvidia-persistenced/socket"),
    ("nvidia-fabricmanager", "/run/nvidia-fabricmanager/socket"),
];

/// The Multi-Process Service's directory where `CUDA_MPS_PIPE_DIRECTORY` names no other. NVIDIA, "Multi-Process
/// Service", §4.1.2.
const MPS: &str = "/tmp/nvidia-mps";

/// Those that are there.
pub(super) fn find(vantage: &Vantage) -> Vec<Socket> {
    let sockets = SOCKETS.iter().filter_map(|(daemon, path)| {
        let path = GuestPath::new(path)?;
        let host = vantage.root.resolve(&path).ok()?;
        let kind = fsx::metadata(&host).ok()?.file_type();
        let counts = kind.is_socket() || vantage.node_check == NodeCheck::AnyFile;
        counts.then_some(Socket { host, path, daemon })
    });
    sockets.chain(mps(vantage)).collect()
}

fn mps(vantage: &Vantage) -> Option<Socket> {
    let (host, path) = match &vantage.mps_directory {
        Some(directory) => (directory.clone(), GuestPath::new(directory.as_os_str())?),
        None => {
            let path = GuestPath::new(MPS)?;
            (vantage.root.resolve(&path).ok()?, path)
        }
    };
    is_directory(&host).then_some(Socket {
        host,
        path,
        daemon: "mps",
    })
}

fn is_directory(path: &HostPath) -> bool {
    fsx::metadata(path).is_ok_and(|data| data.is_dir())
}
