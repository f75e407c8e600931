//! Profiles: what of a host comes along into a container, under a name.

use std::ffi::OsString;

use crate::base::fault::{BoxFault, Fault, Kind};
use crate::base::near;
use crate::base::path::HostPath;
use crate::cli::config::file::{self, Profile};
use crate::cli::config::keys::{FIELDS, Name};
use crate::cli::config::value::{Value, expanded};
use crate::cli::config::{Config, Origin, unset};
use crate::ops::options::ProfileOptions;

/// The profiles that every copy of this program has, in the words of a configuration file.
const BUILT_IN: &str = include_str!("hpc.toml");

/// What programs outside /dev an interconnect and Slurm want: where a PMIx server and Slurm's daemon keep their
/// sockets, which drivers libibverbs loads, and who answers for users. Shown at their own place, where they are.
const FABRIC: [&str; 9] = [
    "$PMIX_SERVER_TMPDIR",
    "/var/spool/slurmd",
    "/var/spool/slurm",
    "/etc/libibverbs.d",
    "/run/munge",
    "/run/nscd",
    "/var/run/nscd",
    "/var/lib/sss/pipes",
    "/dev/hugepages",
];

/// A profile that nobody wrote.
#[derive(Debug, thiserror::Error)]
#[error("there is no profile `{name}`")]
struct NoProfile {
    name: String,
    hints: Vec<String>,
}

impl Fault for NoProfile {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }
}

/// A profile that cannot be used here.
#[derive(Debug, thiserror::Error)]
#[error("cannot use profile `{name}` of {origin}: {what}")]
struct Unusable {
    name: String,
    origin: Origin,
    what: String,
}

impl Fault for Unusable {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl Config {
    /// All profiles, the built-in ones last; one of a file takes the place of a built-in one.
    pub(crate) fn profiles(&self) -> Vec<(Profile, Origin)> {
        let mut profiles = self.profiles.clone();
        for profile in built_in() {
            if !profiles.iter().any(|(known, _)| known.name == profile.name) {
                profiles.push((profile, Origin::BuiltIn));
            }
        }
        profiles
    }

    /// What the profile called `name` adds to a container.
    pub(crate) fn profile(&self, name: &str) -> Result<ProfileOptions, BoxFault> {
        let profiles = self.profiles();
        let found = profiles.iter().find(|(profile, _)| profile.name == name);
        let Some((profile, origin)) = found else {
            let names: Vec<&str> = profiles.iter().map(|(profile, _)| &*profile.name).collect();
            let mut hints: Vec<String> = near::question(name, names.iter().copied())
                .into_iter()
                .collect();
            hints.push(format!("there are: {}", names.join(", ")));
            let name = name.escape_debug().take(80).collect();
            return Err(NoProfile { name, hints }.into());
        };
        let options = options(profile).map_err(|what| Unusable {
            name: name.to_owned(),
            origin: origin.clone(),
            what,
        })?;
        Ok(options)
    }

    /// The profile that a setting asks for, where one does.
    pub(crate) fn standing_profile(&self) -> Result<Option<ProfileOptions>, BoxFault> {
        let name = self.text(Name::Profile);
        name.map(|name| self.profile(name)).transpose()
    }
}

impl Profile {
    /// As it stands in a configuration file.
    pub(crate) fn toml(&self) -> String {
        let mut text = format!("[profile.{}]\n", self.name);
        for (index, value) in &self.fields {
            text += &format!("{} = {}\n", FIELDS[*index].word, value.toml());
        }
        text
    }

    /// For programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let fields = self.fields.iter();
        let fields = fields.map(|(index, value)| (FIELDS[*index].word.to_owned(), value.json()));
        fields.collect::<serde_json::Map<_, _>>().into()
    }

    fn switch(&self, word: &str) -> bool {
        matches!(self.value(word), Some(Value::Switch(true)))
    }

    fn list(&self, word: &str) -> Vec<OsString> {
        match self.value(word) {
            Some(Value::List(items)) => items.clone(),
            _ => Vec::new(),
        }
    }

    fn value(&self, word: &str) -> Option<&Value> {
        let mut fields = self.fields.iter();
        let (_, value) = fields.find(|(index, _)| FIELDS[*index].word == word)?;
        Some(value)
    }
}

fn built_in() -> Vec<Profile> {
    let layer = file::parse(BUILT_IN, &HostPath::new("hpc.toml"));
    layer.expect("a test reads this very text").profiles
}

/// The meaning of a profile. Scratch directories stay as they are written: a container finds those of the node and the
/// job where it runs.
fn options(profile: &Profile) -> Result<ProfileOptions, String> {
    let mut paths = profile.list("scratch");
    if profile.switch("tmp") {
        paths.push("/tmp".into());
    }
    if profile.list("devices").iter().any(|kind| kind == "fabric") {
        paths.extend(FABRIC.map(OsString::from));
    }
    let volumes = profile.list("volumes");
    let volumes = volumes
        .iter()
        .map(|volume| expanded(volume).map_err(|name| unset(&name)));
    Ok(ProfileOptions {
        home: profile.switch("home"),
        cwd: profile.switch("cwd"),
        paths,
        volumes: volumes.collect::<Result<_, _>>()?,
        env: profile.list("env"),
        host_env: profile.switch("host_env"),
        drop_env: profile.list("drop_env"),
        userns: match profile.value("userns") {
            Some(Value::Text(word)) => word.to_str().map(str::to_owned),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_built_in_profiles_are_read_and_written_in_one_form() {
        let [profile] = super::built_in().try_into().expect("there is one");
        assert_eq!(profile.name, "hpc");
        let again = super::file::parse(&profile.toml(), &super::HostPath::new("again.toml"));
        let again = again.expect("what is printed can be read").profiles;
        assert_eq!(again[0].fields, profile.fields);
    }
}
