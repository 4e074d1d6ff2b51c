//! What several processes of a campaign have done together.
//!
//! Numbers of executions add up. Kinds of divergence do not, as processes see the same ones: the
//! most that one has seen is what there is at least.

use super::{Counts, FindingSummary, KnownSummary, Summary};

impl Summary {
    /// Adds what another process of the campaign has done.
    pub fn add(&mut self, one: &Summary) {
        let all = self;
        all.kernel = all.kernel.take().or_else(|| one.kernel.clone());
        all.executions += one.executions;
        all.counts = sum(all.counts, &one.counts);
        all.inconclusive.merge(&one.inconclusive);
        all.trouble.extend(one.trouble.iter().cloned());
        all.shared = match (all.shared, one.shared) {
            (Some(all), Some(one)) => Some(all + one),
            (all, one) => all.or(one),
        };
        for known in &one.known {
            let same = |other: &&mut KnownSummary| other.signature == known.signature;
            match all.known.iter_mut().find(same) {
                Some(other) => other.kinds += known.kinds,
                None => all.known.push(known.clone()),
            }
        }
        for finding in &one.findings {
            let same = |other: &&mut FindingSummary| other.signature == finding.signature;
            match all.findings.iter_mut().find(same) {
                Some(other) => see_again(other, finding),
                None => all.findings.push(finding.clone()),
            }
        }
    }
}

fn see_again(finding: &mut FindingSummary, again: &FindingSummary) {
    finding.verdict = finding.verdict.max(again.verdict);
    finding.registers.extend(again.registers.iter().cloned());
    // One of them has written it.
    finding.kept_earlier &= again.kept_earlier;
    for sighting in &again.sightings {
        let mut known = finding.sightings.iter_mut();
        let same = known
            .find(|known| known.r#where == sighting.r#where && known.verdict == sighting.verdict);
        match same {
            Some(known) => {
                let new = sighting.registers.iter();
                let new: Vec<String> = new
                    .filter(|name| !known.registers.contains(name))
                    .cloned()
                    .collect();
                known.registers.extend(new);
            }
            None => finding.sightings.push(sighting.clone()),
        }
    }
}

fn sum(one: Counts, two: &Counts) -> Counts {
    Counts {
        edges: one.edges.max(two.edges),
        reported: one.reported + two.reported,
        not_comparable: one.not_comparable + two.not_comparable,
        kernel_fault: one.kernel_fault + two.kernel_fault,
        budget: one.budget + two.budget,
        emulator_fault: one.emulator_fault + two.emulator_fault,
        buckets: one.buckets.max(two.buckets),
        waiting: one.waiting.max(two.waiting),
        not_reproduced: one.not_reproduced + two.not_reproduced,
        other_place: one.other_place + two.other_place,
        run_twice: one.run_twice + two.run_twice,
        stable: one.stable + two.stable,
    }
}
