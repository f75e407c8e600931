//! Any bytes as a layer: its entries are clean, it is read to its end, and it means what another reader takes it for.
#![no_main]

use std::io::Read;

use coracle::layer::reader::{Archive, MAX_PAX, MAX_PENDING};
use coracle::layer::{Entry, EntryKind, MAX_COMPONENT, MAX_PATH, scan};
use libfuzzer_sys::fuzz_target;

/// Bytes of content that are compared.
const CONTENT: u64 = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let mut archive = Archive::new(bytes);
    let mut found = Vec::new();
    let ended = loop {
        match archive.next_entry() {
            Ok(Some(entry)) => {
                assert_clean(&entry, bytes.len() as u64);
                let mut content = Vec::new();
                if (&mut archive)
                    .take(CONTENT)
                    .read_to_end(&mut content)
                    .is_err()
                {
                    break false;
                }
                found.push((entry, content));
            }
            Ok(None) => break true,
            Err(error) => {
                let text = error.to_string();
                assert!(
                    text.len() < 8192 && !text.chars().any(char::is_control),
                    "{text:?}"
                );
                break false;
            }
        }
    };
    let kept: u64 = found.iter().map(|(entry, _)| weight(entry)).sum();
    assert!(
        kept <= bytes.len() as u64 * (1 + MAX_PENDING),
        "{kept} bytes of {}",
        bytes.len()
    );
    let index = scan(bytes);
    assert_eq!(index.is_ok(), ended);
    if let Ok(index) = index {
        assert_eq!(index.size, bytes.len() as u64);
        assert!(
            index
                .entries
                .iter()
                .eq(found.iter().map(|(entry, _)| entry))
        );
        let as_is = found
            .iter()
            .all(|(entry, content)| entry.size == content.len() as u64);
        if let Some(others) = other_reader(bytes).filter(|_| as_is) {
            compare(&found, &others);
        }
    }
});

fn weight(entry: &Entry) -> u64 {
    let xattrs = entry.xattrs.iter().map(|it| it.name.len() + it.value.len());
    (entry.path.len() + entry.link.len() + xattrs.sum::<usize>()) as u64
}

fn assert_clean(entry: &Entry, length: u64) {
    assert_clean_path(&entry.path);
    assert!(!entry.path.is_empty() || entry.kind == EntryKind::Directory);
    match entry.kind {
        EntryKind::HardLink => assert_clean_path(&entry.link),
        EntryKind::Symlink => assert!(!entry.link.is_empty()),
        _ => assert!(entry.link.is_empty()),
    }
    assert!(entry.link.len() < MAX_PATH && !entry.link.contains(&0));
    assert!(entry.kind == EntryKind::File || entry.size == 0);
    assert!(entry.mode <= 0o7777 && entry.mtime.nanoseconds < 1_000_000_000);
    assert!(entry.offset <= length && entry.offset.is_multiple_of(512));
    for (idx, xattr) in entry.xattrs.iter().enumerate() {
        assert!(!xattr.name.is_empty() && !xattr.name.contains(&0));
        assert!(entry.xattrs[..idx].iter().all(|it| it.name != xattr.name));
    }
    let attributes: usize = entry
        .xattrs
        .iter()
        .map(|it| it.name.len() + it.value.len())
        .sum();
    assert!(attributes as u64 <= MAX_PAX);
}

fn assert_clean_path(path: &[u8]) {
    assert!(path.len() < MAX_PATH && !path.contains(&0));
    for name in path
        .split(|byte| *byte == b'/')
        .filter(|_| !path.is_empty())
    {
        assert!(
            !matches!(name, b"" | b"." | b".."),
            "{:?}",
            path.escape_ascii().to_string()
        );
        assert!(name.len() <= MAX_COMPONENT);
    }
}

/// A path, its size and its content, as the crate `tar` reads them.
type Other = (Vec<u8>, u64, Vec<u8>);

/// What the crate `tar` reads, where that is comparable: readers are known to differ on sizes of what has no content,
/// on numbers in other forms than octal digits, and on what lies where ustar has its prefix.
fn other_reader(bytes: &[u8]) -> Option<Vec<Other>> {
    let mut archive = tar::Archive::new(bytes);
    let mut found = Vec::new();
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        let header = entry.header().clone();
        let (raw, kind) = (header.as_bytes(), header.entry_type());
        let is_octal = |at: std::ops::Range<usize>| {
            let end = at.end - 1;
            raw[at.start..end]
                .iter()
                .all(|byte| (b'0'..=b'7').contains(byte))
                && matches!(raw[end], 0 | b' ')
        };
        let is_ustar = &raw[257..265] == b"ustar\x0000" && raw[508..512] == [0; 4];
        let is_gnu = &raw[257..265] == b"ustar  \0" && raw[345..500].iter().all(|byte| *byte == 0);
        let is_plain = matches!(raw[156], b'0' | b'5')
            || (kind.is_symlink() || kind.is_hard_link() || raw[156] == b'g');
        if !is_octal(124..136) || !(is_ustar || is_gnu) || !is_plain {
            return None;
        }
        if raw[156] == b'g' {
            continue;
        }
        if raw[156] != b'0' && entry.size() != 0 {
            return None;
        }
        let mut path = entry.path_bytes().into_owned();
        // Of the NULs at the end of a long name it takes one away.
        path.truncate(path.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        let mut content = Vec::new();
        (&mut entry).take(CONTENT).read_to_end(&mut content).ok()?;
        found.push((path, entry.size(), content));
    }
    Some(found)
}

fn compare(ours: &[(Entry, Vec<u8>)], others: &[Other]) {
    assert_eq!(ours.len(), others.len());
    for ((entry, content), (path, size, other_content)) in ours.iter().zip(others) {
        let names = path
            .split(|byte| *byte == b'/')
            .filter(|name| !matches!(*name, b"" | b"."));
        assert_eq!(entry.path, names.collect::<Vec<_>>().join(&b'/'));
        if entry.kind == EntryKind::File {
            assert_eq!((entry.size, content), (*size, other_content));
        }
    }
}
