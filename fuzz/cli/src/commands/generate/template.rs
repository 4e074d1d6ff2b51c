//! A scenario with holes: what is written stays, what is not is random.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ctxfuzz_generators::any_scenario;
use ctxfuzz_scenario::{Scenario, ScenarioError};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// One random task or event.
const ONE: &str = "?";
/// Any number of random events.
const SOME: &str = "*";
/// Most events in place of [`SOME`].
const MOST: u64 = 8;

/// See the module.
pub struct Template {
    path: PathBuf,
    text: String,
    value: Value,
}

impl Template {
    /// Reads one, and makes sure that what is written in it is right.
    pub fn load(path: &Path) -> anyhow::Result<Template> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("{}: cannot read it", path.display()))?;
        let value: Value = serde_json::from_str(&text).map_err(|error| {
            anyhow::anyhow!(
                "{}:{}:{}: {error}",
                path.display(),
                error.line(),
                error.column()
            )
        })?;
        let template = Template {
            path: path.to_owned(),
            text,
            value,
        };
        if holes(&template.value) == 0 {
            bail!(
                "{}: there is no hole in it: expected `\"?\"` in place of a task or an event, or `\"*\"` in place of events",
                path.display()
            );
        }
        template.fill(0)?;
        Ok(template)
    }

    /// Fills the holes. Fails if the result is no scenario, which says what is wrong with the
    /// template.
    pub fn fill(&self, seed: u64) -> anyhow::Result<Scenario> {
        let mut value = self.value.clone();
        let mut random = Random { seed, drawn: 0 };
        if let Some(tasks) = value
            .pointer_mut("/stage/tasks")
            .and_then(Value::as_array_mut)
        {
            for task in tasks.iter_mut().filter(|task| *task == ONE) {
                *task = random.part("/stage/tasks")?;
            }
        }
        // Where in the template each event comes from.
        let mut origins = Vec::new();
        if let Some(events) = value.pointer_mut("/events").and_then(Value::as_array_mut) {
            let mut filled = Vec::new();
            for (index, event) in events.drain(..).enumerate() {
                let count = match event.as_str() {
                    Some(ONE) => 1,
                    Some(SOME) => random.next() % (MOST + 1),
                    _ => {
                        filled.push(event);
                        origins.push(index);
                        continue;
                    }
                };
                for _ in 0..count {
                    filled.push(random.part("/events")?);
                    origins.push(index);
                }
            }
            *events = filled;
        }
        let filled = serde_json::to_string_pretty(&value)?;
        let mut scenario =
            Scenario::from_json(&filled, "").map_err(|error| self.own(error, &origins))?;
        // What was to come of the template need not come of this.
        scenario.expect.clear();
        scenario.needs.clear();
        Ok(scenario)
    }

    /// An error about the filled text as one about the template.
    fn own(&self, mut error: ScenarioError, origins: &[usize]) -> ScenarioError {
        let event = error.field.strip_prefix("events[").and_then(|rest| {
            let (index, rest) = rest.split_once(']')?;
            let index: usize = *origins.get(index.parse::<usize>().ok()?)?;
            Some((index, rest.to_owned()))
        });
        if let Some((index, rest)) = event {
            let hole = self.value["events"][index].is_string();
            error.field = match hole {
                true => format!("events[{index}]"),
                false => format!("events[{index}]{rest}"),
            };
            if hole {
                error.message = format!("a random event does not fit here: {}", error.message);
            }
        }
        error.placed_in(&self.text, &self.path.display().to_string())
    }
}

fn holes(value: &Value) -> usize {
    let in_list = |pointer: &str, marks: &[&str]| {
        let list = value.pointer(pointer).and_then(Value::as_array);
        let is_hole = |part: &&Value| part.as_str().is_some_and(|text| marks.contains(&text));
        list.map_or(0, |list| list.iter().filter(is_hole).count())
    };
    in_list("/stage/tasks", &[ONE]) + in_list("/events", &[ONE, SOME])
}

/// Random parts, as random scenarios have them.
struct Random {
    seed: u64,
    drawn: u64,
}

impl Random {
    fn next(&mut self) -> u64 {
        self.drawn += 1;
        xxh3_64_with_seed(&self.drawn.to_le_bytes(), self.seed)
    }

    /// One of the parts that a random scenario has in a list.
    fn part(&mut self, list: &str) -> anyhow::Result<Value> {
        loop {
            let seed = self.next();
            let scenario = any_scenario(seed);
            let value: Value = serde_json::from_str(&scenario.to_json())?;
            let parts = value.pointer(list).and_then(Value::as_array);
            if let Some(parts) = parts.filter(|parts| !parts.is_empty()) {
                let index = self.next() as usize % parts.len();
                return Ok(parts[index].clone());
            }
        }
    }
}
