//! `coracle config`: which settings hold, and who said so.

use std::process::ExitCode;

use serde_json::{Map, Value as Json, json};

use crate::base::env;
use crate::base::fault::BoxFault;
use crate::base::near;
use crate::cli::config::Origin;
use crate::cli::config::keys::{KEYS, Key, Name};
use crate::cli::meant::Meant;
use crate::cli::render;
use crate::cli::table;
use crate::cli::typed::Misuse;
use crate::cli::verb::Verb;

#[derive(clap::Args)]
#[command(arg_required_else_help = false)]
pub(crate) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Print each setting, and where its value came from
    #[command(override_usage = "coracle config show [FLAGS] [KEY]")]
    Show(Show),
    /// Print where configuration files are looked for
    #[command(override_usage = "coracle config path [FLAGS]")]
    Path,
}

#[derive(clap::Args)]
struct Show {
    /// Print as JSON
    #[arg(long)]
    json: bool,
    /// Only this setting, or this profile (`profile.NAME`)
    key: Option<String>,
}

impl Verb for Config {
    const NAME: &'static str = "config";
    const ABOUT: &'static str = "Show the settings, and where each came from";
    const ARGUMENTS: &'static str = "show [KEY] | path";
    const MORE: &'static str = "\
Settings stand in /etc/coracle/config.toml, in ~/.config/coracle/config.toml, and in the file that
--config or CORACLE_CONFIG names; each also in a variable, CORACLE_ and its name. Flags win over
variables, these over files. `coracle help config` lists them.

Examples:
  coracle config show
  coracle config show engine
  coracle config show profile.hpc >> ~/.config/coracle/config.toml
  coracle --config site.toml config show --json";

    fn carry_out(self, meant: &Meant) -> Result<ExitCode, BoxFault> {
        match self.what {
            What::Show(Show { json, key: None }) => match json {
                true => render::json(&all_json(meant)),
                false => render::text(&all(meant)),
            },
            What::Show(Show {
                json,
                key: Some(word),
            }) => one(meant, &word, json),
            What::Path => path(meant),
        }
    }
}

/// The value of a setting for people, and where it came from.
fn shown(meant: &Meant, key: &Key) -> (String, Origin) {
    match meant.config().setting(key.name) {
        Some(setting) => (setting.value.shown(), setting.origin.clone()),
        None => (built_in(meant, key), Origin::BuiltIn),
    }
}

/// What holds where nobody says anything; paths as they come out here.
fn built_in(meant: &Meant, key: &Key) -> String {
    let path = match key.name {
        Name::Home => meant.home().ok(),
        Name::Tmpdir => Some(env::temporary_dir()),
        _ => None,
    };
    path.map_or_else(|| key.default.to_owned(), |path| path.display().to_string())
}

fn all(meant: &Meant) -> String {
    let rows = KEYS.iter().map(|key| {
        let (value, origin) = shown(meant, key);
        vec![key.word.to_owned(), value, origin.to_string()]
    });
    let heading = ["KEY", "VALUE", "FROM"];
    let mut rows: Vec<_> = rows.collect();
    if let Some(width) = render::terminal_width() {
        rows = table::fitted(&heading, &rows, width);
    }
    let mut text = render::columns(&heading, &rows);
    for (profile, origin) in meant.config().profiles() {
        text += &format!("\n# {origin}\n{}", profile.toml());
    }
    text
}

fn all_json(meant: &Meant) -> Json {
    let settings = KEYS
        .iter()
        .map(|key| (key.word.to_owned(), setting_json(meant, key)));
    let profiles = meant
        .config()
        .profiles()
        .into_iter()
        .map(|(profile, origin)| {
            (
                profile.name.clone(),
                json!({ "keys": profile.json(), "from": origin.to_string() }),
            )
        });
    json!({
        "settings": settings.collect::<Map<_, _>>(),
        "profiles": profiles.collect::<Map<_, _>>(),
    })
}

fn setting_json(meant: &Meant, key: &Key) -> Json {
    let setting = meant.config().setting(key.name);
    json!({
        "value": setting.map(|setting| setting.value.json()),
        "default": match setting {
            Some(_) => key.default.to_owned(),
            None => built_in(meant, key),
        },
        "from": shown(meant, key).1.to_string(),
        "variable": key.variable,
        "flag": key.flag,
    })
}

fn one(meant: &Meant, word: &str, json: bool) -> Result<ExitCode, BoxFault> {
    if let Some(name) = word.strip_prefix("profile.") {
        let profiles = meant.config().profiles();
        let found = profiles.iter().find(|(profile, _)| profile.name == name);
        if let Some((profile, _)) = found {
            return match json {
                true => render::json(&profile.json()),
                false => render::text(&profile.toml()),
            };
        }
        // The fault says which there are.
        meant.config().profile(name)?;
    }
    let Some(key) = KEYS.iter().find(|key| key.word == word) else {
        let shown: String = word.escape_debug().take(80).collect();
        let near = near::question(word, KEYS.iter().map(|key| key.word));
        let hints = near
            .into_iter()
            .chain(["`coracle config show` lists them".to_owned()]);
        return Err(
            Misuse::with_hints(format!("unknown setting `{shown}`"), hints.collect()).into(),
        );
    };
    match json {
        true => render::json(&setting_json(meant, key)),
        false => render::text(&(render::line(&shown(meant, key).0) + "\n")),
    }
}

fn path(meant: &Meant) -> Result<ExitCode, BoxFault> {
    let rows = meant.config().files().iter().map(|file| {
        let state = if file.there { "read" } else { "absent" };
        vec![
            file.whose.to_owned(),
            file.path.display().to_string(),
            state.to_owned(),
        ]
    });
    render::table(&["OF", "FILE", "STATE"], &rows.collect::<Vec<_>>())
}
