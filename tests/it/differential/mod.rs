//! Images by many tools, against what umoci and containers/storage make of them: path by path, with every difference explained.

mod compare;
mod others;
mod rows;
mod view;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use compare::differences;
use others::Image;
use rows::{Other, ROWS};
use view::View;

use crate::support::{Sandbox, require};

/// What came of comparing.
#[derive(Default)]
struct Outcome {
    /// How often each row was needed.
    used: Vec<usize>,
    unexplained: Vec<String>,
    compared: usize,
}

impl Outcome {
    fn take(&mut self, image: &Image, with: Other, ours: &View, theirs: &View) {
        self.used.resize(ROWS.len(), 0);
        self.compared += ours.len();
        for difference in differences(ours, theirs) {
            let permits = |row: &rows::Row| row.with.contains(&with) && (row.permits)(&difference);
            match ROWS.iter().position(permits) {
                Some(row) => self.used[row] += 1,
                None => self
                    .unexplained
                    .push(format!("{}, {with:?}: {difference}", image.name)),
            }
        }
    }
}

#[test]
fn every_image_is_what_others_make_of_it() {
    require!(Corpus, Umoci, Root);
    let images = others::images();
    let n_images = images.len();
    // Those with the same twin together, so that umoci unpacks it once.
    let mut twins: BTreeMap<String, Vec<Image>> = BTreeMap::new();
    for image in images {
        twins.entry(image.twin.clone()).or_default().push(image);
    }
    let groups: Vec<_> = twins.into_values().collect();
    let (next, outcome) = (AtomicUsize::new(0), Mutex::new(Outcome::default()));
    let work = || {
        let sandbox = Sandbox::new();
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            compare_group(&sandbox, group, &outcome);
        }
    };
    let n_workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..n_workers {
            scope.spawn(work);
        }
    });
    let outcome = outcome.into_inner().expect("no worker panicked");
    let _ = writeln!(
        std::io::stderr(),
        "{n_images} images, {} paths compared, rows {:?}",
        outcome.compared,
        outcome.used
    );
    let unexplained = outcome.unexplained;
    assert!(
        unexplained.is_empty(),
        "{} differences without a reason: {unexplained:#?}",
        unexplained.len()
    );
    assert!(n_images >= 30, "the corpus has {n_images} images only");
    for (row, used) in ROWS.iter().zip(outcome.used) {
        assert_ne!(used, 0, "no image needs this any more: {}", row.reason);
    }
}

fn compare_group(sandbox: &Sandbox, group: &[Image], outcome: &Mutex<Outcome>) {
    let rootless = others::umocis_rootless(sandbox, &group[0].twin);
    let umocis = others::umocis(sandbox, &group[0].twin);
    for image in group {
        let (disk, meant) = others::ours(sandbox, image);
        let storages = rows::unread(&image.name)
            .is_none()
            .then(|| others::storages(sandbox, image));
        let mut outcome = outcome.lock().expect("no worker panicked");
        outcome.take(image, Other::Disk, &meant, &disk);
        outcome.take(image, Other::Rootless, &meant, &rootless);
        outcome.take(image, Other::Umoci, &meant, &umocis);
        if let Some(storages) = storages {
            outcome.take(image, Other::Storage, &meant, &storages);
        }
    }
}
