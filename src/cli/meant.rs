//! What the global flags mean once files, environment and terminal are looked at.

use std::io::IsTerminal;

use crate::base::env;
use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::path::HostPath;
use crate::base::progress::{Progress, Silent};
use crate::cli::config::keys::Name;
use crate::cli::config::value::Value;
use crate::cli::config::{Config, Origin};
use crate::cli::render::{Bars, Lines};
use crate::cli::report::{Colour, Format, Voice};
use crate::cli::typed::Globals;
use crate::oci::platform::Platform;
use crate::ops::options::{Options, ProfileOptions};
use crate::ops::reach::{Pull, Reach};

/// What holds for every command. Built objects are asked for, not fields.
pub(crate) struct Meant {
    verbose: bool,
    config: Config,
    voice: Voice,
}

/// Neither flag nor environment says where images and containers live.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell where images and containers live: neither CORACLE_HOME nor HOME is set")]
struct Homeless;

impl Fault for Homeless {
    fn kind(&self) -> Kind {
        Kind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["set CORACLE_HOME to a directory that you can write, or use --home DIR".into()]
    }
}

impl Meant {
    /// Reads the configuration and looks at the terminal; nothing else is touched until it is asked for.
    pub(crate) fn of(globals: Globals) -> Result<Meant, BoxFault> {
        let config = Config::load(globals.config.as_deref())?;
        Ok(Meant::with(config, globals))
    }

    /// What the flags mean by themselves, for commands that must work where a configuration file does not.
    pub(crate) fn without_config(globals: Globals) -> Meant {
        Meant::with(Config::default(), globals)
    }

    fn with(mut config: Config, globals: Globals) -> Meant {
        let path = |path: std::path::PathBuf| Value::Text(path.into_os_string());
        if let Some(home) = globals.home {
            config.typed(Name::Home, "--home", path(home));
        }
        if let Some(file) = globals.tls_ca {
            config.typed(Name::TlsCa, "--tls-ca", path(file));
        }
        if !globals.insecure.is_empty() {
            let hosts = globals.insecure.into_iter().map(Into::into).collect();
            config.typed(Name::Insecure, "--insecure", Value::List(hosts));
        }
        if globals.quiet {
            config.typed(Name::Quiet, "--quiet", Value::Switch(true));
        }
        if let Some(format) = globals.log_format {
            let word = Value::Text(format.word().into());
            config.typed(Name::LogFormat, "--log-format", word);
        }
        config.lend();
        let voice = voice(&config);
        Meant {
            verbose: globals.verbose,
            config,
            voice,
        }
    }

    /// All settings, and where each came from.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// How the user wants to hear of things.
    pub(crate) fn voice(&self) -> Voice {
        self.voice
    }

    /// Whether only the essence is to be printed (`--quiet`).
    pub(crate) fn quiet(&self) -> bool {
        self.config.switch(Name::Quiet) && !self.verbose
    }

    /// Where images and containers live: `--home`, `$CORACLE_HOME`, a configuration file, `~/.coracle`.
    pub(crate) fn home(&self) -> Result<HostPath, BoxFault> {
        let said = self.config.path(Name::Home);
        Ok(said.or_else(env::coracle_home).ok_or(Homeless)?)
    }

    /// Where images are kept and how they are brought here.
    pub(crate) fn reach(&self) -> Result<Reach, BoxFault> {
        let insecure = self.config.list(Name::Insecure);
        let insecure = insecure
            .into_iter()
            .filter_map(|host| host.into_string().ok());
        let mirrors = self.config.list(Name::Mirror).into_iter();
        let seconds = self.config.number(Name::NetTimeout);
        Ok(Reach {
            insecure: insecure.collect(),
            foreign_layers: self.config.switch(Name::ForeignLayers),
            mirrors: mirrors.filter_map(|text| text.into_string().ok()).collect(),
            net_timeout: seconds.and_then(|seconds| u64::try_from(seconds).ok()),
            tls_ca: self.config.path(Name::TlsCa),
            ..Reach::new(self.home()?)
        })
    }

    /// When a registry is asked, where no flag says that.
    pub(crate) fn pull(&self) -> Pull {
        match self.config.text(Name::Pull) {
            Some("always") => Pull::Always,
            Some("never") => Pull::Never,
            _ => Pull::Missing,
        }
    }

    /// Which platform of an image is taken, where no flag says that.
    pub(crate) fn platform(&self) -> Result<Option<Platform>, BoxFault> {
        let word = self.config.text(Name::Platform);
        let platform = word.map(str::parse).transpose();
        Ok(platform.map_err(|error| self.about(Name::Platform, error))?)
    }

    /// What holds for every new container, for [`Options::standing`]; the profile of a setting only where none was
    /// typed.
    pub(crate) fn standing(
        &self,
        typed: &[ProfileOptions],
    ) -> Result<Option<Box<Options>>, BoxFault> {
        let mut options = Options {
            env: self.config.list(Name::Env),
            ..Options::default()
        };
        let word = |name| self.config.text(name).map(str::to_owned);
        options.account.userns = word(Name::Userns);
        options.meta.stop_timeout = self.config.number(Name::StopTimeout);
        options.gpu.nvidia = word(Name::Nvidia).filter(|way| way != "off");
        options.gpu.cuda_compat = word(Name::CudaCompat);
        let volumes = self.config.expanded(Name::Volumes)?;
        if typed.is_empty() {
            options.profiles.extend(self.config.standing_profile()?);
        }
        if !volumes.is_empty() {
            options.profiles.push(ProfileOptions {
                volumes,
                ..ProfileOptions::default()
            });
        }
        Ok(Some(Box::new(options)))
    }

    /// Says of a fault which setting it is about.
    fn about(&self, name: Name, fault: impl Into<BoxFault>) -> While {
        let word = crate::cli::config::keys::key(name).word;
        let origin = self.config.setting(name).map(|setting| &setting.origin);
        let origin = origin.unwrap_or(&Origin::BuiltIn);
        While::new(format!("cannot use `{word}` of {origin}"), fault)
    }

    /// Who hears of progress: nobody with `--quiet`, bars on a terminal, else lines.
    pub(crate) fn progress(&self) -> Box<dyn Progress> {
        if self.quiet() {
            return Box::new(Silent);
        }
        let lines = Lines::new(self.voice, self.verbose);
        if lines.are_for_people() && std::io::stderr().is_terminal() {
            Box::new(Bars::new(lines))
        } else {
            Box::new(lines)
        }
    }
}

fn voice(config: &Config) -> Voice {
    let format = match config.text(Name::LogFormat) {
        Some("json") => Format::Json,
        _ => Format::Text,
    };
    let colour = match config.text(Name::Color) {
        Some("always") => Colour::Always,
        Some("never") => Colour::Never,
        _ => Colour::OnTerminals,
    };
    Voice::new(format, colour)
}
