//! Any bytes as the steps that make layers: their tree is that of a model that applies them one after another.
#![no_main]

use std::collections::{BTreeMap, VecDeque};

use coracle::layer::{Entry, EntryKind, LayerIndex, Time, Xattr, merge};
use libfuzzer_sys::fuzz_target;

/// What names are made of; few, so that they meet.
const NAMES: [&str; 6] = ["a", "b", "c", "d", "ä", "l"];
/// What link targets are made of besides.
const STEPS: [&str; 8] = ["a", "b", "c", "l", "..", ".", "", "x"];

fuzz_target!(|bytes: &[u8]| {
    let layers = layers(bytes);
    for layer in &layers {
        assert_eq!(
            LayerIndex::decode(&layer.encode()).as_ref().ok(),
            Some(layer)
        );
    }
    let mut model = Model::default();
    let applied: Result<(), Refused> = layers
        .iter()
        .try_for_each(|layer| model.apply(&layer.entries));
    match (merge(&layers), applied) {
        (Ok(tree), Ok(())) => {
            let mut found = BTreeMap::new();
            for (idx, name) in tree.names.iter().enumerate() {
                assert!(
                    name.parent < idx || idx == 0,
                    "a directory comes before what it holds"
                );
                let content = tree.contents[name.content];
                let path = String::from_utf8(tree.path(idx)).expect("names are text");
                let item = (tree.kind(name), content.entry.map(|entry| entry.offset));
                assert!(found.insert(path, item).is_none(), "a name is there once");
            }
            assert_eq!(found, model.listing());
        }
        (Err(_), Err(_)) => {}
        (Err(error), Ok(())) => panic!("refused: {error}"),
        (Ok(_), Err(refused)) => panic!("not refused: {refused:?}"),
    }
});

/// Makes layers of `bytes`: two or more for each entry.
fn layers(bytes: &[u8]) -> Vec<LayerIndex> {
    let mut layers = vec![LayerIndex::default()];
    let mut rest = bytes.iter().map(|byte| usize::from(*byte));
    let mut offset = 0;
    while let (Some(what), Some(path)) = (rest.next(), rest.next()) {
        if what == 255 && layers.len() < 8 {
            layers.push(LayerIndex::default());
            continue;
        }
        offset += 512;
        let path = clean_path(path, &mut rest);
        let entry = |kind, path: String, link: String| Entry {
            path: path.into_bytes(),
            kind,
            mode: what as u32 & 0o777,
            uid: what as u32,
            gid: 0,
            mtime: Time {
                seconds: what as i64 - 100,
                nanoseconds: 1,
            },
            size: if kind == EntryKind::File { offset } else { 0 },
            link: link.into_bytes(),
            xattrs: (what % 16 == 3)
                .then(|| Xattr {
                    name: b"user.x".into(),
                    value: b"\0".into(),
                })
                .into_iter()
                .collect(),
            device: (0, 0),
            offset,
        };
        let made = match what % 8 {
            0 => entry(EntryKind::Directory, path, String::new()),
            1 => entry(EntryKind::Symlink, path, target(&mut rest)),
            2 => {
                let known = rest.next().unwrap_or_default();
                entry(EntryKind::HardLink, path, clean_path(known, &mut rest))
            }
            3 => entry(
                EntryKind::File,
                format!("{path}/.wh..wh..opq"),
                String::new(),
            ),
            4 => match path.rsplit_once('/') {
                Some((directory, name)) => entry(
                    EntryKind::File,
                    format!("{directory}/.wh.{name}"),
                    String::new(),
                ),
                None => entry(EntryKind::CharDevice, format!(".wh.{path}"), String::new()),
            },
            5 if what == 5 => entry(EntryKind::Directory, String::new(), String::new()),
            6 => entry(EntryKind::Fifo, path, String::new()),
            _ => entry(EntryKind::File, path, String::new()),
        };
        let layer = layers.last_mut().expect("there is a layer");
        layer.entries.push(made);
    }
    layers
}

/// One to four names.
fn clean_path(first: usize, rest: &mut impl Iterator<Item = usize>) -> String {
    let mut path = NAMES[first % NAMES.len()].to_owned();
    for _ in 0..first / NAMES.len() % 4 {
        path.push('/');
        path += NAMES[rest.next().unwrap_or_default() % NAMES.len()];
    }
    path
}

/// Where a symbolic link leads.
fn target(rest: &mut impl Iterator<Item = usize>) -> String {
    let first = rest.next().unwrap_or_default();
    let mut target = if first >= 128 {
        "/".to_owned()
    } else {
        String::new()
    };
    for _ in 0..=first % 4 {
        target += STEPS[rest.next().unwrap_or_default() % STEPS.len()];
        target.push('/');
    }
    target
}

/// Why a model refuses.
#[derive(Debug)]
enum Refused {
    Loop,
    Link,
}

#[derive(Clone)]
struct Item {
    kind: EntryKind,
    target: String,
    /// The offset of its entry; none where no entry made it.
    id: Option<u64>,
}

impl Item {
    fn implied() -> Item {
        Item {
            kind: EntryKind::Directory,
            target: String::new(),
            id: None,
        }
    }
}

type Path = Vec<String>;

/// The tree after each entry, as a list of paths.
#[derive(Default)]
struct Model(BTreeMap<Path, Item>, Option<u64>);

impl Model {
    fn listing(self) -> BTreeMap<String, (EntryKind, Option<u64>)> {
        let root = (String::new(), (EntryKind::Directory, self.1));
        let others = self
            .0
            .into_iter()
            .map(|(path, item)| (path.join("/"), (item.kind, item.id)));
        others.chain([root]).collect()
    }

    fn apply(&mut self, entries: &[Entry]) -> Result<(), Refused> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("names are text");
        let own: Vec<String> = entries.iter().map(|entry| text(&entry.path)).collect();
        let own: Vec<&String> = own.iter().filter(|path| !path.contains(".wh.")).collect();
        for entry in entries {
            let path = text(&entry.path);
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if name == ".wh..wh..opq" {
                let above = directory.rsplit_once('/').map_or("", |split| split.0);
                if !self.is_replaced(above, &own)?
                    && let Some(hidden) = self.lookup(directory)?
                {
                    self.0.retain(|known, _| {
                        !(known.starts_with(&hidden) && known.len() > hidden.len())
                    });
                }
            } else if let Some(name) = name.strip_prefix(".wh.")
                && !self.is_replaced(directory, &own)?
                && let Some(mut hidden) = self.resolve(directory, false)?
            {
                hidden.push(name.to_owned());
                self.0.retain(|known, _| !known.starts_with(&hidden));
            }
        }
        for entry in entries {
            let path = text(&entry.path);
            if !path.contains(".wh.") {
                self.add(entry, &path)?;
            }
        }
        Ok(())
    }

    /// Whether the layer has a directory of its own where there is something else on the way to `directory`.
    fn is_replaced(&mut self, directory: &str, own: &[&String]) -> Result<bool, Refused> {
        let names: Vec<&str> = directory.split('/').collect();
        for end in 1..=names.len() {
            let prefix = names[..end].join("/");
            if own.contains(&&prefix)
                && let Some(there) = self.lookup(&prefix)?
                && !self.is_directory(&there)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_directory(&self, path: &[String]) -> bool {
        path.is_empty()
            || self
                .0
                .get(path)
                .is_some_and(|item| item.kind == EntryKind::Directory)
    }

    fn add(&mut self, entry: &Entry, path: &str) -> Result<(), Refused> {
        if path.is_empty() {
            self.1 = Some(entry.offset);
            return Ok(());
        }
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut place = self.make(directory)?;
        place.push(name.to_owned());
        let link = String::from_utf8(entry.link.clone()).expect("targets are text");
        let item = match entry.kind {
            EntryKind::HardLink => {
                let known = self.lookup(&link)?.ok_or(Refused::Link)?;
                if self.is_directory(&known) || known == place {
                    return Err(Refused::Link);
                }
                self.0[&known].clone()
            }
            kind => Item {
                kind,
                target: link,
                id: Some(entry.offset),
            },
        };
        if !(entry.kind == EntryKind::Directory && self.is_directory(&place)) {
            self.0.retain(|known, _| !known.starts_with(&place));
        }
        self.0.insert(place, item);
        Ok(())
    }

    /// What is at `path`, links followed on the way but not at its end.
    fn lookup(&mut self, path: &str) -> Result<Option<Path>, Refused> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let found = self.resolve(directory, false)?.map(|mut found| {
            found.push(name.to_owned());
            found
        });
        Ok(found.filter(|found| self.0.contains_key(found)))
    }

    /// The directory at `path`, made where there is none.
    fn make(&mut self, path: &str) -> Result<Path, Refused> {
        Ok(self.resolve(path, true)?.expect("what is missing is made"))
    }

    /// The path of the directory that `path` leads to; with `makes`, what is missing or no directory becomes one.
    fn resolve(&mut self, path: &str, makes: bool) -> Result<Option<Path>, Refused> {
        let mut here = Path::new();
        let mut todo: VecDeque<String> = path.split('/').map(str::to_owned).collect();
        let mut n_links = 0;
        while let Some(name) = todo.pop_front() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    here.pop();
                    continue;
                }
                _ => here.push(name),
            }
            match self.0.get(&here) {
                Some(item) if item.kind == EntryKind::Symlink => {
                    n_links += 1;
                    if n_links > 40 {
                        return Err(Refused::Loop);
                    }
                    here.pop();
                    if item.target.starts_with('/') {
                        here.clear();
                    }
                    for step in item.target.split('/').rev() {
                        todo.push_front(step.to_owned());
                    }
                }
                Some(item) if item.kind == EntryKind::Directory => {}
                _ if makes => drop(self.0.insert(here.clone(), Item::implied())),
                _ => return Ok(None),
            }
        }
        Ok(Some(here))
    }
}
