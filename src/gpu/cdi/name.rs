//! Names of devices, `vendor/class=name`, such as `nvidia.com/gpu=0`.
//!
//! Container Device Interface 1.1.0, SPEC.md, "Kind" and "CDI Devices".

use std::fmt;
use std::str::FromStr;

use crate::base::fault::{Fault, Kind as FaultKind};

/// Bytes of a vendor: it is a DNS subdomain.
const MAX_VENDOR: usize = 253;
/// Bytes of a class.
const MAX_CLASS: usize = 63;

/// Letters of a text that a message shows.
const MAX_SHOWN: usize = 120;

/// A vendor and a class of his devices: `nvidia.com/gpu`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    text: String,
    slash: usize,
}

/// The full name of a device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceName {
    kind: Kind,
    name: String,
}

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Parts are missing.
    #[error("`{0}` names no device: expected `vendor/class=name`, such as `nvidia.com/gpu=0`")]
    NotName(String),
    /// Likewise, of a kind.
    #[error("`{0}` names no kind of devices: expected `vendor/class`, such as `nvidia.com/gpu`")]
    NotKind(String),
    /// One part has a form that the specification forbids.
    #[error("{part} `{text}` {reason}")]
    Part {
        /// Which.
        part: &'static str,
        /// As it is written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Fault for NameError {
    fn kind(&self) -> FaultKind {
        FaultKind::Usage
    }
}

impl Kind {
    /// Whose devices these are: `nvidia.com`.
    pub fn vendor(&self) -> &str {
        &self.text[..self.slash]
    }

    /// What they are: `gpu`.
    pub fn class(&self) -> &str {
        &self.text[self.slash + 1..]
    }

    /// The device of this kind that is called `name`.
    pub fn device(&self, name: &str) -> Result<DeviceName, NameError> {
        check("device", name, usize::MAX, Begin::LetterOrDigit, ":")?;
        Ok(DeviceName {
            kind: self.clone(),
            name: name.to_owned(),
        })
    }
}

impl DeviceName {
    /// Vendor and class.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What the vendor calls it among the devices of its class.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Kind {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Kind, NameError> {
        let not_kind = || NameError::NotKind(shown(text));
        let (vendor, class) = text.split_once('/').ok_or_else(not_kind)?;
        check("vendor", vendor, MAX_VENDOR, Begin::Letter, "")?;
        check("class", class, MAX_CLASS, Begin::Letter, "")?;
        Ok(Kind {
            text: text.to_owned(),
            slash: vendor.len(),
        })
    }
}

impl FromStr for DeviceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<DeviceName, NameError> {
        let not_name = || NameError::NotName(shown(text));
        let (kind, name) = text.split_once('=').ok_or_else(not_name)?;
        if !kind.contains('/') {
            return Err(not_name());
        }
        kind.parse::<Kind>()?.device(name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind, self.name)
    }
}

/// What a part may begin with. Names of devices may begin with a digit since 0.5.0.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Letter,
    LetterOrDigit,
}

/// Whether `text` is made of ASCII letters, digits, `_`, `-`, `.` and `further`, begins as it may, and does not end
/// with a sign.
fn check(
    part: &'static str,
    text: &str,
    limit: usize,
    begin: Begin,
    further: &str,
) -> Result<(), NameError> {
    let wrong = |reason: String| NameError::Part {
        part,
        text: shown(text),
        reason,
    };
    let allowed = |letter: &char| {
        letter.is_ascii_alphanumeric() || "_-.".contains(*letter) || further.contains(*letter)
    };
    let Some(first) = text.chars().next() else {
        return Err(wrong("is empty".to_owned()));
    };
    if text.len() > limit {
        return Err(wrong(format!("is longer than {limit} bytes")));
    }
    if let Some(letter) = text.chars().find(|letter| !allowed(letter)) {
        return Err(wrong(format!("contains `{}`", letter.escape_debug())));
    }
    match begin {
        Begin::Letter if !first.is_ascii_alphabetic() => {
            Err(wrong("does not begin with a letter".to_owned()))
        }
        Begin::LetterOrDigit if !first.is_ascii_alphanumeric() => {
            Err(wrong("does not begin with a letter or digit".to_owned()))
        }
        _ if !text.ends_with(|last: char| last.is_ascii_alphanumeric()) => {
            Err(wrong("does not end with a letter or digit".to_owned()))
        }
        _ => Ok(()),
    }
}

/// Text of strangers for a message: one line, nothing that a terminal obeys, not too long.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars().take(MAX_SHOWN) {
        match letter.is_control() {
            true => shown.extend(letter.escape_debug()),
            false => shown.push(letter),
        }
    }
    shown
}
