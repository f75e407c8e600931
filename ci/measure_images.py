#!/usr/bin/env python3
"""measure_images: pulls and unpacks one large image with each runner, round after round in turning order, from a registry on
the loopback; prints medians and their ratios to the best peer's.

Called by `ci/bench images`, which prepares everything. Each visit has a new and empty disk, which is quiet when it begins. Wall time, processor time of all its processes, and the largest of them in memory are the kernel's
figures, wait4(2); requests are counted in the registry's log. Writes dist/bench-images.json.
"""

import argparse
import json
import os
import platform
import pwd
import re
import shutil
import statistics
import subprocess
import sys
import time

BENCH = os.environ["CORACLE_BENCH"]
FIXTURES = os.environ["CORACLE_FIXTURES"]
STORE = f"{BENCH}/pulled"
DISK = f"{BENCH}/tmp/pulled.img"
IMAGES = {"gzip": "large", "zstd": "large-zstd"}
CA = f"{FIXTURES}/tls/ca.pem"
# podman looks up his ids in /etc/subuid by his name.
USER = pwd.getpwuid(os.stat(f"{BENCH}/home").st_uid).pw_name
ENVIRONMENT = {
    "HOME": f"{BENCH}/home", "XDG_RUNTIME_DIR": f"{BENCH}/run", "TMPDIR": f"{BENCH}/tmp", "LC_ALL": "C.UTF-8", "USER": USER,
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "SSL_CERT_FILE": CA, "CORACLE_TLS_CA": CA, "CORACLE_HOME": f"{STORE}/coracle",
    "UDOCKER_DIR": f"{STORE}/udocker", "APPTAINER_CACHEDIR": f"{STORE}/apptainer-cache",
}


class Registry:
    """Debian's docker-registry with what ci/bench-image has put there; it serves over TLS, and only reads."""

    def __init__(self):
        config = f"{BENCH}/tmp/registry.yml"
        with open(f"{BENCH}/images/registry.yml", encoding="utf-8") as file:
            text = file.read().replace("images.new/registry", "images/registry")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        self.log = open(f"{BENCH}/tmp/registry.log", "w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(["docker-registry", "serve", config], stdout=self.log, stderr=self.log)
        self.host = f"127.0.0.1:{self.port()}"

    def lines(self):
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return log.read().splitlines()

    def port(self):
        for _ in range(100):
            for line in self.lines():
                if found := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
                    return found[1]
            time.sleep(0.1)
        sys.exit("measure_images: docker-registry does not listen:\n" + "\n".join(self.lines()))

    def requests(self):
        """What was asked so far: method and path."""
        found = (re.search(r'"(GET|HEAD|POST) (\S+) HTTP', line) for line in self.lines())
        return [f"{line[1]} {line[2]}" for line in found if line]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def runners(host, tag):
    """Each runner's commands, one after another, as its users type them."""
    name, udocker = f"{host}/bench/{tag}:latest", f"{BENCH}/venv/bin/udocker"
    podman = ["podman", "--root", f"{STORE}/podman", "--runroot", f"{BENCH}/run/podman"]
    return {
        "coracle pull": [[f"{BENCH}/bin/coracle", "--quiet", "pull", name]],
        "skopeo copy + umoci unpack": [
            ["skopeo", "copy", "--quiet", f"docker://{name}", f"oci:{STORE}/umoci:{tag}"],
            ["umoci", "unpack", "--rootless", "--image", f"{STORE}/umoci:{tag}", f"{STORE}/umoci-bundle"],
        ],
        "podman pull": [[*podman, "pull", "--quiet", name]],
        "ch-image pull": [["ch-image", "--no-cache", "--tls-no-verify", "-s", f"{STORE}/ch", "pull", name]],
        "udocker pull + create": [
            [udocker, "--insecure", "-q", "pull", f"--registry=https://{host}", f"bench/{tag}:latest"],
            [udocker, "-q", "create", "--name=large", f"bench/{tag}:latest"],
        ],
        "apptainer build --sandbox": [[f"{BENCH}/apptainer/usr/bin/apptainer", "build", "--sandbox", f"{STORE}/apptainer", f"docker://{name}"]],
    }


def user_ids():
    status = os.stat(f"{BENCH}/home")
    return status.st_uid, status.st_gid


def as_user(command):
    if os.geteuid() != 0:
        return command
    uid, gid = map(str, user_ids())
    return ["setpriv", "--reuid", uid, "--regid", gid, "--init-groups", "--", *command]


def clear():
    """An empty disk for the next visit, with nothing on its way to it.

    As root, a new ext4 each time: ext4 does not give out the numbers of files that were removed in the last minutes, and looks
    for others so long that whoever comes after a large removal takes several times as long (`recently_deleted`, fs/ext4/ialloc.c).
    """
    if os.geteuid() != 0:
        subprocess.run(["chmod", "-R", "u+rwX", STORE], check=False, capture_output=True)
        shutil.rmtree(STORE, ignore_errors=True)
        os.makedirs(STORE)
    else:
        if os.path.ismount(STORE):
            subprocess.run(["umount", STORE], check=True)
        os.makedirs(STORE, exist_ok=True)
        with open(DISK, "wb") as file:
            file.truncate(16 << 30)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", DISK], check=True)
        subprocess.run(["mount", "-o", "loop,noinit_itable", DISK, STORE], check=True)
        os.chown(STORE, *user_ids())
    os.sync()


def leave():
    """Removes what the last visit left."""
    clear()
    if os.geteuid() == 0:
        subprocess.run(["umount", STORE], check=True)
        os.unlink(DISK)


def run(command):
    """Wall seconds, processor seconds and MiB of one command, and why it failed if it did."""
    with open(f"{BENCH}/tmp/visit.log", "w+", encoding="utf-8", errors="replace") as log:
        begun = time.monotonic()
        process = subprocess.Popen(as_user(command), env=ENVIRONMENT, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        lines = log.read().strip().splitlines() or ["no message"]
    reason = None if process.returncode == 0 else f"{command[0].rsplit('/', 1)[-1]}: exit {process.returncode}: {lines[-1]}"
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss / 1024}, reason


def visit(commands):
    """The sum of all commands; memory is the largest one's."""
    total = {"wall": 0.0, "cpu": 0.0, "rss": 0.0}
    for command in commands:
        try:
            one, reason = run(command)
        except OSError as error:
            return None, str(error)
        if reason:
            return None, reason
        total = {"wall": total["wall"] + one["wall"], "cpu": total["cpu"] + one["cpu"], "rss": max(total["rss"], one["rss"])}
    return total, None


def measure(registry, tag, rounds, only):
    """Visits by runner, requests of a first pull and of a second one, and why a runner has none."""
    commands = {name: argv for name, argv in runners(registry.host, tag).items() if not only or any(part in name for part in only)}
    visits, requests, failed = {name: [] for name in commands}, {}, {}
    for turn in range(rounds):
        names = [name for name in commands if name not in failed]
        first = turn % len(names) if names else 0
        for name in names[first:] + names[:first]:
            clear()
            before = len(registry.requests())
            got, reason = visit(commands[name])
            if reason:
                failed[name] = reason
                continue
            visits[name].append(got)
            cold = registry.requests()[before:]
            if turn == 0:
                visit(commands[name][:1])
                requests[name] = {"cold": cold, "warm": registry.requests()[before + len(cold):]}
            print(f"measure_images: {tag}: round {turn + 1} of {rounds}: {name}: {got['wall']:.1f} s", file=sys.stderr)
    return {name: found for name, found in visits.items() if found and name not in failed}, requests, failed


def summary(visits):
    """Medians, minima and their ratios to the best peer's."""
    median = {name: {what: statistics.median(it[what] for it in all_) for what in ("wall", "cpu", "rss")} for name, all_ in visits.items()}
    peers = [found for name, found in median.items() if not name.startswith("coracle")]
    return {name: {
        **found, "rss": max(it["rss"] for it in visits[name]), "runs": len(visits[name]),
        "min_wall": min(it["wall"] for it in visits[name]), "min_cpu": min(it["cpu"] for it in visits[name]),
        "wall_ratio": found["wall"] / min(it["wall"] for it in peers) if peers else None,
        "cpu_ratio": found["cpu"] / min(it["cpu"] for it in peers) if peers else None,
    } for name, found in median.items()}


def table(kind, found, requests, failed):
    yield f"{kind + ' layers':<28} | {'wall (s)':<24} | {'processor (s)':<24} | MiB  | requests cold, warm"
    yield "-" * 28 + "-+-" + "-" * 24 + "-+-" + "-" * 24 + "-+------+--------------------"
    for name, row in found.items():
        cells = [
            f"{row[what]:7.2f} " + (f"x{row[what + '_ratio']:.2f}" if row[what + "_ratio"] else "x?") + f" [{row['min_' + what]:.2f}]"
            for what in ("wall", "cpu")
        ]
        counts = ", ".join(str(len(requests[name][when])) for when in ("cold", "warm"))
        yield f"{name:<28} | {cells[0]:<24} | {cells[1]:<24} | {row['rss']:4.0f} | {counts}"
    for name, reason in failed.items():
        yield f"{name:<28} | does not run here: {reason}"


def size(tag):
    """Layers, their bytes, and the bytes of what they hold."""
    def blob(digest):
        return f"{BENCH}/images/oci/blobs/{digest.replace(':', '/')}"
    with open(f"{BENCH}/images/oci/index.json", encoding="utf-8") as file:
        entries = json.load(file)["manifests"]
    entry = next(it for it in entries if it["annotations"]["org.opencontainers.image.ref.name"] == tag)
    with open(blob(entry["digest"]), encoding="utf-8") as file:
        layers = json.load(file)["layers"]
    return {"layers": len(layers), "compressed": sum(layer["size"] for layer in layers)}


def main():
    parser = argparse.ArgumentParser(prog="ci/bench images")
    parser.add_argument("-r", "--rounds", type=int, default=5, help="visits of each runner (5)")
    parser.add_argument("-k", "--kind", action="append", choices=IMAGES, help="only these layers (repeatable)")
    parser.add_argument("-o", "--only", action="append", help="only runners whose name has this in it (repeatable)")
    arguments = parser.parse_args()
    registry = Registry()
    try:
        results = {}
        for kind in arguments.kind or IMAGES:
            visits, requests, failed = measure(registry, IMAGES[kind], arguments.rounds, arguments.only)
            found = summary(visits)
            results[kind] = {**size(IMAGES[kind]), "results": found, "requests": requests, "failed": failed}
            print(*table(kind, found, requests, failed), sep="\n")
            print(f"{results[kind]['layers']} layers, {results[kind]['compressed'] / 1e6:.0f} MB")
            for request in requests.get("coracle pull", {}).get("cold", []):
                print(f"  cold: {request}")
            for request in requests.get("coracle pull", {}).get("warm", []):
                print(f"  warm: {request}")
    finally:
        leave()
        registry.stop()
    print(f"median, ratio to the best peer's median, [minimum]; MiB: the largest of all visits; {arguments.rounds} rounds, "
          f"{os.cpu_count()} processors, kernel {platform.release()}")
    os.makedirs("dist", exist_ok=True)
    with open("dist/bench-images.json", "w", encoding="utf-8") as file:
        json.dump({"host": {"kernel": platform.release(), "processors": os.cpu_count()}, "images": results}, file, indent=1)


main()
