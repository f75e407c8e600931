//! Faults thrown together by dice: how a pull ends follows from those that came about, and a second process, for which
//! all is well, makes of what the first one left the same as one that had never been disturbed.
//!
//! `CORACLE_SEEDS=1000` throws so often, `CORACLE_SEED=7` exactly as the seventh time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Mutex;

use coracle::base::fault::Kind;

use super::fault::{At, Fault, Where};
use super::scene::{ALWAYS, Planned, Scene, Setting, kind_of, word};
use super::{Ends, each, ended};

/// Seeds where nobody says how many.
const FEW: u64 = 25;
/// Failures that may pass which every pull has to bear: one request is sent five times.
const BEARABLE: usize = 4;

/// Numbers that follow from a seed: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % limit
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn fault(&mut self, at: At) -> Fault {
        let count = self.one_of(&[0, 1, 30, 512, 20_000, 70_000, 201_727]);
        let count = count.min(self.below(250_000));
        match self.below(10) {
            0..4 => self.one_of(&[
                Fault::HangUp,
                Fault::Cut(count),
                Fault::Cut(count),
                Fault::Reset(count),
                Fault::Reset(count),
                Fault::UnframedCut(count),
                Fault::Unended(count),
                Fault::Unframed,
                Fault::Chunked,
                Fault::Garbage,
                Fault::EarlyHints,
                Fault::Silence(count),
                Fault::Trickle(count),
                Fault::StalledHead,
                Fault::Headers(300),
                Fault::LongHeader(300_000),
            ]),
            4..6 => self.one_of(&[
                Fault::Status(500),
                Fault::Status(502),
                Fault::Status(503),
                Fault::Status(504),
                Fault::Status(429),
                Fault::Status(408),
                Fault::Page(502),
                Fault::Busy(429, "0"),
                Fault::Busy(503, "0"),
                Fault::Busy(429, "1"),
                Fault::Busy(429, "3600"),
                Fault::Status(403),
                Fault::Status(404),
                Fault::Status(418),
                Fault::LongError(400, 100_000),
                Fault::Refused("insufficient_scope"),
                Fault::Refused("invalid_token"),
            ]),
            6..9 => self.one_of(&[
                Fault::Flip,
                Fault::Other,
                Fault::Longer,
                Fault::Shorter,
                Fault::Understated,
                Fault::TwoLengths,
                Fault::Gzip,
                Fault::CalledGzip,
                Fault::Page(200),
                Fault::NoRange,
                Fault::WrongRange,
                Fault::OpenRange,
                Fault::OpenRange,
                Fault::PartForWhole,
                Fault::Unsatisfiable,
                Fault::Unsatisfiable,
                Fault::Header("Warning", "299 - \"SECRET\""),
            ]),
            _ => match at {
                At::Token | At::Door => Fault::HangUp,
                At::Stored => Fault::Redirect(Where::Expired),
                _ => Fault::Redirect(self.one_of(&[
                    Where::Storage,
                    Where::Path,
                    Where::Relative,
                    Where::Expired,
                    Where::Itself,
                    Where::Nowhere,
                    Where::Address("file:///etc/passwd"),
                ])),
            },
        }
    }

    fn setting(&mut self) -> Setting {
        Setting {
            has_ranges: self.below(4) > 0,
            // With fewer, two transfers at once may use each other's up.
            uses: self.one_of(&[ALWAYS, ALWAYS, ALWAYS, 6, 7]),
            ..Setting::default()
        }
    }

    fn plan(&mut self) -> Vec<Planned> {
        let mut plan = Vec::new();
        let is_led = self.below(3) == 0;
        let places = [
            At::Door,
            At::Token,
            At::Manifest,
            At::Config,
            At::Layer,
            At::Layer,
            At::Layer,
            At::Small,
            At::Stored,
        ];
        for _fault in 0..=self.below(6) {
            let at = self.one_of(&places);
            // Most things pass.
            let times = self.one_of(&[1, 1, 1, 1, 2, 2, 3, 4, ALWAYS]);
            let fault = self.fault(at);
            plan.push(Planned { at, times, fault });
        }
        if is_led {
            let (times, fault) = (ALWAYS, Fault::Redirect(Where::Storage));
            let at = At::Layer;
            plan.push(Planned { at, times, fault });
        }
        plan
    }
}

/// The errors that a fault may lead to where it came about.
fn kinds(at: At, fault: Fault) -> Vec<Kind> {
    let is_document = matches!(at, At::Manifest | At::Token);
    let mut kinds: Vec<Kind> = fault.kind().into_iter().collect();
    match fault {
        Fault::UnframedCut(_) if is_document => kinds.push(Kind::Integrity),
        // The token may be another one, and is refused.
        Fault::Flip if at == At::Token => kinds.push(Kind::Denied),
        Fault::LongError(400, _) if at == At::Token => kinds.push(Kind::Denied),
        // Only 200 is a token.
        Fault::PartForWhole if at == At::Token => kinds.push(Kind::Network),
        _ => {}
    }
    kinds
}

/// Whether the same request may succeed if it is only sent again.
fn is_passing(at: At, fault: Fault) -> bool {
    match fault {
        Fault::UnframedCut(_) => !matches!(at, At::Manifest | At::Token),
        Fault::Status(status) | Fault::Page(status) => matches!(status, 408 | 429 | 500..),
        Fault::Busy(_, after) => after != "3600",
        Fault::LongError(..) => false,
        _ => fault.kind() == Some(Kind::Network),
    }
}

/// Carries out one throw: the word for how the first pull ended.
fn throw(seed: u64) -> Result<String, String> {
    let mut dice = Dice(seed);
    let (setting, plan) = (dice.setting(), dice.plan());
    let scene = Scene::new(&setting, &plan);
    let pull = || {
        let run = scene.pull(&scene.image());
        run.env("CORACLE_INSECURE", scene.insecure()).run()
    };
    let output = pull();
    scene.check(&output)?;
    let fired = scene.fired();
    let wrong = |what: &str| Err(format!("{what}, after {fired:?}\n{output}"));
    let outcome = kind_of(&output).unwrap_or_else(|| "well".to_owned());
    let (harmful, is_bearable) = {
        let harmful: Vec<_> = fired.iter().filter(|(_, it)| it.kind().is_some()).collect();
        let all_pass = harmful.iter().all(|(at, fault)| is_passing(*at, *fault));
        let is_bearable = all_pass && harmful.len() <= BEARABLE;
        (harmful, is_bearable)
    };
    match output.code() {
        Some(0) => scene.check_tree()?,
        Some(1) if is_bearable => return wrong("it gave up"),
        Some(1) => {
            let may = harmful.iter().flat_map(|(at, fault)| kinds(*at, *fault));
            let may: BTreeSet<String> = may.map(word).collect();
            if !may.contains(&outcome) {
                return wrong(&format!("expected one of {may:?}, got {outcome}"));
            }
            if scene.has_name() {
                return wrong("an image that failed has a name");
            }
        }
        _ => return wrong("it died"),
    }
    let (partial, before) = (scene.partial(), scene.registry.asked().len());
    scene.heal();
    let again = pull();
    ended(Ends::Well, &again).map_err(|error| format!("afterwards: {error}\nbefore: {output}"))?;
    scene.check(&again)?;
    scene.check_tree()?;
    if let Some(partial) = partial.filter(|partial| (1..scene.layer_size()).contains(partial)) {
        let ranges = scene.ranges(before);
        if !ranges.contains(&Some(format!("bytes={partial}-"))) {
            return wrong(&format!(
                "{partial} bytes were here, and asked for was {ranges:?}"
            ));
        }
    }
    Ok(outcome)
}

#[test]
fn whatever_comes_together_is_borne_or_said() {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("seeds are numbers"))
    };
    let seeds = match number("CORACLE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CORACLE_SEEDS").unwrap_or(FEW),
    };
    let count = usize::try_from(seeds.end - seeds.start).expect("few enough to be thrown");
    let outcomes = Mutex::new(BTreeMap::<String, u32>::new());
    let errors = each(count, |index| {
        let seed = seeds.start + index as u64;
        let outcome = throw(seed).map_err(|error| format!("CORACLE_SEED={seed}: {error}"))?;
        let mut outcomes = outcomes.lock().expect("no worker panics with it");
        *outcomes.entry(outcome).or_default() += 1;
        Ok(())
    });
    let outcomes = outcomes.into_inner().expect("no worker panicked with it");
    let told = writeln!(std::io::stderr(), "{count} seeds: {outcomes:?}");
    told.expect("stderr is open");
    assert!(
        errors.is_empty(),
        "{} of {count} seeds:\n{}",
        errors.len(),
        errors.join("\n\n")
    );
}
