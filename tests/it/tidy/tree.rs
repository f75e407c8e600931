//! The tree as a whole: which files there are, that tests are declared, and what no file may name.

use std::path::{Path, PathBuf};

use super::none;
use super::scan::Source;

/// Where the project's own text lies, below the repository's root.
const HOMES: [&str; 5] = ["src", "payload", "ci", ".ci", "tests"];

/// Hosts that a URL in the project may name: documents, and names that lead nowhere.
/// Everything else would be somebody's mirror or a service that a test must not need.
const HOSTS: [&str; 25] = [
    "github.com",
    "gitlab.com",
    "proot-me.github.io",
    "docs.docker.com",
    "docker.com",
    "docs.rs",
    "doc.rust-lang.org",
    "rust-lang.org",
    "www.rust-lang.org",
    "rustup.rs",
    "kernel.org",
    "www.kernel.org",
    "docs.kernel.org",
    "git.kernel.org",
    "man7.org",
    "lwn.net",
    "www.gnu.org",
    "www.apache.org",
    "opensource.org",
    "musl.libc.org",
    "no-color.org",
    "packages.debian.org",
    "index.docker.io",
    "in-toto.io",
    "sigstore.dev",
];

/// The repository's root.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file of the project below `dir`, sorted; build products and links are left out.
pub(super) fn files(dir: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut todo = vec![root().join(dir)];
    while let Some(path) = todo.pop() {
        if path.is_symlink() || path.file_name().is_some_and(|name| name == "target") {
            continue;
        }
        if path.is_dir() {
            let entries = path.read_dir().expect("a directory of our own tree lists");
            todo.extend(entries.map(|entry| entry.expect("and so do its entries").path()));
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let below = path.strip_prefix(root()).expect("it was found below");
            found.push(Source::new(&below.to_string_lossy(), &text));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every Rust file.
pub(super) fn rust() -> Vec<Source> {
    let mut found: Vec<_> = HOMES.iter().flat_map(|home| files(home)).collect();
    found.retain(|source| source.path.ends_with(".rs"));
    found.extend(files("build.rs"));
    found
}

/// Every Rust file below `src`.
pub(super) fn src() -> Vec<Source> {
    let mut found = files("src");
    found.retain(|source| source.path.ends_with(".rs"));
    found
}

/// Every script and C file.
pub(super) fn scripts() -> Vec<Source> {
    let mut found: Vec<_> = HOMES.iter().flat_map(|home| files(home)).collect();
    found.retain(|source| {
        let extension = Path::new(&source.path).extension();
        let extension = extension.map(|name| name.to_string_lossy().into_owned());
        match extension.as_deref() {
            None => source.text.starts_with("#!"),
            Some("sh" | "py" | "c" | "h") => true,
            Some(_) => false,
        }
    });
    found
}

/// Names of the machine that the project was written on. In pieces, because this file is read too.
fn names_of_this_machine() -> [String; 4] {
    ["main", "wt", "shared", ".library"].map(|name| ["/wo", "rk/", name].concat())
}

fn no_machine_is_named(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    // Other people's words, kept as they are.
    if source.path.starts_with("payload/licenses/") {
        return complaints;
    }
    for (idx, line) in source.text.lines().enumerate() {
        for name in names_of_this_machine() {
            if line.contains(&name) {
                complaints.push(source.complain(idx + 1, format!("names `{name}`")));
            }
        }
        for host in hosts(line).filter(|host| !may_be_named(host)) {
            let what = format!("URL of `{host}`; tests/it/tidy/tree.rs lists those that may stand");
            complaints.push(source.complain(idx + 1, what));
        }
    }
    complaints
}

/// The host of each URL in `line`, without port and user.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    let after = line.match_indices("://").filter_map(|(at, sign)| {
        let scheme = &line[..at];
        let web = scheme.ends_with("http") || scheme.ends_with("https");
        web.then(|| &line[at + sign.len()..])
    });
    after.map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-._@".contains(c)));
        let authority = &rest[..end.unwrap_or(rest.len())];
        authority.rsplit('@').next().unwrap_or(authority)
    })
}

fn may_be_named(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    let last = host.rsplit('.').next().unwrap_or(host);
    // RFC 2606 and RFC 6761 reserve these; a name without a dot leads nowhere either.
    let leads_nowhere = ["example", "invalid", "test", "localhost", "local"].contains(&last)
        || !host.contains('.')
        || ["example.com", "example.org", "example.net"]
            .iter()
            .any(|name| host.ends_with(name))
        || host.parse::<std::net::Ipv4Addr>().is_ok();
    leads_nowhere || HOSTS.contains(&host)
}

/// Complains about each of `files` (below `tests/it`) that no parent declares with `mod`.
fn undeclared(files: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in files.iter().filter(|source| source.path.ends_with(".rs")) {
        let path = Path::new(&source.path);
        let folder = path.parent().unwrap_or(path);
        let (parents, name) = match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("main") => continue,
            Some("mod") => (
                parents_of(folder.parent().unwrap_or(folder)),
                folder.file_name(),
            ),
            _ => (parents_of(folder), path.file_stem()),
        };
        let name = name.unwrap_or_default().to_string_lossy();
        let declares = |parent: &Source| {
            let declares_it = |window: &[super::scan::Token]| {
                window[0].text == "mod" && window[1].text == name && window[2].text == ";"
            };
            parents.contains(&PathBuf::from(&parent.path))
                && parent.tokens().windows(3).any(declares_it)
        };
        if !files.iter().any(declares) {
            complaints.push(source.complain(1, "no `mod` line declares it, so it never runs"));
        }
    }
    complaints
}

/// The files that may declare modules in `folder`.
fn parents_of(folder: &Path) -> Vec<PathBuf> {
    let mut beside = folder.as_os_str().to_owned();
    beside.push(".rs");
    vec![folder.join("main.rs"), folder.join("mod.rs"), beside.into()]
}

/// Complains about each dependency of a Cargo.toml that no comment explains.
fn unexplained_dependencies(manifest: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    let (mut section, mut explained) = ("", false);
    for (idx, line) in manifest.text.lines().enumerate() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]" && line.contains('=') && !explained {
            complaints.push(manifest.complain(idx + 1, "a comment must say what it saves us from"));
        }
        // `nix` and `libc` share one reason.
        explained = line.starts_with('#') || (explained && !line.is_empty());
    }
    complaints
}

#[test]
fn the_tree_names_no_machine_and_declares_its_tests() {
    let mut all: Vec<_> = HOMES.iter().flat_map(|home| files(home)).collect();
    for name in ["build.rs", "Cargo.toml", "README.md", "CHANGELOG.md"] {
        all.extend(files(name));
    }
    none(all.iter().flat_map(no_machine_is_named).collect());
    none(undeclared(&files("tests/it")));
    none(
        files("Cargo.toml")
            .iter()
            .flat_map(unexplained_dependencies)
            .collect(),
    );
}

#[test]
fn a_machine_is_found() {
    let path = ["//! See /wo", "rk/shared/x.md"].concat();
    let rule = no_machine_is_named;
    super::finds(rule, "src/a.rs", &path, &["a.rs:1: names"]);
    let text = [
        "https:/",
        "/user@mirror.corp.net:8080/x http://127.0.0.1:5000 https://man7.org/l https://r.example/",
    ]
    .concat();
    super::finds(rule, "src/a.rs", &text, &["`mirror.corp.net`"]);
    super::finds(
        rule,
        "src/a.rs",
        "docker run -v x:/work/data https://{host}/",
        &[],
    );
}

#[test]
fn an_undeclared_test_is_found() {
    let main = Source::new(
        "tests/it/main.rs",
        "//! Tests.\nmod a;\n// mod b;\nmod d;\n",
    );
    let files = [
        main,
        Source::new("tests/it/a.rs", "mod c;"),
        Source::new("tests/it/a/c.rs", ""),
        Source::new("tests/it/a/e.rs", ""),
        Source::new("tests/it/b.rs", ""),
        Source::new("tests/it/d/mod.rs", ""),
    ];
    let complaints = undeclared(&files);
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].contains("a/e.rs") && complaints[1].contains("it/b.rs"));
}

#[test]
fn an_unexplained_dependency_is_found() {
    let text =
        "[package]\nname = \"x\"\n[dependencies]\n# why\na = \"1\"\nb = \"1\"\n\nc = \"1\"\n";
    super::finds(
        unexplained_dependencies,
        "Cargo.toml",
        text,
        &["Cargo.toml:8"],
    );
}
