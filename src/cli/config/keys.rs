//! The one table of settings, from which parsing, `config show`, `help config` and the tests are made.

use crate::base::env;
use crate::cli::config::value::Form;

/// One setting: each can stand in a configuration file and in a variable, and most have a flag.
#[derive(Debug)]
pub(crate) struct Key {
    /// Which.
    pub(crate) name: Name,
    /// What is written in a file.
    pub(crate) word: &'static str,
    /// The variable.
    pub(crate) variable: &'static str,
    /// The flag, where there is one.
    pub(crate) flag: Option<&'static str>,
    /// What its values look like.
    pub(crate) form: Form,
    /// What holds where nobody says anything.
    pub(crate) default: &'static str,
    /// One line, without a full stop.
    pub(crate) meaning: &'static str,
}

/// The settings by name; the order is that of [`KEYS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Home,
    Tmpdir,
    Engine,
    Pull,
    Platform,
    Insecure,
    TlsCa,
    Mirror,
    Stores,
    ForeignLayers,
    NetTimeout,
    LogFormat,
    Quiet,
    Color,
    Profile,
    Volumes,
    Env,
    Userns,
    Nvidia,
    DriverRoot,
    CdiDirs,
    CudaCompat,
    StopTimeout,
}

/// All settings, in the order in which they are shown.
pub(crate) const KEYS: [Key; 23] = [
    Key {
        name: Name::Home,
        word: "home",
        variable: env::CORACLE_HOME,
        flag: Some("--home"),
        form: Form::Path,
        default: "~/.coracle",
        meaning: "Where images and containers are kept",
    },
    Key {
        name: Name::Tmpdir,
        word: "tmpdir",
        variable: env::CORACLE_TMPDIR,
        flag: None,
        form: Form::Path,
        default: "$TMPDIR, else /tmp",
        meaning: "Where temporary files go that must be executable",
    },
    Key {
        name: Name::Engine,
        word: "engine",
        variable: env::CORACLE_ENGINE,
        flag: Some("--engine"),
        form: Form::Engine,
        default: "auto",
        meaning: "Which engine runs, where neither a flag nor the container says",
    },
    Key {
        name: Name::Pull,
        word: "pull",
        variable: env::CORACLE_PULL,
        flag: Some("--pull"),
        form: Form::Word(&["missing", "always", "never"]),
        default: "missing",
        meaning: "When a registry is asked for an image that is run or created",
    },
    Key {
        name: Name::Platform,
        word: "platform",
        variable: env::CORACLE_PLATFORM,
        flag: Some("--platform"),
        form: Form::Platform,
        default: "this host's",
        meaning: "The platform of images that have several",
    },
    Key {
        name: Name::Insecure,
        word: "insecure",
        variable: env::CORACLE_INSECURE,
        flag: Some("--insecure"),
        form: Form::List(','),
        default: "",
        meaning: "Registries spoken to without TLS or with any certificate",
    },
    Key {
        name: Name::TlsCa,
        word: "tls_ca",
        variable: env::CORACLE_TLS_CA,
        flag: Some("--tls-ca"),
        form: Form::Path,
        default: "",
        meaning: "A PEM file of certificate authorities that are trusted as well",
    },
    Key {
        name: Name::Mirror,
        word: "mirror",
        variable: env::CORACLE_MIRROR,
        flag: None,
        form: Form::List(','),
        default: "",
        meaning: "Mirrors, asked first: `HOST[/PATH]` for docker.io, `PREFIX=HOST[/PATH]` for others",
    },
    Key {
        name: Name::Stores,
        word: "stores",
        variable: env::CORACLE_STORES,
        flag: None,
        form: Form::List(':'),
        default: "",
        meaning: "Homes of other users whose images are read as well, such as a site's",
    },
    Key {
        name: Name::ForeignLayers,
        word: "foreign_layers",
        variable: env::CORACLE_FOREIGN_LAYERS,
        flag: None,
        form: Form::Switch,
        default: "false",
        meaning: "Fetch layers that registries do not hand out from the addresses in the manifest",
    },
    Key {
        name: Name::NetTimeout,
        word: "net_timeout",
        variable: env::CORACLE_NET_TIMEOUT,
        flag: None,
        form: Form::Number,
        default: "60",
        meaning: "Seconds of silence after which a connection to a registry is given up and tried again",
    },
    Key {
        name: Name::LogFormat,
        word: "log_format",
        variable: env::CORACLE_LOG_FORMAT,
        flag: Some("--log-format"),
        form: Form::Word(&["text", "json"]),
        default: "text",
        meaning: "The form of messages",
    },
    Key {
        name: Name::Quiet,
        word: "quiet",
        variable: env::CORACLE_QUIET,
        flag: Some("--quiet"),
        form: Form::Switch,
        default: "false",
        meaning: "Print only the essence and errors",
    },
    Key {
        name: Name::Color,
        word: "color",
        variable: env::CORACLE_COLOR,
        flag: None,
        form: Form::Word(&["auto", "always", "never"]),
        default: "auto",
        meaning: "When messages have colours; `auto` is on terminals, and not with NO_COLOR",
    },
    Key {
        name: Name::Profile,
        word: "profile",
        variable: env::CORACLE_PROFILE,
        flag: Some("--profile"),
        form: Form::Text,
        default: "",
        meaning: "The profile of every new container",
    },
    Key {
        name: Name::Volumes,
        word: "volumes",
        variable: env::CORACLE_VOLUMES,
        flag: Some("--volume"),
        form: Form::Volumes,
        default: "",
        meaning: "Volumes of every new container, in the words of `-v`",
    },
    Key {
        name: Name::Env,
        word: "env",
        variable: env::CORACLE_ENV,
        flag: Some("--env"),
        form: Form::List('\n'),
        default: "",
        meaning: "Variables of every new container, in the words of `-e`",
    },
    Key {
        name: Name::Userns,
        word: "userns",
        variable: env::CORACLE_USERNS,
        flag: Some("--userns"),
        form: Form::Word(&["single", "keep-id", "subids"]),
        default: "by the image",
        meaning: "Whose ids a new container's guest has",
    },
    Key {
        name: Name::Nvidia,
        word: "nvidia",
        variable: env::CORACLE_NVIDIA,
        flag: Some("--nvidia"),
        form: Form::Word(&["off", "host", "cdi"]),
        default: "off",
        meaning: "Whether every new container gets NVIDIA's GPUs, and from where",
    },
    Key {
        name: Name::DriverRoot,
        word: "driver_root",
        variable: env::CORACLE_DRIVER_ROOT,
        flag: Some("--driver-root"),
        form: Form::Path,
        default: "/",
        meaning: "The root in which NVIDIA's driver was installed",
    },
    Key {
        name: Name::CdiDirs,
        word: "cdi_dirs",
        variable: env::CORACLE_CDI_DIRS,
        flag: None,
        form: Form::List(':'),
        default: "/etc/cdi:/var/run/cdi",
        meaning: "Directories of CDI specifications, in rising priority",
    },
    Key {
        name: Name::CudaCompat,
        word: "cuda_compat",
        variable: env::CORACLE_CUDA_COMPAT,
        flag: Some("--cuda-compat"),
        form: Form::Word(&["auto", "on", "off"]),
        default: "auto",
        meaning: "Whether an image's own newer libcuda goes before the host's",
    },
    Key {
        name: Name::StopTimeout,
        word: "stop_timeout",
        variable: env::CORACLE_STOP_TIMEOUT,
        flag: Some("--stop-timeout"),
        form: Form::Number,
        default: "10",
        meaning: "Seconds that a guest is given to end before it is killed; -1 waits for ever",
    },
];

/// One key of a profile.
#[derive(Debug)]
pub(crate) struct Field {
    /// What is written in a file.
    pub(crate) word: &'static str,
    /// What its values look like.
    pub(crate) form: Form,
    /// One line, without a full stop.
    pub(crate) meaning: &'static str,
}

/// All keys of a profile, in the order in which they are shown.
pub(crate) const FIELDS: [Field; 10] = [
    field("home", Form::Switch, "Show the home directory"),
    field(
        "cwd",
        Form::Switch,
        "Show the working directory, and start in it",
    ),
    field("tmp", Form::Switch, "Show the host's /tmp"),
    field(
        "scratch",
        Form::List('\n'),
        "Directories to show at their own place, those that are there; `$NAME` is a variable",
    ),
    field(
        "volumes",
        Form::Volumes,
        "More of them, in the words of `-v`",
    ),
    field(
        "env",
        Form::List('\n'),
        "Variables of the host that win over the image's; `NAME_*` is a family",
    ),
    field(
        "host_env",
        Form::Switch,
        "Keep the host's environment where the image says nothing",
    ),
    field(
        "drop_env",
        Form::List('\n'),
        "Variables of the host that `host_env` leaves out; `NAME_*` is a family",
    ),
    field(
        "userns",
        Form::Word(&["single", "keep-id", "subids"]),
        "Whose ids the guest has",
    ),
    field(
        "devices",
        Form::List('\n'),
        "`fabric`: sockets and directories outside /dev that interconnects and Slurm need",
    ),
];

const fn field(word: &'static str, form: Form, meaning: &'static str) -> Field {
    Field {
        word,
        form,
        meaning,
    }
}

/// The key of a setting.
pub(crate) fn key(name: Name) -> &'static Key {
    &KEYS[name as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_each_variable_is_that_of_its_key() {
        for (index, key) in KEYS.iter().enumerate() {
            assert_eq!(key.name as usize, index, "{}", key.word);
            let variable = format!("CORACLE_{}", key.word.to_uppercase());
            assert_eq!(key.variable, variable);
            assert!(!key.meaning.ends_with('.'), "{}", key.word);
        }
    }
}
