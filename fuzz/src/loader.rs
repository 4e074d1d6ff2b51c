//! The reader of kernel files against hostile bytes: whatever they are, it refuses them, or what it
//! made of them can be worked with.

use ctxfuzz_emulator::kernel::snapshot::{SymbolKind, Vmlinux};

/// Reads a file. Whether it passed for a kernel.
///
/// # Panics
/// If the reader does, or promises more than the file has.
pub fn read(bytes: &[u8]) -> bool {
    let Ok(kernel) = Vmlinux::parse(bytes) else {
        return false;
    };
    let names: usize = kernel.symbols.iter().map(|s| s.name.len()).sum();
    assert!(names <= bytes.len(), "names outgrow their file");
    for &(address, size) in &kernel.text {
        assert!(size as usize <= bytes.len(), "code that is not in the file");
        assert!(address.checked_add(size).is_some(), "code without an end");
    }
    assert!(kernel.symbols.is_sorted_by_key(|symbol| symbol.address));
    let functions = kernel.symbols.iter();
    for function in functions.filter(|s| s.kind == SymbolKind::Function) {
        let end = function.address.checked_add(function.size);
        assert!(function.size > 0, "{function:?} has no code");
        let holds = |&(start, size): &(u64, u64)| {
            start <= function.address && end.is_some_and(|end| end <= start + size)
        };
        assert!(kernel.text.iter().any(holds), "{function:?} is not code");
    }
    true
}
