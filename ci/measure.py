#!/usr/bin/env python3
"""measure: runs each load by each runner, round after round in turning order, and prints medians and ratios to native.

Called by ci/bench, which prepares everything. Every runner is visited in every round, so that what else happens on the
machine falls on all of them; hyperfine starts the commands without a shell between. Writes dist/bench.json.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

BENCH = os.environ["CORACLE_BENCH"]
IMAGE = f"oci:{os.environ['CORACLE_FIXTURES']}/oci:debian"
TREE = f"{BENCH}/tree/rootfs"
BIN = f"{BENCH}/bin"
DRIVER = ["--gpus=none", f"--driver-root={BENCH}/driver"]
AS_ROOT = os.geteuid() == 0
WIDTH = len("coracle proot, driver")
ENVIRONMENT = {
    "HOME": f"{BENCH}/home", "XDG_RUNTIME_DIR": f"{BENCH}/run", "TMPDIR": f"{BENCH}/tmp", "LC_ALL": "C.UTF-8", "USER": "bench",
    "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PROOT_LOADER": f"{BIN}/loader", "PROOT_LOADER_32": f"{BIN}/loader-m32",
}

# What is run inside, and how often in each visit. `find` stays below three folders, because some peers show the host's
# /tmp and /home inside.
LOADS = {
    "true": (["/bin/true"], 10),
    "find": (["/usr/bin/find", "/usr", "/etc", "/var", "-type", "f"], 4),
    "300 x true": (["/bin/sh", "-c", "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done"], 2),
}


def bundle(load, command):
    """An OCI bundle for crun, which reads its command from a file; returns the bundle's folder."""
    folder = f"{BENCH}/tmp/bundle-{list(LOADS).index(load)}"
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(f"{folder}/config.json"):
        os.unlink(f"{folder}/config.json")
    subprocess.run(["crun", "spec", "--rootless"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    with open(f"{folder}/config.json", encoding="utf-8") as file:
        config = json.load(file)
    config["process"].update(terminal=False, args=command)
    config["root"].update(path=TREE, readonly=False)
    # `spec --rootless` maps uid 0 to whoever calls it; that is root here, and the user later.
    uid, gid = user_ids()
    config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": uid, "size": 1}]
    config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": gid, "size": 1}]
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    return folder


def user_ids():
    status = os.stat(f"{BENCH}/home")
    return status.st_uid, status.st_gid


def runners(load):
    """Each runner's command line for a load, as its users type it."""
    command = LOADS[load][0]
    coracle, udocker = f"{BIN}/coracle", f"{BENCH}/venv/bin/udocker"
    proot = [f"{BIN}/proot", "-0", "-r", TREE, "-b", "/proc", "-b", "/dev", "-b", "/sys", "-w", "/"]
    floor = ["unshare", "-Urm", f"--root={TREE}"]
    return {
        "native": ["chroot", TREE, *command] if AS_ROOT else floor + command,
        "unshare": floor + command,
        "coracle ns": [coracle, "run", "--rm", "--engine=ns", IMAGE, *command],
        # A container that is there, as udocker's: PRoot has no overlay, so that the first run of each copies the tree.
        "coracle proot": [coracle, "run", "--engine=proot", "bench", *command],
        # The same with a driver's files put in. No processor is asked for, so that a host without one can be measured.
        "coracle ns, driver": [coracle, "run", "--rm", "--engine=ns", *DRIVER, IMAGE, *command],
        "coracle proot, driver": [coracle, "run", "--engine=proot", *DRIVER, "bench", *command],
        "ch-run": ["ch-run", TREE, "--", *command],
        "bubblewrap": ["bwrap", "--bind", TREE, "/", "--dev", "/dev", "--proc", "/proc", *command],
        "proot": proot + command,
        "crun": ["crun", "--root", f"{BENCH}/run/crun", "run", "--bundle", bundle(load, command), "bench"],
        "podman": ["podman", "run", "--rm", "--network=host", "--rootfs", TREE, *command],
        "udocker P1": [udocker, "-q", "run", "--nobanner", "bench", *command],
    }


def as_user(name, command):
    """The command as the plain user; `native` stays root, because chroot needs it."""
    if not AS_ROOT or name == "native":
        return command
    uid, gid = map(str, user_ids())
    return ["setpriv", "--reuid", uid, "--regid", gid, "--init-groups", "--", *command]


def trial(name, command):
    """Runs it once; the reason if it does not work here, so that a broken runner is named instead of measured."""
    try:
        done = subprocess.run(as_user(name, command), env=ENVIRONMENT, cwd="/", capture_output=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
    return f"exit {done.returncode}: {lines[-1]}"


def visit(name, command, count):
    """Times `count` runs; seconds."""
    out = f"{BENCH}/tmp/visit.json"
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)
    hyperfine = ["hyperfine", "-N", "--style", "none", "-w", "1", "-r", str(count), "--export-json", out, quoted]
    subprocess.run(as_user(name, hyperfine), env=ENVIRONMENT, cwd="/", check=True, capture_output=True)
    with open(out, encoding="utf-8") as file:
        times = json.load(file)["results"][0]["times"]
    os.unlink(out)
    return times


def measure(load, rounds, only):
    """All times of a load by runner, and why a runner has none."""
    commands = {name: argv for name, argv in runners(load).items() if not only or name in only or name == "native"}
    failed = {name: reason for name, argv in commands.items() if (reason := trial(name, argv))}
    names = [name for name in commands if name not in failed]
    times = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            times[name] += visit(name, commands[name], LOADS[load][1])
        print(f"measure: {load}: round {turn + 1} of {rounds}", file=sys.stderr)
    return times, failed


def summary(times):
    base = statistics.median(times["native"]) if times.get("native") else None
    return {name: {
        "median_ms": statistics.median(values) * 1e3, "min_ms": min(values) * 1e3, "runs": len(values),
        "ratio": statistics.median(values) / base if base else None,
    } for name, values in times.items()}


def table(loads):
    """One line per runner: median, ratio to native, minimum."""
    names = list(dict.fromkeys(name for load in loads.values() for name in [*load["results"], *load["failed"]]))
    yield f"{'runner':<{WIDTH}}" + "".join(f" | {load + ' (ms)':<28}" for load in loads)
    yield "-" * WIDTH + "".join("-+-" + "-" * 28 for _ in loads)
    for name in names:
        cells = []
        for load in loads.values():
            if found := load["results"].get(name):
                ratio = f"x{found['ratio']:.2f}" if found["ratio"] else "x?"
                cells.append(f"{found['median_ms']:8.2f} {ratio:>8} [{found['min_ms']:.2f}]")
            else:
                cells.append("does not run here")
        yield f"{name:<{WIDTH}}" + "".join(f" | {cell:<28}" for cell in cells)


def main():
    parser = argparse.ArgumentParser(prog="ci/bench")
    parser.add_argument("-r", "--rounds", type=int, default=10, help="visits of each runner (10)")
    parser.add_argument("-l", "--load", action="append", choices=LOADS, help="only this load (repeatable)")
    parser.add_argument("-o", "--only", action="append", help="only native and this runner (repeatable)")
    arguments = parser.parse_args()
    loads = {}
    for load in arguments.load or LOADS:
        times, failed = measure(load, arguments.rounds, arguments.only)
        loads[load] = {"command": LOADS[load][0], "results": summary(times), "failed": failed}
    host = {"kernel": platform.release(), "processors": os.cpu_count(), "native": "chroot" if AS_ROOT else "unshare"}
    os.makedirs("dist", exist_ok=True)
    with open("dist/bench.json", "w", encoding="utf-8") as file:
        json.dump({"host": host, "rounds": arguments.rounds, "loads": loads}, file, indent=1)
    print(*table(loads), sep="\n")
    print(f"median, ratio to native ({host['native']}), [minimum]; {arguments.rounds} rounds, kernel {host['kernel']}")
    reasons = {f"{name}: {reason}" for load in loads.values() for name, reason in load["failed"].items()}
    for reason in sorted(reasons):
        print(f"does not run here: {reason}")


main()
