//! Filters that answer system calls, built from a table. seccomp(2).

use std::io;

/// What a filter answers for one system call; all others pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The system call's name, for people.
    pub name: &'static str,
    /// Its number for each of [`ARCHITECTURES`]; `None` where it does not exist.
    pub numbers: [Option<u32>; ARCHITECTURES.len()],
    /// When the rule holds.
    pub when: When,
    /// The errno that the caller sees; 0 is success.
    pub errno: u16,
}

/// When a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// For every call.
    Always,
    /// When the file type in the mode argument with this index is a device.
    MakesDevice {
        /// The index of the argument, from 0.
        argument: u8,
    },
}

/// Audit architectures, in the order of [`Rule::numbers`]; linux/audit.h.
pub const ARCHITECTURES: [u32; 3] = [0xC000_003E, 0x4000_0003, 0xC000_00B7];

/// `BPF_LD | BPF_W | BPF_ABS`, and the other four that are used; linux/bpf_common.h.
const LOAD: u16 = 0x20;
const JUMP_EQUAL: u16 = 0x15;
const AND: u16 = 0x54;
const JUMP_ALWAYS: u16 = 0x05;
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`: `nr`, `arch`, and the low half of `args[0]`.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;

const ALLOW: u32 = 0x7FFF_0000;
const ERRNO: u32 = 0x0005_0000;

/// `SECCOMP_FILTER_FLAG_SPEC_ALLOW` (Linux 4.17): without it, kernels before 5.16
/// switch on costly speculation mitigations for every filtered process.
const SPEC_ALLOW: libc::c_ulong = 4;

/// One instruction; linux/filter.h, `struct sock_filter`.
pub type Instruction = libc::sock_filter;

/// Compiles `rules`; calls of an architecture that is not in the table pass.
///
/// Each architecture gets a block of its own: load the number, then compare and
/// answer, rule by rule. Jumps in BPF reach 255 instructions, so blocks are left
/// by long jumps.
pub fn compile(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![statement(LOAD, OFFSET_ARCHITECTURE)];
    for (column, architecture) in ARCHITECTURES.iter().enumerate() {
        let block = block_of(rules, column);
        program.push(jump(JUMP_EQUAL, *architecture, 1, 0));
        program.push(statement(JUMP_ALWAYS, block.len() as u32));
        program.extend(block);
    }
    program.push(statement(RETURN, ALLOW));
    program
}

/// Number comparisons of one architecture, ending in "allow".
fn block_of(rules: &[Rule], column: usize) -> Vec<Instruction> {
    let mut block = vec![statement(LOAD, OFFSET_NUMBER)];
    for rule in rules {
        let Some(number) = rule.numbers[column] else {
            continue;
        };
        let answer = answer_of(rule);
        block.push(jump(JUMP_EQUAL, number, 0, answer.len() as u8));
        block.extend(answer);
    }
    block.push(statement(RETURN, ALLOW));
    block
}

fn answer_of(rule: &Rule) -> Vec<Instruction> {
    let answer = statement(RETURN, ERRNO | u32::from(rule.errno));
    match rule.when {
        When::Always => vec![answer],
        When::MakesDevice { argument } => vec![
            // Little-endian: the low half of a 64-bit argument comes first.
            statement(LOAD, OFFSET_ARGUMENTS + 8 * u32::from(argument)),
            statement(AND, libc::S_IFMT),
            jump(JUMP_EQUAL, libc::S_IFCHR, 2, 0),
            jump(JUMP_EQUAL, libc::S_IFBLK, 1, 0),
            statement(RETURN, ALLOW),
            answer,
        ],
    }
}

fn statement(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

/// Puts `program` in force for this process and all that it becomes or makes.
///
/// Needs CAP_SYS_ADMIN in the user namespace, so that set-id programs keep working
/// (no_new_privs stays off). prctl(2) is the way of kernels whose vendor left
/// seccomp(2) out (RHEL 7). ENOSYS or EINVAL: this kernel has no filters.
pub fn install(program: &[Instruction]) -> io::Result<()> {
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    let filter = &raw const filter;
    // SAFETY: `filter` points to a `sock_fprog` on this stack frame, which points to
    // `program.len()` instructions; the kernel copies both before it returns.
    let done = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            SPEC_ALLOW,
            filter,
        ) == 0
            || libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                filter,
                0,
                0,
            ) == 0
    };
    if done {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether a filter is already in force for this process.
pub fn in_force() -> bool {
    mode() > 0
}

/// Whether this kernel was built with seccomp.
pub fn is_known() -> bool {
    mode() >= 0
}

/// 0 for none, 2 for a filter, negative where the kernel has none of it. prctl(2), PR_GET_SECCOMP.
fn mode() -> libc::c_int {
    // SAFETY: takes no pointer; strict mode, which would kill, has no way to get here.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP, 0, 0, 0, 0) }
}
