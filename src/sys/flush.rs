//! Dirty pages on their way to the disk.

use std::os::fd::{AsRawFd, BorrowedFd};

/// Starts to write what `file` has dirty from `offset` on, `length` bytes or all for 0, and does not wait for
/// it; nothing is promised, and nothing made durable. sync_file_range(2).
pub fn start_writing(file: BorrowedFd<'_>, offset: u64, length: u64) {
    let (Ok(offset), Ok(length)) = (i64::try_from(offset), i64::try_from(length)) else {
        return;
    };
    // SAFETY: takes four numbers and no memory of ours; the descriptor is borrowed, so it is open.
    unsafe {
        // A pipe or a file system that cannot is no loss: what was not begun is done at the end.
        libc::sync_file_range(
            file.as_raw_fd(),
            offset,
            length,
            libc::SYNC_FILE_RANGE_WRITE,
        );
    }
}
