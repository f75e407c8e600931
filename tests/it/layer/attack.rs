//! Layers that want out, contradict themselves or ask for too much: how a case is tried.
//!
//! The names of cases are those of `list`.

use super::craft::Craft;
use super::{Lab, list, whole_message};

/// What a stack of layers becomes.
pub(super) enum Becomes {
    /// The tree of these lines, see [`Lab::listing`].
    Tree(&'static [&'static str]),
    /// An error whose message has this part.
    Refused(&'static str),
}
use Becomes::{Refused, Tree};

/// A name from the list, the layers, and what they become.
pub(super) type Case = (&'static str, Vec<Craft>, Becomes);

/// A case that wants to know where the canary is: its path on the host, without the slash that begins it.
pub(super) type Aimed = (&'static str, fn(&str) -> Vec<Craft>, Becomes);

/// Extracts every case and compares; the canary outside is untouched by each.
pub(super) fn check(cases: Vec<Case>) {
    for (name, layers, becomes) in cases {
        try_one(&Lab::new(), name, layers, becomes);
    }
}

/// The same for cases that aim at the canary. In listings its path is `CANARY`; the directories above are left out.
pub(super) fn check_aimed(cases: Vec<Aimed>) {
    for (name, layers, becomes) in cases {
        let lab = Lab::new();
        let layers = layers(&canary_of(&lab));
        try_one(&lab, name, layers, becomes);
    }
}

/// A stack of one layer.
pub(super) fn one(craft: Craft) -> Vec<Craft> {
    vec![craft]
}

fn canary_of(lab: &Lab) -> String {
    let path = lab.canary().display().to_string();
    path.trim_start_matches('/').to_owned()
}

fn try_one(lab: &Lab, name: &str, layers: Vec<Craft>, becomes: Becomes) {
    list::tried(name);
    let layers: Vec<_> = layers.into_iter().map(Craft::build).collect();
    match (lab.extract(&layers), becomes) {
        (Ok(_), Tree(expected)) => {
            let canary = canary_of(lab);
            let is_above = |line: &String| {
                line.strip_suffix('/')
                    .and_then(|dir| canary.strip_prefix(dir))
                    .is_some_and(|rest| rest.starts_with('/'))
            };
            let listing = lab.listing().into_iter().filter(|line| !is_above(line));
            let listing = listing.map(|line| line.replace(&canary, "CANARY"));
            let mut listing: Vec<_> = listing.collect();
            listing.sort();
            assert_eq!(listing, expected, "{name}");
        }
        (Err(error), Refused(part)) => {
            let message = whole_message(&error);
            let says_where = message.contains("byte ") || message.contains("layer ");
            assert!(
                message.contains(part) && says_where,
                "{name}: got `{message}`, expected `{part}` and where"
            );
            assert!(!lab.tree().exists(), "{name}: refused, yet a tree is left");
        }
        (Ok(_), Refused(part)) => panic!("{name}: got {:?}, expected `{part}`", lab.listing()),
        (Err(error), Tree(_)) => panic!("{name}: {}", whole_message(&error)),
    }
    lab.assert_canary_lives();
}
