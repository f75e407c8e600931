//! Random layers, against a model that applies them one entry after another.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;

use super::Lab;
use super::craft::Craft;

/// Seeds tried; a failure names its own.
const SEEDS: u64 = 300;

/// xorshift64*: enough to be varied, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }

    /// A path of one to three names; those of links are never walked through.
    fn path(&mut self) -> String {
        let names: Vec<_> = (0..=self.below(3))
            .map(|_| ["a", "b", "c"][self.below(3)])
            .collect();
        names.join("/")
    }
}

#[derive(Clone, PartialEq)]
enum Item {
    Dir,
    /// Its content, which no other file has.
    File(String),
    Symlink(String),
}

/// The tree after each entry, as a list of paths.
#[derive(Clone, Default)]
struct Model(BTreeMap<String, Item>);

impl Model {
    fn remove(&mut self, path: &str) {
        let below = format!("{path}/");
        self.0
            .retain(|known, _| known != path && !known.starts_with(&below));
    }

    fn empty(&mut self, path: &str) {
        let below = format!("{path}/");
        self.0.retain(|known, _| !known.starts_with(&below));
    }

    fn put(&mut self, path: &str, item: Item) {
        for (slash, _) in path.match_indices('/') {
            self.put_dir(&path[..slash]);
        }
        match item {
            Item::Dir => self.put_dir(path),
            item => {
                self.remove(path);
                self.0.insert(path.into(), item);
            }
        }
    }

    fn put_dir(&mut self, path: &str) {
        if self.0.get(path) != Some(&Item::Dir) {
            self.remove(path);
            self.0.insert(path.into(), Item::Dir);
        }
    }

    fn files(&self) -> Vec<(String, Item)> {
        let files = self
            .0
            .iter()
            .filter(|(_, item)| matches!(item, Item::File(_)));
        files
            .map(|(path, item)| (path.clone(), item.clone()))
            .collect()
    }

    fn listing(&self) -> Vec<String> {
        let mut lines: Vec<_> = self
            .0
            .iter()
            .map(|(path, item)| match item {
                Item::Dir => format!("{path}/"),
                Item::File(content) => format!("{path}={content}"),
                Item::Symlink(target) => format!("{path}->{target}"),
            })
            .collect();
        lines.sort();
        lines
    }
}

type Step = Box<dyn Fn(Craft) -> Craft>;

/// Makes up one layer, applies it to `model`, and returns it with its whiteouts anywhere.
fn layer(random: &mut Random, model: &mut Model, number: usize, with_hard_links: bool) -> Vec<u8> {
    let mut whiteouts: Vec<Step> = Vec::new();
    for _ in 0..random.below(4) {
        let path = random.path();
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if random.below(3) == 0 {
            model.empty(&path);
            let marker = format!("{path}/.wh..wh..opq");
            whiteouts.push(Box::new(move |craft| craft.file(&marker, "")));
        } else {
            model.remove(&path);
            let marker = format!("{dir}/.wh.{name}");
            whiteouts.push(Box::new(move |craft| craft.file(&marker, "")));
        }
    }
    let mut steps: Vec<Step> = Vec::new();
    for step in 0..random.below(12) {
        let path = random.path();
        let content = format!("{number}.{step}");
        match random.below(if with_hard_links { 7 } else { 5 }) {
            0 => {
                model.put(&path, Item::Dir);
                steps.push(Box::new(move |craft| craft.dir(&path)));
            }
            1 => {
                let path = format!("{path}/link");
                model.put(&path, Item::Symlink(content.clone()));
                steps.push(Box::new(move |craft| craft.symlink(&path, &content)));
            }
            2..=4 => {
                model.put(&path, Item::File(content.clone()));
                steps.push(Box::new(move |craft| craft.file(&path, &content)));
            }
            _ => {
                let files = model.files();
                let Some((target, item)) = files.get(random.below(files.len().max(1))) else {
                    continue;
                };
                // The new name must not take away what it is to name.
                if *target == path || path.starts_with(&format!("{target}/")) {
                    continue;
                }
                model.put(&path, item.clone());
                let target = target.clone();
                steps.push(Box::new(move |craft| craft.hardlink(&path, &target)));
            }
        }
    }
    for whiteout in whiteouts {
        steps.insert(random.below(steps.len() + 1), whiteout);
    }
    steps
        .iter()
        .fold(Craft::new(), |craft, step| step(craft))
        .build()
}

/// Files with one content are one file: the model gives each file its own content.
fn assert_linked(lab: &Lab, seed: u64) {
    let mut inodes = HashMap::new();
    for line in lab.listing() {
        let Some((path, content)) = line.split_once('=') else {
            continue;
        };
        let data = lab
            .tree()
            .join(path)
            .symlink_metadata()
            .expect("it is listed");
        let known = *inodes.entry(content.to_owned()).or_insert(data.ino());
        assert_eq!(known, data.ino(), "seed {seed}: `{path}` is a copy");
    }
}

/// Extracts layers that arrive in any order or all at once, with small files written by nobody else, or by one or two
/// threads.
fn extract(lab: &Lab, seed: u64, layers: &[Vec<u8>]) {
    let mut order: Vec<_> = (0..layers.len()).collect();
    order.rotate_left((seed / 3) as usize % layers.len());
    let extracted = match seed % 4 {
        0 => lab.extract_in(&order, (seed % 3) as usize, layers),
        _ => lab.extract_at_once(seed, layers),
    };
    let extracted = extracted.unwrap_or_else(|error| panic!("{}", super::whole_message(&error)));
    assert_eq!(extracted.entries, lab.listing().len() as u64, "seed {seed}");
}

#[test]
fn merging_is_applying_layers_one_by_one() {
    for seed in 1..=SEEDS {
        let mut random = Random(seed);
        let mut model = Model::default();
        let layers: Vec<_> = (0..=random.below(4))
            .map(|number| layer(&mut random, &mut model, number, true))
            .collect();
        let lab = Lab::new();
        extract(&lab, seed, &layers);
        assert_eq!(lab.listing(), model.listing(), "seed {seed}");
        assert_linked(&lab, seed);
    }
}

/// Without hard links, which may have lost their target the second time.
#[test]
fn the_same_layer_again_changes_nothing() {
    for seed in 1..=SEEDS / 3 {
        let mut random = Random(seed);
        let mut model = Model::default();
        let mut layers: Vec<_> = (0..3)
            .map(|number| layer(&mut random, &mut model, number, false))
            .collect();
        layers.push(layers[2].clone());
        let lab = Lab::new();
        extract(&lab, seed, &layers);
        assert_eq!(lab.listing(), model.listing(), "seed {seed}");
    }
}

/// A layer in which anything may be a link to anywhere, and any path may lead through links.
fn wild_layer(random: &mut Random, number: usize) -> Vec<u8> {
    let targets = [
        "a",
        "b/c",
        "../a",
        "/",
        "/c/a",
        ".",
        "nowhere/at/all",
        "../../../b",
        "a/../b",
    ];
    let mut craft = Craft::new();
    for step in 0..random.below(14) {
        let path = random.path();
        let content = format!("{number}.{step}");
        let (dir, name) = path.rsplit_once('/').unwrap_or((".", &path));
        craft = match random.below(12) {
            0 | 1 => craft.dir(&path),
            2..=4 => craft.symlink(&path, targets[random.below(targets.len())]),
            5 => craft.file(&format!("{path}/.wh..wh..opq"), ""),
            6 => craft.file(&format!("{dir}/.wh.{name}"), ""),
            7 => craft.hardlink(&path, &random.path()),
            8 => craft.mode(b'6', &path, 0o644),
            _ => craft.file(&path, &content),
        };
    }
    craft.build()
}

/// Whatever the layers are: in which order they are read, and by how many threads, makes no difference, and all that is
/// written is below the tree.
#[test]
fn the_order_of_reading_makes_no_difference() {
    let mut n_trees = 0;
    for seed in 1..=2 * SEEDS {
        let mut random = Random(seed);
        let layers: Vec<_> = (0..=random.below(5))
            .map(|number| wild_layer(&mut random, number))
            .collect();
        let outcome = |lab: &Lab, extracted: Result<_, coracle::layer::LayerError>| {
            lab.assert_canary_lives();
            match extracted {
                Ok(_) => Ok(lab.listing()),
                Err(error) => Err(super::whole_message(&error)),
            }
        };
        let (one, other) = (Lab::new(), Lab::new());
        let in_order = outcome(&one, one.extract(&layers));
        let at_once = outcome(&other, other.extract_at_once(seed, &layers));
        assert_eq!(in_order, at_once, "seed {seed}");
        n_trees += u64::from(in_order.is_ok());
    }
    assert!(n_trees > SEEDS / 4, "{n_trees} of them became trees");
}
