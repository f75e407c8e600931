//! What every test stands on: a private home, commands run as a plain user, a registry, a terminal.

pub(crate) mod command;
pub(crate) mod feature;
pub(crate) mod fixture;
pub(crate) mod leftover;
pub(crate) mod registry;
pub(crate) mod sandbox;
pub(crate) mod stream;
pub(crate) mod terminal;
pub(crate) mod tree;

pub(crate) use command::{Output, Run, with_mounts};
pub(crate) use feature::Feature;
pub(crate) use registry::{Registry, Tls};
pub(crate) use sandbox::Sandbox;
pub(crate) use terminal::Terminal;

/// Returns from the test, saying why, when the host lacks one of the named features; under `MUST_WORK=1` it fails.
macro_rules! require {
    ($($feature:ident),+ $(,)?) => {
        $(
            if let Err(reason) = crate::support::Feature::$feature.probe() {
                crate::support::feature::skip(module_path!(), &reason);
                return;
            }
        )+
    };
}
pub(crate) use require;
