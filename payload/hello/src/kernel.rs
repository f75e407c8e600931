//! What only the kernel can say: its name and our ids, also where there is no `/proc`.

use std::ffi::{CStr, c_char, c_int};

/// Bytes of each field of `struct utsname` on Linux, the NUL included: uname(2).
const FIELD: usize = 65;

/// `struct utsname`, uname(2).
#[repr(C)]
struct RawName {
    fields: [[c_char; FIELD]; 6],
}

/// The kernel's name of itself.
pub struct Name {
    /// Such as "Linux".
    pub system: String,
    /// Such as "6.1.0-39-amd64".
    pub release: String,
    /// Such as "x86_64".
    pub machine: String,
}

unsafe extern "C" {
    fn uname(name: *mut RawName) -> c_int;
    safe fn geteuid() -> u32;
    safe fn getegid() -> u32;
    fn access(path: *const c_char, mode: c_int) -> c_int;
}

/// Asks for the kernel's name; none if it does not say.
pub fn name() -> Option<Name> {
    let mut raw = RawName {
        fields: [[0; FIELD]; 6],
    };
    // SAFETY: `raw` has the size and layout of Linux's `struct utsname` (six arrays of 65), which the call fills.
    let status = unsafe { uname(&mut raw) };
    let text = |field: usize| {
        let bytes: Vec<u8> = raw.fields[field].iter().map(|&byte| byte as u8).collect();
        CStr::from_bytes_until_nul(&bytes)
            .map(|text| text.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    (status == 0).then(|| Name {
        system: text(0),
        release: text(2),
        machine: text(4),
    })
}

/// Effective user and group id.
pub fn ids() -> (u32, u32) {
    (geteuid(), getegid())
}

/// Whether the root directory may be written, asked without writing.
pub fn root_is_writable() -> bool {
    const W_OK: c_int = 2;
    // SAFETY: the path is a literal that ends in NUL and that the call only reads.
    unsafe { access(c"/".as_ptr(), W_OK) == 0 }
}
