//! Physical memory of the emulated machine, shared with Unicorn by pointer so that the host reads
//! and resets it at memcpy speed.
//!
//! Not responsible for translation (see `address`) or for who may access what.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;
use std::rc::Rc;

use super::pages::PageSet;
use crate::arch::Endian;

/// Bytes of physical memory of the built-in machine.
pub const MODEL_SIZE: usize = 4 << 20;
/// Alignment of the allocation; sizes are multiples of it.
const ALIGNMENT: usize = 1 << 16;

struct Allocation {
    start: NonNull<u8>,
    layout: Layout,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: allocated in `Memory::new` with the same layout, and freed once, here.
        unsafe { dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// A handle to guest physical memory; clones share the bytes.
///
/// All accesses go through raw pointers and never create a reference: translated guest code writes
/// the same bytes (on the same thread, never at the same time). An access outside memory reads as
/// zero and writes nothing: guest-made addresses must not be able to stop the host.
#[derive(Clone)]
pub struct Memory {
    allocation: Rc<Allocation>,
    endian: Endian,
    /// Pages written since they were last put back, where that is kept.
    written: Option<Rc<RefCell<PageSet>>>,
}

impl Memory {
    /// Zeroed memory of a machine of that byte order; `size` is rounded up to 64 KiB.
    pub fn new(endian: Endian, size: usize) -> Self {
        let size = size.max(1).next_multiple_of(ALIGNMENT);
        let Ok(layout) = Layout::from_size_align(size, ALIGNMENT) else {
            handle_alloc_error(Layout::new::<u8>())
        };
        // SAFETY: the layout has a non-zero size.
        let Some(start) = NonNull::new(unsafe { alloc_zeroed(layout) }) else {
            handle_alloc_error(layout)
        };
        Memory {
            allocation: Rc::new(Allocation { start, layout }),
            endian,
            written: None,
        }
    }

    /// As [`Memory::new`], and keeps account of the pages written ([`Memory::written`]).
    pub fn accounted(endian: Endian, size: usize) -> Self {
        let mut memory = Self::new(endian, size);
        memory.written = Some(Rc::new(RefCell::new(PageSet::new(memory.size()))));
        memory
    }

    /// Bytes.
    pub fn size(&self) -> usize {
        self.allocation.layout.size()
    }

    /// The pages written since they were last put back: by the host through this handle, by the
    /// guest as far as the machine notes it.
    pub fn written(&self) -> Option<&RefCell<PageSet>> {
        self.written.as_deref()
    }

    /// A copy of all of it. Pages that were never written are zero, and take no room here either.
    pub fn copy_written(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.size()];
        if let Some(written) = self.written() {
            for pa in written.borrow().iter() {
                let at = pa as usize;
                if let Some(page) = bytes.get_mut(at..at + PageSet::PAGE) {
                    self.read(pa, page);
                }
            }
        }
        bytes
    }

    /// Start of the bytes, for Unicorn to map.
    pub fn as_ptr(&self) -> *mut u8 {
        self.allocation.start.as_ptr()
    }

    /// Byte order of multi-byte accesses.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    fn at(&self, pa: u64, len: usize) -> Option<*mut u8> {
        let pa = usize::try_from(pa).ok()?;
        (pa.checked_add(len)? <= self.size()).then(|| {
            // SAFETY: `pa + len` lies inside the allocation.
            unsafe { self.as_ptr().add(pa) }
        })
    }

    /// Copies bytes out.
    pub fn read(&self, pa: u64, out: &mut [u8]) {
        match self.at(pa, out.len()) {
            // SAFETY: in bounds, and `out` is host memory that does not overlap the allocation.
            Some(from) => unsafe {
                std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len())
            },
            None => out.fill(0),
        }
    }

    /// Copies bytes in.
    pub fn write(&self, pa: u64, bytes: &[u8]) {
        if let Some(to) = self.at(pa, bytes.len()) {
            if let Some(written) = &self.written {
                written.borrow_mut().insert_range(pa, bytes.len());
            }
            // SAFETY: in bounds, and `bytes` is host memory that does not overlap the allocation.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) }
        }
    }

    /// Fills a range with a repeated 64-bit value derived from a seed (host order: the value means
    /// nothing to the guest).
    pub fn poison(&self, pa: u64, len: usize, seed: u64) {
        let start = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let words = (0..len.div_ceil(8) as u64).map(|i| start.wrapping_add(i).rotate_left(17));
        // Whole doublewords and then cut: a copy of a length that the compiler does not know would
        // be a call each.
        let mut bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        bytes.truncate(len);
        self.write(pa, &bytes);
    }

    /// A copy of a range.
    pub fn to_vec(&self, pa: u64, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.read(pa, &mut out);
        out
    }

    /// A 32-bit value in guest byte order.
    pub fn read_u32(&self, pa: u64) -> u32 {
        let mut bytes = [0; 4];
        self.read(pa, &mut bytes);
        match self.endian {
            Endian::Little => u32::from_le_bytes(bytes),
            Endian::Big => u32::from_be_bytes(bytes),
        }
    }

    /// A 64-bit value in guest byte order.
    pub fn read_u64(&self, pa: u64) -> u64 {
        let mut bytes = [0; 8];
        self.read(pa, &mut bytes);
        match self.endian {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        }
    }

    /// Stores a 32-bit value (an instruction, say) in guest byte order.
    pub fn write_u32(&self, pa: u64, value: u32) {
        self.write(pa, &self.endian.bytes_u32(value));
    }

    /// Stores a 64-bit value in guest byte order.
    pub fn write_u64(&self, pa: u64, value: u64) {
        self.write(pa, &self.endian.bytes_u64(value));
    }

    /// As [`Memory::write_u64`], for the machine's own pages, which are nobody's state.
    pub fn write_unaccounted_u64(&self, pa: u64, value: u64) {
        if let Some(to) = self.at(pa, 8) {
            let bytes = self.endian.bytes_u64(value);
            // SAFETY: in bounds, and `bytes` is host memory.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, 8) }
        }
    }

    /// Copies whole pages from elsewhere without taking account of it: they are put back.
    pub fn restore_page(&self, pa: u64, bytes: &[u8]) {
        if let Some(to) = self.at(pa, bytes.len()) {
            // SAFETY: in bounds, and `bytes` is host memory that does not overlap the allocation.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) }
        }
    }

    /// A NUL-terminated string of at most 200 bytes.
    pub fn read_str(&self, pa: u64) -> String {
        let bytes = self.to_vec(pa, 200);
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }
}
