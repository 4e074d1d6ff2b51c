//! Aligns two recorded runs by events, kernel entries, and function entries and exits; never by address.
//!
//! Two kernels may be built apart and take different ways; what both do, in order, is where their states can be compared.

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

/// Larger pieces than this (product of lengths) that do not match from their ends are left unaligned inside.
const TABLE_LIMIT: usize = 4_000_000;

/// Where two runs meet, in order.
pub fn align(a: &Recording, b: &Recording) -> Vec<Meeting> {
    let (a, b) = (boundaries(a), boundaries(b));
    let mut meetings = Vec::new();
    let (mut rest_a, mut rest_b) = (&a[..], &b[..]);
    // Events are the same on both sides (else the runs are not comparable): each stretch between two of them is aligned by itself.
    while !rest_a.is_empty() && !rest_b.is_empty() {
        let (piece_a, after_a) = rest_a.split_at(stretch(rest_a));
        let (piece_b, after_b) = rest_b.split_at(stretch(rest_b));
        common(piece_a, piece_b, &mut meetings);
        (rest_a, rest_b) = (after_a, after_b);
    }
    meetings
}

type Marked = (Boundary, usize);

fn boundaries(run: &Recording) -> Vec<Marked> {
    let name = |index: &u32| run.functions[*index as usize].clone();
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
                Step::Write(_) => return None,
            };
            Some((boundary, at))
        })
        .collect()
}

/// Length of the stretch up to, not including, the next event after the first boundary.
fn stretch(marked: &[Marked]) -> usize {
    let next = marked
        .iter()
        .skip(1)
        .position(|(b, _)| matches!(b, Boundary::Event(..)));
    next.map_or(marked.len(), |n| n + 1)
}

/// A longest common subsequence: equal ends first, which is nearly always all there is.
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

fn by_table(a: &[Marked], b: &[Marked]) -> Vec<(usize, usize)> {
    let width = b.len() + 1;
    let mut table = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            table[i * width + j] = if a[i].0 == b[j].0 {
                table[(i + 1) * width + j + 1] + 1
            } else {
                table[(i + 1) * width + j].max(table[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if a[i].0 == b[j].0 {
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
            .map(|(i, c)| (Boundary::Enter(c.to_string().into()), i))
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

    #[test]
    fn nothing_in_common_means_no_meeting() {
        assert_eq!(aligned("abc", "xyz"), "");
    }
}
