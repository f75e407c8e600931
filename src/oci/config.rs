//! Image configs: what to run, as whom, and which layers make the tree.
//!
//! image-spec, config.md. Labels are data; nothing in coracle acts on them.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::base::digest::Digest;
use crate::oci::manifest::{MAX_LAYERS, Manifest};
use crate::oci::platform::Platform;
use crate::oci::{DocumentError, Few, null_as_default, parse};

/// The longest history; that of real images has some hundred steps.
const MAX_HISTORY: usize = 10_000;

/// An image config. Fields that a runner has no use for stay in the stored bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// What it runs on.
    pub platform: Platform,
    /// What to run, and how.
    pub config: RunConfig,
    /// The layers.
    pub rootfs: RootFs,
    /// How the layers came about, lowest first, with entries that made none.
    pub history: Vec<History>,
}

/// The same as it is written. The platform's fields stand among the others: serde's `flatten` would keep in memory
/// whatever else is there.
#[derive(Deserialize)]
struct Raw {
    created: Option<String>,
    author: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    os: String,
    #[serde(default, deserialize_with = "null_as_default")]
    architecture: String,
    variant: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    config: RunConfig,
    rootfs: RootFs,
    #[serde(default, deserialize_with = "null_as_default")]
    history: Few<History, MAX_HISTORY>,
}

/// What to run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RunConfig {
    /// `user`, `uid`, `user:group`, `uid:gid`, `uid:group` or `user:gid`; empty for root.
    #[serde(deserialize_with = "null_as_default")]
    pub user: String,
    /// `NAME=value`; entries without `=` and repeated names occur.
    #[serde(deserialize_with = "null_as_default")]
    pub env: Vec<String>,
    /// The program and its first arguments.
    #[serde(deserialize_with = "null_as_default")]
    pub entrypoint: Vec<String>,
    /// The arguments, or the whole command where there is no entry point.
    #[serde(deserialize_with = "null_as_default")]
    pub cmd: Vec<String>,
    /// Where to start; empty for `/`.
    #[serde(deserialize_with = "null_as_default")]
    pub working_dir: String,
    /// Directories that must exist.
    #[serde(deserialize_with = "keys")]
    pub volumes: Vec<String>,
    /// `port/protocol`; information only, the network is the host's.
    #[serde(deserialize_with = "keys")]
    pub exposed_ports: Vec<String>,
    /// Data for people.
    #[serde(deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, Option<String>>,
    /// The signal that asks the program to end, `SIGNAME` or a number.
    pub stop_signal: Option<String>,
}

/// The layers, as a list of digests of their plain tar streams.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct RootFs {
    /// Must be `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub diff_ids: Vec<Digest>,
}

/// How one layer, or one piece of config, came about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct History {
    /// When, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
    /// By which command.
    #[serde(default)]
    pub created_by: Option<String>,
    /// What for.
    #[serde(default)]
    pub comment: Option<String>,
    /// Whether it made no layer.
    #[serde(default, deserialize_with = "null_as_default")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// Reads a config; `rootfs.type` must be `layers`.
    pub fn parse(bytes: &[u8]) -> Result<ImageConfig, DocumentError> {
        let raw: Raw = parse("image config", bytes)?;
        let config = ImageConfig {
            created: raw.created,
            author: raw.author,
            platform: Platform {
                os: raw.os,
                architecture: raw.architecture,
                variant: raw.variant,
            },
            config: raw.config,
            rootfs: raw.rootfs,
            history: raw.history.all("image config", "steps of its history")?,
        };
        if config.rootfs.kind != "layers" {
            let kind: String = config.rootfs.kind.escape_debug().take(80).collect();
            return Err(confused(format!(
                "got `rootfs.type` `{kind}`, expected `layers`"
            )));
        }
        let got = config.rootfs.diff_ids.len();
        if got > MAX_LAYERS {
            return Err(DocumentError::TooMany {
                what: "image config",
                things: "layers",
                got,
                limit: MAX_LAYERS,
            });
        }
        Ok(config)
    }

    /// Reads the config of `manifest`; each layer must have its diffID.
    pub fn parse_for(manifest: &Manifest, bytes: &[u8]) -> Result<ImageConfig, DocumentError> {
        let config = ImageConfig::parse(bytes)?;
        let (got, expected) = (config.rootfs.diff_ids.len(), manifest.layers.len());
        if got != expected {
            return Err(confused(format!(
                "got {got} diffIDs, expected {expected}, one per layer"
            )));
        }
        Ok(config)
    }

    /// The name of the tree that all layers make together.
    pub fn chain_id(&self) -> Digest {
        chain_id(&self.rootfs.diff_ids)
    }
}

/// Reads a set, which JSON writes as an object of empty objects, or `null`.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let set: BTreeMap<String, IgnoredAny> = null_as_default(deserializer)?;
    Ok(set.into_keys().collect())
}

fn confused(how: String) -> DocumentError {
    DocumentError::Confused {
        what: "image config",
        how,
    }
}

/// The name of the tree that layers with `diff_ids`, lowest first, make together;
/// config.md, "Layer ChainID". An image without layers is named by the digest of nothing.
pub fn chain_id(diff_ids: &[Digest]) -> Digest {
    let mut chain: Option<Digest> = None;
    for diff_id in diff_ids {
        chain = Some(match chain {
            None => diff_id.clone(),
            Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
        });
    }
    chain.unwrap_or_else(|| Digest::of(b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_the_same_as_absent() {
        let config = ImageConfig::parse(
            br#"{"os":"linux","architecture":"arm64","variant":null,"created":null,"history":null,
                "config":{"Env":null,"Cmd":["sh"],"Entrypoint":null,"Volumes":{"/data":{}},"Labels":{"a":null},
                "Healthcheck":{"Test":["NONE"]},"User":null},"rootfs":{"type":"layers","diff_ids":null}}"#,
        )
        .expect("a config as Docker writes it");
        assert_eq!(config.platform.to_string(), "linux/arm64");
        assert_eq!(config.config.cmd, ["sh"]);
        assert!(config.config.volumes == ["/data"]);
        assert_eq!(config.chain_id(), Digest::of(b""));
        let missing = br#"{"rootfs":{"type":"layers"},"config":null}"#;
        assert_eq!(
            ImageConfig::parse(missing).expect("all optional").config,
            RunConfig::default()
        );
        assert!(ImageConfig::parse(br#"{"rootfs":{"type":"xfs"}}"#).is_err());
    }

    #[test]
    fn a_history_is_bounded_and_other_fields_are_left_alone() {
        let config = |n: usize| {
            let steps = vec!["{}"; n].join(",");
            let json = format!(
                r#"{{"rootfs":{{"type":"layers"}},"x":[[{{}}]],"variant":null,"history":[{steps}]}}"#
            );
            ImageConfig::parse(json.as_bytes())
        };
        let longest = config(MAX_HISTORY).expect("as long as it may be");
        assert_eq!(longest.history.len(), MAX_HISTORY);
        let error = config(MAX_HISTORY + 2).expect_err("two too many");
        assert!(error.to_string().contains("lists 10002 steps"), "{error}");
    }

    #[test]
    fn the_chain_is_that_of_the_specification() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| Digest::of(bytes));
        assert_eq!(chain_id(std::slice::from_ref(&a)), a);
        let ab = Digest::of(format!("{a} {b}").as_bytes());
        let abc = Digest::of(format!("{ab} {c}").as_bytes());
        assert_eq!(chain_id(&[a, b, c]), abc);
    }
}
