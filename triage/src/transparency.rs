//! The transparency oracle ([`ctxfuzz_judge::transparency`]) and its reports.

pub mod report;

pub use ctxfuzz_judge::transparency::{
    Judgement, Key, Look, Seen, Violation, When, compared, difference, expected_outcome, judge,
    keys, looks,
};
