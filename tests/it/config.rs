//! Settings: where they come from, what is refused, and what they do to a container.

use serde_json::Value;

use crate::support::{Output, Run, Sandbox, fixture, require};

/// What `config show --json` says, after a command line that sets something.
fn settings(run: Run) -> Value {
    let output = run.run().success();
    serde_json::from_str(&output.stdout).expect("one JSON document")
}

fn show(sandbox: &Sandbox) -> Run {
    sandbox.coracle(["config", "show", "--json"])
}

/// Writes the user's configuration file.
fn configure(sandbox: &Sandbox, text: &str) {
    sandbox.folder("home/.config");
    sandbox.folder("home/.config/coracle");
    sandbox.file("home/.config/coracle/config.toml", text);
}

#[test]
fn every_setting_can_stand_in_a_file_and_in_a_variable() {
    let sandbox = Sandbox::new();
    let all = settings(show(&sandbox));
    let all = all["settings"].as_object().expect("a table of settings");
    assert!(all.len() >= 19, "{all:?}");
    for (key, setting) in all {
        assert_eq!(setting["from"], "built-in", "{key}");
        let variable = setting["variable"].as_str().expect("each has one");
        let (written, value, of_variable) = match key.as_str() {
            "quiet" | "foreign_layers" => ("true", "true", "1"),
            "net_timeout" => ("7", "7", "7"),
            "stop_timeout" => ("-1", "-1", "-1"),
            "pull" => ("'never'", "never", "never"),
            "log_format" => ("'text'", "text", "text"),
            "color" | "nvidia" if key == "color" => ("'never'", "never", "never"),
            "nvidia" | "cuda_compat" => ("'off'", "off", "off"),
            "userns" => ("'keep-id'", "keep-id", "keep-id"),
            "insecure" | "mirror" | "stores" | "volumes" | "env" | "cdi_dirs" => {
                ("['/a']", "[\"/a\"]", "/a")
            }
            "engine" => ("'proot'", "proot", "proot"),
            "platform" => ("'linux/arm64'", "linux/arm64", "linux/arm64"),
            _ => ("'/a'", "/a", "/a"),
        };
        configure(&sandbox, &format!("{key} = {written}\n"));
        let got = settings(show(&sandbox))["settings"][key].clone();
        let from = got["from"].as_str().expect("a text");
        assert!(
            from.ends_with("/home/.config/coracle/config.toml:1"),
            "{got}"
        );
        let shown = |got: &Value| match &got["value"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        assert_eq!(shown(&got), value, "{key}");
        let got = settings(show(&sandbox).env(variable, of_variable));
        let got = &got["settings"][key];
        assert_eq!(
            (shown(got).as_str(), &got["from"]),
            (value, &variable.into())
        );
    }
}

#[test]
fn stronger_places_win_one_by_one() {
    let sandbox = Sandbox::new();
    let home = |run: Run| settings(run)["settings"]["home"]["from"].clone();
    // The system's file is imitated in a mount namespace: the user has no right to write it.
    require!(UserNamespaces);
    let etc = sandbox.folder("etc");
    sandbox.folder("etc/coracle");
    let system = "quiet = false\nhome = \"/system\"\n";
    sandbox.file("etc/coracle/config.toml", system);
    let script = format!("mount --bind {} /etc && exec \"$@\"", etc.display());
    let on_site = || {
        let run = sandbox.command(["unshare", "-Urm", "sh", "-c", &script, "sh"]);
        let run = run.arguments([sandbox.binary()]);
        run.arguments(["config", "show", "--json"])
    };
    assert_eq!(home(on_site()), "/etc/coracle/config.toml:2");
    configure(&sandbox, "home = \"/user\"\n");
    let user = home(on_site());
    assert!(
        user.as_str()
            .is_some_and(|from| from.ends_with("home/.config/coracle/config.toml:1"))
    );
    let more = sandbox.file("more.toml", "\n\nhome = \"~/deep/$USER\"\n");
    let more = more.to_str().expect("a plain path");
    let named = || show(&sandbox).arguments(["--config", more]);
    assert_eq!(home(named()), format!("{more}:3"));
    let by_variable = show(&sandbox).env("CORACLE_CONFIG", more);
    let by_variable = settings(by_variable);
    let value = by_variable["settings"]["home"]["value"]
        .as_str()
        .expect("a text");
    let deep = format!("{}/deep/", sandbox.home().display());
    assert!(value.starts_with(&deep) && !value.contains('$'), "{value}");
    let variable = named().env("CORACLE_HOME", "/variable");
    assert_eq!(home(variable), "CORACLE_HOME");
    let flag = named()
        .env("CORACLE_HOME", "/variable")
        .arguments(["--home", "/flag"]);
    assert_eq!(home(flag), "--home");
    let elsewhere = show(&sandbox).env("XDG_CONFIG_HOME", sandbox.path("nowhere"));
    assert_eq!(home(elsewhere), "built-in");
    // In a guest the variable says which engine runs it.
    let guest = show(&sandbox)
        .env("CORACLE_ENGINE", "ns")
        .env("CORACLE_VERSION", "0");
    assert_eq!(settings(guest)["settings"]["engine"]["from"], "built-in");
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let sandbox = Sandbox::new();
    for (text, complaint, hint) in [
        (
            "engin = 'ns'",
            "line 1: unknown key `engin`",
            "did you mean `engine`?",
        ),
        (
            "\nquiet = 'yes'",
            "line 2: `quiet`: got `yes`, expected `true` or `false`",
            "help config",
        ),
        (
            "pull = 'alway'",
            "got `alway`, expected one of",
            "help config",
        ),
        (
            "\nengine = 'prot'",
            "line 2: `engine`: unknown engine `prot`",
            "did you mean `proot`?",
        ),
        (
            "platform = 'a/b/c/d'",
            "line 1: `platform`: ",
            "help config",
        ),
        (
            "engine = 5",
            "line 1: `engine`: got the number 5, expected the name",
            "help config",
        ),
        (
            "home = 'relative'",
            "got `relative`, expected an absolute path",
            "help config",
        ),
        (
            "home = '/x/$NOT_SET'",
            "needs the variable NOT_SET, which is not set",
            "help config",
        ),
        (
            "volumes = [1]",
            "got the number 1 in a list of texts",
            "help config",
        ),
        (
            "volumes = 'a'",
            "got `a`, expected a list of texts",
            "help config",
        ),
        (
            "engine = 'ns'\nengine = 'ns'",
            "line 2: duplicate key",
            "help config",
        ),
        ("engine = ", "line 1: ", "help config"),
        (
            "[engine]\na = 1",
            "got a table, expected the name",
            "help config",
        ),
        (
            "[profile.x]\ncdw = true",
            "line 2: unknown key `cdw`",
            "did you mean `cwd`?",
        ),
        (
            "[profile.x]\nenv = ['A*B']",
            "got `A*B`, expected a name",
            "help config",
        ),
        (
            "[profile.x]\ndevices = ['gpu']",
            "got `gpu`, expected `fabric`",
            "help config",
        ),
        (
            "profile = 'x'\n[profile.x]\ncwd = true",
            "line 2: ",
            "write `profile.default",
        ),
        ("[profile]\nx = 1", "expected `[profile.x]`", "help config"),
        ("\u{0}", "line 1: ", "help config"),
    ] {
        configure(&sandbox, text);
        let output = sandbox.coracle(["ps"]).run().exits(2);
        let output = output.complains("/config.toml`").complains(complaint);
        output.complains(hint);
    }
    // What says how things work, works.
    for verb in ["version", "help", "licenses"] {
        sandbox.coracle([verb]).run().success();
    }
    sandbox.coracle(["run", "hello"]).run().exits(125);
    sandbox.file("home/.config/coracle/config.toml", b"a = '\xff'\n");
    sandbox
        .coracle(["ps"])
        .run()
        .exits(2)
        .complains("line 1: not UTF-8");
    sandbox.file("home/.config/coracle/config.toml", vec![b'#'; 300 << 10]);
    sandbox
        .coracle(["ps"])
        .run()
        .exits(1)
        .complains("config.toml");
    configure(&sandbox, "");
    for (variable, value, complaint) in [
        (
            "CORACLE_QUIET",
            "maybe",
            "cannot use `quiet` of CORACLE_QUIET",
        ),
        (
            "CORACLE_STOP_TIMEOUT",
            "soon",
            "got `soon`, expected a whole number",
        ),
        (
            "CORACLE_CONFIG",
            "/nothing/there",
            "which CORACLE_CONFIG names",
        ),
        ("CORACLE_PLATFORM", "a/b/c/d", ""),
    ] {
        let pull = sandbox.coracle(["pull", "hello"]).env(variable, value);
        pull.run()
            .exits(2)
            .complains("error: ")
            .complains(complaint);
    }
}

#[test]
fn what_is_built_in_is_shown_as_it_comes_out() {
    let sandbox = Sandbox::new();
    for (key, path) in [
        ("home", sandbox.home().join(".coracle")),
        ("tmpdir", sandbox.path("tmp")),
    ] {
        let run = sandbox.coracle(["config", "show", key]);
        let shown = run.env("CORACLE_HOME", "").run().success().stdout;
        assert_eq!(shown.trim_end(), path.display().to_string(), "{key}");
    }
}

/// What a run would be, as JSON.
fn explained(run: Run) -> Value {
    let output: Output = run.run().success();
    serde_json::from_str(&output.stdout).expect("one JSON document")
}

fn mounts(plan: &Value) -> Vec<String> {
    let mounts = plan["plan"]["mounts"].as_array().expect("a list of mounts");
    let each = mounts.iter().map(|mount| {
        let source = mount["source"]["bind"].as_str().unwrap_or("-");
        let target = mount["target"].as_str().unwrap_or("-");
        format!("{source}:{target}:{}", mount["optional"])
    });
    each.collect()
}

#[test]
fn settings_hold_for_new_containers_and_yield_to_flags() {
    let sandbox = Sandbox::new();
    let data = sandbox.folder("data");
    let data = data.to_str().expect("a plain path").to_owned();
    let text = format!(
        "engine = 'proot'\nuserns = 'keep-id'\nenv = ['FROM=file', 'TOO=yes']\nvolumes = ['{data}:/data', '~:/mine']\n"
    );
    configure(&sandbox, &text);
    let run = |words: &[&str]| {
        let run = ["run", "--explain=json"].iter().chain(words);
        sandbox.coracle(run)
    };
    let plan = explained(run(&["hello"]));
    assert_eq!(plan["engine"], "proot:P1", "{plan}");
    assert_eq!(plan["plan"]["environment"]["FROM"], "file");
    assert!(
        mounts(&plan).contains(&format!("{data}:/data:false")),
        "{plan}"
    );
    assert!(mounts(&plan).contains(&format!("{}:/mine:false", sandbox.home().display())));
    let plan = explained(run(&[
        "--engine",
        "ns",
        "-e",
        "FROM=flag",
        "-v",
        "/usr:/data",
        "hello",
    ]));
    assert_ne!(plan["engine"], "proot:P1", "{plan}");
    let environment = &plan["plan"]["environment"];
    assert_eq!(
        (&environment["FROM"], &environment["TOO"]),
        (&"flag".into(), &"yes".into())
    );
    assert!(
        mounts(&plan).contains(&"/usr:/data:false".to_owned()),
        "{plan}"
    );
    assert!(
        !mounts(&plan).contains(&format!("{data}:/data:false")),
        "{plan}"
    );
    let by_variable = run(&["hello"]).env("CORACLE_ENGINE", "proot:P2");
    assert_eq!(explained(by_variable)["engine"], "proot:P2");
    // A container keeps what it was made with, and what is changed later is for others.
    sandbox
        .coracle(["create", "--name", "box", "hello"])
        .run()
        .success();
    configure(&sandbox, "env = ['LATER=yes']\n");
    let plan = explained(run(&["box"]));
    assert!(
        mounts(&plan).contains(&format!("{data}:/data:false")),
        "{plan}"
    );
    assert_eq!(plan["plan"]["environment"]["LATER"], Value::Null);
    configure(&sandbox, "volumes = ['./data:/d', '.:/all']\n");
    let listed = settings(show(&sandbox));
    let listed = listed["settings"]["volumes"]["value"].to_string();
    let dir = sandbox.home().join(".config/coracle");
    for volume in ["data:/d", ".:/all"] {
        let volume = format!("\"{}/{volume}\"", dir.display());
        assert!(listed.contains(&volume), "{listed}");
    }
    configure(&sandbox, "volumes = ['/not/there:/x']\n");
    let output = run(&["hello"]).run().exits(125);
    output.complains("cannot show `/not/there` in the container");
}

#[test]
fn a_profile_brings_surroundings_along() {
    let sandbox = Sandbox::new();
    let scratch = sandbox.folder("scratch");
    let work = sandbox.folder("job");
    let on_node = |words: &[&str]| {
        let words = ["run", "--explain=json"].iter().chain(words);
        let run = sandbox.coracle(words).folder(&work);
        run.env("SCRATCH", &scratch)
            .env("SLURM_PROCID", "3")
            .env("MODULEPATH", "/m")
            .env("PMIX_GDS_MODULE", "hash")
            .env("LD_PRELOAD_X", "x")
            .env("LANG", "tlh")
    };
    let plan = explained(on_node(&["--hpc", "hello"]));
    let own = |path: &std::path::Path| format!("{0}:{0}:true", path.display());
    let shown = mounts(&plan);
    for path in [&scratch, &work, &sandbox.path("tmp")] {
        // The sandbox may itself lie below /tmp, which is shown as a whole.
        let below_tmp = path.starts_with("/tmp") && shown.contains(&"/tmp:/tmp:true".to_owned());
        assert!(
            shown.contains(&own(path)) || below_tmp,
            "{} in {shown:?}",
            path.display()
        );
    }
    assert_eq!(plan["plan"]["cwd"]["path"].as_str(), work.to_str());
    let environment = &plan["plan"]["environment"];
    assert_eq!(environment["SLURM_PROCID"], "3");
    assert_eq!(environment["PMIX_MCA_gds"], "hash");
    assert_eq!(environment["LANG"], "tlh");
    for dropped in ["MODULEPATH", "LD_PRELOAD_X"] {
        assert_eq!(environment[dropped], Value::Null, "{dropped}");
    }
    assert_ne!(environment["PATH"], "/usr/bin:/bin:/usr/sbin:/sbin");
    let (uid, _) = sandbox.ids();
    assert_eq!(plan["plan"]["user"]["uid"], uid.as_raw());
    // What is typed wins, and a profile of a file is as good as a built-in one.
    let plan = explained(on_node(&[
        "--hpc", "-w", "/", "-e", "LANG=C", "--userns", "single", "hello",
    ]));
    assert_eq!(plan["plan"]["cwd"]["path"], "/");
    assert_eq!(plan["plan"]["environment"]["LANG"], "C");
    assert_eq!(plan["plan"]["user"]["uid"], 0);
    configure(
        &sandbox,
        "profile.default = 'lab'\n[profile.lab]\nscratch = ['${SCRATCH}/', '$NOT_SET']\nenv = ['LA*']\n",
    );
    let plan = explained(on_node(&["hello"]));
    assert_eq!(plan["plan"]["environment"]["LANG"], "tlh");
    assert_eq!(plan["plan"]["environment"]["SLURM_PROCID"], Value::Null);
    let scratch_in = |plan: &Value| mounts(plan).iter().any(|mount| mount.contains("/scratch"));
    assert!(scratch_in(&plan), "{plan}");
    let plan = explained(on_node(&["--profile", "hpc", "hello"]));
    assert_eq!(plan["plan"]["environment"]["SLURM_PROCID"], "3");
    // A container remembers what a profile means, and finds it where it runs.
    let create = ["create", "--profile", "lab", "--name", "box", "hello"];
    sandbox.coracle(create).run().success();
    configure(&sandbox, "");
    let plan = explained(on_node(&["box"]));
    assert!(scratch_in(&plan), "{plan}");
    assert_eq!(plan["plan"]["environment"]["LANG"], "tlh");
}

#[test]
fn a_guest_works_in_the_callers_surroundings() {
    require!(Fixtures, UserNamespaces);
    let sandbox = Sandbox::new();
    let work = sandbox.folder("job");
    let image = fixture::image("guest");
    let script =
        "pwd; id -u; echo $SLURM_PROCID; echo result > out; ls -d /run/munge/no 2>/dev/null";
    for engine in ["ns", "proot"] {
        let run = [
            "--quiet", "run", "--rm", "--hpc", "--engine", engine, &image, "sh", "-c", script,
        ];
        let run = sandbox.coracle(run).folder(&work).env("SLURM_PROCID", "3");
        let output = run.env("SCRATCH", "/not/there").run();
        let (uid, _) = sandbox.ids();
        let wanted = format!("{}\n{uid}\n3\n", work.display());
        assert_eq!(output.stdout, wanted, "{engine}\n{output}");
        let written = std::fs::read_to_string(work.join("out"));
        assert_eq!(written.expect("the guest wrote it"), "result\n");
        std::fs::remove_file(work.join("out")).expect("it is there");
    }
}

#[test]
fn a_start_without_files_looks_for_two() {
    require!(Strace, Ptrace);
    let sandbox = Sandbox::new();
    let trace = ["strace", "-f", "-e", "trace=openat,open,stat,access", "-o"];
    let log = sandbox.path("trace");
    sandbox
        .coracle(["ps"])
        .behind(
            trace
                .map(Into::into)
                .into_iter()
                .chain([log.clone().into_os_string()]),
        )
        .run()
        .success();
    let calls = std::fs::read_to_string(&log).expect("strace wrote it");
    let looked = calls.lines().filter(|line| line.contains("config.toml"));
    assert_eq!(looked.count(), 2, "{calls}");
}
