#!/usr/bin/env python3
"""craft: writes what no packing tool will write for us: odd layers, a small guest image, an index of two platforms.

  craft.py odd OUT.tar                          a layer with every kind of entry that a reader has to get right
  craft.py guest OUT.tar BUSYBOX [PROGRAMS]     a whole small root: busybox, and the programs of tests/guest in /bin
  craft.py index LAYOUT TAG PART...             one index over the images tagged PART, in the OCI layout LAYOUT
  craft.py zstd LAYOUT FROM TO                  the image tagged FROM with zstd layers of two frames each, tagged TO
  craft.py registry FIXTURES STORAGE PORT       docker-registry's configuration on stdout
"""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

EPOCH = 1_600_000_000  # every file is as old, so that two runs make the same bytes

REGISTRY = """\
version: 0.1
log: {{level: info}}
storage:
  filesystem: {{rootdirectory: {storage}}}
  delete: {{enabled: true}}
auth:
  htpasswd: {{realm: harbour, path: {fixtures}/htpasswd}}
http:
  addr: 127.0.0.1:{port}
  tls: {{certificate: {fixtures}/tls/server.pem, key: {fixtures}/tls/server.key}}
"""


class Layer:
    """An uncompressed tar being written, entry by entry, in the order of the calls."""

    def __init__(self, path):
        self.tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT, errors="surrogateescape")

    def add(self, name, kind=tarfile.REGTYPE, mode=0o644, data=b"", **fields):
        """Adds one entry; `fields` are those of TarInfo (uid, gid, linkname, pax_headers, devmajor...)."""
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.size, entry.mtime = kind, mode, len(data), EPOCH
        for field, value in fields.items():
            setattr(entry, field, value)
        self.tar.addfile(entry, io.BytesIO(data))

    def folder(self, name, mode=0o755, **fields):
        self.add(name, tarfile.DIRTYPE, mode, **fields)

    def symlink(self, name, target):
        self.add(name, tarfile.SYMTYPE, 0o777, linkname=target)

    def hardlink(self, name, target):
        self.add(name, tarfile.LNKTYPE, linkname=target)


def odd(path):
    """Entries that lie in wait: each was the subject of a defect in some extractor."""
    layer = Layer(path)
    layer.folder("odd")
    # The opaque marker stands after an entry that it must not hide, and hides what the layer below put there.
    layer.folder("odd/opaque")
    layer.add("odd/opaque/new", data=b"new\n")
    layer.add("odd/opaque/.wh..wh..opq")
    # A directory where the layer below has a file, without a whiteout.
    layer.folder("odd/turn")
    layer.add("odd/turn/inside", data=b"turned\n")
    # Hard links to files of lower layers, and one name of a pair removed.
    layer.hardlink("odd/links/three", "odd/links/two")
    layer.add("odd/links/.wh.one")
    layer.hardlink("odd/links/perl", "usr/bin/perl")
    # Modes and owners that a plain user cannot make on disk.
    layer.add("odd/setuid", mode=0o4755, data=b"#!/bin/sh\nid -u\n")
    layer.add("odd/theirs", mode=0o640, data=b"of www-data\n", uid=33, gid=33)
    layer.add("odd/secret", mode=0o000, data=b"no mode at all\n")
    layer.folder("odd/sticky", mode=0o1777)
    layer.folder("odd/setgid", mode=0o2775, gid=50)
    # Closed to its owner, and yet with something inside.
    layer.folder("odd/closed", mode=0o555)
    layer.add("odd/closed/inside", mode=0o444, data=b"read only\n")
    # Names: longer than a tar header, deeper than one, not UTF-8, and shell's favourites.
    layer.add("odd/" + "n" * 250, data=b"long\n")
    layer.folder("odd/" + "/".join(["d" * 60] * 4))
    layer.add("odd/" + "/".join(["d" * 60] * 4) + "/leaf", data=b"deep\n")
    layer.add("odd/ blank \t*", data=b"blank\n")
    layer.tar.format = tarfile.GNU_FORMAT  # PAX would have to call these bytes text
    layer.add(os.fsdecode(b"odd/caf\xe9-\xff"), data=b"latin\n")
    layer.tar.format = tarfile.PAX_FORMAT
    # Links that must be kept as they are, and never followed on the host.
    layer.symlink("odd/absolute", "/etc/passwd")
    layer.symlink("odd/relative", "../etc/passwd")
    layer.symlink("odd/outside", "../../../../../../../../etc/hostname")
    layer.symlink("odd/dangling", "nowhere")
    layer.symlink("odd/loop", "loop")
    layer.add("odd/fifo", tarfile.FIFOTYPE, 0o600)
    layer.add("odd/null", tarfile.CHRTYPE, 0o666, devmajor=1, devminor=3)
    layer.add("odd/attributes", data=b"attributes\n", pax_headers={"SCHILY.xattr.user.coracle": "wicker"})
    layer.add("odd/moment", data=b"moment\n", pax_headers={"mtime": "1600000000.123456789"})
    layer.add("odd/empty")
    layer.tar.close()


def guest(path, busybox, programs=None):
    """The root in which the engine table runs: small, static, without a C library's surprises."""
    layer = Layer(path)
    for name in ["bin", "dev", "etc", "proc", "root", "srv", "srv/work", "sys", "target", "target/folder"]:
        layer.folder(name)
    layer.folder("tmp", mode=0o1777)
    layer.folder("home/worker", uid=1000, gid=1000)
    layer.folder("closed", mode=0o555)
    layer.add("etc/passwd", data=b"root:x:0:0:root:/root:/bin/sh\nworker:x:1000:1000::/home/worker:/bin/sh\n")
    layer.add("etc/group", data=b"root:x:0:\nworker:x:1000:\n")
    layer.add("target/file", data=b"from the image\n")
    layer.add("target/folder/below", data=b"from the image\n")
    layer.add("bin/not-executable", data=b"#!/bin/sh\n")
    layer.add("bin/no-interpreter", mode=0o755, data=b"#!/absent/interpreter\n")
    with open(busybox, "rb") as file:
        layer.add("bin/busybox", mode=0o755, data=file.read())
    for applet in os.popen(f"{busybox} --list").read().split():
        if applet != "busybox":
            layer.symlink(f"bin/{applet}", "busybox")
    for name in sorted(os.listdir(programs)) if programs else []:
        with open(os.path.join(programs, name), "rb") as file:
            layer.add(f"bin/{name}", mode=0o755, data=file.read())
    layer.tar.close()


class Layout:
    """An OCI layout whose index is read once and written back after each new tag."""

    def __init__(self, path):
        self.path = path
        with open(f"{path}/index.json", encoding="utf-8") as file:
            self.index = json.load(file)

    def tagged(self, tag):
        """The descriptor with that tag, without its annotations."""
        key = "org.opencontainers.image.ref.name"
        (found,) = (entry for entry in self.index["manifests"] if entry["annotations"][key] == tag)
        return {field: found[field] for field in ("mediaType", "digest", "size")}

    def read(self, descriptor):
        with open(f"{self.path}/blobs/" + descriptor["digest"].replace(":", "/"), "rb") as file:
            return file.read()

    def write(self, media_type, data):
        """Adds a blob; returns its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        with open(f"{self.path}/blobs/sha256/{digest}", "wb") as file:
            file.write(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def tag(self, descriptor, tag):
        self.index["manifests"].append({**descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}})
        with open(f"{self.path}/index.json", "w", encoding="utf-8") as file:
            json.dump(self.index, file)


def index(path, tag, *parts):
    """Tags an index over images that are already in the layout, each under its own platform."""
    layout, manifests = Layout(path), []
    for part in parts:
        descriptor = layout.tagged(part)
        config = json.loads(layout.read(json.loads(layout.read(descriptor))["config"]))
        platform = {"architecture": config["architecture"], "os": config["os"]}
        manifests.append({**descriptor, "platform": platform})
    media_type = "application/vnd.oci.image.index.v1+json"
    data = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}
    layout.tag(layout.write(media_type, json.dumps(data).encode()), tag)


def zstd(path, source, tag):
    """The same layers, compressed otherwise: in two frames, because readers are known to stop after the first."""
    layout = Layout(path)
    descriptor = layout.tagged(source)
    manifest = json.loads(layout.read(descriptor))
    layers = []
    for layer in manifest["layers"]:
        data = gzip.decompress(layout.read(layer))
        middle = len(data) // 2
        frames = [subprocess.run(["zstd", "-qc"], input=part, capture_output=True, check=True).stdout
                  for part in (data[:middle], data[middle:])]
        layers.append(layout.write("application/vnd.oci.image.layer.v1.tar+zstd", b"".join(frames)))
    manifest["layers"] = layers
    layout.tag(layout.write(descriptor["mediaType"], json.dumps(manifest).encode()), tag)


def registry(fixtures, storage, port):
    print(REGISTRY.format(fixtures=fixtures, storage=storage, port=port), end="")


VERBS = {"odd": odd, "guest": guest, "index": index, "zstd": zstd, "registry": registry}
VERBS[sys.argv[1]](*sys.argv[2:])
