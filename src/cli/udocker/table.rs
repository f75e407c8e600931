//! The verbs of udocker, each a row.

use super::grammar::Verb;
use super::{account, archive, container, image, label, program, remote, run, setup};

/// All, in the order of the help.
pub(crate) const VERBS: &[&Verb] = &[
    &program::HELP,
    &program::VERSION,
    &program::SHOWCONF,
    &program::INSTALL,
    &program::MKREPO,
    &image::PULL,
    &image::IMAGES,
    &image::RMI,
    &image::VERIFY,
    &container::CREATE,
    &container::PS,
    &run::RUN,
    &container::RM,
    &container::NAME,
    &container::RENAME,
    &container::RMNAME,
    &container::INSPECT,
    &archive::CLONE,
    &archive::EXPORT,
    &archive::IMPORT,
    &archive::LOAD,
    &archive::SAVE,
    &remote::SEARCH,
    &remote::MANIFEST,
    &label::TAG,
    &label::PROTECT,
    &label::UNPROTECT,
    &setup::SETUP,
    &account::LOGIN,
    &account::LOGOUT,
];

/// The row of a verb.
pub(crate) fn named(name: &str) -> Option<&'static Verb> {
    VERBS.iter().copied().find(|verb| verb.name == name)
}
