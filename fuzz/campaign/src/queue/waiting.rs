//! Divergences whose turn has not come. Not responsible for whose turn it is.

use std::collections::VecDeque;

/// Cases that wait. More kinds turn up than there is time for, a thousand in some hundred thousand
/// executions, and each holds its scenario.
const MOST_WAITING: usize = 512;

/// A queue that takes no more when it is full.
pub struct Waiting<T> {
    cases: VecDeque<T>,
    passed_over: u64,
}

impl<T> Waiting<T> {
    /// Nothing waits.
    pub fn new() -> Self {
        Waiting {
            cases: VecDeque::new(),
            passed_over: 0,
        }
    }

    /// One more, if there is room.
    pub fn push(&mut self, case: T) {
        match self.cases.len() < MOST_WAITING {
            true => self.cases.push_back(case),
            false => self.passed_over += 1,
        }
    }

    /// Takes out the one that has waited longest.
    pub fn pop(&mut self) -> Option<T> {
        self.cases.pop_front()
    }

    /// Those that wait, and those that there was no room for: nobody has looked into either.
    pub fn count(&self) -> u64 {
        self.cases.len() as u64 + self.passed_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_counted_and_not_kept() {
        let mut waiting = Waiting::new();
        (0..MOST_WAITING + 3).for_each(|case| waiting.push(case));
        assert_eq!(waiting.cases.len(), MOST_WAITING);
        assert_eq!(waiting.count(), MOST_WAITING as u64 + 3);
        assert_eq!(waiting.pop(), Some(0));
        waiting.push(7);
        assert_eq!(waiting.count(), MOST_WAITING as u64 + 3);
        assert_eq!(waiting.cases.back(), Some(&7));
    }
}
