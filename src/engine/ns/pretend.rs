//! The root view of a single id: changes of owner and identity that the kernel
//! must refuse, because no other id exists, are answered as if they had worked.
//!
//! Package managers ask for these and do not look at the result, or look in the
//! way of fakeroot(1), which answers so as well. What programs ask for and then
//! check (`setuid` followed by `getuid`) still sees root. Considered and left out:
//! `capset`, which works in a user namespace, and `setxattr` of
//! `security.capability`, which the kernel stores for the namespace's root.

use crate::engine::start::{GuestError, Step};
use crate::sys::seccomp::{self, Rule, When};

/// A call that changes an owner or an identity, by its numbers on x86-64, i386 and aarch64.
const fn pretended(name: &'static str, numbers: [Option<u32>; 3]) -> Rule {
    Rule {
        name,
        numbers,
        when: When::Always,
        errno: 0,
    }
}

/// A call that makes a device when its argument `argument` says so.
const fn device(name: &'static str, numbers: [Option<u32>; 3], argument: u8) -> Rule {
    Rule {
        name,
        numbers,
        when: When::MakesDevice { argument },
        errno: 0,
    }
}

/// Numbers: arch/x86/entry/syscalls/syscall_{64,32}.tbl and scripts/syscall.tbl of Linux 6.18.
/// The i386 names end in 16 where their ids have 16 bits.
const RULES: [Rule; 27] = [
    pretended("chown", [Some(92), Some(212), None]),
    pretended("fchown", [Some(93), Some(207), Some(55)]),
    pretended("lchown", [Some(94), Some(198), None]),
    pretended("fchownat", [Some(260), Some(298), Some(54)]),
    pretended("setuid", [Some(105), Some(213), Some(146)]),
    pretended("setgid", [Some(106), Some(214), Some(144)]),
    pretended("setreuid", [Some(113), Some(203), Some(145)]),
    pretended("setregid", [Some(114), Some(204), Some(143)]),
    pretended("setgroups", [Some(116), Some(206), Some(159)]),
    pretended("setresuid", [Some(117), Some(208), Some(147)]),
    pretended("setresgid", [Some(119), Some(210), Some(149)]),
    pretended("setfsuid", [Some(122), Some(215), Some(151)]),
    pretended("setfsgid", [Some(123), Some(216), Some(152)]),
    pretended("chown16", [None, Some(182), None]),
    pretended("fchown16", [None, Some(95), None]),
    pretended("lchown16", [None, Some(16), None]),
    pretended("setuid16", [None, Some(23), None]),
    pretended("setgid16", [None, Some(46), None]),
    pretended("setreuid16", [None, Some(70), None]),
    pretended("setregid16", [None, Some(71), None]),
    pretended("setgroups16", [None, Some(81), None]),
    pretended("setresuid16", [None, Some(164), None]),
    pretended("setresgid16", [None, Some(170), None]),
    pretended("setfsuid16", [None, Some(138), None]),
    pretended("setfsgid16", [None, Some(139), None]),
    device("mknod", [Some(133), Some(14), None], 1),
    device("mknodat", [Some(259), Some(297), Some(33)], 2),
];

/// Puts the root view in force. Works without no_new_privs, because we own the namespace.
pub(super) fn install() -> Result<(), GuestError> {
    seccomp::install(&seccomp::compile(&RULES))
        .step("answer changes of owner with", "a seccomp filter")
}
