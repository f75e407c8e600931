//! The page of every flag of `docker run`: each row is tried, and what came of it is what the page says.
//!
//! The flags are those of Docker's reference (docs.docker.com, "docker container run") and the hidden spellings of its
//! source. What they mean here comes from our own help, what is refused from our own messages.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{Sandbox, Terminal};

/// What becomes of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Here {
    /// It changes what a guest finds.
    Honoured,
    /// Things are so without it; the plan is the same.
    ByNature,
    /// The command ends with the reason.
    Refused,
}

use Here::{ByNature, Honoured, Refused};

/// A flag as the page shows it, what becomes of it, and words that try it.
type Row = (&'static str, Here, &'static str);

const FLAGS: &[Row] = &[
    ("--add-host", Honoured, "--add-host db:10.0.0.7"),
    ("--annotation", Honoured, "--annotation a=b"),
    ("-a, --attach", Honoured, "-a stdout -a stderr"),
    ("--blkio-weight", Refused, "--blkio-weight 10"),
    (
        "--blkio-weight-device",
        Refused,
        "--blkio-weight-device /dev/sda:10",
    ),
    ("--cap-add", Refused, "--cap-add SYS_ADMIN"),
    ("--cap-drop", Refused, "--cap-drop=ALL"),
    ("--cgroup-parent", Refused, "--cgroup-parent /x"),
    ("--cgroupns", ByNature, "--cgroupns host"),
    ("--cidfile", Honoured, "--cidfile cid"),
    ("--cpu-count", Refused, "--cpu-count 1"),
    ("--cpu-percent", Refused, "--cpu-percent 1"),
    ("--cpu-period", Refused, "--cpu-period 1000"),
    ("--cpu-quota", Refused, "--cpu-quota 1000"),
    ("--cpu-rt-period", Refused, "--cpu-rt-period 1000"),
    ("--cpu-rt-runtime", Refused, "--cpu-rt-runtime 1000"),
    ("-c, --cpu-shares", Refused, "-c 512"),
    ("--cpus", Refused, "--cpus 1.5"),
    ("--cpuset-cpus", Honoured, "--cpuset-cpus 0"),
    ("--cpuset-mems", Refused, "--cpuset-mems 0"),
    ("-d, --detach", Honoured, "-d --name detached"),
    ("--detach-keys", Refused, "--detach-keys ctrl-x"),
    ("--device", Honoured, "--device /dev/null"),
    ("--device-cgroup-rule", Refused, "--device-cgroup-rule a"),
    (
        "--device-read-bps",
        Refused,
        "--device-read-bps /dev/sda:1k",
    ),
    (
        "--device-read-iops",
        Refused,
        "--device-read-iops /dev/sda:1",
    ),
    (
        "--device-write-bps",
        Refused,
        "--device-write-bps /dev/sda:1k",
    ),
    (
        "--device-write-iops",
        Refused,
        "--device-write-iops /dev/sda:1",
    ),
    (
        "--disable-content-trust",
        ByNature,
        "--disable-content-trust",
    ),
    ("--dns", Honoured, "--dns 9.9.9.9"),
    (
        "--dns-opt, --dns-option",
        Honoured,
        "--dns-option ndots:2 --dns-opt rotate",
    ),
    ("--dns-search", Honoured, "--dns-search example.org"),
    ("--domainname", Refused, "--domainname example.org"),
    ("--entrypoint", Honoured, "--entrypoint /bin/hello"),
    ("-e, --env", Honoured, "-e A=1 --env B=2"),
    ("--env-file", Honoured, "--env-file env"),
    ("--expose", ByNature, "--expose 80 --expose 90-95/udp"),
    ("--gpus", Honoured, "--gpus none"),
    ("--group-add", Honoured, "--group-add keep-groups"),
    ("--health-cmd", Refused, "--health-cmd true"),
    ("--health-interval", Refused, "--health-interval 5s"),
    ("--health-retries", Refused, "--health-retries 3"),
    (
        "--health-start-interval",
        Refused,
        "--health-start-interval 5s",
    ),
    ("--health-start-period", Refused, "--health-start-period 5s"),
    ("--health-timeout", Refused, "--health-timeout 5s"),
    ("--help", Honoured, "--help"),
    ("-h, --hostname", Honoured, "-h box"),
    ("--init", ByNature, "--init"),
    ("-i, --interactive", ByNature, "-i"),
    ("--io-maxbandwidth", Refused, "--io-maxbandwidth 1k"),
    ("--io-maxiops", Refused, "--io-maxiops 1"),
    ("--ip", Refused, "--ip 10.0.0.7"),
    ("--ip6", Refused, "--ip6 fd00::7"),
    ("--ipc", ByNature, "--ipc host"),
    ("--isolation", ByNature, "--isolation default"),
    ("--kernel-memory", Refused, "--kernel-memory 1g"),
    ("-l, --label", Honoured, "-l a=b"),
    ("--label-file", Honoured, "--label-file env"),
    ("--link", Refused, "--link db"),
    ("--link-local-ip", Refused, "--link-local-ip 169.254.1.1"),
    ("--log-driver", Refused, "--log-driver syslog"),
    ("--log-opt", Refused, "--log-opt max-size=1m"),
    ("--mac-address", Refused, "--mac-address 92:d0:c6:0a:29:33"),
    ("-m, --memory", Refused, "-m 1g"),
    ("--memory-reservation", Refused, "--memory-reservation 1g"),
    ("--memory-swap", Refused, "--memory-swap -1"),
    ("--memory-swappiness", Refused, "--memory-swappiness 0"),
    ("--mount", Honoured, "--mount type=tmpfs,target=/scratch"),
    ("--name", Honoured, "--name called"),
    ("--net, --network", Honoured, "--network host --net=default"),
    ("--net-alias", Refused, "--net-alias db"),
    ("--network-alias", Refused, "--network-alias db"),
    ("--no-healthcheck", ByNature, "--no-healthcheck"),
    ("--oom-kill-disable", Refused, "--oom-kill-disable"),
    ("--oom-score-adj", Refused, "--oom-score-adj 5"),
    ("--pid", ByNature, "--pid host"),
    ("--pids-limit", Refused, "--pids-limit 5"),
    ("--platform", Honoured, "--platform linux/amd64"),
    ("--privileged", Refused, "--privileged"),
    ("-p, --publish", Honoured, "-p 8080:8080"),
    ("-P, --publish-all", Honoured, "-P"),
    ("--pull", Honoured, "--pull missing"),
    ("-q, --quiet", Honoured, "-q"),
    ("--read-only", Honoured, "--read-only"),
    ("--restart", ByNature, "--restart no"),
    ("--rm", Honoured, "--rm"),
    ("--runtime", Refused, "--runtime runc"),
    (
        "--security-opt",
        Honoured,
        "--security-opt no-new-privileges",
    ),
    ("--shm-size", Honoured, "--shm-size 64k"),
    ("--sig-proxy", ByNature, "--sig-proxy"),
    ("--stop-signal", Honoured, "--stop-signal INT"),
    ("--stop-timeout", Honoured, "--stop-timeout 5"),
    ("--storage-opt", Refused, "--storage-opt size=1g"),
    ("--sysctl", Refused, "--sysctl net.core.somaxconn=1024"),
    ("--tmpfs", Honoured, "--tmpfs /scratch:noexec,size=1m"),
    ("-t, --tty", Honoured, "-t"),
    ("--ulimit", Honoured, "--ulimit core=0"),
    ("--use-api-socket", Refused, "--use-api-socket"),
    ("-u, --user", Honoured, "-u 1000:1000"),
    ("--userns", Honoured, "--userns host"),
    ("--uts", ByNature, "--uts host"),
    ("-v, --volume", Honoured, "-v data:/bin -v ./here:/here:ro"),
    ("--volume-driver", Refused, "--volume-driver nfs"),
    ("--volumes-from", Honoured, "--volumes-from lender"),
    ("-w, --workdir", Honoured, "-w /new"),
];

/// Values that are refused, of flags that are honoured.
const VALUES: &[&str] = &[
    "--add-host db",
    "--cgroupns private",
    "--disable-content-trust=false",
    "--dns resolver.example",
    "--ipc private",
    "--isolation hyperv",
    "--mount type=image,source=debian,target=/x",
    "--mount type=bind,source=/tmp,target=/x,bind-nonrecursive",
    "--mount type=bind,source=/tmp,target=/x,bind-propagation=rshared",
    "--mount type=volume,source=data,target=/x,volume-driver=nfs",
    "--mount type=volume,source=data,target=/x,volume-opt=o=ro",
    "--network mynet",
    "--network container:db",
    "--network host --publish 8080:80",
    "--network none --publish 80",
    "--pid container:db",
    "--publish 80/sctp",
    "--restart always",
    "--restart unless-stopped",
    "--security-opt seccomp=profile.json",
    "--security-opt apparmor=docker-default",
    "--sig-proxy=false",
    "--tmpfs /x:uid=5",
    "--ulimit files=1",
    "--uts private",
    "--volume /tmp:/x:rshared",
    "--volume /tmp:/x:U",
];

const HEAD: &str = "\
# Flags of docker run

What becomes here of every flag of `docker run`, and so of `docker create`. *Honoured*: it does what stands beside it.
*By nature*: it asks for what is so without it. *Refused*: the command ends with status 125 and this message before
anything is done; what to do instead follows on a line of its own.

| flag | here | what it does, or why not |
|---|---|---|
";

const MIDDLE: &str = "
Of a flag with one value, the last one counts. A switch may be spelt `--rm=true` or `--rm=false`.

## Values that are refused

| words | message |
|---|---|
";

/// A home in which every row can be tried.
fn ready() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("home/env", "A=1\n");
    sandbox.folder("home/here");
    let lend = ["create", "--name", "lender", "-v", "./here:/lent", "hello"];
    sandbox.coracle(lend).run().success();
    sandbox
}

fn long(flags: &str) -> &str {
    flags.rsplit(", ").next().unwrap_or(flags)
}

/// The first paragraph that the help has on a flag.
fn meaning(help: &str, flags: &str) -> String {
    let name = long(flags);
    let is_flag = |line: &&str| {
        let words = line.trim_start().split([' ', ',', '[', '=']);
        line.trim_start().starts_with('-') && words.into_iter().any(|word| word == name)
    };
    let mut lines = help.lines().skip_while(|line| !is_flag(line)).skip(1);
    let text: Vec<&str> = lines
        .by_ref()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    assert!(!text.is_empty(), "the help says nothing of {name}:\n{help}");
    text.join(" ")
}

/// The message with which words are refused.
fn refusal(sandbox: &Sandbox, words: &str) -> String {
    let run = sandbox.coracle(["run", "--rm"]);
    let output = run
        .arguments(words.split(' '))
        .arguments(["hello"])
        .run()
        .exits(125);
    assert!(output.stdout.is_empty(), "{output}");
    assert!(output.stderr.contains("\nhint: "), "{output}");
    let first = output.stderr.lines().next().unwrap_or_default();
    let message = first.strip_prefix("error: ");
    message.unwrap_or_else(|| panic!("{output}")).to_owned()
}

fn plan(sandbox: &Sandbox, words: &str) -> Value {
    let run = sandbox.coracle(["run", "--rm", "--explain=json"]);
    let words = words.split(' ').filter(|word| !word.is_empty());
    let output = run.arguments(words).arguments(["hello"]).run().success();
    let mut plan: Value = serde_json::from_str(&output.stdout).expect("one object");
    // A name for each run alone.
    plan["plan"]["writes"].take();
    plan
}

/// Starts the guest with words that are honoured.
fn start(sandbox: &Sandbox, flags: &str, words: &str) {
    match long(flags) {
        "--help" => {
            let help = sandbox.coracle(["run", "--help"]).run().success();
            help.mentions("Usage: coracle run");
        }
        "--tty" => {
            let terminal = Terminal::start(sandbox, &[], &["run", "--rm", "-t", "hello"]);
            let (status, shown) = terminal.finish();
            assert_eq!(status, 0, "{shown}");
        }
        "--detach" => {
            let run = sandbox.coracle(["run"]).arguments(words.split(' '));
            let id = run.arguments(["hello"]).run().success().stdout;
            assert_eq!(id.trim().len(), 64, "{id}");
            let wait = ["wait", "detached"];
            sandbox.coracle(wait).run().success().prints("0");
            sandbox.coracle(["rm", "detached"]).run().success();
        }
        _ => {
            let run = sandbox.coracle(["run", "--rm"]).arguments(words.split(' '));
            let output = run.arguments(["hello"]).run().success();
            assert!(output.stdout.starts_with("Hello"), "{words}: {output}");
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', " or ")
}

#[test]
fn the_page_of_docker_runs_flags_is_what_came_of_each() {
    let sandbox = ready();
    let help = sandbox.coracle(["run", "--help"]).run().success().stdout;
    let usual = plan(&sandbox, "");
    let mut page = HEAD.to_owned();
    for (flags, here, words) in FLAGS {
        let (name, text) = match here {
            Refused => {
                let message = refusal(&sandbox, words);
                assert!(message.contains(long(flags)), "{flags}: {message}");
                ("refused", message)
            }
            Honoured => {
                start(&sandbox, flags, words);
                ("honoured", meaning(&help, flags))
            }
            ByNature => {
                start(&sandbox, flags, words);
                assert_eq!(plan(&sandbox, words), usual, "{flags} changes the plan");
                ("by nature", meaning(&help, flags))
            }
        };
        let _infallible = writeln!(page, "| `{flags}` | {name} | {} |", cell(&text));
    }
    page += MIDDLE;
    for words in VALUES {
        let message = refusal(&sandbox, words);
        let name = words.split([' ', '=']).find(|word| message.contains(word));
        assert!(
            name.is_some_and(|name| name.starts_with("--")),
            "{words}: {message}"
        );
        let _infallible = writeln!(page, "| `{words}` | {} |", cell(&message));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/help/docker-run.md");
    if std::env::var_os("CORACLE_WRITE_GOLDEN").is_some() {
        std::fs::write(path, &page).expect("the source can be written");
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        there == page,
        "the page is no longer true: run this test again with CORACLE_WRITE_GOLDEN=1"
    );
}

#[test]
fn every_flag_of_docker_has_its_row_once() {
    let mut names: Vec<&str> = FLAGS
        .iter()
        .flat_map(|(flags, ..)| flags.split(", "))
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "a flag stands there twice");
    // Docker's reference has 105, and its source a few spellings that it hides.
    assert!(FLAGS.len() >= 105, "{} rows", FLAGS.len());
}
