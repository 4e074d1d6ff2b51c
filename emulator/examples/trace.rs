//! Scratch.
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_emulator::trace::{record, Step};
use ctxfuzz_scenario::scenario::Scenario;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let name = args[1].parse().unwrap();
    let endian = if args[2] == "be" { Endian::Big } else { Endian::Little };
    let s = Scenario::load(std::path::Path::new(&args[3])).unwrap();
    let t = std::time::Instant::now();
    let r = record(&name, endian, &s).unwrap();
    println!("{:?} steps {} {:?}", t.elapsed(), r.steps.len(), r.outcome.end);
    let mut last = String::new();
    for s in &r.steps {
        let l = match s { Step::Enter(i) => r.functions[*i as usize].to_string(), Step::Exit(_) => continue, Step::Write(w) => format!("   W {:?} {:x} pc {:x}", w.cell, w.value, w.pc), o => format!("== {o:?}") };
        if l != last { println!("{l}"); }
        last = l;
    }
}
