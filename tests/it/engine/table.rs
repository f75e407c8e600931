//! The table: options, arguments, and what must come of them on every engine.

use super::Stage;
use crate::support::fixture;

/// One line of the contract. In options, `{box}` is the sandbox, where `note`, `list` and the folder `share` lie.
pub(crate) struct Behaviour {
    /// What it is called when it fails.
    pub(crate) name: &'static str,
    options: Vec<&'static str>,
    image: &'static str,
    arguments: Vec<String>,
    input: &'static str,
    /// A shell text that prepares the process which becomes coracle.
    before: &'static str,
    code: i32,
    stdout: Option<String>,
    stderr: Option<&'static str>,
    /// What an engine without mounts of its own may refuse, by this name, before the guest starts.
    refusable: Option<&'static str>,
}

impl Behaviour {
    /// Runs it and compares.
    pub(crate) fn check(&self, stage: &Stage) {
        let folder = stage.sandbox.path("");
        let folder = folder
            .to_str()
            .expect("the sandbox has a plain name")
            .trim_end_matches('/');
        prepare(stage);
        let filled = |text: &&str| text.replace("{box}", folder);
        let output = stage
            .coracle(&["--quiet", "run", "--rm", "--engine", stage.engine])
            .arguments(self.options.iter().map(filled))
            .arguments([fixture::image(self.image)])
            .arguments(&self.arguments)
            .env("FROM_HOST", "seen")
            .behind([
                "sh",
                "-c",
                &format!("{}\nexec \"$@\"", filled(&self.before)),
                "sh",
            ])
            .input(self.input)
            .run();
        if let (Some(name), false, Some(125)) = (self.refusable, stage.real == "ns", output.code())
        {
            output.prints("").complains(name);
            return;
        }
        assert!(
            output.shell_code() == self.code,
            "expected {}\n{output}",
            self.code
        );
        let uid = stage.sandbox.ids().0.to_string();
        let output = match &self.stdout {
            Some(text) => {
                output.prints(&text.replace("{uid}", &uid).replace("{engine}", stage.real))
            }
            None => output,
        };
        match self.stderr {
            Some("") => assert!(
                output.stderr.is_empty(),
                "expected an empty stderr\n{output}"
            ),
            Some(part) => drop(output.complains(part)),
            None => (),
        }
    }

    fn options<const N: usize>(mut self, options: [&'static str; N]) -> Self {
        self.options.extend(options);
        self
    }

    fn image(mut self, image: &'static str) -> Self {
        self.image = image;
        self
    }

    fn runs<S: ToString>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments = arguments
            .into_iter()
            .map(|argument| argument.to_string())
            .collect();
        self
    }

    fn sh(self, text: &str) -> Self {
        self.runs(["sh", "-c", text])
    }

    fn input(mut self, input: &'static str) -> Self {
        self.input = input;
        self
    }

    fn before(mut self, before: &'static str) -> Self {
        self.before = before;
        self
    }

    fn exits(mut self, code: i32) -> Self {
        self.code = code;
        self
    }

    fn prints(mut self, stdout: impl Into<String>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    fn complains(mut self, stderr: &'static str) -> Self {
        self.stderr = Some(stderr);
        self
    }

    fn refusable(mut self, name: &'static str) -> Self {
        self.refusable = Some(name);
        self
    }
}

fn behaviour(name: &'static str) -> Behaviour {
    Behaviour {
        name,
        options: Vec::new(),
        image: "guest",
        arguments: Vec::new(),
        input: "",
        before: "",
        code: 0,
        stdout: None,
        stderr: None,
        refusable: None,
    }
}

/// What the rows find in their sandbox; made anew for each, since some write there.
fn prepare(stage: &Stage) {
    stage.sandbox.folder("share");
    stage.sandbox.folder("share/inner");
    for (name, text) in [
        ("note", "from the host\n"),
        ("share/note", "shared\n"),
        ("share/inner/deep", "under it\n"),
        ("list", "# a comment\nLISTED=one two\n\nFROM_HOST\nEMPTY=\n"),
    ] {
        stage.sandbox.file(name, text);
    }
}

/// Every row.
pub(crate) fn behaviours() -> Vec<Behaviour> {
    [
        arguments(),
        ends(),
        streams(),
        environment(),
        places(),
        users(),
        mounts(),
        limits(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn arguments() -> Vec<Behaviour> {
    let long = "x".repeat(100_000);
    vec![
        behaviour("arguments keep every byte")
            .runs([
                "args",
                "",
                "a b",
                " ",
                "ünï🛶",
                "--",
                "-x",
                "$HOME",
                "*",
                "a\nb",
                "",
            ])
            .prints("0:\n3:a b\n1: \n9:ünï🛶\n2:--\n2:-x\n5:$HOME\n1:*\n3:a\nb\n0:"),
        behaviour("an argument of 100 kB")
            .runs(["args", &long])
            .prints(format!("100000:{long}")),
        behaviour("the image's command").prints("default command"),
        behaviour("the image's entry point")
            .image("guest-entry")
            .prints("5:entry\n7:command"),
        behaviour("arguments after the entry point")
            .image("guest-entry")
            .runs(["x", "y"])
            .prints("5:entry\n1:x\n1:y"),
        behaviour("another entry point")
            .options(["--entrypoint", "/bin/args"])
            .runs(["a"])
            .prints("1:a"),
        behaviour("an empty entry point")
            .options(["--entrypoint", ""])
            .image("guest-entry")
            .runs(["args", "a"])
            .prints("1:a"),
    ]
}

fn ends() -> Vec<Behaviour> {
    vec![
        behaviour("exit 0").sh("exit 0").complains(""),
        behaviour("exit 1").sh("exit 1").exits(1).complains(""),
        behaviour("exit 42").sh("exit 42").exits(42).complains(""),
        behaviour("exit 255")
            .sh("exit 255")
            .exits(255)
            .complains(""),
        behaviour("a file that is not executable")
            .runs(["/bin/not-executable"])
            .exits(126)
            .complains("/bin/not-executable"),
        behaviour("a folder as program")
            .runs(["/srv"])
            .exits(126)
            .complains("/srv"),
        behaviour("a program that is not there")
            .runs(["no-such-program"])
            .exits(127)
            .complains("no-such-program"),
        behaviour("a path that is not there")
            .runs(["/no/such/program"])
            .exits(127)
            .complains("/no/such/program"),
        behaviour("a program without a name")
            .runs([""])
            .exits(127)
            .complains("no such program"),
        behaviour("an interpreter that is not there")
            .runs(["/bin/no-interpreter"])
            .exits(127)
            .complains("/bin/no-interpreter"),
        behaviour("killed by KILL").sh("kill -KILL $$").exits(137),
        behaviour("killed by TERM").sh("kill -TERM $$").exits(143),
        behaviour("killed by SEGV").sh("kill -SEGV $$").exits(139),
    ]
}

fn streams() -> Vec<Behaviour> {
    vec![
        behaviour("stdout alone")
            .sh("echo out")
            .prints("out")
            .complains(""),
        behaviour("stderr alone")
            .sh("echo err >&2")
            .prints("")
            .complains("err\n"),
        behaviour("stdin to its end")
            .options(["-i"])
            .runs(["cat"])
            .input("one\ntwo")
            .prints("one\ntwo"),
        behaviour("an empty stdin")
            .options(["-i"])
            .runs(["wc", "-c"])
            .prints("0"),
        behaviour("it is no terminal")
            .sh("test -t 0 || test -t 1 || test -t 2 || echo none")
            .prints("none"),
    ]
}

fn environment() -> Vec<Behaviour> {
    vec![
        behaviour("the image's variables")
            .sh("echo $GREETING")
            .prints("ahoy"),
        behaviour("a variable")
            .options(["-e", "GREETING=ho there"])
            .sh("echo \"$GREETING\"")
            .prints("ho there"),
        behaviour("an empty variable")
            .options(["-e", "GREETING="])
            .sh("echo \"${GREETING-unset}.\"")
            .prints("."),
        behaviour("a variable of the host, when named")
            .options(["-e", "FROM_HOST"])
            .sh("echo $FROM_HOST")
            .prints("seen"),
        behaviour("no variable of the host, else")
            .sh("echo ${FROM_HOST-unset}")
            .prints("unset"),
        behaviour("variables from a file")
            .options(["--env-file", "{box}/list"])
            .sh("echo $LISTED, $FROM_HOST, ${EMPTY-unset}.")
            .prints("one two, seen, ."),
        behaviour("the home of root")
            .sh("echo $HOME")
            .prints("/root"),
        behaviour("the engine's name")
            .sh("echo $CORACLE_ENGINE")
            .prints("{engine}"),
    ]
}

fn places() -> Vec<Behaviour> {
    vec![
        behaviour("the image's working directory")
            .runs(["pwd"])
            .prints("/srv/work"),
        behaviour("another working directory")
            .options(["-w", "/tmp"])
            .runs(["pwd"])
            .prints("/tmp"),
        behaviour("a working directory that is made")
            .options(["-w", "/made/here"])
            .runs(["pwd"])
            .prints("/made/here"),
        behaviour("a host name")
            .options(["--hostname", "wherry"])
            .runs(["hostname"])
            .prints("wherry")
            .refusable("hostname"),
        behaviour("the root can be written")
            .sh("echo x > /closed/new && cat /closed/new && rm -r /target")
            .prints("x"),
        behaviour("the last run left nothing")
            .sh("ls /closed; cat /target/file")
            .prints("from the image"),
        behaviour("a read-only root")
            .options(["--read-only"])
            .sh("echo x > /new")
            .exits(1)
            .refusable("read-only"),
        behaviour("devices")
            .sh("echo x > /dev/null && head -c 3 /dev/zero | wc -c && test -c /dev/urandom")
            .prints("3"),
        behaviour("/proc is of this process")
            .sh("test -d /proc/$$ && readlink /proc/self/cwd")
            .prints("/srv/work"),
        behaviour("/sys is there").sh("test -d /sys/kernel"),
    ]
}

fn users() -> Vec<Behaviour> {
    vec![
        behaviour("root by default")
            .sh("echo $(id -u) $(id -g) $(whoami)")
            .prints("0 0 root"),
        behaviour("the caller himself")
            .options(["--userns=keep-id"])
            .runs(["id", "-u"])
            .prints("{uid}"),
        behaviour("a user by number")
            .options(["-u", "1000:1000"])
            .sh("echo $(id -u) $(id -g)")
            .prints("1000 1000"),
        behaviour("a user by name")
            .options(["-u", "worker"])
            .sh("echo $(id -u) $HOME")
            .prints("1000 /home/worker"),
        behaviour("the image's user")
            .image("guest-entry")
            .options(["--entrypoint", "id"])
            .runs(["-u"])
            .prints("1000"),
        behaviour("root may give files away").runs(["chown-file"]),
        behaviour("root may make devices").runs(["mknod-device"]),
        behaviour("root may change his groups").runs(["setgroups"]),
    ]
}

fn mounts() -> Vec<Behaviour> {
    vec![
        behaviour("a folder")
            .options(["-v", "{box}/share:/target/folder"])
            .sh("cat note inner/deep")
            .options(["-w", "/target/folder"])
            .prints("shared\nunder it"),
        behaviour("a folder over an absent one")
            .options(["-v", "{box}/share:/new/place"])
            .runs(["cat", "/new/place/note"])
            .prints("shared"),
        behaviour("a file")
            .options(["-v", "{box}/note:/target/file"])
            .runs(["cat", "/target/file"])
            .prints("from the host"),
        behaviour("a file over an absent one")
            .options(["-v", "{box}/note:/new/file"])
            .runs(["cat", "/new/file"])
            .prints("from the host"),
        behaviour("a file where nothing can be made")
            .options(["-v", "{box}/note:/proc/no-such-file"])
            .runs(["true"])
            .exits(125)
            .complains("cannot make the mount point `/proc/no-such-file`"),
        behaviour("a folder in a folder")
            .options([
                "-v",
                "{box}/share:/target/folder",
                "-v",
                "{box}/home:/target/folder/inner",
            ])
            .sh("cat /target/folder/note; ls -A /target/folder/inner | head -n 1")
            .prints("shared\n.coracle"),
        behaviour("a folder in an absent one of another mount")
            .options([
                "-v",
                "{box}/share:/a/b",
                "-v",
                "{box}/share/inner:/a/b/inner/c",
            ])
            .sh("cat /a/b/inner/c/deep")
            .prints("under it"),
        behaviour("what is written to a folder stays")
            .options(["-v", "{box}/share:/s"])
            .sh("echo new > /s/new; cat /s/new")
            .prints("new"),
        behaviour("a read-only folder")
            .options(["-v", "{box}/share:/s:ro"])
            .sh("cat /s/note; (echo x > /s/note) 2>/dev/null; cat /s/note")
            .prints("shared\nshared")
            .refusable("ro"),
        behaviour("a read-only file")
            .options(["-v", "{box}/note:/s/note:ro"])
            .sh("(echo x > /s/note) 2>/dev/null; cat /s/note")
            .prints("from the host")
            .refusable("ro"),
        behaviour("--mount of a folder")
            .options(["--mount", "type=bind,source={box}/share,target=/s"])
            .runs(["cat", "/s/note"])
            .prints("shared"),
        behaviour("--mount of a read-only folder")
            .options(["--mount", "type=bind,src={box}/share,dst=/s,readonly"])
            .sh("(echo x > /s/note) 2>/dev/null; cat /s/note")
            .prints("shared")
            .refusable("ro"),
        behaviour("a source that is not there")
            .options(["-v", "{box}/absent:/s"])
            .runs(["true"])
            .exits(125)
            .complains("absent"),
    ]
}

fn limits() -> Vec<Behaviour> {
    vec![
        behaviour("processors")
            .options(["--cpuset-cpus", "0"])
            .runs(["nproc"])
            .prints("1"),
        behaviour("open files come along")
            .before("exec 3<'{box}/note' 7<'{box}/share/note'")
            .sh("cat <&7; cat <&3")
            .prints("shared\nfrom the host"),
        behaviour("resource limits")
            .before("ulimit -n 321; ulimit -c 0")
            .sh("ulimit -n; ulimit -c")
            .prints("321\n0"),
        behaviour("limits that were asked for")
            .options(["--ulimit", "nofile=40:64", "--ulimit", "core=0"])
            .sh("ulimit -n; ulimit -Hn; ulimit -c")
            .prints("40\n64\n0"),
        behaviour("a limit above the caller's")
            .before("ulimit -n 321")
            .options(["--ulimit", "nofile=322"])
            .runs(["true"])
            .exits(125)
            .complains("cannot raise the hard limit `nofile` to 322: this user's is 321"),
        behaviour("no new privileges")
            .options(["--security-opt", "no-new-privileges"])
            .sh("grep NoNewPrivs /proc/self/status; chown 5 /srv; id -u")
            .prints("NoNewPrivs:\t1\n0"),
        behaviour("no network")
            .options(["--network", "none"])
            .sh("tail -n +3 /proc/net/dev | wc -l; busybox ifconfig lo | grep -o 'UP LOOPBACK'")
            .prints("1\nUP LOOPBACK")
            .refusable("--network=none"),
        behaviour("the umask")
            .before("umask 027")
            .sh("umask")
            .prints("0027"),
        behaviour("an ignored signal")
            .before("trap '' HUP")
            .sh("kill -HUP $$; echo alive")
            .prints("alive"),
        behaviour("no signal is blocked")
            .runs(["blocked-signals"])
            .prints("none"),
    ]
}
