//! NVIDIA's driver in a guest: its files in a directory of the run's own, the devices that stay closed.

use std::ffi::OsStr;
use std::path::Path;

use super::loader::Libraries;
use super::selection::{self, Selection};
use super::{Edits, variables};
use crate::base::env;
use crate::base::path::GuestPath;
use crate::gpu::choice::Chosen;
use crate::gpu::guest::Guest;
use crate::gpu::nvidia::{DriverFile, Nvidia, Verdict};
use crate::gpu::preflight::{self, Refusal, Setting, Wanted};
use crate::gpu::vantage::Machine;
use crate::gpu::{compat, fit, requires};
use crate::plan::environ::{Environment, typed};
use crate::plan::farm::{Farm, Piece};
use crate::plan::fault::PlanError;
use crate::plan::wish::{Facts, Wish};
use crate::plan::{GuestLink, Level, Mount, Source};

/// Where OptiX looks for its data, and nowhere else.
const OPTIX: &str = "share/nvidia/nvoptix.bin";

/// The driver's half of OpenCL.
const OPENCL: &str = "libnvidia-opencl.so.1";

/// A run with NVIDIA's driver.
pub(super) struct Run<'a> {
    pub(super) wish: &'a Wish,
    pub(super) facts: &'a Facts<'a>,
    pub(super) nvidia: &'a Nvidia,
    pub(super) guest: &'a Guest,
    /// Where the driver's files appear.
    pub(super) place: GuestPath,
    /// Whether the guest's loader finds by its cache what it is to find.
    pub(super) has_cache: bool,
}

impl Run<'_> {
    /// Adds all that the driver needs; the answer is what the loader is to find. Nothing is to be started where it
    /// would surely not work.
    pub(super) fn add(
        &self,
        edits: &mut Edits,
        environment: &mut Environment,
    ) -> Result<Libraries, PlanError> {
        let selection = selection::select(self.wish, self.facts, self.nvidia)?;
        let image_path = directories(environment.get(env::LD_LIBRARY_PATH));
        let files = self.wanted(&selection);
        let before = self.forward(&selection);
        for text in &selection.ignored {
            edits.note(Level::Warning, text);
        }
        self.close_devices(&selection, edits, environment);
        self.check(
            &selection,
            &files,
            before.as_ref(),
            &image_path,
            edits,
            environment,
        )?;

        let fits = fit::sift(&files, self.guest).fits;
        let farm = self.farm(&fits);
        let libraries = self.libraries(&farm, before.as_ref());
        let is_typed = |name: &str| typed(self.wish, self.facts, name).is_some();
        let own = farm.pieces().any(|(name, _)| name.starts_with("lib64"));
        let own = own.then(|| self.place.join("lib64"));
        let known = environment.get(env::LD_LIBRARY_PATH).unwrap_or_default();
        let (before, place) = (before.as_ref(), &self.place);
        let searched = variables::searched(own, before, known, place, self.has_cache);
        variables::lead_to(&farm, &self.place, &searched, is_typed, environment);
        let visible = selection
            .visible(self.nvidia)
            .map(|visible| (env::NVIDIA_VISIBLE_DEVICES, visible));
        let groups = (env::NVIDIA_DRIVER_CAPABILITIES, selection.groups());
        for (name, value) in visible.into_iter().chain([groups]) {
            if !is_typed(name) {
                environment.set(name, value);
            }
        }
        self.place(farm, edits);
        Ok(libraries)
    }

    /// The files of the chosen capabilities, and what those want of the others: much of OpenGL is in a library that
    /// CUDA has, too.
    fn wanted(&self, selection: &Selection) -> Vec<&DriverFile> {
        let taken = self.nvidia.files.iter();
        let taken = taken.filter(|file| file.verdict == Verdict::Taken);
        let (mut files, mut others): (Vec<_>, Vec<_>) =
            taken.partition(|file| selection.capabilities.contains(file.group));
        let mut n_looked_at = 0;
        while let Some(file) = files.get(n_looked_at) {
            let wants = |other: &&DriverFile| {
                file.wants
                    .libraries
                    .iter()
                    .any(|want| is_called(other, want))
            };
            let (more, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(wants);
            files.extend(more);
            others = rest;
            n_looked_at += 1;
        }
        files
    }

    /// The image's own newer `libcuda`, where it comes before the host's.
    fn forward(&self, selection: &Selection) -> Option<GuestPath> {
        let chosen = selection.positions(self.nvidia).unwrap_or_default();
        let processors = chosen
            .iter()
            .filter_map(|at| self.nvidia.processors.get(*at));
        let models: Vec<&str> = processors.filter_map(|one| one.model.as_deref()).collect();
        let driver = self.nvidia.driver.as_ref()?;
        compat::choose(
            &self.guest.compat,
            &driver.version,
            &models,
            self.wish.gpu.cuda_compat,
        )
    }

    /// Closes the devices that were not chosen, and puts the caller's own choice among CUDA's right.
    fn close_devices(
        &self,
        selection: &Selection,
        edits: &mut Edits,
        environment: &mut Environment,
    ) {
        let hidden = selection.chosen.hidden(self.nvidia);
        for node in &hidden {
            edits.close(node.path.clone());
        }
        if let Chosen::ByCuda(words) = &selection.chosen
            && typed(self.wish, self.facts, env::CUDA_VISIBLE_DEVICES).is_none()
        {
            environment.set(env::CUDA_VISIBLE_DEVICES, words);
        }
        if !hidden.is_empty() {
            variables::leave_numbers_out(self.wish, self.facts, edits, environment);
        }
    }

    /// What is known to keep programs from the processors: an error, or notes.
    fn check(
        &self,
        selection: &Selection,
        files: &[&DriverFile],
        before: Option<&GuestPath>,
        image_path: &[GuestPath],
        edits: &mut Edits,
        environment: &Environment,
    ) -> Result<(), PlanError> {
        let positions = selection.positions(self.nvidia);
        let wanted = Wanted {
            processors: positions.as_deref(),
            cuda_visible: environment.get(env::CUDA_VISIBLE_DEVICES),
        };
        let setting = Setting {
            machine: Machine::HERE,
            files,
            compat: before,
            library_path: image_path,
        };
        let mut findings = preflight::check_host(self.nvidia, &wanted);
        findings.extend(preflight::check_guest(
            self.nvidia,
            self.guest,
            &setting,
            &wanted,
        ));
        if let Some(refusal) = Refusal::of(&findings) {
            return Err(refusal.into());
        }
        edits.findings(&findings);
        if let Some(driver) = &self.nvidia.driver {
            let mut packages = self.guest.compat.iter();
            let package = packages.find(|package| Some(&package.path) == before);
            let package = package.map(|package| package.version.as_str());
            let all = environment.0.iter();
            let text: Vec<(&str, &str)> = all
                .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
                .collect();
            for text in requires::unmet(&text, &driver.version, package) {
                edits.note(Level::Warning, text);
            }
        }
        Ok(())
    }

    fn farm(&self, files: &[&DriverFile]) -> Farm {
        let mut farm = Farm::default();
        for file in files {
            let piece = match &file.text {
                Some(text) => Piece::Text(text.clone()),
                None => Piece::File(file.host.clone()),
            };
            farm.add(&file.name, piece);
        }
        // Only now: a file goes before a link of the same name.
        for file in files {
            let name = Path::new(&file.name);
            let Some(own) = name.file_name() else {
                continue;
            };
            for link in file.links.iter().filter(|link| own != link.as_str()) {
                farm.add(name.with_file_name(link), Piece::Link(own.to_owned()));
            }
        }
        let vendors = Path::new(variables::VENDORS);
        // Drivers put together by hand often lack the file by which OpenCL's loaders know of the library.
        let has_opencl = farm
            .pieces()
            .any(|(name, _)| name == Path::new("lib64").join(OPENCL));
        if has_opencl {
            farm.add(
                vendors.join("nvidia.icd"),
                Piece::Text(format!("{OPENCL}\n").into()),
            );
        }
        if farm.directories().contains(vendors) {
            for name in &self.guest.opencl_vendors {
                let own = Path::new("/etc/OpenCL/vendors").join(name);
                farm.add(vendors.join(name), Piece::Link(own.into_os_string()));
            }
        }
        farm
    }

    /// Every name in the farm's directory of libraries, as `ldconfig` would list it.
    fn libraries(&self, farm: &Farm, before: Option<&GuestPath>) -> Libraries {
        let folder = self.place.join("lib64");
        let mut libraries = Libraries::default();
        if let Some(dir) = before {
            libraries.put_first(dir);
        }
        for (name, _) in farm.pieces() {
            if name.parent() == Some(Path::new("lib64"))
                && let Some(own) = name.file_name()
                && own.as_encoded_bytes().starts_with(b"lib")
            {
                let own = own.as_encoded_bytes().to_vec();
                libraries.named.push((own, self.place.join(name)));
            }
        }
        libraries.folders.push(folder);
        libraries
    }

    fn place(&self, farm: Farm, edits: &mut Edits) {
        let has_optix = farm.pieces().any(|(name, _)| name == Path::new(OPTIX));
        if has_optix {
            edits.links.push(GuestLink {
                path: GuestPath::root().join("usr").join(OPTIX),
                target: self.place.join(OPTIX).as_path().as_os_str().to_owned(),
            });
        }
        for tree in &self.nvidia.trees {
            edits.bind(tree.host.clone(), tree.path.clone(), true);
        }
        for socket in &self.nvidia.sockets {
            edits.bind(socket.host.clone(), socket.path.clone(), false);
        }
        if !farm.is_empty() {
            edits.mounts.push(Mount {
                source: Source::Farm(farm),
                target: self.place.clone(),
                read_only: true,
                optional: false,
            });
        }
    }
}

/// Whether `library` is one of a file's names.
fn is_called(file: &DriverFile, library: &str) -> bool {
    let own = file.name.rsplit('/').next();
    own == Some(library) || file.links.iter().any(|link| link == library)
}

/// The absolute directories of a search path.
fn directories(path: Option<&OsStr>) -> Vec<GuestPath> {
    let path = path.unwrap_or_default();
    std::env::split_paths(path)
        .filter_map(GuestPath::new)
        .collect()
}
