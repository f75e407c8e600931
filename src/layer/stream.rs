//! A layer's uncompressed bytes, read forwards from file to file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::base::fsx::Context;
use crate::layer::error::LayerError;

/// Bytes moved at once.
const BUFFER: usize = 256 << 10;

/// A layer that was indexed before and is now read again for its content.
pub(super) struct Stream<R> {
    reader: R,
    position: u64,
    buffer: Vec<u8>,
}

impl<R: Read> Stream<R> {
    pub(super) fn new(reader: R) -> Stream<R> {
        let buffer = vec![0; BUFFER];
        Stream {
            reader,
            position: 0,
            buffer,
        }
    }

    /// Passes over the bytes before `offset`, which must not lie behind us.
    pub(super) fn skip_to(&mut self, offset: u64) -> Result<(), LayerError> {
        let Some(mut left) = offset.checked_sub(self.position) else {
            return Err(changed("two of its files overlap"));
        };
        while left > 0 {
            left -= self.fill(left)? as u64;
        }
        Ok(())
    }

    /// Writes the next `size` bytes to `file`, which errors call `shown`.
    pub(super) fn copy(
        &mut self,
        size: u64,
        file: &mut File,
        shown: &Path,
    ) -> Result<(), LayerError> {
        let mut left = size;
        while left > 0 {
            let count = self.fill(left)?;
            let bytes = &self.buffer[..count];
            file.write_all(bytes).context("write", shown)?;
            left -= count as u64;
        }
        Ok(())
    }

    /// Reads to the end, so that a verifying reader below has seen everything.
    pub(super) fn drain(mut self) -> Result<(), LayerError> {
        while self.read(u64::MAX)? > 0 {}
        Ok(())
    }

    fn fill(&mut self, most: u64) -> Result<usize, LayerError> {
        match self.read(most)? {
            0 => Err(changed("it is shorter than its index says")),
            count => Ok(count),
        }
    }

    fn read(&mut self, most: u64) -> Result<usize, LayerError> {
        let most = usize::try_from(most).map_or(BUFFER, |most| most.min(BUFFER));
        loop {
            match self.reader.read(&mut self.buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(LayerError::Stream(error)),
                Ok(count) => {
                    self.position += count as u64;
                    return Ok(count);
                }
            }
        }
    }
}

fn changed(reason: &str) -> LayerError {
    LayerError::Damaged {
        what: "layer",
        reason: reason.into(),
    }
}
