//! Windows' Subsystem for Linux: a driver of Windows with libraries for Linux, and one node for all of it.
//!
//! Windows mounts its own libraries at `/usr/lib/wsl/lib` and its driver store at `/usr/lib/wsl/drivers`. Libraries
//! there have the names by which programs ask for them and no version, and there is no kernel module to fit.
//! `libcuda.so.1` opens its real half in the driver store by the full path, which it has from Windows: so the whole
//! of `/usr/lib/wsl` has to be where it is, beside the libraries that the farm has.

use crate::base::fsx;
use crate::base::path::GuestPath;
use crate::gpu::nvidia::libraries::{self, Search};
use crate::gpu::nvidia::listing::{self, Interest};
use crate::gpu::nvidia::places::{KNOWN_PLACE, Place};
use crate::gpu::nvidia::{Flavour, Tree};
use crate::gpu::vantage::Vantage;

/// What Windows mounts.
const TREE: &str = "/usr/lib/wsl";
/// Its libraries, below that.
const LIBRARIES: &str = "lib";
/// Its driver store, below that.
const STORE: &str = "drivers";
/// The store has a directory for every driver of the host, of which few are NVIDIA's (`nv_dispi.inf_amd64_…`).
const MAX_STORES: usize = 16;
/// The library by which a directory of the store is known to be of CUDA's driver.
const LANDMARK: &str = "libcuda.so.1.1";

/// Which kind of host this is.
pub(super) fn flavour(vantage: &Vantage) -> Flavour {
    let is_wsl = vantage.dev.join("dxg").exists() && place(vantage, &[LIBRARIES]).is_some();
    if is_wsl {
        Flavour::Wsl
    } else {
        Flavour::Native
    }
}

/// The libraries, those of the store after those that Windows made for programs to find.
pub(super) fn search(vantage: &Vantage) -> Search {
    let stores = stores(vantage);
    let mut places: Vec<Place> = place(vantage, &[LIBRARIES]).into_iter().collect();
    places.extend(
        stores
            .iter()
            .filter_map(|name| place(vantage, &[STORE, name])),
    );
    let listings = places
        .iter()
        .map(|place| listing::list(vantage, place, Interest::Libraries))
        .collect();
    let (searched, files) = libraries::judge(vantage, &places, listings, None);
    Search {
        driver: None,
        searched,
        files,
    }
}

/// What has to be where it is.
pub(super) fn trees(vantage: &Vantage, flavour: Flavour) -> Vec<Tree> {
    let tree = place(vantage, &[]).filter(|_| flavour == Flavour::Wsl);
    tree.into_iter()
        .map(|place| Tree {
            host: place.host,
            path: place.path,
        })
        .collect()
}

fn stores(vantage: &Vantage) -> Vec<String> {
    let Some(store) = place(vantage, &[STORE]) else {
        return Vec::new();
    };
    let names = fsx::names(&store.host).into_iter();
    let is_cuda =
        |name: &String| name.starts_with("nv") && store.host.join(name).join(LANDMARK).exists();
    let mut names: Vec<String> = names.filter(is_cuda).collect();
    names.sort();
    names.truncate(MAX_STORES);
    names
}

fn place(vantage: &Vantage, below: &[&str]) -> Option<Place> {
    let path = below
        .iter()
        .fold(GuestPath::new(TREE)?, |path, name| path.join(name));
    let host = vantage.root.resolve(&path).ok()?;
    let because = KNOWN_PLACE;
    host.is_dir().then_some(Place {
        path,
        host,
        because,
    })
}
