//! What a profile adds to a container: the meaning of its keys, without its name.

use std::ffi::OsString;

use crate::base::fault::BoxFault;
use crate::base::path::HostPath;
use crate::plan::binds;
use crate::plan::wish::{Text, Wish};

use super::account::ask_for_userns;

/// What a profile says.
#[derive(Clone, Debug, Default)]
pub struct ProfileOptions {
    /// Show the caller's home.
    pub home: bool,
    /// Show the caller's working directory, and start there.
    pub cwd: bool,
    /// Directories to show at their own place where they are, such as `$SCRATCH`.
    pub paths: Vec<OsString>,
    /// Volumes, which yield to those that were typed.
    pub volumes: Vec<OsString>,
    /// Variables of the host that win over the image's: names, and beginnings of names with a star.
    pub env: Vec<OsString>,
    /// Keep the host's environment below the image's.
    pub host_env: bool,
    /// What of that is left out, as names and beginnings of names.
    pub drop_env: Vec<OsString>,
    /// Whose ids the guest has.
    pub userns: Option<String>,
}

impl ProfileOptions {
    /// Whether a volume's source may be relative to the working directory.
    pub(super) fn has_sources(&self) -> bool {
        !self.volumes.is_empty()
    }

    /// Adds what this asks for; what was typed is there already, and wins.
    pub(super) fn add_to(self, wish: &mut Wish, cwd: &HostPath) -> Result<(), BoxFault> {
        let texts = |texts: Vec<OsString>| texts.into_iter().map(Text).collect::<Vec<_>>();
        let around = &mut wish.surroundings;
        around.cwd |= self.cwd;
        around.paths.extend(texts(self.paths));
        let volumes = self.volumes.iter();
        let volumes = volumes.map(|text| binds::anchored_volume(text, cwd));
        around.volumes.extend(volumes);
        around.environment.extend(texts(self.env));
        around.host_environment |= self.host_env;
        around.dropped.extend(texts(self.drop_env));
        wish.home |= self.home;
        if let (None, Some(userns)) = (wish.userns, &self.userns) {
            ask_for_userns(userns, wish)?;
        }
        Ok(())
    }
}
