//! The agent: the program that is `/init` in a real kernel, built beside the model from the same
//! interpreter (`emulator/agent/`).

use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

use crate::arch::Endian;

const AGENT_LE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/agent-le.elf"));
const AGENT_BE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/agent-be.elf"));

/// The agent as a static ELF executable.
pub fn elf(endian: Endian) -> &'static [u8] {
    match endian {
        Endian::Little => AGENT_LE,
        Endian::Big => AGENT_BE,
    }
}

/// The effective address of one of the agent's symbols.
pub fn symbol(endian: Endian, name: &str) -> Option<u64> {
    let file = object::File::parse(elf(endian)).ok()?;
    file.symbols()
        .find(|symbol| symbol.name() == Ok(name))
        .map(|symbol| symbol.address())
}

/// The section of instructions that interrupt, and that kernels read to do them instead: they stay
/// as they are.
pub(super) const UNREPAIRED: &str = ".access";

/// Its executable sections but for that one: effective address and bytes.
pub fn text(endian: Endian) -> Vec<(u64, u64)> {
    let Ok(file) = object::File::parse(elf(endian)) else {
        return Vec::new();
    };
    file.sections()
        .filter(|s| s.kind() == SectionKind::Text && s.name() != Ok(UNREPAIRED))
        .map(|s| (s.address(), s.size()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_has_its_mark_in_both_byte_orders() {
        for endian in Endian::BOTH {
            assert!(symbol(endian, "agent_mark").is_some_and(|a| a >= 0x1000_0000));
        }
    }
}
