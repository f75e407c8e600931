//! `search` in both tongues: against a server that answers as Docker Hub does, against `docker-registry`, page after page.

use serde_json::{Value, json};

use super::server::{Answer, Asked, Server};
use crate::support::{Registry, Run, Sandbox, require};
use crate::udocker::{Harness, registry};

/// The search of Docker Hub's web pages, and what it answers for `postgres`.
fn hub() -> Server {
    Server::start(|asked, _| match asked.path.split_once('?') {
        Some(("/v2/search/repositories/", _)) => {
            let results = json!([
                {"repo_name": "postgres", "short_description": "An object-relational database", "star_count": 13000,
                 "pull_count": 10_000_000, "repo_owner": "", "is_automated": false, "is_official": true},
                {"repo_name": "site/postgres", "short_description": "a\u{1b}[2J\nb", "star_count": 7,
                 "pull_count": 3, "repo_owner": "", "is_automated": false, "is_official": false},
            ]);
            Answer::ok(json!({"count": 2, "next": "", "results": results}).to_string())
        }
        _ => Answer::new(404),
    })
}

/// An old registry, which has the first search that there was.
fn old() -> Server {
    Server::start(|asked, _| match asked.path.split_once('?') {
        Some(("/v1/search", _)) => {
            let results = json!([{"name": "library/redis", "description": "", "star_count": 5, "is_official": true}]);
            Answer::ok(json!({"num_results": 1, "query": "redis", "results": results}).to_string())
        }
        _ => Answer::new(404),
    })
}

/// A registry that gives two names at a time, by `key` in its document and by `Link` to the rest.
fn paged(key: &'static str, names: &'static [&'static str]) -> Server {
    Server::start(move |asked, _| {
        let Some((path, query)) = asked.path.split_once('?') else {
            return Answer::new(404);
        };
        let last = query.split('&').find_map(|pair| pair.strip_prefix("last="));
        let from = last.map_or(0, |last| {
            names
                .iter()
                .position(|name| *name == last)
                .map_or(0, |at| at + 1)
        });
        let page = &names[from..names.len().min(from + 2)];
        let answer = Answer::ok(json!({ key: page }).to_string());
        match page.last() {
            Some(last) if from + 2 < names.len() => {
                answer.header("Link", format!("<{path}?last={last}&n=2>; rel=\"next\""))
            }
            _ => answer,
        }
    })
}

fn plain(sandbox: &Sandbox, server: &Server, words: &[&str]) -> Run {
    sandbox
        .coracle(["--insecure", &server.host, "search"])
        .arguments(words)
}

fn queries(server: &Server) -> Vec<String> {
    let searched = |asked: &Asked| {
        asked
            .path
            .split_once('?')
            .map(|(_, query)| query.to_owned())
    };
    server.asked().iter().filter_map(searched).collect()
}

#[test]
fn docker_hub_is_searched() {
    let (hub, sandbox) = (hub(), Sandbox::new());
    let found = plain(
        &sandbox,
        &hub,
        &["--format=json", "--index", &hub.host, "post gres"],
    )
    .run()
    .success();
    let found: Value = serde_json::from_str(&found.stdout).expect("a document");
    assert_eq!(
        found[0],
        json!({"Name": "postgres", "Description": "An object-relational database", "StarCount": 13000, "IsOfficial": true})
    );
    assert_eq!(
        queries(&hub),
        ["query=post%20gres&page_size=25"],
        "{:?}",
        hub.asked()
    );
    let table = plain(&sandbox, &hub, &["--index", &hub.host, "postgres"])
        .run()
        .success();
    let table = table.mentions("site/postgres").mentions("[OK]");
    assert!(!table.stdout.contains('\u{1b}'), "{table}");
    let official = [
        "--filter",
        "is-official=true",
        "--filter",
        "stars=8",
        "--index",
        &hub.host,
        "postgres",
    ];
    let table = plain(&sandbox, &hub, &official).run().success();
    assert!(!table.stdout.contains("site/"), "{table}");
    plain(
        &sandbox,
        &hub,
        &["--limit", "1", "--format=json", "--index", &hub.host, "x"],
    )
    .run()
    .success()
    .mentions("13000");
    assert_eq!(queries(&hub).last().expect("asked"), "query=x&page_size=1");
}

/// T014 of udocker's list, and what its flags mean.
#[test]
fn t014_search() {
    let (hub, harness) = (hub(), Harness::new());
    let index = format!("--index=http://{}", hub.host);
    let found = harness
        .udocker(["search", "-a", &index, "postgres"])
        .run()
        .success();
    let lines: Vec<Vec<&str>> = found
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0], ["NAME", "OFFICIAL", "DESCRIPTION", "STARS"]);
    assert_eq!(
        lines[1],
        [
            "postgres",
            "[OK]",
            "An",
            "object-relational",
            "database",
            "13000"
        ]
    );
    assert_eq!(
        (lines[2][0], lines[2][1], lines.len()),
        ("site/postgres", "----", 3),
        "{found}"
    );
    assert!(!found.stdout.contains('\u{1b}'), "{found}");
    let hub = format!("--registry=http://{}", hub.host);
    harness
        .udocker(["search", "--no-trunc", &hub, "postgres"])
        .run()
        .success()
        .mentions("/site/postgres ");
}

#[test]
fn an_old_search_is_asked_where_there_is_no_newer_one() {
    let (old, sandbox) = (old(), Sandbox::new());
    let term = format!("{}/redis", old.host);
    let found = plain(&sandbox, &old, &["--format=json", &term])
        .run()
        .success();
    let found: Value = serde_json::from_str(&found.stdout).expect("a document");
    assert_eq!(found[0]["Name"], format!("{}/library/redis", old.host));
    assert_eq!(queries(&old).last().expect("asked"), "q=redis&n=25");
}

#[test]
fn the_catalogue_of_a_registry_is_searched() {
    require!(Fixtures, DockerRegistry);
    let registry = registry();
    let harness = Harness::logged_in(&registry);
    let term = format!("{}/debian", registry.host());
    let words = ["search", "--format=json", "--tls-ca"];
    let found = harness
        .sandbox
        .coracle(words)
        .arguments([Registry::authority()])
        .arguments([&term]);
    let found = found.run().success();
    let found: Value = serde_json::from_str(&found.stdout).expect("a document");
    let names: Vec<_> = found
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|image| image["Name"].as_str())
        .collect();
    let wanted =
        ["boats/debian", "boats/debian-zstd"].map(|name| format!("{}/{name}", registry.host()));
    assert_eq!(names, wanted);
    let host = format!("--registry=https://{}", registry.host());
    let found = harness
        .trusting(["search", &host, "debian"])
        .run()
        .success();
    found
        .mentions("/boats/debian ")
        .mentions("/boats/debian-zstd ");
    // Who is not logged in is told so.
    harness.line("logout -a").run().success();
    harness
        .trusting(["search", &host, "debian"])
        .run()
        .exits(1)
        .complains("login");
}

#[test]
fn a_list_of_several_pages_is_read_to_its_end() {
    let names = ["a/one", "a/two", "b/one", "b/two", "c/one"];
    let catalog = paged(
        "repositories",
        &["a/one", "a/two", "b/one", "b/two", "c/one"],
    );
    let sandbox = Sandbox::new();
    let all = |words: &[&str]| {
        let found = plain(&sandbox, &catalog, words).run().success();
        let found: Value = serde_json::from_str(&found.stdout).expect("a document");
        found.as_array().expect("a list").len()
    };
    let term = |term: &str| format!("{}/{term}", catalog.host);
    assert_eq!(all(&["--format=json", &term("/")]), names.len());
    assert_eq!(all(&["--format=json", &term("one")]), 3);
    assert_eq!(all(&["--format=json", "--limit=1", &term("one")]), 1);
}

#[test]
fn all_tags_are_listed() {
    let server = paged("tags", &["1", "1.1", "2", "latest", "rc"]);
    let (sandbox, harness) = (Sandbox::new(), Harness::new());
    let name = format!("{}/a/b", server.host);
    let tags = "1\n1.1\n2\nlatest\nrc";
    plain(&sandbox, &server, &["--list-tags", &name])
        .run()
        .success()
        .prints(tags);
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.path.starts_with("/v2/a/b/tags/list?") || asked.path == "/v2/"),
        "{:?}",
        server.asked()
    );
    let host = format!("--registry=http://{}", server.host);
    harness
        .udocker(["search", "--list-tags", &host, "a/b"])
        .run()
        .success()
        .prints(tags);
}

#[test]
fn a_next_page_elsewhere_is_not_asked_for() {
    let other = paged("tags", &["stolen"]);
    let elsewhere = format!("<http://{}/v2/a/b/tags/list?n=2>; rel=\"next\"", other.host);
    let server = Server::start(move |_, _| {
        Answer::ok(json!({"tags": ["1"]}).to_string()).header("Link", elsewhere.clone())
    });
    let name = format!("{}/a/b", server.host);
    let output = plain(&Sandbox::new(), &server, &["--list-tags", &name])
        .run()
        .exits(1);
    output.complains("it names a next page that is not its own");
    assert!(other.asked().is_empty());
}
