//! How two views of a tree differ, field by field.

use std::fmt;

use super::view::{Thing, View};

/// What of a thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Only one tree has the name.
    Presence,
    /// Nothing else is compared then.
    Kind,
    Mode,
    Owner,
    Device,
    Size,
    Content,
    Modified,
    Links,
    Attributes,
}

/// Ours and another's thing of one name, which differ in one field.
#[derive(Clone, Debug)]
pub(super) struct Difference<'a> {
    pub(super) path: &'a [u8],
    pub(super) field: Field,
    pub(super) ours: Option<&'a Thing>,
    pub(super) theirs: Option<&'a Thing>,
}

/// Every difference between our view and another.
pub(super) fn differences<'a>(ours: &'a View, theirs: &'a View) -> Vec<Difference<'a>> {
    let mut found = Vec::new();
    let only_theirs = theirs.keys().filter(|path| !ours.contains_key(*path));
    for path in ours.keys().chain(only_theirs) {
        let (ours, theirs) = (ours.get(path), theirs.get(path));
        found.extend(fields(ours, theirs).into_iter().map(|field| Difference {
            path,
            field,
            ours,
            theirs,
        }));
    }
    found
}

fn fields(ours: Option<&Thing>, theirs: Option<&Thing>) -> Vec<Field> {
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return vec![Field::Presence];
    };
    if ours.kind != theirs.kind {
        return vec![Field::Kind];
    }
    let owners_differ = ours.owner != theirs.owner;
    [
        (Field::Mode, ours.mode != theirs.mode),
        (Field::Owner, owners_differ),
        (Field::Device, ours.device != theirs.device),
        (Field::Size, ours.size != theirs.size),
        (Field::Content, ours.content != theirs.content),
        (Field::Modified, ours.modified != theirs.modified),
        (Field::Links, ours.same_as != theirs.same_as),
        (Field::Attributes, ours.xattrs != theirs.xattrs),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |thing: Option<&Thing>| {
            let Some(thing) = thing else {
                return "nothing".to_owned();
            };
            match self.field {
                Field::Presence | Field::Kind => format!("`{}`", thing.kind),
                Field::Mode => format!("{:04o}", thing.mode),
                Field::Owner => format!("{:?}", thing.owner),
                Field::Device => format!("{:?}", thing.device),
                Field::Size => thing.size.to_string(),
                Field::Content => thing.content.escape_ascii().to_string(),
                Field::Modified => format!("{:?}", thing.modified),
                Field::Links => thing.same_as.escape_ascii().to_string(),
                Field::Attributes => shown(thing),
            }
        };
        let path = self.path.escape_ascii();
        let (ours, theirs) = (side(self.ours), side(self.theirs));
        write!(f, "`{path}`: {:?}: {ours} != {theirs}", self.field)
    }
}

fn shown(thing: &Thing) -> String {
    let attributes = thing.xattrs.iter();
    let attributes =
        attributes.map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()));
    attributes.collect::<Vec<_>>().join(" ")
}

/// Each field that is another's is noticed, and it alone.
#[test]
fn every_field_counts() {
    let thing = Thing {
        kind: '-',
        mode: 0o644,
        owner: Some((0, 0)),
        device: (0, 0),
        size: 1,
        content: vec![1],
        modified: (1, 1),
        same_as: b"a".to_vec(),
        xattrs: [(b"user.a".to_vec(), b"1".to_vec())].into(),
    };
    type Change = (Field, fn(&mut Thing));
    let changes: [Change; 9] = [
        (Field::Kind, |thing| thing.kind = 'p'),
        (Field::Mode, |thing| thing.mode = 0o600),
        (Field::Owner, |thing| thing.owner = Some((0, 1))),
        (Field::Device, |thing| thing.device.1 = 1),
        (Field::Size, |thing| thing.size = 2),
        (Field::Content, |thing| thing.content = vec![2]),
        (Field::Modified, |thing| thing.modified.1 = 2),
        (Field::Links, |thing| thing.same_as = b"b".to_vec()),
        (Field::Attributes, |thing| thing.xattrs.clear()),
    ];
    let view = |thing: &Thing| View::from([(b"a".to_vec(), thing.clone())]);
    let noticed = |ours: &View, theirs: &View| {
        let found = differences(ours, theirs).into_iter();
        found.map(|found| found.field).collect::<Vec<_>>()
    };
    let ours = view(&thing);
    assert_eq!(noticed(&ours, &ours), []);
    assert_eq!(noticed(&ours, &View::new()), [Field::Presence]);
    assert_eq!(noticed(&View::new(), &ours), [Field::Presence]);
    for (field, change) in changes {
        let mut other = thing.clone();
        change(&mut other);
        assert_eq!(noticed(&ours, &view(&other)), [field]);
    }
}
