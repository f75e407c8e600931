//! Versions of drivers and of CUDA: numbers with dots between, compared number by number.

use std::cmp::Ordering;

/// The most numbers in a version; drivers have three, CUDA two.
const MAX_NUMBERS: usize = 4;

/// A version such as `580.159.04` or `12.4`.
#[derive(Clone, Debug)]
pub struct Version(Vec<u32>);

impl Version {
    /// Reads digits and dots; `None` for anything else, and for more than four numbers.
    pub fn parse(text: &str) -> Option<Version> {
        let mut numbers = Vec::new();
        for part in text.split('.') {
            // `parse` alone would take a sign.
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if !digits || numbers.len() == MAX_NUMBERS {
                return None;
            }
            numbers.push(part.parse().ok()?);
        }
        Some(Version(numbers))
    }

    /// A version of two numbers.
    pub fn new(major: u32, minor: u32) -> Version {
        Version(vec![major, minor])
    }

    /// The first number; that of a driver names its branch.
    pub fn major(&self) -> u32 {
        self.0.first().copied().unwrap_or_default()
    }

    /// Numbers that are not there count as zero, so that `470` equals `470.0`.
    fn numbers(&self) -> [u32; MAX_NUMBERS] {
        std::array::from_fn(|idx| self.0.get(idx).copied().unwrap_or_default())
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.numbers() == other.numbers()
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.numbers().cmp(&other.numbers())
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}
