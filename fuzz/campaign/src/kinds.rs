//! Kinds of divergences that a campaign has seen, so that it looks into each once and not once a
//! sighting. Not responsible for what it finds there (`queue`).

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use ctxfuzz_scenario::scenario::{Place, Verdict};
use ctxfuzz_triage::bucket::BucketKey;
use ctxfuzz_triage::compare::{Comparison, What};
use ctxfuzz_triage::definedness::Abi;
use xxhash_rust::xxh3::Xxh3Default;

use super::verification;

/// What shows where, and who can notice.
type Shape = (Place, What, Verdict);

/// See the module.
pub struct Kinds {
    abi: Abi,
    /// Hashes of the buckets that were seen: there are ten thousand after a while, and nothing but
    /// whether one was seen is asked.
    buckets: HashSet<u64>,
    /// What was reported so far, wherever it was: a bucket has several places and registers and
    /// does not say which goes with which.
    shapes: HashSet<Shape>,
}

impl Kinds {
    /// None was seen yet.
    pub fn new(abi: Abi) -> Self {
        Kinds {
            abi,
            buckets: HashSet::new(),
            shapes: HashSet::new(),
        }
    }

    /// How many buckets were seen.
    pub fn count(&self) -> u64 {
        self.buckets.len() as u64
    }

    /// Whether a divergence is of a new kind, or shows what was not seen before.
    pub fn is_new(&self, bucket: &BucketKey, comparison: &Comparison) -> bool {
        let known = self.buckets.contains(&hash(bucket));
        !known
            || self
                .shapes_of(comparison)
                .any(|s| !self.shapes.contains(&s))
    }

    /// Adds it. Whether it shows what was not seen before.
    pub fn add(&mut self, bucket: &BucketKey, comparison: &Comparison) -> bool {
        self.buckets.insert(hash(bucket));
        let shapes: Vec<Shape> = self.shapes_of(comparison).collect();
        let before = self.shapes.len();
        self.shapes.extend(shapes);
        self.shapes.len() > before
    }

    /// Where what shows, of what is reported.
    fn shapes_of(&self, comparison: &Comparison) -> impl Iterator<Item = Shape> {
        let abi = self.abi;
        let reported = comparison.differences.iter();
        let reported = reported.filter(move |d| verification::reported(d, abi));
        reported.map(|d| (d.place, d.what, d.verdict))
    }
}

fn hash(bucket: &BucketKey) -> u64 {
    let mut hasher = Xxh3Default::new();
    bucket.hash(&mut hasher);
    hasher.finish()
}
