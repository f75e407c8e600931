//! The driver's libraries: in which directories, which files, and which of them wins a name that several want.

use std::collections::BTreeMap;

use crate::base::path::GuestPath;
use crate::gpu::nvidia::candidate::Candidate;
use crate::gpu::nvidia::listing::{self, Entry, Interest};
use crate::gpu::nvidia::places::{self, Place, Places};
use crate::gpu::nvidia::{
    DriverFile, DriverVersion, Group, Reason, Searched, Verdict, inspect, table, version,
};
use crate::gpu::vantage::Vantage;

/// The libraries that tell the version where the kernel does not. Without the first, the search goes on.
const LANDMARKS: [&str; 2] = ["libcuda", "libnvidia-ml"];

/// What a search found.
pub(super) struct Search {
    /// The version.
    pub(super) driver: Option<DriverVersion>,
    /// The directories.
    pub(super) searched: Vec<Searched>,
    /// The libraries.
    pub(super) files: Vec<DriverFile>,
}

/// Looks where the loader's cache, the search path and, should nothing be there, experience say.
pub(super) fn search(vantage: &Vantage) -> Search {
    let kernel = version::of_kernel(vantage);
    let wanted = kernel.as_ref().map(|kernel| kernel.version.clone());
    let interest = Interest::Driver(wanted.as_deref());
    let list = |place: &Place| listing::list(vantage, place, interest);
    let mut places = Places::named(vantage);
    let mut listings: Vec<_> = places.all().iter().map(list).collect();
    let mut driver = kernel.clone();
    // A cache that is older than the driver leads to what is there no more.
    if landmark(vantage, &listings, &LANDMARKS[..1], wanted.as_deref()).is_none() {
        let n_before = places.add_known();
        listings.extend(places.all()[n_before..].iter().map(list));
    }
    if driver.is_none() {
        driver = landmark(vantage, &listings, &LANDMARKS, None);
        // What could have been the driver's while its version was not known.
        let version = driver.as_ref().map_or("", |driver| &driver.version);
        let takes = |name: &str| Interest::Driver(Some(version)).takes(name);
        for listing in &mut listings {
            listing.retain(|entry| takes(&entry.name) || entry.real_name().is_some_and(takes));
        }
    }
    let version = driver.as_ref().map(|driver| driver.version.clone());
    let (searched, files) = judge(vantage, places.all(), listings, version.as_deref());
    Search {
        driver,
        searched,
        files,
    }
}

/// The first good library of those `stems`, with its version: that one where it is given, otherwise any.
fn landmark(
    vantage: &Vantage,
    listings: &[Vec<Entry>],
    stems: &[&str],
    wanted: Option<&str>,
) -> Option<DriverVersion> {
    let named = |stem: &str| {
        let stem = stem.to_owned();
        let entries = listings.iter().flatten();
        entries.filter(move |entry| table::stem(&entry.name) == Some(stem.as_str()))
    };
    stems.iter().flat_map(|stem| named(stem)).find_map(|entry| {
        let names = [Some(entry.name.as_str()), entry.real_name()];
        let version = names.into_iter().flatten().find_map(|name| match wanted {
            Some(version) => listing::ends_with(name, version).then_some(version),
            None => version::of_name(name),
        })?;
        let source = entry.real.as_ref().ok()?;
        inspect::binary(&entry.path, source, vantage.machine).ok()?;
        Some(DriverVersion {
            version: version.to_owned(),
            source: source.clone(),
            from_kernel: false,
        })
    })
}

/// A verdict on every file in the listings, which are those of `places`.
pub(super) fn judge(
    vantage: &Vantage,
    places: &[Place],
    listings: Vec<Vec<Entry>>,
    driver: Option<&str>,
) -> (Vec<Searched>, Vec<DriverFile>) {
    let candidates = Candidate::of(listings);
    let mut judged: Vec<_> = candidates
        .iter()
        .map(|candidate| {
            let (file, soname) = candidate.judge(vantage, driver);
            (candidate, file, soname)
        })
        .collect();
    judged.sort_by_key(|(candidate, _, soname)| candidate.rank(driver, soname.as_deref()));
    let mut claims = Claims::default();
    for (_, file, soname) in &mut judged {
        claims.settle(file, soname.as_deref());
    }
    let searched = places.iter().enumerate().filter_map(|(idx, place)| {
        let here = judged
            .iter()
            .filter(|(candidate, _, _)| candidate.found.iter().any(|(place, _)| *place == idx));
        let mut here = here.map(|(_, file, _)| file).peekable();
        // A known place without anything would only raise questions.
        let is_worth_a_line = place.because != places::KNOWN_PLACE || here.peek().is_some();
        is_worth_a_line.then(|| describe(place, here))
    });
    let searched = searched.collect();
    let mut files: Vec<_> = judged.into_iter().map(|(_, file, _)| file).collect();
    files.extend(backend_of_gbm(&files));
    files.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    (searched, files)
}

fn describe<'a>(place: &Place, files: impl Iterator<Item = &'a DriverFile>) -> Searched {
    let mut searched = Searched {
        path: place.path.clone(),
        because: place.because,
        holds_driver: false,
        other_versions: Vec::new(),
    };
    for file in files {
        match &file.verdict {
            Verdict::Taken => searched.holds_driver = true,
            Verdict::Left(Reason::OtherVersion(version)) => {
                searched.other_versions.push(version.clone());
            }
            Verdict::Left(_) => {}
        }
    }
    searched.other_versions.sort();
    searched.other_versions.dedup();
    searched
}

/// Which file has which name in the farm.
#[derive(Default)]
struct Claims(BTreeMap<String, GuestPath>);

impl Claims {
    /// Gives a file its names, or leaves it out because another has its own name or the one that programs ask for.
    fn settle(&mut self, file: &mut DriverFile, soname: Option<&str>) {
        if file.verdict != Verdict::Taken {
            return;
        }
        let folder = file
            .name
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder)
            .to_owned();
        let full = |name: &str| format!("{folder}/{name}");
        let asked_for = soname.filter(|soname| file.links.iter().any(|link| link == soname));
        let own = [Some(file.name.clone()), asked_for.map(full)];
        if let Some(other) = own.iter().flatten().find_map(|name| self.0.get(name)) {
            file.verdict = Verdict::Left(Reason::Shadowed(other.clone()));
            file.links.clear();
            return;
        }
        file.links.retain(|link| !self.0.contains_key(&full(link)));
        let names = file.links.iter().map(|link| full(link));
        let names = names.chain([file.name.clone()]);
        self.0.extend(names.map(|name| (name, file.path.clone())));
    }
}

/// The allocator again, under the name by which Mesa's `libgbm` asks for a backend. Packages have a link there, but not
/// all of them.
fn backend_of_gbm(files: &[DriverFile]) -> Option<DriverFile> {
    let allocator = files.iter().find(|file| {
        file.verdict == Verdict::Taken && file.name.starts_with("lib64/libnvidia-allocator.so")
    })?;
    Some(DriverFile {
        group: Group::Graphics,
        name: "lib64/gbm/nvidia-drm_gbm.so".to_owned(),
        links: Vec::new(),
        ..allocator.clone()
    })
}
