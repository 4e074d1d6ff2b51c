//! What was reached, as the page for a browser has it.

use std::collections::BTreeMap;

use ctxfuzz_emulator::kernel::lines::Lines;
use ctxfuzz_emulator::kernel::sources;
use ctxfuzz_emulator::kernel::symbols::Symbols;
use ctxfuzz_emulator::machine::address::KERNEL;
use ctxfuzz_triage::report::html::{Coverage, File, Function, coverage_page};

/// The whole page. Of the model all functions and files are listed, and their text; of a real
/// kernel, which is large, what was reached.
pub fn page(coverage: &super::Coverage, lines: &Lines, symbols: &Symbols, model: bool) -> String {
    let files = files(lines, model);
    coverage_page(&Coverage {
        kernel: coverage.kernel.to_string(),
        endian: coverage.endian,
        scenarios: coverage.scenarios,
        functions: functions(coverage, symbols, &files, model),
        files,
    })
}

fn files(lines: &Lines, model: bool) -> Vec<File> {
    let mut files: BTreeMap<&str, Vec<(u32, u64)>> = BTreeMap::new();
    for (place, line) in lines.all() {
        let file = files.entry(&place.file).or_default();
        file.push((place.line, line.times));
    }
    let shown = files
        .into_iter()
        .filter(|(_, lines)| model || lines.iter().any(|(_, times)| *times > 0));
    shown
        .map(|(name, lines)| File {
            name: name.to_owned(),
            // A real kernel's files have the same names, and other lines.
            text: sources::of_model(name).filter(|_| model),
            lines,
        })
        .collect()
}

fn functions(
    coverage: &super::Coverage,
    symbols: &Symbols,
    files: &[File],
    model: bool,
) -> Vec<Function> {
    let mut reached: BTreeMap<&str, &super::Function> = BTreeMap::new();
    reached.extend(coverage.functions.iter().map(|f| (f.name.as_str(), f)));
    let place = |address| {
        let (name, line) = symbols.source(address)?;
        let file = files.iter().position(|file| file.name == name)?;
        Some((file, line))
    };
    let all = symbols.functions().iter().filter(|f| f.address >= KERNEL);
    let mut functions: Vec<Function> = all
        .filter(|f| model || reached.contains_key(&*f.name))
        .map(|f| {
            let known = reached.get(&*f.name);
            Function {
                name: f.name.to_string(),
                blocks: known.map_or(0, |known| known.blocks),
                scenarios: known.map_or(0, |known| known.scenarios),
                executions: known.map_or(0, |known| known.executions),
                place: place(f.address + f.local_entry),
            }
        })
        .collect();
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    functions.dedup_by(|a, b| a.name == b.name);
    functions
}
