#!/usr/bin/env python3
"""corpus: what `ci/corpus` needs and no packing tool makes: an odd tree, layers that change each other, other framings.

  corpus.py odd TREE               puts every kind of odd entry into a directory; needs root
  corpus.py tar TREE OUT FORMAT    the tree as Python writes it: `pax` or `gnu`
  corpus.py star TAR               makes its headers Schilling's, with their mark and shorter prefix
  corpus.py changes DIR            three layers, in which each kind of entry meets each kind of change
  corpus.py random SEED DIR        layers with changes by chance
  corpus.py frame LAYOUT FROM TO HOW       the image tagged FROM with its layers compressed in another way, tagged TO
  corpus.py docker LAYOUT FROM TO          the same with Docker's media types
  corpus.py nested LAYOUT FROM OTHER TO    an index in an index: FROM for this platform, OTHER for several others
"""

import gzip
import hashlib
import io
import json
import os
import random
import struct
import subprocess
import sys
import tarfile
import zlib

EPOCH = 1_600_000_000  # as in craft.py
BLOCK = 512
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # cap_net_raw+ep. capabilities(7)
ACL = struct.pack("<I", 2) + b"".join(  # user::rw-, user:33:r--, group::r--, mask::r--, other::---
    struct.pack("<HHI", *entry) for entry in
    [(1, 6, 0xFFFFFFFF), (2, 4, 33), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)])

def write(path, data=b"", mode=0o644):
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, mode)
    return path


def odd_names(top):
    names = [b"caf\xe9-\xff", b"a\nb", b"a\tb", b"\x1b[31mred", b"back\\slash", b"-rf", b" blank ", b"trailing.", b"*?[x]",
             b"...", b"..x", b"wh.", b".whiteout", b"x.wh.y", "\U0001f6f6".encode(), "e\u0301".encode(), "\u00e9".encode(),
             b"A", b"a", b"#!", b"%s%n", b"$HOME", b"'quoted\"", b"n" * 255]
    for name in names:
        write(os.path.join(os.fsencode(top), name), name)
    deep = top
    for _ in range(30):
        deep = os.path.join(deep, "d" * 30)
        os.mkdir(deep)
    write(f"{deep}/leaf", b"deep\n")


def odd_modes(top):
    for mode in [0, 0o1, 0o111, 0o200, 0o222, 0o400, 0o444, 0o555, 0o640, 0o711, 0o777, 0o1644, 0o2755, 0o4755, 0o6711]:
        write(f"{top}/file-{mode:04o}", b"mode\n", mode)
    for mode in [0, 0o111, 0o333, 0o500, 0o555, 0o700, 0o777, 0o1777, 0o2775, 0o3777]:
        os.mkdir(f"{top}/dir-{mode:04o}")
        write(f"{top}/dir-{mode:04o}/inside", b"inside\n")
        os.chmod(f"{top}/dir-{mode:04o}", mode)


def odd_owners(top):
    for owner in [(33, 33), (0, 5), (5, 0), (65534, 65534), (100_000, 100_001), (2_097_151, 2_097_152), (2_000_000_000, 7)]:
        name = f"{top}/{owner[0]}-{owner[1]}"
        os.mkdir(name)
        os.symlink("file", f"{name}/link")
        for path in [write(f"{name}/file"), f"{name}/link", name]:
            os.chown(path, *owner, follow_symlinks=False)


def odd_links(top):
    write(f"{top}/one", b"linked\n")
    os.mkdir(f"{top}/below")
    for name in ["two", "below/three"]:
        os.link(f"{top}/one", f"{top}/{name}")
    for name, target in [("absolute", "/etc/passwd"), ("relative", "../odd/links/one"), ("outside", "../" * 20 + "etc/x"),
                         ("dangling", "nowhere"), ("loop", "loop"), ("long", "l" * 200), ("longer", "m/" * 500 + "m"),
                         ("dot", "."), ("slash", "below/"), ("latin", os.fsdecode(b"caf\xe9"))]:
        os.symlink(target, f"{top}/{name}")
    os.link(f"{top}/dangling", f"{top}/dangling-too", follow_symlinks=False)


def odd_specials(top):
    os.mkfifo(f"{top}/pipe", 0o600)
    os.link(f"{top}/pipe", f"{top}/pipe-too")
    os.mknod(f"{top}/null", 0o020666, os.makedev(1, 3))
    os.link(f"{top}/null", f"{top}/null-too")
    os.mknod(f"{top}/loop", 0o060660, os.makedev(7, 300))
    os.chown(f"{top}/loop", 0, 6)


def odd_attributes(top):
    for name in ["file", "ping", "acl", "empty"]:
        write(f"{top}/{name}", b"attributes\n", 0o755)
    os.mkdir(f"{top}/dir")
    os.setxattr(f"{top}/file", "user.note", b"willow")
    os.setxattr(f"{top}/file", "user.binary", bytes(range(256)))
    os.setxattr(f"{top}/file", "trusted.note", b"root's")
    os.setxattr(f"{top}/file", "user.overlay.note", b"of a mount")
    os.setxattr(f"{top}/dir", "user.note", b"of a directory")
    os.setxattr(f"{top}/ping", "security.capability", CAPABILITY)
    os.setxattr(f"{top}/acl", "system.posix_acl_access", ACL)


def odd_contents(top):
    write(f"{top}/empty")
    write(f"{top}/large", random.Random(1).randbytes(3 << 20))
    for size in [1, 511, 512, 513, 65535, 65536, 65537]:
        write(f"{top}/{size}", b"x" * size)
    with open(f"{top}/holes", "wb") as file:
        for at in [0, 1 << 20, 2 << 20]:
            file.seek(at)
            file.write(b"data")
        file.truncate(3 << 20)
    os.mkdir(f"{top}/many")
    for number in range(300):
        write(f"{top}/many/{number:03}", str(number).encode())


def set_times(top):
    """Of everything below: whole seconds, but for the files that are named after their own time."""
    for name, time in [("before", -86_400_000_000_000), ("fraction", 1_600_000_000_123_456_789),
                       ("late", 4_102_444_800_000_000_000), ("epoch", 0)]:
        write(f"{top}/times/{name}")
        os.utime(f"{top}/times/{name}", ns=(time, time))
    for folder, _, names in os.walk(os.fsencode(top), topdown=False):
        for name in [] if folder.endswith(b"/times") else names:
            os.utime(os.path.join(folder, name), (EPOCH, EPOCH), follow_symlinks=False)
        os.utime(folder, (EPOCH + 1, EPOCH + 1))


def odd(tree):
    parts = {"names": odd_names, "modes": odd_modes, "owners": odd_owners, "links": odd_links, "special": odd_specials,
             "attributes": odd_attributes, "contents": odd_contents, "times": lambda _: None}
    for name, make in parts.items():
        os.makedirs(f"{tree}/odd/{name}")
        make(f"{tree}/odd/{name}")
    set_times(f"{tree}/odd")


def tar(tree, out, name):
    form = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT}[name]
    with tarfile.open(out, "w", format=form, errors="surrogateescape") as archive:
        archive.add(tree, arcname=".")


def star(path):
    """Headers end with `tar` and a NUL, before which their two further times stand; the prefix is shorter by those."""
    with open(path, "rb") as file:
        data, at = bytearray(file.read()), 0
    while data[at:at + BLOCK].strip(b"\0"):
        header = data[at:at + BLOCK]
        assert not header[345 + 131:500].strip(b"\0"), "a prefix is too long for star"
        header[476:488] = header[488:500] = b"%011o " % EPOCH
        header[508:512] = b"tar\0"
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        data[at:at + BLOCK] = header
        size = int(header[124:135].strip(b"\0 ") or b"0", 8) if header[156:157] in b"0\0xg" else 0
        at += BLOCK + -(-size // BLOCK) * BLOCK
    with open(path, "wb") as file:
        file.write(data)


class Layer:
    """An uncompressed layer, entry by entry in the order of the calls."""

    def __init__(self, path):
        self.tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)
        self.time = EPOCH

    #: What each file was last given, over all layers: a further name for it says the same.
    given = {}

    def add(self, name, kind=tarfile.REGTYPE, mode=0o644, data=b"", **fields):
        entry = tarfile.TarInfo(name)
        self.time += 1
        entry.type, entry.mode, entry.size, entry.mtime = kind, mode, len(data), self.time
        for field, value in fields.items():
            setattr(entry, field, value)
        self.given[name] = {"mode": entry.mode, "mtime": entry.mtime, "uid": entry.uid, "gid": entry.gid}
        self.tar.addfile(entry, io.BytesIO(data))

    def folder(self, name, mode=0o755):
        self.add(name, tarfile.DIRTYPE, mode)

    def symlink(self, name, target):
        self.add(name, tarfile.SYMTYPE, 0o777, linkname=target)

    def hardlink(self, name, target):
        self.add(name, tarfile.LNKTYPE, linkname=target, **self.given[target])

    def special(self, name, kind):
        self.add(name, kind, 0o600, devmajor=1, devminor=5)

    def hide(self, name):
        folder, _, last = name.rpartition("/")
        self.add(f"{folder}/.wh.{last}".lstrip("/"), mode=0)


# Changes: what was there, what a layer makes of it, both as functions of a layer and a path.

def full(layer, path):
    layer.folder(path)
    layer.add(f"{path}/old", data=b"old\n")
    layer.folder(f"{path}/sub")
    layer.add(f"{path}/sub/older", data=b"older\n")


BEFORE = {
    "nothing": lambda *_: None,
    "file": lambda layer, path: layer.add(path, data=b"before\n"),
    "setuid": lambda layer, path: layer.add(path, mode=0o4711, data=b"before\n", uid=3, gid=4),
    "folder": full,
    "closed": lambda layer, path: layer.folder(path, 0o500),
    "to-folder": lambda layer, path: layer.symlink(path, "../aim"),
    "to-file": lambda layer, path: layer.symlink(path, "../aim/old"),
    "dangling": lambda layer, path: layer.symlink(path, "nowhere"),
    "hardlink": lambda layer, path: layer.hardlink(path, os.path.dirname(path) + "/other"),
    "fifo": lambda layer, path: layer.special(path, tarfile.FIFOTYPE),
    "device": lambda layer, path: layer.special(path, tarfile.CHRTYPE),
}


def hidden_then(layer, path):
    layer.hide(path)
    layer.add(path, data=b"again\n")


def opaque(layer, path):
    layer.folder(path)
    layer.add(f"{path}/.wh..wh..opq", mode=0)
    layer.add(f"{path}/new", data=b"new\n")


def late_opaque(layer, path):
    layer.folder(path)
    layer.add(f"{path}/new", data=b"new\n")
    layer.add(f"{path}/.wh..wh..opq", mode=0)


def filled(layer, path):
    layer.folder(path, 0o711)
    layer.add(f"{path}/new", data=b"new\n")
    layer.hide(f"{path}/old")


def renamed(layer, path):
    layer.hide(path)
    layer.add(f"{path}-renamed", data=b"before\n")


AFTER = {
    "kept": lambda *_: None,
    "hidden": Layer.hide,
    "hidden-then": hidden_then,
    "renamed": renamed,
    "opaque": opaque,
    "late-opaque": late_opaque,
    "file": lambda layer, path: layer.add(path, mode=0o600, data=b"after\n"),
    "folder": lambda layer, path: layer.folder(path, 0o2750),
    "filled": filled,
    "symlink": lambda layer, path: layer.symlink(path, "../aim"),
    "hardlink": lambda layer, path: layer.hardlink(path, os.path.dirname(path) + "/other"),
    "across": lambda layer, path: layer.hardlink(path, "aim/old"),
    "fifo": lambda layer, path: layer.special(path, tarfile.FIFOTYPE),
    "device": lambda layer, path: layer.special(path, tarfile.CHRTYPE),
}


def changes(folder):
    layers = [Layer(f"{folder}/{number}.tar") for number in (1, 2, 3)]
    pairs = [(before, after) for before in BEFORE for after in AFTER]
    full(layers[0], "aim")
    for before, after in pairs:
        top = f"{before}.{after}"
        layers[0].folder(top)
        layers[0].add(f"{top}/other", data=b"other\n")
        BEFORE[before](layers[0], f"{top}/x")
        AFTER[after](layers[1], f"{top}/x")
    # What the second layer made goes away, and comes again under the same name.
    for before, after in pairs:
        if before in ("file", "folder", "to-folder") and after not in ("kept", "opaque"):
            layers[2].add(f"{before}.{after}/.wh.x", mode=0)
            layers[2].add(f"{before}.{after}/third", data=b"third\n")
        elif after == "opaque":
            layers[2].add(f"{before}.{after}/.wh..wh..opq", mode=0)
    for layer in layers:
        layer.tar.close()


class Chance:
    """Layers by chance. `here` is what the layers so far make: path to kind, where a hard link is a file."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.here = {}

    def folders(self):
        return [""] + [path + "/" for path, kind in self.here.items() if kind == "folder"]

    def new_path(self):
        return self.random.choice(self.folders()) + self.random.choice("abcdefgh")

    def forget(self, path):
        for name in [name for name in self.here if name == path or name.startswith(path + "/")]:
            del self.here[name]

    def layer(self, path, n_changes):
        layer, touched = Layer(path), set()
        for _ in range(n_changes):
            name = self.new_path()
            # A layer that says two things of one path, or of what is above it, leaves it to its reader.
            if any(name == other or name.startswith(other + "/") or other.startswith(name + "/") for other in touched):
                continue
            change = self.random.choice(["file", "file", "folder", "folder", "symlink", "hardlink", "fifo", "hide", "hide"])
            if self.change(layer, name, change):
                touched.add(name)
        layer.tar.close()

    def change(self, layer, name, change):
        data = str(self.random.random()).encode()
        mode = self.random.choice([0o644, 0o600, 0o755, 0o4755, 0o444])
        if change == "hide":
            if name not in self.here:
                return False
            layer.hide(name)
            self.forget(name)
            return True
        if change == "hardlink":
            others = [path for path, kind in self.here.items() if kind == "file" and path != name
                      and not path.startswith(name + "/")]
            if not others:
                return False
            layer.hardlink(name, self.random.choice(others))
        elif change == "folder":
            layer.folder(name, self.random.choice([0o755, 0o700, 0o555, 0o1777]))
            if self.here.get(name) == "folder" and self.random.random() < 0.3:
                layer.add(f"{name}/.wh..wh..opq", mode=0)
                self.forget(name)
        elif change == "file":
            layer.add(name, mode=mode, data=data, uid=self.random.choice([0, 0, 7]))
        elif change == "symlink":
            layer.symlink(name, self.random.choice(["a", "../b", "/c/d", "nowhere"]))
        else:
            layer.special(name, tarfile.FIFOTYPE)
        if self.here.get(name) != change:
            self.forget(name)
        self.here[name] = "file" if change == "hardlink" else change
        return True


def by_chance(seed, folder):
    chance = Chance(int(seed))
    for number in range(1, 7):
        chance.layer(f"{folder}/{number}.tar", 60)


# Framings: how the same bytes are compressed.

def run(command, data):
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def chunks(data):
    """An archive cut where its entries begin, as the formats that are read in part do it; its end comes last."""
    starts, end = [], 0
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            starts.append(entry.offset)
            end = entry.offset_data + (-(-entry.size // BLOCK) * BLOCK if entry.isreg() else 0)
    starts = [0] + starts[1:] + [end, len(data)]
    return [data[one:other] for one, other in zip(starts, starts[1:])]


def member(data, extra=b"", name=b""):
    """One gzip member. RFC 1952."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    flags = (4 if extra else 0) | (8 if name else 0)
    head = struct.pack("<BBBBIBB", 31, 139, 8, flags, EPOCH, 0, 255)
    head += struct.pack("<H", len(extra)) + extra if extra else b""
    head += name + b"\0" if name else b""
    return head + packer.compress(data) + packer.flush() + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def skippable(data, number=0):
    """A frame that readers pass over. RFC 8878, 3.1.2."""
    return struct.pack("<II", 0x184D2A50 + number, len(data)) + data


def zstd(data, *options):
    return run(["zstd", "-qc", *options], data)


def estargz(data):
    """Each entry a member, then one with the table of contents, then an empty one that says where that begins."""
    archive, out = io.BytesIO(), b"".join(map(member, chunks(data)[:-1]))
    table = json.dumps({"version": 1, "entries": []}).encode()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as toc:
        for name, content in [(".no.prefetch.landmark", b"\x0f"), ("stargz.index.json", table)]:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            toc.addfile(entry, io.BytesIO(content))
    extra = b"SG" + struct.pack("<H", 22) + b"%016xSTARGZ" % len(out)
    return out + member(archive.getvalue()) + member(b"", extra)


FRAMINGS = {
    "gzip-named-and-padded": lambda data: member(data, name=b"layer.tar") + bytes(1000),
    "gzip-stored": lambda data: gzip.compress(data, 0),
    "gzip-members": lambda data: b"".join(member(data[at:at + 100_000]) for at in range(0, len(data), 100_000)),
    "pigz": lambda data: run(["pigz", "-c", "-p", "4", "-b", "128"], data),
    "pigz-independent": lambda data: run(["pigz", "-c", "-i"], data),
    "bgzip": lambda data: run(["bgzip", "-c"], data),
    "estargz": estargz,
    "zstd-frames": lambda data: b"".join(zstd(data[at:at + 200_000]) for at in range(0, len(data), 200_000)),
    "zstd-skippable": lambda data: skippable(b"before") + zstd(data[:1000]) + skippable(b"", 15)
    + zstd(data[1000:]) + skippable(b"after" * 1000, 7),
    "zstd-chunked": lambda data: b"".join(map(zstd, chunks(data))) + skippable(b'{"version":1,"entries":[]}')
    + skippable(struct.pack("<QQQQQQ", 1, 1, 1, 1, 1, 0) + b"GNUlInUx"),
    "zstd-long": lambda data: zstd(data, "-12", "--long=27"),
    "zstd-unchecked": lambda data: zstd(data, "-1", "--no-check", "--no-content-size"),
}


class Layout:
    """An OCI layout whose index is read once and written back after each new tag."""

    NAME = "org.opencontainers.image.ref.name"

    def __init__(self, path):
        self.path = path
        with open(f"{path}/index.json", encoding="utf-8") as file:
            self.index = json.load(file)

    def tagged(self, tag):
        (found,) = (entry for entry in self.index["manifests"] if entry.get("annotations", {}).get(self.NAME) == tag)
        return {field: found[field] for field in ("mediaType", "digest", "size")}

    def read(self, descriptor):
        with open(f"{self.path}/blobs/" + descriptor["digest"].replace(":", "/"), "rb") as file:
            return file.read()

    def write(self, media_type, data):
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{self.path}/blobs/sha256/{digest}", "wb") as file:
            file.write(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def tag(self, descriptor, tag):
        self.index["manifests"].append({**descriptor, "annotations": {self.NAME: tag}})
        with open(f"{self.path}/index.json", "w", encoding="utf-8") as file:
            json.dump(self.index, file)


def frame(path, source, tag, how):
    layout = Layout(path)
    descriptor = layout.tagged(source)
    manifest = json.loads(layout.read(descriptor))
    config = json.loads(layout.read(manifest["config"]))
    tool = "zstd" if how.startswith("zstd") else "gzip"
    layers, ids = [], []
    for layer in manifest["layers"]:
        packed = FRAMINGS[how](gzip.decompress(layout.read(layer)))
        layers.append(layout.write("application/vnd.oci.image.layer.v1.tar+" + tool, packed))
        # Not those of FROM: a table of contents is part of the layer.
        plain = run([tool, "-dcq", *(["--long=27"] if tool == "zstd" else [])], packed)
        ids.append("sha256:" + hashlib.sha256(plain).hexdigest())
    config["rootfs"]["diff_ids"] = ids
    manifest["layers"] = layers
    manifest["config"] = layout.write(manifest["config"]["mediaType"], config)
    layout.tag(layout.write(descriptor["mediaType"], manifest), tag)


def docker(path, source, tag):
    layout, docker_type = Layout(path), "application/vnd.docker."
    manifest = json.loads(layout.read(layout.tagged(source)))
    manifest["mediaType"] = docker_type + "distribution.manifest.v2+json"
    manifest["config"]["mediaType"] = docker_type + "container.image.v1+json"
    for layer in manifest["layers"]:
        layer["mediaType"] = docker_type + "image.rootfs.diff.tar.gzip"
    layout.tag(layout.write(manifest["mediaType"], manifest), tag)


def nested(path, source, other, tag):
    layout, index_type = Layout(path), "application/vnd.oci.image.index.v1+json"
    ours, theirs = layout.tagged(source), layout.tagged(other)
    platforms = [("linux", "s390x", theirs), ("windows", "amd64", theirs), ("linux", "amd64", ours), ("linux", "arm64", theirs)]
    entries = [{**entry, "platform": {"os": system, "architecture": architecture}} for system, architecture, entry in platforms]
    inner = layout.write(index_type, {"schemaVersion": 2, "mediaType": index_type, "manifests": entries})
    layout.tag(layout.write(index_type, {"schemaVersion": 2, "mediaType": index_type, "manifests": [inner]}), tag)


VERBS = {"odd": odd, "tar": tar, "star": star, "changes": changes, "random": by_chance, "frame": frame, "docker": docker,
         "nested": nested}
VERBS[sys.argv[1]](*sys.argv[2:])
