//! Removing what nobody claims: leftovers of killed processes, content of forgotten images.
//!
//! Safe while pulls run: a sweep announces itself, then reads all claims, and takes away
//! what has none; a pull claims, then waits for announced sweeps, and looks then. So
//! one of the two sees the other, and a pull never has content taken from under it.
//! The wait ends with the renames into the trash; removing comes after. Should it time
//! out, or NFS show a stale directory, a pull may find at its end that content has gone,
//! says so and publishes nothing.
//!
//! Not seen are guests that run on other hosts from a tree whose image and containers
//! have been removed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::base::creator::{Creator, Judge};
use crate::base::digest::{Algorithm, Digest};
use crate::base::fsx::{self, Context};
use crate::base::path::HostPath;
use crate::store::layout::tree_name;
use crate::store::usage::{self, User};
use crate::store::{DOCUMENT_LIMIT, Result, Store, remove_any};

/// After what age a private file of a host that we cannot ask counts as left behind.
pub(super) const INGEST_GRACE: Duration = Duration::from_secs(24 * 3600);

/// The same for scratch directories, whose runs may be long jobs.
const RUN_GRACE: Duration = Duration::from_secs(60 * 24 * 3600);

/// What the announcement of a sweep is called among the leases.
const ANNOUNCED: &str = "sweep";

/// How long a pull waits for a sweep to take away what nobody claims, a matter of
/// milliseconds; also how long that of a host which we cannot ask counts.
const SWEEP_PATIENCE: Duration = Duration::from_secs(60);

/// The pause between two looks.
const SWEEP_PAUSE: Duration = Duration::from_millis(2);

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// What was removed, in the order in which it was found.
    pub removed: Vec<Removed>,
    /// Trees that nobody claims but a guest on this host still runs from.
    pub in_use: Vec<InUse>,
}

/// A tree that nobody claims and that cannot go yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// Its directory's name, which begins with the digits of the chain ID.
    pub tree: String,
    /// Who runs from it.
    pub by: User,
}

impl Swept {
    /// Who still runs from the tree of these layers, which is why it stayed.
    pub fn kept_by(&self, chain: &Digest) -> Option<&User> {
        let tree = tree_name(chain);
        let kept = self.in_use.iter().find(|kept| kept.tree == tree);
        kept.map(|kept| &kept.by)
    }

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

/// What must stay: digests of blobs, and directory names of trees.
type Claims = BTreeSet<String>;

/// The announcement of a sweep, withdrawn when dropped.
struct Announcement(PathBuf);

impl Drop for Announcement {
    fn drop(&mut self) {
        let _the_end_of_this_process_withdraws_it_too = fsx::remove_file(&self.0);
    }
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
        for id in self.sweep_ended()? {
            swept.removed.push(Removed {
                path: format!("containers/{id}"),
                bytes: 0,
            });
        }
        self.sweep_siblings(&judge, &mut swept)?;
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
            self.sweep_if_left(&HostPath::new(entry.path()), grace, judge, swept)?;
        }
        Ok(())
    }

    /// Removes the leases of killed pulls, which every claim would have to look past.
    pub(super) fn sweep_leases(&self) -> Result<()> {
        let judge = Judge::new(SystemTime::now());
        self.sweep_private(&self.layout.leases(), &judge, &mut Swept::default())
    }

    /// Removes what killed processes left of their attempts to make `what`: without
    /// that, a job that is killed again and again would fill the disk with half a tree
    /// each time.
    pub(super) fn sweep_attempts(&self, what: &str) -> Result<()> {
        let judge = Judge::new(SystemTime::now());
        for entry in fsx::read_dir(self.layout.ingest())? {
            let name = entry.file_name().to_string_lossy().into_owned();
            if Creator::parse(&name).is_some_and(|(made, _)| made == what) {
                let path = HostPath::new(entry.path());
                self.sweep_if_left(&path, INGEST_GRACE, &judge, &mut Swept::default())?;
            }
        }
        Ok(())
    }

    /// Removes what killed processes left beside the files that they were making:
    /// copies of trees in containers, the payload in `lib`, probes of the home itself.
    fn sweep_siblings(&self, judge: &Judge, swept: &mut Swept) -> Result<()> {
        let mut dirs = vec![self.home().clone(), self.home().join("lib")];
        dirs.extend(
            self.containers()?
                .into_iter()
                .map(|container| container.dir),
        );
        for dir in dirs {
            for entry in fsx::absent_as_none(fsx::read_dir(&dir))?.unwrap_or_default() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_private = name.starts_with('.') && Creator::parse(&name).is_some();
                if is_private {
                    self.sweep_if_left(&HostPath::new(entry.path()), RUN_GRACE, judge, swept)?;
                }
            }
        }
        Ok(())
    }

    /// Removes a private file or tree if nobody is working on it any more.
    fn sweep_if_left(
        &self,
        path: &HostPath,
        grace: Duration,
        judge: &Judge,
        swept: &mut Swept,
    ) -> Result<()> {
        let Some(meta) = fsx::absent_as_none(fsx::symlink_metadata(path))? else {
            return Ok(());
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if judge.is_leftover(&name, meta.modified().unwrap_or(UNIX_EPOCH), grace) {
            // From here on it is ours: a pull that wants to resume it finds nothing.
            if let Some(aside) = self.set_aside(path, "leftover")? {
                self.remove_aside(path, &aside, swept)?;
            }
        }
        Ok(())
    }

    fn sweep_content(&self, judge: &Judge, swept: &mut Swept) -> Result<()> {
        let announcement = self.announce()?;
        let claims = self.claims(judge)?;
        let mut unclaimed = Vec::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let prefix = format!("{}:", algorithm.name());
            unclaimed.extend(unclaimed_in(
                &self.layout.blobs(algorithm),
                &prefix,
                &claims,
            )?);
        }
        let trees = unclaimed_in(&self.layout.trees(), "", &claims)?;
        let names = trees.iter().map(|(name, _)| format!("trees/{name}"));
        let mut used = usage::in_use(self.home(), &names.collect())?;
        for (name, path) in trees {
            match used.remove(&format!("trees/{name}")) {
                Some(by) => swept.in_use.push(InUse { tree: name, by }),
                None => unclaimed.push((name, path)),
            }
        }
        let mut aside = Vec::new();
        for (_, path) in unclaimed {
            let moved = self.set_aside(&path, "unclaimed")?;
            aside.extend(moved.map(|moved| (path, moved)));
        }
        drop(announcement);
        for (path, moved) in aside {
            self.remove_aside(&path, &moved, swept)?;
        }
        Ok(())
    }

    fn announce(&self) -> Result<Announcement> {
        let path = Creator::current().private_name(&self.layout.leases(), ANNOUNCED)?;
        fsx::create_new(&path, 0o600)?;
        Ok(Announcement(path))
    }

    /// Waits until no sweep is about to take content away. To be called between a claim
    /// and the look at what is claimed.
    pub(super) fn await_sweeps(&self) -> Result<()> {
        let deadline = Instant::now() + SWEEP_PATIENCE;
        while self.is_sweep_announced()? && Instant::now() < deadline {
            #[expect(
                clippy::disallowed_methods,
                reason = "another host may be sweeping; files have no event for that"
            )]
            std::thread::sleep(SWEEP_PAUSE);
        }
        Ok(())
    }

    fn is_sweep_announced(&self) -> Result<bool> {
        let mut announced = fsx::read_dir(self.layout.leases())?;
        let is_sweep = |name: &str| Creator::parse(name).is_some_and(|(what, _)| what == ANNOUNCED);
        announced.retain(|entry| is_sweep(&entry.file_name().to_string_lossy()));
        if announced.is_empty() {
            return Ok(false);
        }
        let judge = Judge::new(SystemTime::now());
        let is_alive = |entry: &std::fs::DirEntry| {
            let changed = entry.metadata().and_then(|meta| meta.modified());
            let name = entry.file_name().to_string_lossy().into_owned();
            changed.is_ok_and(|changed| !judge.is_leftover(&name, changed, SWEEP_PATIENCE))
        };
        Ok(announced.iter().any(is_alive))
    }

    /// Everything that references, containers and the leases of the living claim.
    fn claims(&self, judge: &Judge) -> Result<Claims> {
        let mut names = Claims::new();
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
        for image in self.own_images()? {
            names.insert(tree_name(&image.chain));
            let content = image.content.iter();
            names.extend(content.map(|content| content.digest.to_string()));
        }
        for container in self.containers()? {
            let record = container.record;
            names.insert(tree_name(&record.chain));
            names.extend([record.manifest, record.config].map(|digest| digest.to_string()));
        }
        Ok(names)
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
        if is_ours && !claims.contains(&name) {
            unclaimed.push((name, HostPath::new(entry.path())));
        }
    }
    Ok(unclaimed)
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
pub(super) fn allotted(path: &Path) -> u64 {
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
