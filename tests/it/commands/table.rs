//! Lines that say all in one row: what is typed, what Docker does, and what therefore must come of it here.

use super::Reader;
use crate::support::require;

/// One line of a documentation.
struct Row {
    /// As it stands there.
    line: &'static str,
    /// What is typed after it, where the program reads.
    input: &'static str,
    /// What Docker does.
    docker: &'static str,
    /// The exit status.
    code: i32,
    /// What stands in the output; on a terminal that is all that is shown.
    shows: &'static [&'static str],
    /// What stands on stderr.
    complains: &'static str,
}

const fn row(line: &'static str, docker: &'static str, shows: &'static [&'static str]) -> Row {
    Row {
        line,
        input: "",
        docker,
        code: 0,
        shows,
        complains: "",
    }
}

impl Row {
    const fn input(mut self, input: &'static str) -> Row {
        self.input = input;
        self
    }

    const fn fails(mut self, code: i32, complains: &'static str) -> Row {
        (self.code, self.complains) = (code, complains);
        self
    }

    fn check(&self, reader: &Reader) -> Result<(), String> {
        let output = reader.types(self.line, self.input);
        let shown = self.shows.iter().all(|part| output.stdout.contains(part));
        if output.shell_code() == self.code && shown && output.stderr.contains(self.complains) {
            return Ok(());
        }
        let (line, docker, code, shows) = (self.line, self.docker, self.code, self.shows);
        Err(format!(
            "{line}\n  Docker: {docker}; expected {code}, {shows:?}, {:?}\n{output}",
            self.complains
        ))
    }
}

/// The documentation of Docker itself, and of images that hold a distribution.
const BASES: &[Row] = &[
    row("docker run --rm hello-world", "greets", &["Hello"]),
    row(
        "docker run ubuntu /bin/echo 'Hello world'",
        "prints it",
        &["Hello world\n"],
    ),
    row(
        "docker run -i -t ubuntu /bin/bash",
        "opens a shell",
        &["is 42\n"],
    )
    .input("echo is $((6 * 7)); exit\n"),
    row(
        "docker run -it --rm debian bash",
        "opens a shell as root",
        &["uid=0(root) gid=0(root)"],
    )
    .input("id; exit\n"),
    row(
        "docker run -it --rm busybox",
        "opens the image's shell",
        &["it is busybox\n"],
    )
    .input("echo it is $(basename $(readlink -f /bin/sh)); exit\n"),
    row(
        "docker run alpine echo \"hello from alpine\"",
        "prints it",
        &["hello from alpine\n"],
    ),
    row(
        "docker run --rm alpine cat /etc/os-release /etc/alpine-release; echo $?",
        "cat's own status",
        &["3.20", "1\n"],
    ),
    row(
        "docker run busybox /bin/sh -c 'exit 3'; echo $?",
        "the guest's status",
        &["3\n"],
    ),
    row(
        "docker run busybox foo; echo $?",
        "127: not found",
        &["127\n"],
    ),
    row(
        "docker run busybox /etc; echo $?",
        "126: cannot be executed",
        &["126\n"],
    ),
    row(
        "docker run --foo busybox; echo $?",
        "125: its own failure",
        &["125\n"],
    ),
    row(
        "docker run --name test -it debian",
        "the shell's status",
        &["# "],
    )
    .input("exit 13\n")
    .fails(13, ""),
    row(
        "docker run -w /path/to/dir/ -i -t ubuntu pwd",
        "makes the directory",
        &["/path/to/dir\n"],
    ),
    row(
        "docker run -v `pwd`:`pwd` -w `pwd` -i -t ubuntu pwd",
        "the same path inside",
        &["/desk\n"],
    ),
    row(
        "docker run --rm -v $PWD:/w -w /w ubuntu sh -c 'echo made > here'; cat here",
        "the file is on the host",
        &["made\n"],
    ),
    row(
        "docker run -e MYVAR1 --env MYVAR2=foo --env-file ./env.list ubuntu env | grep VAR | sort",
        "variables of host, line and file",
        &["MYVAR2=foo\nVAR_FILE=from a file\n"],
    ),
    row(
        "docker run --rm --entrypoint ls debian -d /etc/apt",
        "another program",
        &["/etc/apt\n"],
    ),
    row(
        "docker run --rm --entrypoint '' redis echo plain",
        "no entry point",
        &["plain\n"],
    ),
    row(
        "docker run --rm -h myhost ubuntu uname -n",
        "names the host",
        &["myhost\n"],
    ),
    row(
        "docker run --rm --user nobody ubuntu id -un",
        "the image's user",
        &["nobody\n"],
    ),
    row(
        "docker run --rm --user 1234:5678 ubuntu id",
        "a user without a name",
        &["uid=1234", "gid=5678"],
    ),
    row(
        "docker run --rm --user \"$(id -u):$(id -g)\" -v \"$PWD\":/w ubuntu touch /w/mine; stat -c %u mine",
        "the file is the caller's",
        &["1"],
    ),
    row(
        "echo test | docker run -i --rm busybox cat",
        "input reaches it",
        &["test\n"],
    ),
    row(
        "docker run --rm --read-only busybox touch /x",
        "cannot write",
        &[],
    )
    .fails(1, "Read-only file system"),
    row(
        "docker run --rm --read-only --tmpfs /run:rw,noexec,nosuid,size=65536k busybox touch /run/x",
        "can write there",
        &[],
    ),
    row(
        "docker run --rm -v /nowhere/at/all:/x:ro busybox true",
        "Docker makes a directory; here it is an error",
        &[],
    )
    .fails(125, "/nowhere/at/all"),
    row(
        "docker run -t -i --rm --mount type=bind,src=$PWD,dst=/data busybox ls /data",
        "shows it",
        &["env.list"],
    ),
    row(
        "docker run --rm --cpuset-cpus=\"0\" ubuntu nproc",
        "one processor",
        &["1\n"],
    ),
    row(
        "docker run --rm --ulimit nofile=512:512 debian sh -c \"ulimit -n\"",
        "the limit",
        &["512\n"],
    ),
    row(
        "docker run --rm --add-host=docker:93.184.216.34 debian cat /etc/hosts",
        "a line more",
        &["93.184.216.34"],
    ),
    row(
        "docker run --rm --init --network host busybox echo up",
        "with the host's network",
        &["up\n"],
    ),
];

/// The documentation of images that hold a language or a tool.
const TOOLS: &[Row] = &[
    row(
        "docker run -it --rm --name my-running-script -v \"$PWD\":/usr/src/myapp -w /usr/src/myapp python:3 python your-daemon-or-script.py",
        "runs the script",
        &["python got 3 words\n"],
    ),
    row(
        "docker run --rm python:3 python -c 'import sys; print(sys.version_info.major)'",
        "version 3",
        &["3\n"],
    ),
    row(
        "docker run -it --rm python:3",
        "talks Python",
        &[">>> ", "42\n"],
    )
    .input("print(6 * 7)\nexit()\n"),
    row(
        "docker run -it --rm --name my-running-script -v \"$PWD\":/usr/src/app -w /usr/src/app node:8 node your-daemon-or-script.js",
        "runs the script",
        &["forty-two by script\n"],
    ),
    row(
        "docker run -it --rm --name my-running-script -v \"$PWD\":/usr/src/myapp -w /usr/src/myapp perl:5.34 perl your-daemon-or-script.pl",
        "runs the script",
        &["perl says 42\n"],
    ),
    row(
        "docker run --rm -v \"$PWD\":/usr/src/myapp -w /usr/src/myapp gcc:4.9 gcc -o myapp myapp.c; stat -c %u:%a myapp | tr -d 0-9:",
        "the program is the caller's",
        &["\n"],
    ),
    row(
        "docker run --rm -v \"$PWD\":/usr/src/myapp -w /usr/src/myapp gcc:4.9 ./myapp",
        "runs it",
        &["compiled\n"],
    ),
    row(
        "docker run --rm -v $(pwd):$(pwd) -w $(pwd) jrottenberg/ffmpeg -i tone.wav -ar 8000 low.wav && stat -c %s low.wav",
        "the entry point gets the arguments",
        &["1644\n"],
    ),
    row(
        "docker run --rm -i -v $PWD:/w -w /w jrottenberg/ffmpeg -i - -ar 16000 same.wav < tone.wav; stat -c %s same.wav",
        "reads standard input",
        &["3244\n"],
    ),
    row(
        "docker run -it --rm quay.io/jupyter/base-notebook id",
        "runs as jovyan",
        &["uid=1000(jovyan) gid=100(users)"],
    ),
    row(
        "docker run -it --rm --user root -e NB_USER=my-username -e NB_UID=1234 -w /home/my-username quay.io/jupyter/base-notebook sh -c 'id -un; pwd; echo $HOME'",
        "makes the user, and goes on as it",
        &["my-username\n/home/my-username\n/home/my-username\n"],
    ),
    row(
        "docker run -it --rm --user root -e GRANT_SUDO=yes quay.io/jupyter/base-notebook id -un",
        "goes on as jovyan",
        &["jovyan\n"],
    ),
    row(
        "docker run --rm -it --ipc=host pytorch/pytorch:latest python -c 'import os; print(os.path.ismount(\"/dev/shm\"))'",
        "sees the host's shared memory",
        &["True\n"],
    ),
    row(
        "docker run --gpus all --rm -it --ipc=host pytorch/pytorch:latest nvidia-smi",
        "without a driver: 125 and why",
        &["NVIDIA"],
    )
    .fails(125, ""),
    row(
        "docker run --rm -it --ulimit stack=67108864 --shm-size=1g nvcr.io/nvidia/pytorch:xx.xx-py3 bash -c 'ulimit -s'",
        "the limit",
        &["65536\n"],
    ),
    row(
        "docker run -i -t --rm continuumio/miniconda3 /bin/bash -c 'echo $HOME'",
        "is at home",
        &["/root\n"],
    ),
    row(
        "docker run -it --rm mysql:tag --help --verbose",
        "flags go to the server, and it wants a password",
        &["password option is not specified"],
    )
    .fails(1, ""),
    row(
        "docker run --rm -e MYSQL_ROOT_PASSWORD=my-secret-pw --entrypoint bash mysql:tag -c 'docker-entrypoint.sh id -un; gosu mysql id -un'",
        "root first, then mysql",
        &["root\nmysql\n"],
    ),
    row(
        "docker run -it --rm postgres",
        "wants a password",
        &["superuser password is not specified"],
    )
    .fails(1, ""),
    row(
        "docker run --rm postgres psql --version",
        "as postgres",
        &["PostgreSQL"],
    ),
    row(
        "docker run -it --rm redis redis-server --version",
        "says it",
        &["Redis server v="],
    ),
    row(
        "docker run --rm nginx nginx -V 2>&1 | cat",
        "entry point, then nginx",
        &["ready for start up", "nginx version: "],
    ),
    row(
        "docker run --rm alpine su-exec server id",
        "the image's user and groups",
        &["uid=100(server) gid=101(server) groups=20(dialout),101(server)"],
    ),
    row(
        "docker run --rm debian su -c 'id -un' postgres",
        "becomes the user",
        &["postgres\n"],
    ),
    row(
        "docker run --rm debian sh -c 'useradd -m ada && setpriv --reuid ada --regid ada --init-groups touch /home/ada/x && stat -c %U /home/ada/x'",
        "a user of its own",
        &["ada\n"],
    ),
];

#[test]
fn every_line_does_what_docker_does() {
    require!(Fixtures, UserNamespaces, SubIds);
    let reader = Reader::new();
    reader.file("env.list", "# comment\nVAR_FILE=from a file\n");
    reader.file(
        "your-daemon-or-script.py",
        "print('python got', len('one two three'.split()), 'words')\n",
    );
    reader.file(
        "your-daemon-or-script.js",
        "print('forty-two by script');\n",
    );
    reader.file(
        "your-daemon-or-script.pl",
        "printf \"perl says %d\\n\", 6 * 7;\n",
    );
    reader.file(
        "myapp.c",
        "#include <stdio.h>\nint main(void) { puts(\"compiled\"); return 0; }\n",
    );
    reader.file("tone.py", TONE);
    reader.types("python3 tone.py", "").success();
    let wanted = std::env::var("CORACLE_BEHAVIOUR").unwrap_or_default();
    let rows = BASES
        .iter()
        .chain(TOOLS)
        .filter(|row| row.line.contains(&wanted));
    let failed: Vec<_> = rows.filter_map(|row| row.check(&reader).err()).collect();
    assert!(
        failed.is_empty(),
        "{} lines:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// Writes a tenth of a second of sound, 16,000 samples a second of two bytes: 3,200 bytes after a header of 44.
const TONE: &str = "import wave
with wave.open('tone.wav', 'wb') as sound:
    sound.setparams((1, 2, 16000, 0, 'NONE', ''))
    sound.writeframes(bytes(3200))
";
