//! The page that lists every flag of udocker and what becomes of it, and each of its rows tried.

use super::Harness;
use crate::support::require;

#[test]
fn the_page_is_what_the_tables_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/help/udocker.md");
    let page = coracle::cli::udocker_page();
    if std::env::var_os("CORACLE_WRITE_GOLDEN").is_some() {
        std::fs::write(path, &page).expect("the source can be written");
    }
    let there = std::fs::read_to_string(path).expect("the page is there");
    assert!(
        there == page,
        "run this test again with CORACLE_WRITE_GOLDEN=1"
    );
}

/// A verb (none for what stands before it), one of its flags, a line that shows what becomes of the flag, its status,
/// and what it says on either stream. `IMAGE` and `c` are as everywhere here; blanks part the words.
const TRIALS: &[(&str, &str, &str, i32, &str)] = &[
    ("", "--version", "--version", 0, "version: "),
    ("", "--debug", "--debug run --rm IMAGE true", 0, "engine "),
    ("", "--quiet", "--quiet images", 0, "guest    ."),
    ("", "--insecure", "--insecure images", 0, "REPOSITORY"),
    (
        "",
        "--repo",
        "--repo=/nothing images",
        1,
        "`/nothing` is no",
    ),
    ("", "--allow-root", "--allow-root version", 0, "version: "),
    ("", "--config", "--config=/nothing ps", 1, "/nothing"),
    ("install", "--force", "-D install --force", 0, "installed "),
    ("install", "--purge", "-D install --purge", 0, "installed "),
    (
        "pull",
        "--platform",
        "pull --platform=a/b/c/d IMAGE",
        1,
        "`a/b/c/d`",
    ),
    ("pull", "--registry", "pull --registry=a_b x", 1, "a_b"),
    ("pull", "--index", "pull --index=a_b x", 1, "a_b"),
    (
        "pull",
        "--httpproxy",
        "pull --httpproxy=odd://h IMAGE",
        0,
        "",
    ),
    ("images", "-l", "images -l", 0, "    /sha256:"),
    ("images", "-p", "images -p", 0, "linux/"),
    ("images", "--no-trunc", "images --no-trunc", 0, "guest"),
    ("images", "--all", "images --all", 0, "guest"),
    ("rmi", "-f", "rmi -f nothing", 1, "there is no image"),
    ("create", "--name", "create --name=a/b IMAGE", 1, "`a/b`"),
    ("create", "--force", "create --force --name=c IMAGE", 0, ""),
    ("ps", "-m", "ps -m", 0, " MOD "),
    ("ps", "-s", "ps -s", 0, " SIZE "),
    ("ps", "-p", "ps -p", 0, " PLATFORM "),
    ("run", "--rm", "run --rm IMAGE args x", 0, "1:x"),
    (
        "run",
        "--detach",
        "run --detach --rm --name=d IMAGE true",
        0,
        "",
    ),
    ("run", "--name", "run --name=a/b IMAGE args", 125, "`a/b`"),
    (
        "run",
        "--pull",
        "run --pull=often IMAGE args",
        125,
        "`reuse`",
    ),
    (
        "run",
        "--location",
        "run --location=/x args",
        125,
        "`--location` is not supported",
    ),
    (
        "run",
        "--platform",
        "run --platform=a/b/c/d IMAGE args",
        125,
        "`a/b/c/d`",
    ),
    ("run", "--registry", "run --registry=a_b x", 125, "a_b"),
    ("run", "--index", "run --index=a_b x", 125, "a_b"),
    (
        "run",
        "--httpproxy",
        "run --httpproxy=odd://h c args x",
        0,
        "1:x",
    ),
    (
        "run",
        "--volume",
        "run -v /nothing:/x c args",
        125,
        "/nothing",
    ),
    (
        "run",
        "--novol",
        "run --rm --novol=/etc/hosts IMAGE cat /etc/hosts",
        1,
        "hosts",
    ),
    (
        "run",
        "--volumes-from",
        "run --volumes-from=nobody c args",
        125,
        "nobody",
    ),
    (
        "run",
        "--nosysdirs",
        "run --rm --nosysdirs IMAGE ls /proc/self",
        1,
        "",
    ),
    (
        "run",
        "--bindhome",
        "run --rm --bindhome IMAGE ls -a HOME",
        0,
        ".coracle",
    ),
    ("run", "--dri", "run --dri c args x", 0, "1:x"),
    (
        "run",
        "--device",
        "run --device=odd c args",
        125,
        "`--device`",
    ),
    ("run", "--env", "run --env=A=ahoy c env", 0, "A=ahoy"),
    (
        "run",
        "--env-file",
        "run --env-file=/nothing c env",
        125,
        "/nothing",
    ),
    (
        "run",
        "--hostenv",
        "run --hostenv c env",
        0,
        "LC_ALL=C.UTF-8",
    ),
    (
        "run",
        "--user",
        "run --user=no-such-user c args",
        125,
        "no-such-user",
    ),
    (
        "run",
        "--hostauth",
        "run --rm --hostauth IMAGE cat /etc/passwd",
        0,
        "daemon:",
    ),
    (
        "run",
        "--containerauth",
        "run --rm --containerauth IMAGE args x",
        0,
        "1:x",
    ),
    (
        "run",
        "--workdir",
        "run --workdir=/srv/new c pwd",
        0,
        "/srv/new",
    ),
    ("run", "--entrypoint", "run --entrypoint=args c x", 0, "1:x"),
    (
        "run",
        "--nometa",
        "run --rm --nometa IMAGE /bin/pwd",
        0,
        "/",
    ),
    (
        "run",
        "--cpuset-cpus",
        "run --cpuset-cpus=0 c cat /proc/self/status",
        0,
        "Cpus_allowed_list:\t0\n",
    ),
    (
        "run",
        "--kernel",
        "run --rm --kernel=9.9.9 IMAGE uname -r",
        0,
        "9.9.9",
    ),
    ("run", "--publish", "run --publish=odd c args", 125, "odd"),
    (
        "run",
        "--publish-all",
        "run --publish-all c args x",
        0,
        "1:x",
    ),
    (
        "run",
        "--dns",
        "run --dns=192.0.2.7 c cat /etc/resolv.conf",
        0,
        "192.0.2.7",
    ),
    (
        "run",
        "--dns-search",
        "run --dns-search=d.example c cat /etc/resolv.conf",
        0,
        "d.example",
    ),
    ("run", "--tty", "run --tty c args x", 0, "1:x"),
    (
        "run",
        "--interactive",
        "run --interactive c args x",
        0,
        "1:x",
    ),
    ("run", "--attach", "run --attach=stdout c args x", 0, "1:x"),
    ("run", "--nobanner", "run --nobanner c args x", 0, "1:x"),
    ("rm", "-f", "rm -f nobody", 1, "there is no container"),
    ("inspect", "-p", "inspect -p c", 0, "/rootfs"),
    (
        "setup",
        "--execmode",
        "setup --execmode=F1 c",
        1,
        "`F1` is not in this version",
    ),
    ("setup", "--nvidia", "setup --nvidia c", 0, ""),
    ("setup", "--force", "setup --force c", 0, "nvidiamode: True"),
    ("setup", "--purge", "setup --purge c", 0, ""),
    ("setup", "--fixperm", "setup --fixperm c", 0, ""),
    (
        "login",
        "--username",
        "login --username=ada",
        1,
        "the password is missing",
    ),
    (
        "login",
        "--password",
        "login --password=x",
        1,
        "the user name is missing",
    ),
    (
        "login",
        "--password-stdin",
        "login --password-stdin",
        1,
        "`--username`",
    ),
    (
        "login",
        "--registry",
        "login --registry=a_b --username=a --password=b",
        1,
        "a_b",
    ),
    ("logout", "-a", "logout -a", 0, ""),
    (
        "logout",
        "--registry",
        "logout --registry=h.example",
        1,
        "not logged in to `h.example`",
    ),
    ("clone", "--name", "clone --name=a/b c", 1, "`a/b`"),
    (
        "export",
        "--output",
        "export --output=/nothing/x c",
        1,
        "/nothing",
    ),
    ("export", "--clone", "export --clone c", 0, "imagerepo.name"),
    (
        "import",
        "--mv",
        "import --mv - a:1",
        1,
        "`--mv` removes a file",
    ),
    (
        "import",
        "--tocontainer",
        "import --tocontainer /nothing",
        1,
        "/nothing",
    ),
    (
        "import",
        "--clone",
        "import --clone /nothing",
        1,
        "/nothing",
    ),
    (
        "import",
        "--name",
        "import --name=n /nothing a:1",
        1,
        "`--name` is for containers",
    ),
    (
        "import",
        "--platform",
        "import --platform=a/b/c/d /nothing a:1",
        1,
        "`a/b/c/d`",
    ),
    ("load", "--input", "load --input=/nothing", 1, "/nothing"),
    (
        "save",
        "--output",
        "save --output=/etc IMAGE",
        1,
        "is there already",
    ),
    ("search", "-a", "search -a --registry=a_b x", 1, "a_b"),
    (
        "search",
        "--no-trunc",
        "search --no-trunc --registry=a_b x",
        1,
        "a_b",
    ),
    (
        "search",
        "--list-tags",
        "search --list-tags IMAGE",
        1,
        "is in no registry",
    ),
    ("search", "--index", "search --index=a_b x", 1, "a_b"),
    ("search", "--registry", "search --registry=a_b x", 1, "a_b"),
    (
        "search",
        "--httpproxy",
        "search --httpproxy=odd://h --list-tags IMAGE",
        1,
        "",
    ),
    (
        "manifest",
        "--platform",
        "manifest --platform=a/b/c/d inspect IMAGE",
        1,
        "`a/b/c/d`",
    ),
    (
        "manifest",
        "--registry",
        "manifest --registry=a_b inspect x",
        1,
        "a_b",
    ),
    (
        "manifest",
        "--index",
        "manifest --index=a_b inspect x",
        1,
        "a_b",
    ),
    (
        "manifest",
        "--httpproxy",
        "manifest --httpproxy=odd://h inspect IMAGE",
        0,
        "schemaVersion",
    ),
];

/// Verb and flag of each row of the page; the verb is empty before the first.
fn rows(page: &str) -> Vec<(String, String)> {
    let (mut verb, mut rows) = (String::new(), Vec::new());
    for line in page.lines().take_while(|line| *line != "## Configuration") {
        if let Some(title) = line.strip_prefix("## `") {
            verb = title
                .split([' ', '`'])
                .next()
                .unwrap_or_default()
                .to_owned();
        }
        if let Some(flag) = line.strip_prefix("| `-") {
            let name = flag.split([' ', ',', '`']).next().unwrap_or_default();
            rows.push((verb.clone(), format!("-{name}")));
        }
    }
    rows
}

#[test]
fn every_row_has_a_trial() {
    let rows = rows(&coracle::cli::udocker_page());
    for (verb, flag) in &rows {
        let tried = TRIALS.iter().any(|(v, f, ..)| v == verb && f == flag);
        assert!(tried, "no trial of `{verb} {flag}`");
    }
    assert_eq!(rows.len(), TRIALS.len(), "a trial of what is not there");
}

#[test]
fn every_row_does_what_it_says() {
    require!(Fixtures, UserNamespaces, Ptrace);
    let harness = Harness::with_container();
    let home = harness.sandbox.home();
    let mut failures = Vec::new();
    for (verb, flag, line, status, says) in TRIALS {
        let line = line.replace("HOME", home.to_str().expect("a plain path"));
        let output = harness.line(&line).run();
        let is_said = output.stdout.contains(says) || output.stderr.contains(says);
        let is_known = !output.stderr.contains("unknown flag");
        if output.code() != Some(*status) || !is_said || !is_known {
            failures.push(format!(
                "{verb} {flag}: expected {status} and {says:?}\n{output}"
            ));
        }
        if *flag == "--detach" {
            harness.line("wait d").run();
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
