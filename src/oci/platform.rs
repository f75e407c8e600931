//! Platforms, and the choice of one entry of an index.
//!
//! image-spec, image-index.md, "platform"; the names are those of Go's GOOS and GOARCH.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base::fault::{Fault, Kind};
use crate::oci::null_as_default;

/// What an image runs on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The system, such as `linux`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub os: String,
    /// The processor, such as `amd64`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub architecture: String,
    /// The kind of processor, such as `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A text that is not a platform.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a platform, expected `os/architecture[/variant]`")]
pub struct PlatformError(String);

impl Fault for PlatformError {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![format!("this host is `{}`", Platform::host())]
    }
}

impl Platform {
    /// The platform that this program runs on; on x86-64 with the level of the processor
    /// (`v1` to `v4`, x86-64 psABI), so that an image tuned for it is found.
    pub fn host() -> Platform {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", Some(x86_64_level())),
            "aarch64" => ("arm64", None),
            "powerpc64" => ("ppc64le", None),
            other => (other, None),
        };
        Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }

    /// Whether an image for `other` has the system and processor wanted here, variants aside.
    pub fn is_kin_of(&self, other: &Platform) -> bool {
        self.os == other.os && self.architecture == normal(&other.architecture)
    }

    /// How well an image for `offered` suits this platform, 0 being best; `None` where it
    /// cannot run. A higher variant wins as long as the processor has it.
    pub fn rank(&self, offered: &Platform) -> Option<usize> {
        if !self.is_kin_of(offered) {
            return None;
        }
        let wanted = self.level(self.variant.as_deref());
        let given = self.level(offered.variant.as_deref());
        match (wanted, given) {
            (Some(wanted), Some(given)) => wanted.checked_sub(given),
            _ => (self.variant == offered.variant).then_some(0),
        }
    }

    /// The number of a variant `vN`, with what each processor takes for granted.
    fn level(&self, variant: Option<&str>) -> Option<usize> {
        match (variant, self.architecture.as_str()) {
            (None | Some(""), "amd64") => Some(1),
            (None | Some(""), "arm64") => Some(8),
            (None | Some(""), "arm") => Some(7),
            (Some(text), _) => text.strip_prefix('v')?.parse().ok(),
            _ => None,
        }
    }
}

/// The names that Linux uses, in the words of OCI.
fn normal(architecture: &str) -> &str {
    match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        "armhf" | "armv7l" => "arm",
        other => other,
    }
}

#[cfg(target_arch = "x86_64")]
fn x86_64_level() -> &'static str {
    let has_v2 = is_x86_feature_detected!("sse4.2") && is_x86_feature_detected!("popcnt");
    let has_v3 = has_v2
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("movbe");
    let has_v4 = has_v3
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (has_v4, has_v3, has_v2) {
        (true, _, _) => "v4",
        (_, true, _) => "v3",
        (_, _, true) => "v2",
        _ => "v1",
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn x86_64_level() -> &'static str {
    "v1"
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// Reads `os/architecture[/variant]`, or an architecture alone; `x86_64` and
    /// `aarch64` are taken for what they mean.
    fn from_str(text: &str) -> Result<Platform, PlatformError> {
        let error = || PlatformError(text.escape_debug().take(80).collect());
        let is_word = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if parts.len() > 3 || !parts.iter().all(is_word) {
            return Err(error());
        }
        let (os, architecture, variant) = match parts.as_slice() {
            ["linux"] => return Err(error()),
            [architecture] => ("linux", *architecture, None),
            [os, architecture] => (*os, *architecture, None),
            [os, architecture, variant] => (*os, *architecture, Some(*variant)),
            _ => return Err(error()),
        };
        Ok(Platform {
            os: os.to_owned(),
            architecture: normal(architecture).to_owned(),
            variant: variant.map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().expect("a literal of this test")
    }

    #[test]
    fn the_best_variant_that_runs_wins() {
        for (wanted, offered, rank) in [
            ("linux/amd64/v3", "linux/amd64/v3", Some(0)),
            ("linux/amd64/v3", "linux/amd64", Some(2)),
            ("linux/amd64/v3", "linux/amd64/v4", None),
            ("linux/amd64", "linux/amd64/v2", None),
            ("linux/arm64", "linux/arm64/v8", Some(0)),
            ("linux/arm/v6", "linux/arm/v7", None),
            ("linux/arm", "linux/arm/v6", Some(1)),
            ("linux/amd64", "linux/arm64", None),
            ("linux/amd64", "unknown/unknown", None),
            ("linux/s390x", "linux/s390x", Some(0)),
        ] {
            assert_eq!(
                platform(wanted).rank(&platform(offered)),
                rank,
                "{wanted} {offered}"
            );
        }
    }

    #[test]
    fn platforms_parse_and_print() {
        assert_eq!(platform("x86_64").to_string(), "linux/amd64");
        assert_eq!(platform("linux/arm/v7").to_string(), "linux/arm/v7");
        for bad in ["", "linux", "linux/", "a/b/c/d", "linux/am d64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
