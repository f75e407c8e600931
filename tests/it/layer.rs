//! Layers as a library: what hostile, odd and real ones become on disk.

mod attack;
mod bombs;
mod bounds;
mod bytes;
pub(crate) mod craft;
mod escapes;
mod headers;
mod list;
mod metadata;
mod model;
mod real;
mod surroundings;
mod whiteouts;

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use coracle::base::progress::Silent;
use coracle::layer::{Extracted, Extraction, LayerError, Sidecar, codec};

/// A directory that goes with everything in it. Beside the tree lies a canary that
/// no layer may reach.
struct Lab {
    dir: PathBuf,
    /// The canary's state when it was put there.
    canary: Vec<State>,
}

/// All of a file or directory that an escape could change; each change also sets the last of it.
type State = (u64, u32, u64, i64, i64);

impl Lab {
    fn new() -> Lab {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("coracle-layer.{}.{count}", std::process::id());
        let mut lab = Lab {
            dir: std::env::temp_dir().join(name),
            canary: Vec::new(),
        };
        std::fs::create_dir_all(lab.canary()).expect("the temporary directory takes directories");
        std::fs::write(lab.canary().join("file"), "alive").expect("the canary can be written");
        lab.canary = lab.state();
        lab
    }

    fn canary(&self) -> PathBuf {
        self.dir.join("canary")
    }

    fn tree(&self) -> PathBuf {
        self.dir.join("tree")
    }

    fn state(&self) -> Vec<State> {
        let of = |path: PathBuf| {
            let data = path.symlink_metadata().expect("the canary is there");
            let changed = data.ctime_nsec();
            (data.ino(), data.mode(), data.nlink(), data.ctime(), changed)
        };
        vec![of(self.canary()), of(self.canary().join("file"))]
    }

    /// Extracts `layers`, each compressed in any way or not at all.
    fn extract(&self, layers: &[Vec<u8>]) -> Result<Extracted, LayerError> {
        let order: Vec<usize> = (0..layers.len()).collect();
        self.extract_in(&order, 0, layers)
    }

    /// The same, where layers arrive in this order and `n_writers` threads write small files.
    fn extract_in(
        &self,
        order: &[usize],
        n_writers: usize,
        layers: &[Vec<u8>],
    ) -> Result<Extracted, LayerError> {
        let extraction = Extraction::begin(&self.tree(), n_writers)?;
        let mut read = Vec::new();
        for at in order {
            let layer = codec::decompress(std::io::Cursor::new(layers[*at].clone()))?;
            let layer = extraction.read(layer);
            let layer = layer.map_err(|error| extraction.take_failure().unwrap_or(error))?;
            read.push((*at, layer));
        }
        read.sort_by_key(|(at, _)| *at);
        let layers: Vec<_> = read.iter().map(|(_, layer)| layer).collect();
        extraction.finish(&layers, &Silent)
    }

    /// The same, with all layers read at the same time: `seed` says in which order they begin, and how many threads
    /// write small files.
    fn extract_at_once(&self, seed: u64, layers: &[Vec<u8>]) -> Result<Extracted, LayerError> {
        let extraction = Extraction::begin(&self.tree(), (seed % 3) as usize)?;
        let mut waiting: Vec<usize> = (0..layers.len()).collect();
        let mut rest = seed as usize;
        let read = std::thread::scope(|scope| {
            let mut threads = Vec::new();
            while !waiting.is_empty() {
                let at = waiting.remove(rest % waiting.len());
                rest /= waiting.len() + 1;
                let (extraction, layer) = (&extraction, &layers[at]);
                let read = move || extraction.read(&layer[..]);
                threads.push((at, scope.spawn(read)));
            }
            threads.sort_by_key(|(at, _)| *at);
            let threads = threads.into_iter();
            let read = threads.map(|(_, thread)| thread.join().expect("no thread panics"));
            read.collect::<Result<Vec<_>, _>>()
        });
        let read = read.map_err(|error| extraction.take_failure().unwrap_or(error))?;
        extraction.finish(&read.iter().collect::<Vec<_>>(), &Silent)
    }

    /// As [`Lab::extract`] of layers that are fine; returns the sidecar.
    fn extract_well(&self, layers: &[Vec<u8>]) -> Sidecar {
        let extracted = self.extract(layers);
        let extracted = extracted.unwrap_or_else(|error| panic!("{}", whole_message(&error)));
        Sidecar::decode(&extracted.sidecar).expect("what we encoded can be decoded")
    }

    /// The tree, one line for each path: `dir/`, `file=content`, `link->target`, `pipe|`.
    fn listing(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut todo = vec![self.tree()];
        while let Some(dir) = todo.pop() {
            for entry in std::fs::read_dir(&dir).expect("our directories are open to us") {
                let path = entry.expect("a directory can be read to its end").path();
                lines.push(self.describe(&path));
                if path.is_dir() && !path.is_symlink() {
                    todo.push(path);
                }
            }
        }
        lines.sort();
        lines
    }

    fn describe(&self, path: &Path) -> String {
        let below = path.strip_prefix(self.tree()).expect("it lies below");
        let name = below.as_os_str().as_bytes().escape_ascii();
        let kind = path.symlink_metadata().expect("it was listed").file_type();
        if kind.is_dir() {
            format!("{name}/")
        } else if kind.is_symlink() {
            let target = std::fs::read_link(path).expect("a link can be read");
            format!("{name}->{}", target.display())
        } else if kind.is_fifo() {
            format!("{name}|")
        } else {
            let mut content = Vec::new();
            let file = std::fs::File::open(path).expect("our files are readable");
            file.take(64)
                .read_to_end(&mut content)
                .expect("a file can be read");
            format!("{name}={}", content.escape_ascii())
        }
    }

    /// Nothing outside the tree was touched, and nothing is left beside it.
    fn assert_canary_lives(&self) {
        let content = std::fs::read_to_string(self.canary().join("file"));
        assert_eq!(content.expect("the canary is there"), "alive");
        assert_eq!(self.state(), self.canary, "the canary was touched");
        let around = std::fs::read_dir(&self.dir).expect("the lab is there");
        let around = around.map(|entry| entry.expect("it lists").file_name());
        let left: Vec<_> = around
            .filter(|name| name != "canary" && name != "tree")
            .collect();
        assert!(left.is_empty(), "{left:?} lies beside the tree");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _nothing_to_add = coracle::base::fsx::remove_tree(&self.dir);
    }
}

/// A message with all its causes.
fn whole_message(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    let causes = causes.map(|cause| format!(": {cause}"));
    std::iter::once(error.to_string()).chain(causes).collect()
}
