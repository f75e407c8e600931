//! Random bytes for names that must not collide between processes and hosts.

use std::io;

/// Returns `N` random bytes from the kernel.
///
/// Where getrandom(2) is missing (Linux < 3.17) `/dev/urandom` is read instead.
/// getrandom(2), random(4).
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut buffer = [0u8; N];
    // SAFETY: the kernel writes at most `N` bytes into `buffer`, which lives on
    // this stack frame until after the call.
    let got = unsafe { libc::syscall(libc::SYS_getrandom, buffer.as_mut_ptr(), N, 0) };
    if usize::try_from(got) == Ok(N) {
        return Ok(buffer);
    }
    let mut device = std::fs::File::open("/dev/urandom")?;
    io::Read::read_exact(&mut device, &mut buffer)?;
    Ok(buffer)
}

/// Returns `2 * N` lower-case hexadecimal digits of randomness.
pub fn hex<const N: usize>() -> io::Result<String> {
    Ok(bytes::<N>()?
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
