//! One file that may be a library of the driver, with all the names that lead to it, and the verdict on it.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;

use crate::base::path::{GuestPath, HostPath};
use crate::gpu::elf::Elf;
use crate::gpu::nvidia::listing::{Entry, ends_with};
use crate::gpu::nvidia::table::{self, Numbering, Row};
use crate::gpu::nvidia::{DriverFile, FileKind, Group, Reason, Verdict, Wants, inspect, version};
use crate::gpu::vantage::Vantage;

/// The longest file name. limits.h, NAME_MAX
const MAX_NAME: usize = 255;

/// One file.
pub(super) struct Candidate {
    /// What is known of its kind.
    row: &'static Row,
    /// The names that lead to it, each with the position of the directory, in the order of those.
    pub(super) found: Vec<(usize, Entry)>,
}

impl Candidate {
    /// One file for each group of names that lead to the same.
    pub(super) fn of(listings: Vec<Vec<Entry>>) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut by_place: HashMap<OsString, usize> = HashMap::new();
        for (place_idx, entries) in listings.into_iter().enumerate() {
            for entry in entries {
                let real = entry.real.as_ref().map(|real| real.as_os_str().to_owned());
                // What leads nowhere is the same as nothing else.
                let key = real.unwrap_or_else(|_| entry.path.as_path().into());
                match by_place.entry(key) {
                    Slot::Occupied(slot) => candidates[*slot.get()].found.push((place_idx, entry)),
                    Slot::Vacant(slot) => {
                        slot.insert(candidates.len());
                        candidates.push(Candidate {
                            row: row(&entry),
                            found: vec![(place_idx, entry)],
                        });
                    }
                }
            }
        }
        candidates
    }

    /// Every name, that of the file itself last.
    fn names(&self) -> impl Iterator<Item = &str> {
        let found = self.found.iter().map(|(_, entry)| entry.name.as_str());
        found.chain(self.found[0].1.real_name())
    }

    /// The driver's version in one of the names; `wanted`, where it is among them.
    pub(super) fn version<'a>(&'a self, wanted: Option<&'a str>) -> Option<&'a str> {
        let is_wanted = |version: &&str| self.names().any(|name| ends_with(name, version));
        let of_name = || self.names().find_map(version::of_name);
        wanted.filter(is_wanted).or_else(of_name)
    }

    /// In which order files claim names: those of the driver's version before those without any (in the containers of
    /// Apptainer no name has one), then in the order of directories, those before others that have the name by which
    /// programs ask for them.
    pub(super) fn rank(&self, driver: Option<&str>, soname: Option<&str>) -> (bool, usize, bool) {
        let has_soname = self.names().any(|name| Some(name) == soname);
        (self.version(driver).is_none(), self.found[0].0, !has_soname)
    }

    /// The name that it gets: that with the driver's version, or the longest. Where a package has the version in the
    /// name of a link only (`libGLX_nvidia.so.580.159.04` leads to `libGLX_nvidia.so.0`), it is still that name.
    fn name(&self, driver: Option<&str>) -> &str {
        let versioned = self
            .names()
            .find(|name| driver.is_some_and(|version| ends_with(name, version)));
        let longest = || {
            self.found
                .iter()
                .map(|(_, entry)| entry.name.as_str())
                .max_by_key(|name| name.len())
        };
        versioned
            .or_else(longest)
            .expect("a candidate was found by a name")
    }

    /// The entry that has the name which it gets, or the first.
    fn entry(&self, name: &str) -> &Entry {
        let named = self.found.iter().find(|(_, entry)| entry.name == name);
        &named.unwrap_or(&self.found[0]).1
    }

    /// The file with its verdict, and its SONAME. Names that other files claim are for the caller to see.
    pub(super) fn judge(
        &self,
        vantage: &Vantage,
        driver: Option<&str>,
    ) -> (DriverFile, Option<String>) {
        let name = self.name(driver).to_owned();
        let entry = self.entry(&name);
        let folder = match self.row.stem {
            // Where libvdpau searches it; in the packages of some hosts it lies among the others.
            "libvdpau_nvidia" => "lib64/vdpau",
            _ => "lib64",
        };
        let mut file = DriverFile {
            kind: FileKind::Library,
            group: self.row.group,
            path: entry.path.clone(),
            host: entry
                .real
                .clone()
                .unwrap_or_else(|_| vantage.root.path().join(entry.path.relative())),
            name: format!("{folder}/{name}"),
            links: Vec::new(),
            text: None,
            required: self.row.is_required(),
            verdict: Verdict::Taken,
            wants: Wants::default(),
        };
        match self.inspect(vantage, driver, &file.path) {
            Err(reason) => {
                file.verdict = Verdict::Left(reason);
                (file, None)
            }
            Ok(elf) => {
                file.links = self.links(&name, elf.soname.as_deref());
                file.wants = inspect::wants(&elf);
                (file, elf.soname)
            }
        }
    }

    fn inspect(
        &self,
        vantage: &Vantage,
        driver: Option<&str>,
        found: &GuestPath,
    ) -> Result<Elf, Reason> {
        let host: &HostPath = self.found[0].1.real.as_ref().map_err(Clone::clone)?;
        let is_versioned = driver.is_some() && self.version(driver) == driver;
        inspect::file(found, host)?;
        match (self.row.numbering, self.version(driver)) {
            (Numbering::Neutral, _) if !is_versioned => return Err(Reason::VendorNeutral),
            (Numbering::Driver, Some(version)) if Some(version) != driver => {
                return Err(Reason::OtherVersion(version.to_owned()));
            }
            _ => {}
        }
        let elf = inspect::object(host, vantage.machine)?;
        match (self.row.numbering, self.row.group) {
            (Numbering::Neutral, _) if !is_whole_driver(&elf.needed) => Err(Reason::VendorNeutral),
            (_, Group::Display) => Err(Reason::DisplayServer),
            _ => Ok(elf),
        }
    }

    fn links(&self, name: &str, soname: Option<&str>) -> Vec<String> {
        let found = self.found.iter().map(|(_, entry)| entry.name.as_str());
        let others = soname.into_iter().chain(self.row.links.iter().copied());
        let names: BTreeSet<&str> = found.chain(others).filter(|link| *link != name).collect();
        names
            .into_iter()
            .filter(|name| is_file_name(name))
            .map(str::to_owned)
            .collect()
    }
}

/// What is known of the library by its name, or by the name of the file that it leads to.
fn row(entry: &Entry) -> &'static Row {
    let names = [Some(entry.name.as_str()), entry.real_name()];
    let mut rows = names
        .into_iter()
        .flatten()
        .filter_map(|name| table::row(table::stem(name)?));
    rows.next().unwrap_or_else(|| table::row_or_default(""))
}

/// Whether a library with a neutral name is the driver's own: packages from before GLVND have a `libGL.so.V` that
/// is the whole driver, and asks for its core by name.
fn is_whole_driver(needed: &[String]) -> bool {
    let cores = ["libnvidia-glcore.so.", "libnvidia-eglcore.so."];
    needed
        .iter()
        .any(|name| cores.iter().any(|core| name.starts_with(core)))
}

/// A SONAME is whatever somebody wrote into a file; here it becomes the name of a link.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && !name.contains('/') && name != "." && name != ".."
}
