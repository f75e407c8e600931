//! Removing what nobody claims: leftovers of killed processes, content of forgotten images.
//!
//! Safe while pulls run. Unclaimed content is first renamed into the trash, then all
//! claims are read again, what has been claimed meanwhile goes back, and only the rest
//! is removed; a pull claims before it looks. Not seen are guests that run on other
//! hosts from a tree whose image and containers have been removed.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::base::digest::{Algorithm, Digest};
use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::store::creator::{Creator, Judge};
use crate::store::layout::tree_name;
use crate::store::{DOCUMENT_LIMIT, Result, Store, remove_any, usage};

/// After what age a private file of a host that we cannot ask counts as left behind.
pub(super) const INGEST_GRACE: Duration = Duration::from_secs(24 * 3600);

/// The same for scratch directories, whose runs may be long jobs.
const RUN_GRACE: Duration = Duration::from_secs(60 * 24 * 3600);

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// What was removed, in the order in which it was found.
    pub removed: Vec<Removed>,
    /// Trees that nobody claims but a guest on this host still runs from.
    pub in_use: Vec<String>,
}

impl Swept {
    /// The bytes of all that was removed, as they were allotted on disk.
    pub fn freed(&self) -> u64 {
        self.removed.iter().map(|removed| removed.bytes).sum()
    }
}

/// One thing that a sweep removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Its path below the store's home.
    pub path: String,
    /// The bytes that it took on disk.
    pub bytes: u64,
}

/// What must stay.
#[derive(Debug, Default)]
struct Claims {
    /// Digests of blobs, and directory names of trees.
    names: BTreeSet<String>,
}

/// Unclaimed content that has been moved to the trash.
struct Candidate {
    name: String,
    home: HostPath,
    aside: HostPath,
}

impl Store {
    /// Removes everything that nothing claims, and says what.
    pub fn sweep(&self) -> Result<Swept> {
        let mut swept = Swept::default();
        if fsx::absent_as_none(fsx::metadata(self.home()))?.is_none() {
            return Ok(swept);
        }
        self.prepare()?;
        let judge = Judge::new(server_time(self)?);
        for dir in self.layout.private() {
            self.sweep_private(&dir, &judge, &mut swept)?;
        }
        for path in self.sweep_names()? {
            swept.removed.push(Removed {
                path: self.shown(&path),
                bytes: 0,
            });
        }
        self.sweep_content(&judge, &mut swept)?;
        self.sweep_empty_directories()?;
        Ok(swept)
    }

    /// Removes the leftovers in one of the directories where every name tells its creator.
    fn sweep_private(&self, dir: &HostPath, judge: &Judge, swept: &mut Swept) -> Result<()> {
        let runs = *dir == self.layout.tmp();
        let grace = if runs { RUN_GRACE } else { INGEST_GRACE };
        for entry in fsx::read_dir(dir)? {
            let path = HostPath::new(entry.path());
            let Some(meta) = fsx::absent_as_none(fsx::symlink_metadata(&path))? else {
                continue;
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            if judge.is_leftover(&name, meta.modified().unwrap_or(UNIX_EPOCH), grace) {
                // From here on it is ours: a pull that wants to resume it finds nothing.
                if let Some(aside) = self.set_aside(&path, "leftover")? {
                    self.remove_aside(&path, &aside, swept)?;
                }
            }
        }
        Ok(())
    }

    fn sweep_content(&self, judge: &Judge, swept: &mut Swept) -> Result<()> {
        let claims = self.claims(judge)?;
        let mut candidates = Vec::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let prefix = format!("{}:", algorithm.name());
            let unclaimed = unclaimed_in(&self.layout.blobs(algorithm), &prefix, &claims)?;
            candidates.extend(unclaimed);
        }
        let trees = unclaimed_in(&self.layout.trees(), "", &claims)?;
        let paths = trees.iter().map(|(name, _)| format!("trees/{name}"));
        let used = usage::in_use(&paths.collect());
        for (name, path) in trees {
            match used.contains(&format!("trees/{name}")) {
                true => swept.in_use.push(name),
                false => candidates.push((name, path)),
            }
        }
        let mut moved = Vec::new();
        for (name, home) in candidates {
            if let Some(aside) = self.set_aside(&home, "unclaimed")? {
                moved.push(Candidate { name, home, aside });
            }
        }
        if moved.is_empty() {
            return Ok(());
        }
        let claims = self.claims(judge);
        for candidate in moved {
            let is_claimed = |claims: &Claims| claims.names.contains(&candidate.name);
            // Without certainty everything goes back; the error is returned below.
            if claims.as_ref().map_or(true, is_claimed) {
                restore(&candidate)?;
            } else {
                self.remove_aside(&candidate.home, &candidate.aside, swept)?;
            }
        }
        claims.map(drop)
    }

    /// Everything that references, containers and the leases of the living claim.
    fn claims(&self, judge: &Judge) -> Result<Claims> {
        let mut names = BTreeSet::new();
        // Leases first: a pull that ends meanwhile has written its reference before.
        for entry in fsx::read_dir(self.layout.leases())? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(meta) = fsx::absent_as_none(fsx::symlink_metadata(entry.path()))? else {
                continue;
            };
            if !judge.is_leftover(&name, meta.modified().unwrap_or(UNIX_EPOCH), INGEST_GRACE) {
                let lines = fsx::read_if_there(entry.path(), DOCUMENT_LIMIT)?.unwrap_or_default();
                let lines = String::from_utf8_lossy(&lines).into_owned();
                names.extend(lines.lines().map(str::to_owned));
            }
        }
        for image in self.images()? {
            names.insert(tree_name(&image.chain));
            let content = image.content.iter();
            names.extend(content.map(|content| content.digest.to_string()));
        }
        for container in self.containers()? {
            let record = container.record;
            names.insert(tree_name(&record.chain));
            names.extend([record.manifest, record.config].map(|digest| digest.to_string()));
        }
        Ok(Claims { names })
    }

    /// Removes the directories of repositories without tags. One that is filled meanwhile
    /// is not empty and stays; whoever writes into one that goes makes it again.
    fn sweep_empty_directories(&self) -> Result<()> {
        let mut dirs = vec![self.layout.refs()];
        let mut next = 0;
        while let Some(dir) = dirs.get(next).cloned() {
            for entry in fsx::absent_as_none(fsx::read_dir(&dir))?.unwrap_or_default() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    dirs.push(HostPath::new(entry.path()));
                }
            }
            next += 1;
        }
        for dir in dirs.iter().skip(1).rev() {
            match fsx::absent_as_none(fsx::remove_dir(dir)) {
                Err(error) if error.is_already_there() => {}
                removed => drop(removed?),
            }
        }
        Ok(())
    }

    fn remove_aside(&self, from: &HostPath, aside: &HostPath, swept: &mut Swept) -> Result<()> {
        let bytes = allotted(aside);
        remove_any(aside)?;
        swept.removed.push(Removed {
            path: self.shown(from),
            bytes,
        });
        Ok(())
    }

    fn shown(&self, path: &HostPath) -> String {
        let below = path.strip_prefix(self.home()).unwrap_or(path);
        below.display().to_string()
    }
}

/// The entries of `dir` that nothing claims, each with the name by which it would be.
/// Only names that are ours to give: anything else in there stays.
fn unclaimed_in(dir: &HostPath, prefix: &str, claims: &Claims) -> Result<Vec<(String, HostPath)>> {
    let mut unclaimed = Vec::new();
    for entry in fsx::read_dir(dir)? {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let is_ours = match prefix {
            "" => name.split_once('-').is_some_and(|(chain, _)| {
                let digest = |algorithm| format!("{algorithm}:{chain}").parse::<Digest>();
                digest("sha256").is_ok() || digest("sha512").is_ok()
            }),
            _ => name.parse::<Digest>().is_ok(),
        };
        if is_ours && !claims.names.contains(&name) {
            unclaimed.push((name, HostPath::new(entry.path())));
        }
    }
    Ok(unclaimed)
}

/// Puts back what has been claimed since it was taken. If the claimant has made its own
/// meanwhile, ours is not needed: it has the same content.
fn restore(candidate: &Candidate) -> Result<()> {
    match fsx::rename(&candidate.aside, &candidate.home) {
        Err(error) if error.is_already_there() => remove_any(&candidate.aside),
        result => Ok(result?),
    }
}

/// The time by the clock of the file system that the store is on, which on a shared one
/// is the server's: that of a file made just now.
pub(super) fn server_time(store: &Store) -> Result<SystemTime> {
    let path = Creator::current().private_name(&store.layout.ingest(), "clock")?;
    let file = fsx::create_new(&path, 0o600)?;
    let time = file.metadata().and_then(|meta| meta.modified());
    fsx::remove_file(&path)?;
    Ok(time.context("stat", &path)?)
}

/// The bytes that a file or tree takes on disk, as far as it can be seen.
fn allotted(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    let mut todo = vec![path.to_owned()];
    while let Some(path) = todo.pop() {
        let Ok(meta) = fsx::symlink_metadata(&path) else {
            continue;
        };
        // A block of stat(2) has 512 bytes. Each name of a file counts its share.
        let names = if meta.is_dir() {
            1
        } else {
            meta.nlink().max(1)
        };
        bytes += meta.blocks() * 512 / names;
        if meta.is_dir() {
            let entries = fsx::read_dir(&path).unwrap_or_default();
            todo.extend(entries.into_iter().map(|entry| entry.path()));
        }
    }
    bytes
}
