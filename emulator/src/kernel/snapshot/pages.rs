//! Physical memory without its empty pages.

/// Bytes of a page of a snapshot, whatever the kernel's own page size is.
pub const PAGE: usize = 4096;

/// The pages of physical memory that are not all zero, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    numbers: Vec<u32>,
    bytes: Vec<u8>,
}

impl Pages {
    /// Puts the parts together again; `None` if they do not belong together.
    pub fn from_parts(numbers: Vec<u32>, bytes: Vec<u8>) -> Option<Self> {
        let ascending = numbers.windows(2).all(|pair| pair[0] < pair[1]);
        (ascending && bytes.len() == numbers.len() * PAGE).then_some(Pages { numbers, bytes })
    }

    /// Adds what lies at a physical address, which is beyond all that was added before; whole
    /// pages.
    pub fn append(&mut self, address: u64, memory: &[u8]) {
        debug_assert!(address.is_multiple_of(PAGE as u64) && memory.len().is_multiple_of(PAGE));
        let first = (address / PAGE as u64) as u32;
        for (number, page) in (first..).zip(memory.chunks_exact(PAGE)) {
            if page != [0; PAGE] {
                self.numbers.push(number);
                self.bytes.extend_from_slice(page);
            }
        }
    }

    /// Physical addresses and contents.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &[u8])> {
        let addresses = self.numbers.iter().map(|&n| u64::from(n) * PAGE as u64);
        addresses.zip(self.bytes.chunks_exact(PAGE))
    }

    /// The page with that number, if it is not all zero.
    pub fn get(&self, number: u32) -> Option<&[u8]> {
        let index = self.numbers.binary_search(&number).ok()?;
        self.bytes.get(index * PAGE..(index + 1) * PAGE)
    }

    /// Copies physical memory from an address on.
    pub fn read(&self, address: u64, to: &mut [u8]) {
        let mut at = address;
        let mut rest = to;
        while !rest.is_empty() {
            let offset = (at % PAGE as u64) as usize;
            let (part, after) = rest.split_at_mut(rest.len().min(PAGE - offset));
            let number = u32::try_from(at / PAGE as u64).ok();
            match number.and_then(|number| self.get(number)) {
                Some(page) => part.copy_from_slice(&page[offset..offset + part.len()]),
                None => part.fill(0),
            }
            at += part.len() as u64;
            rest = after;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether all of memory is zero.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Physical addresses, in pages.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Contents, one page after the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_with_something_in_them_are_kept() {
        let mut memory = vec![0; 4 * PAGE];
        memory[PAGE + 5] = 7;
        memory[4 * PAGE - 1] = 9;
        let mut pages = Pages::default();
        pages.append(0x10000, &memory);
        assert_eq!(pages.numbers(), [0x11, 0x13]);
        assert_eq!(pages.get(0x11), Some(&memory[PAGE..2 * PAGE]));
        assert_eq!(pages.get(0x12), None);
        let addresses: Vec<u64> = pages.iter().map(|(address, _)| address).collect();
        assert_eq!(addresses, [0x11000, 0x13000]);

        let mut copy = vec![1; 4 * PAGE];
        pages.read(0x10000, &mut copy);
        assert_eq!(copy, memory);
        let mut across = [1; 8];
        pages.read(0x13ffc, &mut across);
        assert_eq!(across, [0, 0, 0, 9, 0, 0, 0, 0]);
    }

    #[test]
    fn parts_must_fit() {
        assert!(Pages::from_parts(vec![1, 2], vec![0; 2 * PAGE]).is_some());
        assert!(Pages::from_parts(vec![2, 1], vec![0; 2 * PAGE]).is_none());
        assert!(Pages::from_parts(vec![1, 1], vec![0; 2 * PAGE]).is_none());
        assert!(Pages::from_parts(vec![1, 2], vec![0; 2 * PAGE - 1]).is_none());
    }
}
