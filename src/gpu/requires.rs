//! What an image says it needs of the driver: `NVIDIA_REQUIRE_*`, answered with warnings.
//!
//! The rules and their words are those of NVIDIA's container toolkit: `cuda>=12.4 brand=tesla,driver>=470`. A space
//! means or, a comma means and, several variables must all hold. We know the driver's version and, by it, which CUDA
//! it brings; product lines and architectures only NVML could tell. So a rule can hold, fail, or stay open, and only
//! one that surely fails is worth a warning. It never stops a run: the rules know nothing of compatibility between
//! minor versions and are stricter than the driver.

use std::cmp::Ordering;

use crate::base::env;
use crate::gpu::version::Version;

/// The most of one variable that is read. Those of NVIDIA's images have about 2 KiB.
const MAX_LENGTH: usize = 16 * 1024;
/// The most variables that are read.
const MAX_VARIABLES: usize = 64;
/// The most of one name or rule that a warning repeats.
const MAX_QUOTED: usize = 60;

/// The newest CUDA that a branch of the driver brings, by the branch's number, oldest first.
///
/// Up to 450 by NVIDIA's table of the oldest driver for each CUDA ("CUDA Toolkit Release Notes", table 3). From 455
/// on this is from memory and not checked against a source, but for 580, whose 13.0 the same table names. An entry
/// that is wrong makes a warning wrong, nothing else.
const CUDA_BY_BRANCH: [(u32, (u32, u32)); 29] = [
    (346, (7, 0)),
    (352, (7, 5)),
    (367, (8, 0)),
    (384, (9, 0)),
    (390, (9, 1)),
    (396, (9, 2)),
    (410, (10, 0)),
    (418, (10, 1)),
    (440, (10, 2)),
    (450, (11, 0)),
    (455, (11, 1)),
    (460, (11, 2)),
    (465, (11, 3)),
    (470, (11, 4)),
    (495, (11, 5)),
    (510, (11, 6)),
    (515, (11, 7)),
    (520, (11, 8)),
    (525, (12, 0)),
    (530, (12, 1)),
    (535, (12, 2)),
    (545, (12, 3)),
    (550, (12, 4)),
    (555, (12, 5)),
    (560, (12, 6)),
    (565, (12, 7)),
    (570, (12, 8)),
    (575, (12, 9)),
    (580, (13, 0)),
];

/// Which CUDA a driver brings.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cuda {
    /// This one.
    Is(Version),
    /// This one or a later one.
    AtLeast(Version),
    /// An older one than we know of.
    Unknown,
}

/// A warning for each variable of `environment`, the guest's, that a driver of version `driver` does not satisfy.
/// `compat` is the version of the image's package for forward compatibility where that comes first: then CUDA is the
/// one that it brings. Nothing where `NVIDIA_DISABLE_REQUIRE` is set, or the version is none.
pub fn unmet(environment: &[(&str, &str)], driver: &str, compat: Option<&str>) -> Vec<String> {
    let Some(version) = Version::parse(driver) else {
        return Vec::new();
    };
    if environment
        .iter()
        .any(|(name, value)| disables(name, value))
    {
        return Vec::new();
    }
    let libcuda = compat.and_then(Version::parse);
    let cuda = cuda(libcuda.as_ref().unwrap_or(&version));
    let required = environment.iter().filter(|(name, _)| counts(name));
    let unmet = required
        .take(MAX_VARIABLES)
        .filter(|(_, value)| fails(value, &version, &cuda));
    unmet
        .map(|(name, value)| warning(name, value, driver, &cuda))
        .collect()
}

fn disables(name: &str, value: &str) -> bool {
    let no = ["", "0", "f", "false", "no"];
    name == env::NVIDIA_DISABLE_REQUIRE && !no.contains(&value.to_ascii_lowercase().as_str())
}

/// Whether a variable holds rules. Those of JetPack are about Tegra boards and their own releases.
fn counts(name: &str) -> bool {
    let rest = name.strip_prefix(env::NVIDIA_REQUIRE);
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with("JETPACK"))
}

/// Whether the rules of one variable surely fail: each alternative has a rule that does. No rules never fail.
fn fails(value: &str, driver: &Version, cuda: &Cuda) -> bool {
    // Rules that we read half would be other rules.
    if value.len() > MAX_LENGTH {
        return false;
    }
    let mut alternatives = value.split_ascii_whitespace().peekable();
    let fails = |rules: &str| {
        rules
            .split(',')
            .any(|rule| holds(rule, driver, cuda) == Some(false))
    };
    alternatives.peek().is_some() && alternatives.all(fails)
}

/// Whether one rule holds; `None` where that cannot be told, also because the rule makes no sense.
fn holds(rule: &str, driver: &Version, cuda: &Cuda) -> Option<bool> {
    let start = rule.find(['<', '>', '=', '!'])?;
    let (word, rest) = rule.split_at(start);
    let end = rest.find(|letter| !"<>=!".contains(letter))?;
    let (operator, wanted) = rest.split_at(end);
    let wanted = Version::parse(wanted)?;
    match word {
        "driver" => compare(driver.cmp(&wanted), operator),
        "cuda" => match cuda {
            Cuda::Is(version) => compare(version.cmp(&wanted), operator),
            Cuda::AtLeast(version) => at_least(version.cmp(&wanted), operator),
            Cuda::Unknown => None,
        },
        _ => None,
    }
}

fn compare(order: Ordering, operator: &str) -> Option<bool> {
    match operator {
        "=" | "==" => Some(order.is_eq()),
        "!=" => Some(order.is_ne()),
        "<" => Some(order.is_lt()),
        "<=" => Some(order.is_le()),
        ">" => Some(order.is_gt()),
        ">=" => Some(order.is_ge()),
        _ => None,
    }
}

/// The same where only a lower bound is known, and `order` is how that bound stands to the wanted version.
fn at_least(order: Ordering, operator: &str) -> Option<bool> {
    match (operator, order) {
        (">=", Ordering::Equal | Ordering::Greater) => Some(true),
        (">" | "!=", Ordering::Greater) => Some(true),
        ("<", Ordering::Equal | Ordering::Greater) => Some(false),
        ("<=" | "=" | "==", Ordering::Greater) => Some(false),
        _ => None,
    }
}

fn cuda(driver: &Version) -> Cuda {
    // A branch between two of the table brings what the older one does.
    let known = CUDA_BY_BRANCH.iter().rev();
    let mut known = known.skip_while(|(branch, _)| *branch > driver.major());
    let Some((_, (major, minor))) = known.next() else {
        return Cuda::Unknown;
    };
    let version = Version::new(*major, *minor);
    match CUDA_BY_BRANCH.last() {
        Some((newest, _)) if driver.major() > *newest => Cuda::AtLeast(version),
        _ => Cuda::Is(version),
    }
}

fn warning(name: &str, value: &str, driver: &str, cuda: &Cuda) -> String {
    let has = match cuda {
        Cuda::Is(version) => format!(", with CUDA {version}"),
        Cuda::AtLeast(version) => format!(", with CUDA {version} or newer"),
        Cuda::Unknown => String::new(),
    };
    format!(
        "the image wants `{}` ({}), the host's driver is {driver}{has}; it may work all the same, else use an \
         image for an older CUDA or a newer driver",
        quoted(value),
        quoted(name)
    )
}

/// The first word, of rules the alternative that the image was built for, cut to a bearable length.
fn quoted(value: &str) -> String {
    let first = value.split_ascii_whitespace().next().unwrap_or_default();
    let mut letters = first.chars();
    let mut text: String = letters.by_ref().take(MAX_QUOTED).collect();
    if letters.next().is_some() {
        text.push('…');
    }
    text
}
