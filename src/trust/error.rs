//! What can go wrong when trust is decided, and the way out of each.

use std::error::Error;
use std::fmt;

use crate::base::fault::{Fault, Kind};
use crate::base::fsx::PathError;
use crate::base::path::HostPath;

/// Reasons that an error tells; of a registry that offers more signatures, the rest is counted.
const MAX_SHOWN: usize = 8;
/// Characters of a reason; what strangers wrote stands in it.
const MAX_REASON: usize = 400;

/// Why an image is not trusted, or why that could not be found out. Either way it is not used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file of the policy, or a key that it names, that is there and cannot be read.
    #[error("cannot learn which images are trusted")]
    File(#[source] PathError),
    /// A file that says what nobody understands.
    #[error("cannot use `{path}`: {what}")]
    Wrong {
        /// Which file.
        path: HostPath,
        /// Where in it, and what is wrong.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A demand that we cannot check, so that nobody can say whether it is met.
    #[error("cannot check what `{by}` demands for `{scope}`: {what}")]
    Unknown {
        /// The file.
        by: HostPath,
        /// Its scope that covers the image.
        scope: String,
        /// The demand.
        what: String,
    },
    /// The policy wants nobody to use the image.
    #[error("`{by}` rejects `{source_name}`, by its scope `{scope}`")]
    Rejected {
        /// The file.
        by: HostPath,
        /// Its scope that covers the image.
        scope: String,
        /// The image.
        source_name: String,
    },
    /// The signatures that a policy demands are not there.
    #[error("{}", unsigned(.by, .scope, *.got, *.threshold, *.n_found))]
    Unsigned {
        /// The file.
        by: HostPath,
        /// Its scope that covers the image.
        scope: String,
        /// Trusted keys that signed the image.
        got: usize,
        /// How many must have.
        threshold: usize,
        /// Signatures that were found, whoever made them.
        n_found: usize,
        /// Why those that were found do not count.
        #[source]
        reasons: Option<Reasons>,
    },
}

fn unsigned(by: &HostPath, scope: &str, got: usize, threshold: usize, n_found: usize) -> String {
    let keys = if threshold == 1 {
        "a signature by a trusted key".to_owned()
    } else {
        format!("signatures by {threshold} trusted keys")
    };
    let found = match (n_found, got) {
        (0, _) => "no signature was found".to_owned(),
        (1, 0) => "the one that was found does not count".to_owned(),
        (n, 0) => format!("of {n} that were found none counts"),
        (n, got) => format!("of {n} that were found those by {got} count"),
    };
    format!("`{by}` demands {keys} for `{scope}`: {found}")
}

/// Why signatures do not count: one reason, and the next as its source, so that each is told on a line.
#[derive(Debug)]
pub struct Reasons {
    text: String,
    next: Option<Box<Reasons>>,
}

impl Reasons {
    /// `texts` in their order, the first few of them; `None` where there are none.
    pub fn new(texts: &[String]) -> Option<Reasons> {
        let mut chain = match texts.len().saturating_sub(MAX_SHOWN) {
            0 => None,
            n => Some(Reasons {
                text: format!("{n} more do not count either"),
                next: None,
            }),
        };
        for text in texts.iter().take(MAX_SHOWN).rev() {
            chain = Some(Reasons {
                text: shown(text),
                next: chain.map(Box::new),
            });
        }
        chain
    }
}

/// A text with words of strangers in it, as a message can show it.
pub(crate) fn shown(text: &str) -> String {
    let clean = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c });
    clean.take(MAX_REASON).collect()
}

impl fmt::Display for Reasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Reasons {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.next.as_deref()?)
    }
}

impl Fault for TrustError {
    fn kind(&self) -> Kind {
        match self {
            TrustError::File(error) => error.kind(),
            TrustError::Wrong { .. } => Kind::Usage,
            TrustError::Unknown { .. } | TrustError::Rejected { .. } => Kind::Refused,
            TrustError::Unsigned { .. } => Kind::Integrity,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            TrustError::File(error) => vec![format!(
                "make `{}` readable, or have what names it changed: a policy that cannot be read trusts nothing",
                error.path.display()
            )],
            TrustError::Wrong { hint, .. } => vec![hint.clone()],
            TrustError::Unknown { by, .. } => vec![format!(
                "change `{by}`; `coracle help trust` says what can be checked"
            )],
            TrustError::Rejected { by, .. } => vec![format!(
                "use another image, or have `{by}` changed; `coracle help trust` explains it"
            )],
            TrustError::Unsigned { n_found: 0, .. } => vec![
                "ask whoever published the image for a signature made with `cosign sign --key`"
                    .into(),
                "a copy of an image lacks its signatures unless they were copied too".into(),
            ],
            TrustError::Unsigned { by, .. } => vec![format!(
                "compare the keys that `{by}` names with those of whoever published the image"
            )],
        }
    }
}
