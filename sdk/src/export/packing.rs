//! Compression: of what is sent, where a variable asks for it, and of what has to wait, so
//! that more of it fits into the memory budget.

use std::io;
#[cfg(any(feature = "gzip", feature = "zstd"))]
use std::io::Write;
#[cfg(any(feature = "gzip", feature = "zstd"))]
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::settings::Compression;

/// What gzip takes some 50 µs for.
#[cfg(any(feature = "gzip", feature = "zstd"))]
const PIECE: usize = 8 << 10;

/// The longest that one batch lets others go first.
#[cfg(any(feature = "gzip", feature = "zstd"))]
const PATIENCE: Duration = Duration::from_millis(5);

/// How a batch's bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    #[cfg(feature = "gzip")]
    Gzip,
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Packing {
    /// For what has to wait, where the receiver is sent plain bytes: the quicker one that
    /// was compiled in.
    pub(super) const SHELF: Self = {
        #[cfg(feature = "zstd")]
        let shelf = Self::Zstd;
        #[cfg(all(feature = "gzip", not(feature = "zstd")))]
        let shelf = Self::Gzip;
        #[cfg(not(any(feature = "gzip", feature = "zstd")))]
        let shelf = Self::Plain;
        shelf
    };

    /// What the receiver is sent. Settings let only through what was compiled in.
    pub(crate) fn of(compression: Option<Compression>) -> Self {
        match compression {
            #[cfg(feature = "gzip")]
            Some(Compression::Gzip) => Self::Gzip,
            #[cfg(feature = "zstd")]
            Some(Compression::Zstd) => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// The name for the receiver; `None` for plain bytes.
    pub(super) fn encoding(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            #[cfg(feature = "gzip")]
            Self::Gzip => Some("gzip"),
            #[cfg(feature = "zstd")]
            Self::Zstd => Some("zstd"),
        }
    }

    /// The lowest levels: a span of 477 bytes gets to 118 in 2 µs by gzip and to 103 in
    /// 0.8 µs by zstd, and higher ones gain little.
    pub(super) fn pack(self, plain: Vec<u8>) -> io::Result<Bytes> {
        match self {
            Self::Plain => Ok(plain),
            #[cfg(feature = "gzip")]
            Self::Gzip => {
                let level = flate2::Compression::fast();
                let mut packed = flate2::write::GzEncoder::new(room(&plain), level);
                in_pieces(&mut packed, &plain)?;
                packed.finish()
            }
            #[cfg(feature = "zstd")]
            Self::Zstd => {
                let mut packed = zstd::Encoder::new(room(&plain), 1)?;
                in_pieces(&mut packed, &plain)?;
                packed.finish()
            }
        }
        .map(tight)
    }

    pub(super) fn unpack(self, packed: &Bytes) -> io::Result<Bytes> {
        match self {
            Self::Plain => Ok(packed.clone()),
            #[cfg(feature = "gzip")]
            Self::Gzip => {
                let mut plain = flate2::write::GzDecoder::new(Vec::new());
                plain.write_all(packed)?;
                plain.finish().map(Bytes::from)
            }
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::decode_all(packed.as_ref()).map(Bytes::from),
        }
    }
}

/// Compresses for tens of microseconds at a time. Where a request shares the core, it would
/// else wait for the whole batch: half a millisecond, while a receiver hangs and everything
/// is compressed to wait.
#[cfg(any(feature = "gzip", feature = "zstd"))]
fn in_pieces(packed: &mut impl Write, plain: &[u8]) -> io::Result<()> {
    let mut waited = Duration::ZERO;
    for piece in plain.chunks(PIECE) {
        packed.write_all(piece)?;
        // Where the core is wanted all the time, giving it up at each piece would leave the
        // export behind what it has to send.
        if waited < PATIENCE {
            let start = Instant::now();
            std::thread::yield_now();
            waited += start.elapsed();
        }
    }
    Ok(())
}

#[cfg(any(feature = "gzip", feature = "zstd"))]
fn room(plain: &[u8]) -> Vec<u8> {
    Vec::with_capacity(plain.len() / 4 + 64)
}

/// What waits is counted by its length, so it must not hold more.
fn tight(mut packed: Vec<u8>) -> Bytes {
    packed.shrink_to_fit();
    packed.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_read_again() {
        // Several pieces, and a part of one.
        let plain: Vec<u8> = b"span ".repeat(10_000);
        let kinds = [
            Packing::Plain,
            #[cfg(feature = "gzip")]
            Packing::Gzip,
            #[cfg(feature = "zstd")]
            Packing::Zstd,
        ];
        for packing in kinds {
            let packed = packing.pack(plain.clone()).unwrap();
            assert_eq!(packing.unpack(&packed).unwrap(), plain);
            let small = packed.len() < plain.len() / 10;
            assert_eq!(small, packing != Packing::Plain);
        }
    }
}
