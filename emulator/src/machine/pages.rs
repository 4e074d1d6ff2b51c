//! A set of physical pages: which ones were written.

/// Pages by number, with their order of insertion.
#[derive(Clone, Debug, Default)]
pub struct PageSet {
    member: Vec<u64>,
    list: Vec<u32>,
}

impl PageSet {
    /// Bytes of a page. The emulator's own pages have this size, whatever the guest's.
    pub const PAGE: usize = 4096;

    /// An empty set of pages of a memory of that size.
    pub fn new(size: usize) -> Self {
        PageSet {
            member: vec![0; size.div_ceil(Self::PAGE).div_ceil(64)],
            list: Vec::new(),
        }
    }

    /// Whether the page of this address is in.
    pub fn contains(&self, pa: u64) -> bool {
        let page = pa as usize / Self::PAGE;
        self.member
            .get(page / 64)
            .is_some_and(|word| word >> (page % 64) & 1 == 1)
    }

    /// Puts the page of this address in (beyond the end: nothing). Whether it is new.
    pub fn insert(&mut self, pa: u64) -> bool {
        let page = pa as usize / Self::PAGE;
        match self.member.get_mut(page / 64) {
            Some(word) if *word >> (page % 64) & 1 == 0 => {
                *word |= 1 << (page % 64);
                self.list.push(page as u32);
                true
            }
            _ => false,
        }
    }

    /// Puts the pages of a range in.
    pub fn insert_range(&mut self, pa: u64, len: usize) {
        let mut at = pa & !(Self::PAGE as u64 - 1);
        while at < pa + len as u64 {
            self.insert(at);
            at += Self::PAGE as u64;
        }
    }

    /// Number of pages.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Addresses of the pages, in order of insertion.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.list
            .iter()
            .map(|page| u64::from(*page) * Self::PAGE as u64)
    }

    /// Addresses of the pages, ascending.
    pub fn sorted(&self) -> Vec<u64> {
        let mut pages: Vec<u64> = self.iter().collect();
        pages.sort_unstable();
        pages
    }

    /// Takes all pages out.
    pub fn clear(&mut self) {
        for page in self.list.drain(..) {
            self.member[page as usize / 64] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_counted_once_and_forgotten() {
        let mut set = PageSet::new(1 << 20);
        set.insert_range(0x1ffc, 8);
        set.insert(0x2000);
        assert_eq!(set.sorted(), [0x1000, 0x2000]);
        assert!(set.contains(0x2abc) && !set.contains(0x3000));
        assert!(!set.insert(1 << 40));
        set.clear();
        assert!(set.is_empty() && !set.contains(0x1000));
    }
}
