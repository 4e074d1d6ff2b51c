//! The smallest corpus that reaches what a larger one does: which files stay, and why the others
//! go.
//!
//! What a file reaches is a set of features: edges of the kernels' code, signatures. Where they
//! come from is the caller's business; nothing is run and no file is touched here.

use bit_set::BitSet;

/// A file of a corpus.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it reaches.
    pub features: BitSet,
    /// It stays whatever others reach: somebody wrote it, and says what must come of it.
    pub pinned: bool,
    /// The smaller of two files that reach the same stays.
    pub size: usize,
}

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays because it is pinned.
    Pinned,
    /// It stays because no other file that stays reaches so many of its features.
    Needed(usize),
    /// It goes: files that stay reach all its features. Of these the one with most of them, and how
    /// many that are; `None` if it has no features at all.
    Covered(Option<(usize, usize)>),
}

impl Decision {
    /// Whether the file stays.
    pub fn stays(self) -> bool {
        !matches!(self, Decision::Covered(_))
    }
}

/// Decides. All features stay reached, no file that stays could go without losing one (but for
/// pinned ones), and of what stays a second call keeps everything. The order of the files counts
/// only between files of one size.
pub fn cmin(candidates: &[Candidate]) -> Vec<Decision> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by_key(|&index| (!candidates[index].pinned, candidates[index].size));
    let most = candidates
        .iter()
        .map(|candidate| candidate.features.capacity());
    let mut reached: Vec<u32> = vec![0; most.max().unwrap_or(0)];
    let mut kept = Vec::new();
    for index in order {
        let candidate = &candidates[index];
        if candidate.pinned || candidate.features.iter().any(|f| reached[f] == 0) {
            for feature in &candidate.features {
                reached[feature] += 1;
            }
            kept.push(index);
        }
    }
    // A larger file that was needed may reach all that smaller ones do. What cannot go now cannot
    // go later: others only get fewer.
    kept.retain(|&index| {
        let candidate = &candidates[index];
        let needed = candidate.pinned || candidate.features.iter().any(|f| reached[f] == 1);
        if !needed {
            for feature in &candidate.features {
                reached[feature] -= 1;
            }
        }
        needed
    });
    decisions(candidates, &kept, &reached)
}

fn decisions(candidates: &[Candidate], kept: &[usize], reached: &[u32]) -> Vec<Decision> {
    let mut decisions: Vec<Option<Decision>> = vec![None; candidates.len()];
    for &index in kept {
        let candidate = &candidates[index];
        let alone = candidate
            .features
            .iter()
            .filter(|&f| reached[f] == 1)
            .count();
        decisions[index] = Some(match candidate.pinned {
            true => Decision::Pinned,
            false => Decision::Needed(alone),
        });
    }
    let covered = |candidate: &Candidate| {
        let with = |&other: &usize| {
            (
                other,
                shared(&candidates[other].features, &candidate.features),
            )
        };
        let most = kept
            .iter()
            .map(with)
            .rev()
            .max_by_key(|(_, shared)| *shared);
        Decision::Covered(most.filter(|(_, shared)| *shared > 0))
    };
    let filled = decisions.into_iter().zip(candidates);
    filled
        .map(|(decision, candidate)| decision.unwrap_or_else(|| covered(candidate)))
        .collect()
}

/// Features that both have. Word by word: this is asked for every file that goes and every one that
/// stays.
fn shared(a: &BitSet, b: &BitSet) -> usize {
    let words = a.get_ref().storage().iter().zip(b.get_ref().storage());
    words.map(|(a, b)| (a & b).count_ones() as usize).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(features: &[usize], size: usize) -> Candidate {
        Candidate {
            features: features.iter().copied().collect(),
            pinned: false,
            size,
        }
    }

    #[test]
    fn the_smaller_of_two_that_reach_the_same_stays() {
        let decisions = cmin(&[file(&[1, 2], 9), file(&[1, 2], 3)]);
        assert_eq!(
            decisions,
            [Decision::Covered(Some((1, 2))), Decision::Needed(2)]
        );
    }

    #[test]
    fn small_files_go_that_a_needed_larger_one_makes_needless() {
        let decisions = cmin(&[file(&[1], 1), file(&[2], 1), file(&[1, 2, 3], 5)]);
        let stay: Vec<bool> = decisions.iter().map(|decision| decision.stays()).collect();
        assert_eq!(stay, [false, false, true]);
    }

    #[test]
    fn pinned_files_stay_and_make_others_needless() {
        let pinned = Candidate {
            pinned: true,
            ..file(&[1, 2], 100)
        };
        let decisions = cmin(&[file(&[1], 1), pinned.clone(), pinned]);
        assert_eq!(decisions[1..], [Decision::Pinned, Decision::Pinned]);
        assert!(!decisions[0].stays());
    }

    #[test]
    fn what_reaches_nothing_goes() {
        assert_eq!(cmin(&[file(&[], 1)]), [Decision::Covered(None)]);
    }

    fn any_file() -> impl Strategy<Value = Candidate> {
        let features = prop::collection::btree_set(0usize..40, 0..12);
        (features, prop::bool::weighted(0.1), 0usize..20).prop_map(|(features, pinned, size)| {
            Candidate {
                features: features.into_iter().collect(),
                pinned,
                size,
            }
        })
    }

    proptest! {
        #[test]
        fn nothing_is_lost_nothing_more_could_go_and_twice_is_once(files in prop::collection::vec(any_file(), 0..40)) {
            let union = |files: &[Candidate]| {
                let mut all = BitSet::new();
                files.iter().for_each(|file| all.union_with(&file.features));
                all
            };
            let decisions = cmin(&files);
            let stay: Vec<Candidate> = files.iter().zip(&decisions).filter(|(_, d)| d.stays()).map(|(f, _)| f.clone()).collect();
            prop_assert_eq!(union(&stay), union(&files));
            for (index, file) in stay.iter().enumerate() {
                let mut others = stay.clone();
                others.remove(index);
                prop_assert!(file.pinned || union(&others) != union(&files));
            }
            prop_assert!(cmin(&stay).iter().all(|decision| decision.stays()));
        }
    }
}
