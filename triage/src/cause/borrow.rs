//! Registers that the kernel borrows and puts back: what it puts back is not its doing, but that of
//! whoever broke it.

use super::code::Code;
use super::raw::Change;

/// Whether both kernels have put back what they had found, given that they have the same as before.
/// Where one kernel does it once more and the other does not, the two do not do the same.
pub fn put_back(change: &Change, codes: &[Code; 2]) -> bool {
    // One had nothing to put back: what it took was what it had.
    change.recent != [true; 2] || change.by_same_instruction() || unseen(change, codes)
}

/// Whether the side that was seen to write first comes to the same instruction as the other one
/// later: it found there what it put back, which is no change, and only changes are recorded.
fn unseen(change: &Change, codes: &[Code; 2]) -> bool {
    let (Some(a), Some(b)) = (&change.writer_a, &change.writer_b) else {
        return false;
    };
    let (last, other) = match a.pc < b.pc {
        true => (b, &codes[0]),
        false => (a, &codes[1]),
    };
    let functions = [codes[0].function(a.pc), codes[1].function(b.pc)];
    functions[0] == functions[1]
        && other.function(last.pc) == functions[0]
        && other.word(last.pc) == Some(last.word)
}
