//! `search`: Docker Hub's answers, old registries' answers, plain lists, and tags of many pages.

use serde_json::{Value, json};

use crate::registry::server::{Answer, Asked, Server};
use crate::support::{Registry, Run, Sandbox, require};

/// `coracle search` that may speak http to the server.
fn search(sandbox: &Sandbox, server: &Server, words: &[&str]) -> Run {
    sandbox
        .coracle(["search", "--insecure", &server.host])
        .arguments(words)
}

fn answer(asked: &Asked, results: impl Fn(&str) -> Option<Value>) -> Answer {
    match results(&asked.path) {
        Some(document) => Answer::ok(document.to_string()),
        None => Answer::new(404),
    }
}

#[test]
fn the_hubs_pages_are_understood() {
    let server = Server::start(|asked, _| {
        answer(asked, |path| {
            path.starts_with("/v2/search/repositories/?query=post%20gres&page_size=25").then(|| json!({
                "count": 2, "next": "https://elsewhere.example/", "results": [
                    {"repo_name": "postgres", "short_description": "The\ndatabase \u{1b}[2J", "star_count": 9, "is_official": true},
                    {"repo_name": "site/postgres", "short_description": null, "star_count": 1, "is_official": false},
                    {"short_description": "without a name"},
                ],
            }))
        })
    });
    let sandbox = Sandbox::new();
    let index = ["--index", &server.host, "post gres"];
    let found = search(&sandbox, &server, &index).run().success();
    let found = found
        .mentions("NAME ")
        .mentions("postgres        The database ");
    assert!(!found.stdout.contains('\u{1b}'), "{found}");
    let official =
        search(&sandbox, &server, &index).arguments(["--filter", "is-official=false", "-q"]);
    official.run().success().prints("site/postgres");
    let list = search(&sandbox, &server, &index)
        .arguments(["--format", "json"])
        .run()
        .success();
    let list: Value = serde_json::from_str(&list.stdout).expect("JSON");
    assert_eq!(list[0]["IsOfficial"], true);
    search(&sandbox, &server, &["--filter", "x=y", "a"])
        .run()
        .exits(2)
        .complains("is no filter");
    search(&sandbox, &server, &["--limit", "0", "a"])
        .run()
        .exits(2);
}

#[test]
fn an_old_registry_is_asked_as_it_was_then() {
    let server = Server::start(|asked, _| {
        answer(asked, |path| {
            path.starts_with("/v1/search?q=tool&n=3").then(|| {
                json!({"results": [{"name": "site/tool", "description": "a tool", "star_count": 2, "is_official": false}]})
            })
        })
    });
    let sandbox = Sandbox::new();
    let term = format!("{}/tool", server.host);
    let found = search(&sandbox, &server, &["-q", "--limit", "3", &term])
        .run()
        .success();
    found.prints(&format!("{}/site/tool", server.host));
}

#[test]
fn tags_are_read_to_the_last_page_of_the_same_host() {
    let server = Server::start(|asked, _| {
        let page = |tags: Value| Answer::ok(json!({"name": "site/tool", "tags": tags}).to_string());
        let last = asked.path.split("last=").nth(1).unwrap_or_default();
        match (asked.path.split('?').next(), last) {
            (Some("/v2/site/tool/tags/list"), "") => page(json!(["1", "2"])).header(
                "Link",
                "</v2/site/tool/tags/list?n=1000&last=2>; rel=\"next\"",
            ),
            (Some("/v2/site/tool/tags/list"), "2") => {
                page(json!(["3"])).header("Link", "<list?n=1000&last=3>; rel=next")
            }
            (Some("/v2/site/tool/tags/list"), _) => page(Value::Null),
            (Some("/v2/site/away/tags/list"), _) => {
                page(json!(["1"])).header("Link", "<http://elsewhere.example/v2/>; rel=\"next\"")
            }
            (Some("/v2/site/ring/tags/list"), _) => {
                let own = asked.path.clone();
                page(json!(["1"])).header("Link", format!("<{own}>; rel=\"next\""))
            }
            (Some("/v2/site/huge/tags/list"), _) => Answer::ok(vec![b' '; 5 << 20]),
            (Some("/v2/"), _) => Answer::ok("{}"),
            _ => Answer::new(404),
        }
    });
    let sandbox = Sandbox::new();
    let tags = |name: &str| {
        let name = format!("{}/site/{name}", server.host);
        search(&sandbox, &server, &["--list-tags", &name]).run()
    };
    tags("tool").success().prints("1\n2\n3");
    tags("away").exits(1).complains("not its own");
    tags("ring").exits(1).complains("not its own");
    tags("huge").exits(1).complains("more than");
    tags("absent").exits(1).complains("cannot list the tags");
    assert!(server.asked().iter().all(|asked| asked.method == "GET"));
}

#[test]
fn a_registry_without_a_search_is_asked_for_its_list() {
    require!(Fixtures, DockerRegistry);
    let (sandbox, registry) = (Sandbox::new(), Registry::start());
    registry.login(&sandbox).run().success();
    let find = |term: &str, flags: &[&str]| {
        let term = format!("{}/{term}", registry.host());
        let search = sandbox
            .coracle(["search", "--tls-ca"])
            .arguments([Registry::authority()]);
        search.arguments(flags).arguments([term]).run().success()
    };
    let host = registry.host();
    find("guest", &["-q"]).prints(&format!("{host}/boats/guest\n{host}/boats/guest-entry"));
    find("nothing-like-it", &["-q"]).prints("");
    find("boats/guest", &["--list-tags"]).prints("latest");
    let inspect = sandbox.coracle(["manifest", "inspect", "--tls-ca"]);
    let inspect = inspect
        .arguments([Registry::authority()])
        .arguments([registry.image("platforms")]);
    inspect.run().success().mentions("\"arm64\"");
}
