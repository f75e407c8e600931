//! One name of a processor, or of an instance of one.

use std::fmt;

use super::fault::shown;

/// Characters of a UUID and of the word before it; NVIDIA's have 40.
const MAX_UUID: usize = 64;

/// One name of a processor, or of an instance of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Its position among the accessible ones.
    Position(usize),
    /// The beginning of its UUID, in lower case: `gpu-…`.
    Uuid(String),
    /// Where it is on the PCI bus.
    Bus(BusId),
    /// An instance: position of its processor, and its own on that.
    Instance { processor: usize, instance: usize },
    /// An instance in the words of drivers before 470: UUID of its processor, numbers of both instances.
    OldInstance { uuid: String, gi: u32, ci: u32 },
    /// An instance by its UUID, as typed: who does not ask NVML cannot know where it is.
    InstanceUuid(String),
}

/// Domain, bus, device and function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BusId([u32; 4]);

impl Item {
    /// Reads one; the error is what was expected.
    pub(super) fn parse(word: &str) -> Result<Item, String> {
        let expected = || {
            let word = shown(word);
            format!("`{word}` is no position, UUID (`GPU-…`, `MIG-…`) or bus id (`0000:1b:00.0`)")
        };
        let lower = word.to_ascii_lowercase();
        let item = if let Some(rest) = lower.strip_prefix("mig-gpu-") {
            old_instance(rest)
        } else if let Some(rest) = lower.strip_prefix("mig-") {
            is_uuid(rest).then(|| Item::InstanceUuid(format!("MIG-{rest}")))
        } else if let Some(rest) = lower.strip_prefix("gpu-") {
            is_uuid(rest).then_some(Item::Uuid(lower))
        } else if lower.contains('.') {
            BusId::parse(&lower).map(Item::Bus)
        } else if let Some((processor, instance)) = lower.split_once(':') {
            let positions = position(processor).zip(position(instance));
            positions.map(|(processor, instance)| Item::Instance {
                processor,
                instance,
            })
        } else {
            position(&lower).map(Item::Position)
        };
        item.ok_or_else(expected)
    }
}

impl BusId {
    /// Reads `[domain:]bus:device.function`, hexadecimal; `nvidia-smi` writes domains with eight digits, the kernel
    /// with four.
    pub(super) fn parse(text: &str) -> Option<BusId> {
        let (rest, function) = text.rsplit_once('.')?;
        let mut parts: Vec<&str> = rest.split(':').collect();
        if parts.len() == 2 {
            parts.insert(0, "0");
        }
        let [domain, bus, device] = parts[..] else {
            return None;
        };
        let hex = |digits: &str, max: usize| {
            let fits = (1..=max).contains(&digits.len());
            let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            (fits && is_hex).then(|| u32::from_str_radix(digits, 16).ok())?
        };
        let numbers = [(domain, 8), (bus, 2), (device, 2), (function, 1)];
        let mut id = [0; 4];
        for (into, (digits, max)) in id.iter_mut().zip(numbers) {
            *into = hex(digits, max)?;
        }
        Some(BusId(id))
    }
}

impl fmt::Display for BusId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [domain, bus, device, function] = self.0;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function:x}")
    }
}

/// A device's name in specifications that `nvidia-ctk` writes, in our words: `gpu0` and `mig0:1` are `0` and `0:1`.
pub(super) fn of_cdi(name: &str) -> &str {
    let bare = name.strip_prefix("gpu").or(name.strip_prefix("mig"));
    match bare {
        Some(digits) if digits.starts_with(|first: char| first.is_ascii_digit()) => digits,
        _ => name,
    }
}

fn position(digits: &str) -> Option<usize> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && digits.len() <= 5).then(|| digits.parse().ok())?
}

fn is_uuid(rest: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
    !rest.is_empty() && rest.len() <= MAX_UUID && rest.bytes().all(known)
}

/// `<uuid>/<gi>/<ci>`, after `MIG-GPU-`.
fn old_instance(rest: &str) -> Option<Item> {
    let mut parts = rest.split('/');
    let (uuid, gi, ci) = (parts.next()?, parts.next()?, parts.next()?);
    if !is_uuid(uuid) || parts.next().is_some() {
        return None;
    }
    let number = |digits: &str| position(digits).and_then(|number| u32::try_from(number).ok());
    Some(Item::OldInstance {
        uuid: format!("gpu-{uuid}"),
        gi: number(gi)?,
        ci: number(ci)?,
    })
}
