//! Small images that would take much memory, disk or time: each goes through the program itself, as the plain user,
//! and its peak of memory is measured (B of the list, and the headers that ask for much).

use std::io::Write;
use std::path::PathBuf;

use coracle::base::digest::Digest;
use coracle::oci::media::{OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::craft::{Craft, Fields};
use super::list::tried;
use crate::support::{Output, Sandbox};

/// The most memory that any of them may take, in KiB.
const MOST: u64 = 256 << 10;

/// Runs the rest of its arguments, and writes down the peak of their memory. wait4(2), `ru_maxrss`.
const MEASURE: &str = "import os, resource, sys\n\
    code = os.spawnvp(os.P_WAIT, sys.argv[2], sys.argv[2:])\n\
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n\
    open(sys.argv[1], 'w').write(str(peak))\n\
    sys.exit(code)";

/// A home, and what is thrown at it.
pub(super) struct Target {
    pub(super) sandbox: Sandbox,
}

impl Target {
    pub(super) fn new() -> Target {
        let sandbox = Sandbox::new();
        Target { sandbox }
    }

    /// `coracle ARGUMENT...`, which must stay within its memory.
    pub(super) fn run(&self, arguments: &[&str]) -> Output {
        let peak = self.sandbox.path("peak");
        let measure = [
            "python3".as_ref(),
            "-c".as_ref(),
            MEASURE.as_ref(),
            peak.as_os_str(),
        ];
        let output = self.sandbox.coracle(arguments).behind(measure).run();
        let peak = std::fs::read_to_string(peak).expect("python3 wrote it");
        let peak: u64 = peak.parse().expect("it is a number");
        assert!(peak < MOST, "a peak of {peak} KiB\n{output}");
        assert!(peak > 1 << 10, "{peak} KiB were measured of something else");
        output
    }

    /// Imports a layer from a file.
    pub(super) fn import(&self, layer: impl AsRef<[u8]>) -> Output {
        let file = self.sandbox.file("layer", layer);
        self.run(&["import", &file.display().to_string(), "bomb:1"])
    }

    /// Pulls an image of these layers.
    pub(super) fn pull(&self, layers: &[Vec<u8>]) -> Output {
        let layout = self.layout(layers);
        self.run(&["pull", &format!("oci:{}:bomb", layout.display())])
    }

    /// An OCI layout of an image of these layers, whose diffIDs are wrong: nobody gets that far.
    fn layout(&self, layers: &[Vec<u8>]) -> PathBuf {
        let folder = self.sandbox.folder("layout");
        self.sandbox.folder("layout/blobs/sha256");
        let put = |media_type: &str, bytes: &[u8]| -> Value {
            let digest = Digest::of(bytes);
            let name = digest.to_string().replace(':', "/");
            self.sandbox.file(&format!("layout/blobs/{name}"), bytes);
            json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
        };
        let diff_ids = vec![Digest::of(b""); layers.len()];
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = put(OCI_CONFIG, config.to_string().as_bytes());
        let layers: Vec<_> = layers.iter().map(|layer| put(OCI_LAYER, layer)).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers,
        });
        let mut manifest = put(OCI_MANIFEST, manifest.to_string().as_bytes());
        manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "bomb"});
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [manifest]});
        self.sandbox.file("layout/index.json", index.to_string());
        let version = json!({"imageLayoutVersion": "1.0.0"});
        self.sandbox.file("layout/oci-layout", version.to_string());
        folder
    }

    /// What a refused bomb leaves: no tree, no layer, nothing half-made.
    pub(super) fn assert_nothing_left(&self) {
        let mut todo = vec![self.sandbox.store()];
        let mut bytes = 0;
        while let Some(dir) = todo.pop() {
            let is_of_trees = dir.ends_with("trees") || dir.ends_with("staging");
            for entry in dir.read_dir().expect("the store lists") {
                let path = entry.expect("and so do its entries").path();
                assert!(!is_of_trees, "{} is left", path.display());
                let data = path.symlink_metadata().expect("it was listed");
                bytes += data.len();
                if data.is_dir() {
                    todo.push(path);
                }
            }
        }
        assert!(bytes < 32 << 20, "{bytes} bytes are left in the store");
    }
}

/// A header, alone, of an empty file `a`.
fn header(fields: &Fields<'_>) -> Vec<u8> {
    Craft::new().header(fields).unended()
}

fn a() -> Fields<'static> {
    Fields {
        name: b"a",
        ..Fields::default()
    }
}

/// `head`, then `chunk` as often as said, as one gzip member without an end.
fn gzip_of(head: &[u8], chunk: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let mut put = |bytes: &[u8]| {
        encoder.write_all(bytes).expect("memory takes bytes");
        encoder.flush().expect("memory takes bytes");
        encoder.get_ref().len()
    };
    let start = put(head);
    // Twice, so that what refers back finds the same before it.
    let first = put(chunk);
    let second = put(chunk);
    let packed = encoder.get_ref();
    let mut bytes = packed[..start].to_vec();
    bytes.extend_from_slice(&packed[start..first]);
    for _ in 1..times {
        bytes.extend_from_slice(&packed[first..second]);
    }
    bytes
}

/// A frame with this window that is `head`, and then `runs` blocks of 128 KiB of zeros. RFC 8878.
fn zstd_of(window_log: u8, head: &[u8], runs: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3];
    let mut block = |size: usize, kind: usize, is_last: bool, content: &[u8]| {
        let header = size << 3 | kind << 1 | usize::from(is_last);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.extend_from_slice(content);
    };
    block(head.len(), 0, false, head);
    for _ in 0..runs {
        block(128 << 10, 1, false, &[0]);
    }
    block(0, 0, true, &[]);
    frame
}

/// A file of `size` bytes that are zeros, in zstd with this window.
fn zeros(window_log: u8, size: u64) -> Vec<u8> {
    let head = header(&Fields { size, ..a() });
    zstd_of(window_log, &head, (size >> 17) as usize + 1)
}

#[test]
fn ten_gigabytes_of_zeros() {
    tried("B01 10 GiB of zeros in gzip");
    let head = header(&Fields {
        size: 10 << 30,
        ..a()
    });
    let bomb = gzip_of(&head, &vec![0; 16 << 20], 640);
    assert!(bomb.len() < 12 << 20, "{} bytes", bomb.len());
    let target = Target::new();
    target
        .import(bomb)
        .exits(1)
        .complains("entry `a`: got more than")
        .complains("bytes of content in all layers (1 GiB, or 1000 times");
    target.assert_nothing_left();
}

/// Bytes that no entry announces count as well: here zeros between the archive's end and that of the stream.
#[test]
fn gigabytes_after_the_end() {
    tried("B01 zeros behind the archive's end");
    let head = Craft::new().file("a", "x").build();
    let target = Target::new();
    target
        .import(zstd_of(20, &head, (1 << 13) + 1))
        .exits(1)
        .complains("inflate to more than 1073741824, the limit (1 GiB, or 1000 times as many)");
    target.assert_nothing_left();
}

#[test]
fn many_layers_of_less_than_the_limit() {
    tried("B01 layers each below the limit");
    let layers: Vec<_> = (20..24).map(|log| zeros(log, 300 << 20)).collect();
    let target = Target::new();
    target
        .pull(&layers)
        .exits(1)
        .complains("got more than 1073741824 bytes of content in all layers");
    target.assert_nothing_left();
}

/// B02: an archive in gzip in gzip is none, and gzip in an archive stays as it is.
#[test]
fn gzip_in_gzip_stays_packed() {
    tried("B02 gzip in gzip, 42 times");
    let pack = |bytes: Vec<u8>| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes).expect("memory takes bytes");
        encoder.finish().expect("memory takes bytes")
    };
    let nested = (0..42).fold(vec![0; 10 << 20], |bytes, _| pack(bytes));
    let target = Target::new();
    target
        .import(&nested)
        .exits(1)
        .complains("byte 0 of the archive");
    target.assert_nothing_left();
    let size = nested.len() as u64;
    let layer = Craft::new()
        .header(&Fields { size, ..a() })
        .content(&nested)
        .build();
    let lab = super::Lab::new();
    lab.extract_well(&[layer]);
    let content = std::fs::read(lab.tree().join("a"));
    assert!(content.expect("it was extracted") == nested);
}

#[test]
fn windows_are_bounded() {
    tried("B03 zstd --long=31");
    tried("B03 the largest window, in four layers at once");
    let target = Target::new();
    target
        .import(zeros(31, 1 << 20))
        .exits(1)
        .complains("Frame requires too much memory");
    target.assert_nothing_left();
    // Nobody gets to the diffID, which is wrong, without having inflated all of it.
    let size = |number: u64| (200 << 20) + number * 512;
    let layers: Vec<_> = (0..4).map(|number| zeros(27, size(number))).collect();
    target.pull(&layers).exits(1).complains("sha256:");
    target.assert_nothing_left();
}

#[test]
fn sparse_files_of_any_size() {
    tried("B04 size of 8 EiB");
    tried("B04 sparse size of 8 EiB");
    tried("H04 sparse map of 10^7 entries");
    let target = Target::new();
    let huge = Craft::new().header_but(&a(), |header| {
        header[124..136].copy_from_slice(&[
            0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ]);
    });
    target
        .import(huge.build())
        .exits(1)
        .complains("entry `a`: got more than 1073741824 bytes of content in all layers");
    let sparse = Craft::new().pax(&[("GNU.sparse.realsize", b"9223372036854775807")]);
    target
        .import(sparse.file("a", "").build())
        .exits(1)
        .complains("a sparse file");
    // GNU's map goes on in blocks of 21 pieces behind the header.
    let map = header(&Fields { flag: b'S', ..a() });
    let bomb = gzip_of(&map, &[b'0'; 512 << 10], 476);
    target.import(bomb).exits(1).complains("a sparse file");
    target.assert_nothing_left();
}

#[test]
fn headers_that_never_end() {
    tried("H02 the bombs, measured");
    tried("H03 10^6 extension headers");
    let target = Target::new();
    for (flag, what) in [
        (b'L', "long name"),
        (b'K', "long link"),
        (b'x', "PAX header"),
    ] {
        let size = 512 << 20;
        let head = header(&Fields { flag, size, ..a() });
        let bomb = gzip_of(&head, &[b'n'; 1 << 20], 512);
        let expected = format!("got {what} of 536870912 bytes, expected at most");
        target.import(bomb).exits(1).complains(&expected);
    }
    let pending = Craft::new()
        .of(b'g', "g", "", 0, b"13 comment=x\n")
        .unended();
    let bomb = gzip_of(b"", &pending.repeat(1000), 1000);
    target
        .import(bomb)
        .exits(1)
        .complains("got more than 4 extension headers before one entry");
    target.assert_nothing_left();
}

/// A layer of `count` entries of these kinds in turn, their names after `prefix`.
fn many(prefix: &str, kinds: &[(u8, &str)], count: usize) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("zstd has memory");
    let templates: Vec<_> = kinds
        .iter()
        .map(|(flag, link)| Craft::new().of(*flag, prefix, link, 0o644, b"").unended())
        .collect();
    let sums: Vec<u32> = templates
        .iter()
        .map(|block| {
            let bytes = block.iter().enumerate();
            bytes
                .map(|(at, byte)| {
                    if (148..156).contains(&at) {
                        32
                    } else {
                        u32::from(*byte)
                    }
                })
                .sum()
        })
        .collect();
    for number in 0..count {
        let kind = number % kinds.len();
        let mut block = templates[kind].clone();
        let digits = format!("{number}");
        block[prefix.len()..prefix.len() + digits.len()].copy_from_slice(digits.as_bytes());
        let sum = sums[kind] + digits.bytes().map(u32::from).sum::<u32>();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        encoder.write_all(&block).expect("memory takes bytes");
    }
    encoder.write_all(&[0; 1024]).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

/// B05: empty files are on disk before the limit is reached, so most are links here, which wait for the end.
#[test]
fn entries_without_end() {
    tried("B05 5 M empty files");
    let target = Target::new();
    let files = many("f", &[(b'0', "")], 20_000);
    let links = many("l", &[(b'2', "t")], 2_100_000);
    target
        .pull(&[files, links])
        .exits(1)
        .complains("got more than 2000000 entries in all layers");
    target.assert_nothing_left();
}

#[test]
fn a_hundred_thousand_hard_links() {
    tried("B06 100 k hard links");
    let target = Target::new();
    let layer = many("h", &[(b'1', "first")], 100_000);
    let first = zstd::encode_all(&Craft::new().file("first", "x").unended()[..], 1);
    let first = first.expect("memory takes bytes");
    target.import([first, layer].concat()).success();
    let trees = target.sandbox.store().join("trees");
    let tree = trees
        .read_dir()
        .expect("it lists")
        .next()
        .expect("there is one tree");
    let rootfs = tree.expect("it lists").path().join("rootfs");
    let names = rootfs.read_dir().expect("it lists").count();
    assert_eq!(names, 100_001);
    let last = std::fs::read(rootfs.join("h99999"));
    assert_eq!(last.expect("it is there"), b"x");
}

#[test]
fn directories_without_end() {
    tried("B07 10 000 levels");
    tried("B07 10 000 levels through links");
    tried("B07 directories that no entry describes");
    let target = Target::new();
    let deep = "d/".repeat(10_000);
    let layer = Craft::new()
        .pax(&[("path", deep.as_bytes())])
        .dir("d")
        .build();
    target
        .import(layer)
        .exits(1)
        .complains("got path of 20000 bytes, expected at most 4095");
    let steps = "d/".repeat(2000);
    let climb = (0..6).fold(Craft::new(), |craft, number| {
        let (link, below) = (format!("l{number}"), format!("l{}/{steps}", number - 1));
        let target = if number == 0 {
            steps.as_bytes()
        } else {
            below.as_bytes()
        };
        craft.pax(&[("linkpath", target)]).symlink(&link, "x")
    });
    let layer = climb.file("l5/f", "x").build();
    target
        .import(layer)
        .exits(1)
        .complains("path behind symbolic links");
    // Each name implies two thousand directories.
    let implied = (0..10).fold(Craft::new(), |craft, number| {
        let path = format!("{number}/{}f", "d/".repeat(2000));
        craft.pax(&[("path", path.as_bytes())]).file("f", "")
    });
    target
        .import(implied.build())
        .exits(1)
        .complains("got more than 16384 directories that no entry describes");
    target.assert_nothing_left();
}

#[test]
fn names_without_end() {
    tried("B07 names of 4 KiB");
    let target = Target::new();
    let name = |number: usize| format!("{number}{}", "/n".repeat(2040));
    let records = (0..20_000).map(|number| {
        let name = name(number);
        Craft::new()
            .pax(&[("path", name.as_bytes())])
            .symlink("l", "t")
            .unended()
    });
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("zstd has memory");
    for record in records {
        encoder.write_all(&record).expect("memory takes bytes");
    }
    let layer = encoder.finish().expect("memory takes bytes");
    target
        .import(layer)
        .exits(1)
        .complains("bytes of names and attributes");
    target.assert_nothing_left();
}
