//! How many runs say nothing, by reason: for the summaries of all commands that run more than one
//! scenario.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Inconclusive;

/// Places of one reason that are told apart. Where there are more, the first ones are.
const PLACES: usize = 64;
/// One part in so many may say nothing before it is worth a warning.
const WORTH_A_WARNING: u64 = 100;

/// See the module. In JSON it is a part of its summary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Runs by the name of the reason.
    #[serde(default)]
    pub inconclusive_by_reason: BTreeMap<String, u64>,
    /// Of those that have a place (`FUNCTION, TASK`), how many were where; absent if none has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inconclusive_in: BTreeMap<String, BTreeMap<String, u64>>,
}

impl Tally {
    /// Counts one.
    pub fn add(&mut self, why: &Inconclusive) {
        self.count(why.name(), 1);
        if let Some(place) = why.place() {
            self.locate(why.name(), &place, 1);
        }
    }

    /// Counts several whose reason has no place.
    pub fn add_times(&mut self, why: &Inconclusive, times: u64) {
        if times > 0 {
            self.count(why.name(), times);
        }
    }

    /// Counts all that another one has.
    pub fn merge(&mut self, other: &Tally) {
        for (name, times) in &other.inconclusive_by_reason {
            self.count(name, *times);
        }
        for (name, places) in &other.inconclusive_in {
            for (place, times) in places {
                self.locate(name, place, *times);
            }
        }
    }

    fn count(&mut self, name: &str, times: u64) {
        let count = self.inconclusive_by_reason.entry(name.to_owned());
        *count.or_default() += times;
    }

    fn locate(&mut self, name: &str, place: &str, times: u64) {
        let places = self.inconclusive_in.entry(name.to_owned()).or_default();
        if places.len() < PLACES || places.contains_key(place) {
            *places.entry(place.to_owned()).or_default() += times;
        }
    }

    /// How many there are.
    pub fn all(&self) -> u64 {
        self.inconclusive_by_reason.values().sum()
    }

    /// `inconclusive 25 of 1500 (1.7 %): 20 budget (vli_mult, cryptomgr_test), 5 other schedules`;
    /// nothing, if there are none.
    pub fn line(&self, of: u64) -> Option<String> {
        let all = self.all();
        let share = 100.0 * all as f64 / of.max(1) as f64;
        let reasons = || self.reasons().join(", ");
        (all > 0).then(|| format!("inconclusive {all} of {of} ({share:.1} %): {}", reasons()))
    }

    /// What people are told on stderr if more than one in a hundred says nothing.
    pub fn warning(&self, of: u64) -> Option<String> {
        let too_many = self.all() * WORTH_A_WARNING > of;
        let line = self.line(of).filter(|_| too_many)?;
        Some(format!(
            "warning: more than 1 % of the runs say nothing: {line}"
        ))
    }

    /// The most frequent one first.
    fn reasons(&self) -> Vec<String> {
        let mut reasons: Vec<(&String, &u64)> = self.inconclusive_by_reason.iter().collect();
        reasons.sort_by_key(|(name, times)| (u64::MAX - *times, *name));
        let words = reasons.into_iter().map(|(name, times)| {
            let places = self.inconclusive_in.get(name);
            let most = places.and_then(|p| p.iter().rev().max_by_key(|(_, times)| **times));
            match most {
                None => format!("{times} {name}"),
                Some((place, at)) if at == times => format!("{times} {name} ({place})"),
                Some((place, at)) => format!("{times} {name} ({at} in {place})"),
            }
        });
        words.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::spent;
    use super::*;

    fn budget(function: &str) -> Inconclusive {
        let mut spent = spent();
        spent.function = function.to_owned();
        Inconclusive::Budget {
            side: None,
            spent: Some(spent),
        }
    }

    fn tally(all: &[(Inconclusive, usize)]) -> Tally {
        let mut tally = Tally::default();
        for (why, times) in all {
            (0..*times).for_each(|_| tally.add(why));
        }
        tally
    }

    #[test]
    fn a_line_has_the_share_the_reasons_and_the_place() {
        let tally = tally(&[(Inconclusive::NotSeenAgain, 5), (budget("vli_mult"), 20)]);
        assert_eq!(
            tally.line(1500).as_deref(),
            Some(
                "inconclusive 25 of 1500 (1.7 %): 20 budget (vli_mult, cryptomgr_test), 5 not seen again"
            )
        );
        assert_eq!(Tally::default().line(1500), None);
    }

    #[test]
    fn of_several_places_the_most_frequent_is_named() {
        let several = [(budget("a"), 2), (budget("b"), 3), (budget("c"), 3)];
        let line = tally(&several).line(1000).unwrap_or_default();
        assert!(
            line.ends_with("8 budget (3 in b, cryptomgr_test)"),
            "{line}"
        );
    }

    #[test]
    fn more_than_one_in_a_hundred_is_worth_a_warning() {
        let warned = |times, of| tally(&[(budget("f"), times)]).warning(of).is_some();
        assert!(!warned(10, 1000), "1.0 %");
        assert!(warned(11, 1000), "1.1 %");
        let warning = tally(&[(budget("f"), 11)])
            .warning(1000)
            .unwrap_or_default();
        assert!(
            warning.ends_with(
                "say nothing: inconclusive 11 of 1000 (1.1 %): 11 budget (f, cryptomgr_test)"
            ),
            "{warning}"
        );
        assert!(!warned(0, 0) && warned(1, 1) && warned(1, 99) && !warned(1, 100));
    }

    #[test]
    fn json_has_the_reasons_and_tallies_add_up() -> serde_json::Result<()> {
        let one = tally(&[(budget("f"), 2), (Inconclusive::NotObserved, 1)]);
        let text = serde_json::to_string(&one)?;
        assert_eq!(
            text,
            concat!(
                r#"{"inconclusive_by_reason":{"budget":2,"not observed":1},"#,
                r#""inconclusive_in":{"budget":{"f, cryptomgr_test":2}}}"#
            )
        );
        let mut two: Tally = serde_json::from_str(&text)?;
        assert_eq!(two, one);
        two.merge(&one);
        two.add_times(&Inconclusive::NotSeenAgain, 0);
        assert_eq!(two.all(), 6);
        assert_eq!(
            two,
            tally(&[(budget("f"), 4), (Inconclusive::NotObserved, 2)])
        );
        Ok(())
    }

    #[test]
    fn places_do_not_fill_memory() {
        let mut tally = Tally::default();
        (0..1000).for_each(|n| tally.add(&budget(&format!("f{n}"))));
        assert_eq!(tally.inconclusive_in["budget"].len(), PLACES);
        assert_eq!(tally.all(), 1000);
    }
}
