//! From a plan to apptainer's command line and environment. apptainer-exec(1), singularity-exec(1)

use std::ffi::OsString;
use std::path::Path;

use super::tree::Binding;
use crate::base::env;
use crate::base::path::HostPath;
use crate::plan::{Network, RunPlan};

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Apptainer, and what calls itself so.
    Apptainer,
    /// Sylabs' Singularity, or what was before the two.
    Singularity,
}

impl Flavour {
    /// By the name that was found in PATH.
    pub fn of(program: &Path) -> Flavour {
        match program
            .file_name()
            .is_some_and(|name| name == "singularity")
        {
            true => Flavour::Singularity,
            false => Flavour::Apptainer,
        }
    }

    /// What stands before the names of the guest's variables. The other's prefix would be understood with a warning.
    fn prefix(self) -> &'static str {
        match self {
            Flavour::Apptainer => "APPTAINERENV_",
            Flavour::Singularity => "SINGULARITYENV_",
        }
    }
}

/// A command line and an environment.
type Words = (Vec<OsString>, Vec<(OsString, OsString)>);

/// Its arguments, its own name first, and its environment. The guest's variables stand in the environment alone, which
/// no other user can read; of `callers` its own settings are left out, as they could add what nobody asked us for.
pub fn words(
    plan: &RunPlan,
    program: &HostPath,
    flavour: Flavour,
    rootfs: &HostPath,
    bindings: &[Binding],
    callers: &[(OsString, OsString)],
) -> Words {
    let mut argv: Vec<OsString> = vec![program.as_os_str().to_owned()];
    // Nothing of the host but what the plan has; `/proc`, `/sys` and `/dev` it mounts itself. `--no-eval`: else a shell
    // would expand what variables hold.
    let own = ["--quiet", "exec", "--writable", "--cleanenv", "--no-eval"];
    argv.extend(own.map(OsString::from));
    argv.extend(["--no-mount", "tmp,cwd,hostfs,bind-paths"].map(OsString::from));
    argv.extend(home(plan, rootfs));
    if plan.user.uid == 0 && !nix::unistd::geteuid().is_root() {
        argv.push("--fakeroot".into());
    }
    if plan.no_new_privileges {
        // A set-id starter could not start then.
        argv.push("--userns".into());
    }
    if let Some(name) = &plan.hostname {
        argv.extend(["--hostname".into(), name.into()]);
    }
    if plan.network == Network::None {
        argv.extend(["--net", "--network", "none"].map(OsString::from));
    }
    for binding in bindings {
        argv.extend(["--bind".into(), binding.spec()]);
    }
    argv.extend([
        "--pwd".into(),
        plan.cwd.path.as_path().as_os_str().to_owned(),
    ]);
    argv.push(rootfs.as_os_str().to_owned());
    argv.extend(plan.argv.iter().cloned());
    (argv, environment(plan, flavour, callers))
}

/// The guest's home: a variable would not be believed. The tree's own directory is bound on itself.
fn home(plan: &RunPlan, rootfs: &HostPath) -> Vec<OsString> {
    let mut variables = plan.environment.iter();
    let home = variables.find(|(name, _)| name == env::HOME);
    let home = home.map(|(_, value)| Path::new(value));
    let sayable = home.filter(|home| {
        let has_separator = home.to_string_lossy().contains([':', ',', '\\']);
        home.is_absolute() && home.parent().is_some() && !has_separator
    });
    let Some(home) = sayable else {
        return vec!["--no-home".into()];
    };
    let inside = home.strip_prefix("/").unwrap_or(home);
    let mut pair = rootfs.join(inside).as_os_str().to_owned();
    pair.push(":");
    pair.push(home);
    vec!["--home".into(), pair]
}

fn environment(
    plan: &RunPlan,
    flavour: Flavour,
    callers: &[(OsString, OsString)],
) -> Vec<(OsString, OsString)> {
    let is_setting = |name: &OsString| {
        let name = name.as_encoded_bytes();
        name.starts_with(b"APPTAINER") || name.starts_with(b"SINGULARITY")
    };
    let kept = callers.iter().filter(|(name, _)| !is_setting(name));
    let mut all: Vec<(OsString, OsString)> = kept.cloned().collect();
    for (name, value) in &plan.environment {
        if name != env::HOME {
            let mut prefixed = OsString::from(flavour.prefix());
            prefixed.push(name);
            all.push((prefixed, value.clone()));
        }
    }
    all
}
