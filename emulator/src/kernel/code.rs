//! Instructions of a kernel as it was built, for reports: what is shown is the kernel's own text,
//! whatever the machine put in its place.

use std::sync::Arc;

use super::image::{ImageError, KernelImage};
use super::name::KernelName;
use super::snapshot::{Snapshot, SnapshotError};
use crate::arch::Endian;
use crate::machine::address::KERNEL;

/// The text of a kernel.
pub enum KernelCode {
    /// The model with its defects.
    Model(Box<KernelImage>),
    /// A real kernel as it was after boot.
    Real(Arc<Snapshot>),
}

/// A kernel's text cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// The model's.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A real kernel's.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl KernelCode {
    /// The text of the kernel of this name.
    pub fn of(name: &KernelName, endian: Endian) -> Result<Self, CodeError> {
        Ok(match name.snapshot() {
            Some(snapshot) => KernelCode::Real(snapshot?),
            None => KernelCode::Model(Box::new(KernelImage::load(name, endian)?)),
        })
    }

    /// The instruction at an effective address.
    pub fn word(&self, ea: u64) -> Option<u32> {
        let pa = ea.checked_sub(KERNEL)?;
        let mut bytes = [0; 4];
        let endian = match self {
            KernelCode::Model(image) => {
                let found = image.program.segments.iter().find_map(|(start, segment)| {
                    let at = usize::try_from(pa.checked_sub(*start)?).ok()?;
                    segment.get(at..at + 4)
                })?;
                bytes.copy_from_slice(found);
                image.program.endian
            }
            KernelCode::Real(snapshot) => {
                snapshot.pages.read(pa, &mut bytes);
                snapshot.endian
            }
        };
        Some(match endian {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        })
    }
}
