//! Aligns two recorded runs by events, kernel entries, and function entries and exits; never by
//! address.
//!
//! Two kernels may be built apart and take different ways; what both do, in order, is where their
//! states can be compared.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use ctxfuzz_emulator::machine::Vector;
use ctxfuzz_emulator::trace::{Recording, Step};

/// A step at which runs can meet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Boundary {
    Event(Option<u16>, u8),
    KernelEntry(Vector),
    UserReturn,
    Enter(Rc<str>),
    Exit(Rc<str>),
}

/// A step of each run that both take: indices into their steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// Index into run A's steps.
    pub a: usize,
    /// Index into run B's steps.
    pub b: usize,
}

/// Larger pieces than this (product of lengths) that do not match from their ends are left
/// unaligned inside.
const TABLE_LIMIT: usize = 4_000_000;

/// Where two runs meet, in order.
pub fn align(a: &Recording, b: &Recording) -> Vec<Meeting> {
    let (a, b) = (boundaries(a), boundaries(b));
    let mut meetings = Vec::new();
    let (mut rest_a, mut rest_b) = (&a[..], &b[..]);
    // Events are the same on both sides (else the runs are not comparable): each stretch between
    // two of them is aligned by itself.
    while !rest_a.is_empty() && !rest_b.is_empty() {
        let (piece_a, after_a) = rest_a.split_at(stretch(rest_a));
        let (piece_b, after_b) = rest_b.split_at(stretch(rest_b));
        common(piece_a, piece_b, &mut meetings);
        (rest_a, rest_b) = (after_a, after_b);
    }
    meetings
}

/// A boundary, its index among the steps, and a hash of the names of the functions that are open
/// then.
type Marked = (Boundary, usize, u64);

/// What it counts for to meet in the same functions, when meeting at all counts for one. What one
/// side does in one place and the other in another, by the same helpers, is not the same.
const SAME_CHAIN: u32 = 4;

fn boundaries(run: &Recording) -> Vec<Marked> {
    let name = |index: &u32| run.functions[*index as usize].clone();
    let mut open = Open::default();
    run.steps
        .iter()
        .enumerate()
        .filter_map(|(at, step)| {
            let boundary = match step {
                Step::Event { index, task } => Boundary::Event(*index, *task),
                Step::KernelEntry(vector) => Boundary::KernelEntry(*vector),
                Step::UserReturn => Boundary::UserReturn,
                Step::Enter(function) => Boundary::Enter(name(function)),
                Step::Exit(function) => Boundary::Exit(name(function)),
                Step::Write(_) | Step::Look => return None,
            };
            let chain = open.at(&boundary);
            Some((boundary, at, chain))
        })
        .collect()
}

/// The functions that are open, as far as entries and exits tell. A switch to another task leaves
/// it with what that one has open too: it is a hint.
#[derive(Default)]
struct Open(Vec<(Rc<str>, u64)>);

impl Open {
    /// Takes a boundary; a hash of what is open there, what is entered or left included.
    fn at(&mut self, boundary: &Boundary) -> u64 {
        let outer = |open: &[(Rc<str>, u64)]| open.last().map_or(0, |(_, hash)| *hash);
        match boundary {
            Boundary::Enter(name) => {
                let mut hasher = DefaultHasher::new();
                (outer(&self.0), name).hash(&mut hasher);
                self.0.push((name.clone(), hasher.finish()));
                outer(&self.0)
            }
            Boundary::Exit(name) => {
                let Some(depth) = self.0.iter().rposition(|(open, _)| open == name) else {
                    return outer(&self.0);
                };
                let left = outer(&self.0[..=depth]);
                self.0.truncate(depth);
                left
            }
            Boundary::UserReturn => {
                self.0.clear();
                0
            }
            Boundary::Event(..) | Boundary::KernelEntry(_) => outer(&self.0),
        }
    }
}

/// Length of the stretch up to, not including, the next event after the first boundary.
fn stretch(marked: &[Marked]) -> usize {
    let next = marked
        .iter()
        .skip(1)
        .position(|(b, ..)| matches!(b, Boundary::Event(..)));
    next.map_or(marked.len(), |n| n + 1)
}

/// A heaviest common subsequence: equal ends first, which is nearly always all there is.
fn common(a: &[Marked], b: &[Marked], out: &mut Vec<Meeting>) {
    let meet = |x: &Marked, y: &Marked| Meeting { a: x.1, b: y.1 };
    let front = a.iter().zip(b).take_while(|(x, y)| x.0 == y.0).count();
    out.extend(a[..front].iter().zip(&b[..front]).map(|(x, y)| meet(x, y)));
    let (a, b) = (&a[front..], &b[front..]);
    let back = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x.0 == y.0)
        .count();
    let (middle_a, end_a) = a.split_at(a.len() - back);
    let (middle_b, end_b) = b.split_at(b.len() - back);
    if middle_a.len() * middle_b.len() <= TABLE_LIMIT {
        out.extend(
            by_table(middle_a, middle_b)
                .into_iter()
                .map(|(i, j)| meet(&middle_a[i], &middle_b[j])),
        );
    }
    out.extend(end_a.iter().zip(end_b).map(|(x, y)| meet(x, y)));
}

/// What a meeting counts for; `None` if it is none.
fn weight(a: &Marked, b: &Marked) -> Option<u32> {
    let same_chain = if a.2 == b.2 { SAME_CHAIN } else { 1 };
    (a.0 == b.0).then_some(same_chain)
}

fn by_table(a: &[Marked], b: &[Marked]) -> Vec<(usize, usize)> {
    let width = b.len() + 1;
    let mut table = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            let skipped = table[(i + 1) * width + j].max(table[i * width + j + 1]);
            let met =
                weight(&a[i], &b[j]).map_or(0, |weight| table[(i + 1) * width + j + 1] + weight);
            table[i * width + j] = met.max(skipped);
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        let here = table[i * width + j];
        let met = weight(&a[i], &b[j])
            .is_some_and(|weight| table[(i + 1) * width + j + 1] + weight == here);
        if met {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if table[(i + 1) * width + j] >= table[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(names: &str) -> Vec<Marked> {
        names
            .chars()
            .enumerate()
            .map(|(i, c)| (Boundary::Enter(c.to_string().into()), i, 0))
            .collect()
    }

    fn aligned(a: &str, b: &str) -> String {
        let (a, b) = (marks(a), marks(b));
        let mut out = Vec::new();
        common(&a, &b, &mut out);
        out.iter()
            .map(|m| match &a[m.a].0 {
                Boundary::Enter(name) => name.to_string(),
                _ => String::new(),
            })
            .collect()
    }

    #[test]
    fn equal_runs_meet_everywhere() {
        assert_eq!(aligned("abcabc", "abcabc"), "abcabc");
    }

    #[test]
    fn a_detour_on_one_side_is_skipped() {
        assert_eq!(aligned("abxyzcd", "abcd"), "abcd");
        assert_eq!(aligned("abcd", "abpcqd"), "abcd");
    }

    /// Capital letters are functions that lower-case ones call: one side calls the helpers XYZ in
    /// `p`, the other in `q`, which both enter.
    #[test]
    fn helpers_of_different_callers_do_not_meet() {
        let chained = |names: &str| -> Vec<Marked> {
            let mut caller = 'a';
            let mark = |(i, c): (usize, char)| {
                if c.is_lowercase() {
                    caller = c;
                }
                (Boundary::Enter(c.to_string().into()), i, u64::from(caller))
            };
            names.chars().enumerate().map(mark).collect()
        };
        let mut out = Vec::new();
        let (a, b) = (chained("pqXYZr"), chained("pXYZqr"));
        common(&a, &b, &mut out);
        let met: Vec<(usize, usize)> = out.iter().map(|m| (m.a, m.b)).collect();
        assert_eq!(met, [(0, 0), (1, 4), (5, 5)]);
    }

    #[test]
    fn nothing_in_common_means_no_meeting() {
        assert_eq!(aligned("abc", "xyz"), "");
    }
}
