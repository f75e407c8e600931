//! Self-installation: the payload on disk, published whole, repaired when damaged, without any lock.
//!
//! Any number of processes and nodes may do this at once on one home. Content is named by its digest, so whoever comes
//! second finds the same bytes; a loser of the race removes its own work and uses the winner's.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use nix::unistd::{AccessFlags, access, geteuid};

use crate::base::creator::{Creator, Judge};
use crate::base::digest::Digest;
use crate::base::env;
use crate::base::fsx;
use crate::base::path::HostPath;
use crate::embed::{EmbedError, File, Payload, Unpacked, read};

/// How long the work of a process on another host is left alone; none takes minutes.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// What lies on disk of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing: it was not needed yet.
    Absent,
    /// Every file is there with the content that we embed.
    Intact,
    /// These files are missing, cut short, changed, or not executable.
    Damaged(Vec<HostPath>),
}

/// The directory with the files of `payload`, unpacked below `home` if they are not there in good order.
///
/// Every run passes here, so what is there is judged by presence, size, mode and time; [`state`] reads it all. Where `home`
/// will not do and `CORACLE_TMPDIR` is set, a directory of ours below that is taken.
///
/// # Errors
///
/// [`EmbedError`] of the last place tried: not writable, full, `noexec`, open to others.
pub fn ensure(home: &HostPath, payload: &Payload) -> Result<HostPath, EmbedError> {
    let first = match ensure_in(home, payload) {
        Ok(dir) => return Ok(dir),
        Err(error) => error,
    };
    let Some(temporary) = env::get(env::CORACLE_TMPDIR) else {
        return Err(first);
    };
    let own = HostPath::new(temporary).join(format!("coracle-{}", geteuid()));
    ours_alone(&own, payload)?;
    ensure_in(&own, payload)
}

/// What lies below `home` of `payload`, judged by content.
///
/// # Errors
///
/// What cannot be looked at; a file that cannot be read counts as damaged.
pub fn state(home: &HostPath, payload: &Payload) -> Result<State, EmbedError> {
    let dir = place(home, payload);
    if fsx::absent_as_none(fsx::symlink_metadata(&dir))?.is_none() {
        return Ok(State::Absent);
    }
    let mut damaged = Vec::new();
    for file in payload.files {
        let path = dir.join(file.name);
        if !looks_right(&path, file) || !has_content(&path, file) {
            damaged.push(path);
        }
    }
    Ok(if damaged.is_empty() {
        State::Intact
    } else {
        State::Damaged(damaged)
    })
}

/// Unpacks `payload` below `home` anew over whatever is there, for a copy whose content is [`State::Damaged`].
///
/// # Errors
///
/// As [`ensure`], of `home` alone.
pub fn replace(home: &HostPath, payload: &Payload) -> Result<HostPath, EmbedError> {
    publish(home, payload, |_, _| false)?;
    Ok(place(home, payload))
}

/// Removes every version of every payload below `home`; what runs from there goes on running.
///
/// # Errors
///
/// What cannot be removed.
pub fn purge(home: &HostPath) -> Result<(), EmbedError> {
    Ok(fsx::remove_tree(home.join("lib"))?)
}

/// Removes the work of processes that ended in the middle of it.
///
/// # Errors
///
/// What cannot be listed or removed.
pub fn sweep(home: &HostPath) -> Result<(), EmbedError> {
    let lib = home.join("lib");
    if fsx::absent_as_none(fsx::symlink_metadata(&lib))?.is_none() {
        return Ok(());
    }
    // This host's clock will do: beside a day of grace no difference to a file server's counts.
    let judge = Judge::new(SystemTime::now());
    for entry in fsx::read_dir(&lib)? {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with('.')) else {
            continue;
        };
        // It may be finished and gone since it was listed.
        let Some(meta) = fsx::absent_as_none(fsx::symlink_metadata(entry.path()))? else {
            continue;
        };
        let changed = meta.modified().unwrap_or_else(|_| SystemTime::now());
        if judge.is_leftover(name, changed, GRACE) {
            fsx::remove_tree(entry.path())?;
        }
    }
    Ok(())
}

fn place(home: &HostPath, payload: &Payload) -> HostPath {
    home.join("lib").join(payload.digest)
}

fn ensure_in(home: &HostPath, payload: &Payload) -> Result<HostPath, EmbedError> {
    let dir = place(home, payload);
    let mut files = payload.files.iter().map(|file| (dir.join(file.name), file));
    if !files.clone().all(|(path, file)| looks_right(&path, file)) {
        publish(home, payload, looks_right)?;
    }
    // access(2) knows of `noexec` mounts, which the mode does not show.
    match files.find(|(path, _)| access(&**path, AccessFlags::X_OK).is_err()) {
        Some((path, _)) => Err(EmbedError::NoExec(path)),
        None => Ok(dir),
    }
}

/// Whether `path` is what was written there, as far as its inode tells. A file that was
/// written to after its directory was finished (see [`fill`]) is read to find out.
fn looks_right(path: &HostPath, file: &File) -> bool {
    let Ok(meta) = fsx::symlink_metadata(path) else {
        return false;
    };
    let fits = meta.is_file() && meta.len() == file.size && meta.mode() & 0o111 != 0;
    fits && (is_untouched(path, &meta) || has_content(path, file))
}

fn is_untouched(path: &HostPath, meta: &Metadata) -> bool {
    let finished = path.parent().map(fsx::metadata);
    finished.is_some_and(|dir| {
        dir.is_ok_and(|dir| (meta.mtime(), meta.mtime_nsec()) <= (dir.mtime(), dir.mtime_nsec()))
    })
}

fn has_content(path: &HostPath, file: &File) -> bool {
    fsx::read(path, file.size).is_ok_and(|bytes| Digest::of(&bytes).hex() == file.sha256)
}

/// Unpacks `payload` into a private directory and gives that its name; files that are there already and that `keep`
/// accepts stay.
fn publish(home: &HostPath, payload: &Payload, keep: Keep) -> Result<(), EmbedError> {
    let files = read(payload)?;
    let lib = home.join("lib");
    let dir = place(home, payload);
    let work = || {
        fsx::create_dir_all(&lib)?;
        let what = format!(".{}", payload.digest);
        let private = HostPath::new(Creator::current().private_name(&lib, &what)?);
        let done = fill(&private, &files).and_then(|()| move_in(&private, &dir, payload, keep));
        done.and(fsx::remove_tree(&private))
    };
    work().map_err(|source| EmbedError::Unpack {
        payload: payload.name,
        dir: dir.clone(),
        source,
    })?;
    let _leftovers_can_wait_for_the_next_sweep = sweep(home);
    Ok(())
}

/// Which files of an existing directory need no replacement.
type Keep = fn(&HostPath, &File) -> bool;

/// Makes the directory `private` with `files`, durably: after a power loss a published name must have its content.
/// The directory is touched last, so that whoever writes to a file later shows by a later time.
fn fill(private: &HostPath, files: &[Unpacked]) -> fsx::Result<()> {
    fsx::create_dir(private, 0o755)?;
    for file in files {
        fsx::write_private(private.join(&file.name), &file.bytes, file.mode)?;
    }
    fsx::touch(private)?;
    fsx::sync_dir(private)
}

/// Publishes `private` as `dir`, or its files where `dir` exists.
fn move_in(private: &HostPath, dir: &HostPath, payload: &Payload, keep: Keep) -> fsx::Result<()> {
    let Err(error) = fsx::rename(private, dir) else {
        return match dir.parent() {
            Some(lib) => fsx::sync_dir(lib),
            None => Ok(()),
        };
    };
    if !fsx::symlink_metadata(dir).is_ok_and(|meta| meta.is_dir()) {
        return Err(error);
    }
    // Another process was first, or a file of an older copy is damaged. Moving the directory aside would leave a moment
    // in which a running guest finds no loader; each file takes the place of its like instead.
    for file in payload.files {
        let path = dir.join(file.name);
        if !keep(&path, file) {
            fsx::rename(private.join(file.name), &path)?;
        }
    }
    fsx::sync_dir(dir)
}

/// Makes `own`, a directory in a place that others may write too, and sees that nobody else can put programs there.
fn ours_alone(own: &HostPath, payload: &Payload) -> Result<(), EmbedError> {
    let made = fsx::create_dir_all(own).and_then(|()| fsx::symlink_metadata(own));
    let meta = made.map_err(|source| EmbedError::Unpack {
        payload: payload.name,
        dir: own.clone(),
        source,
    })?;
    let ours = meta.is_dir() && meta.uid() == geteuid().as_raw() && meta.mode() & 0o022 == 0;
    ours.then_some(())
        .ok_or_else(|| EmbedError::Foreign(own.clone()))
}
