//! Scratch.
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_scenario::scenario::Scenario;
const N: u32 = 5;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let name = args[1].parse().unwrap();
    let endian = if args[2] == "be" {
        Endian::Big
    } else {
        Endian::Little
    };
    let t = std::time::Instant::now();
    let mut r = match Runner::new(&name, endian) {
        Ok(r) => r,
        Err(e) => {
            println!("ERR {e}");
            return;
        }
    };
    println!("ready {:?}", t.elapsed());
    for f in &args[3..] {
        let s = Scenario::load(std::path::Path::new(f)).unwrap();
        let t = std::time::Instant::now();
        let o = r.run(&s);
        let first = t.elapsed();
        if let Ok(h) = std::env::var("HIST") {
            let _ = h;
            let sy = r.symbols().unwrap();
            let mut m = std::collections::BTreeMap::new();
            for pc in r.recent() {
                *m.entry(sy.locate(*pc).map_or(format!("{pc:x}"), |l| l.to_string()))
                    .or_insert(0) += 1;
            }
            println!("{m:#?}");
        }
        println!("{f}: {:?} blocks {} in {:?}", o.end, r.blocks(), first);
        println!("  {:?}", o.log);
        for (i, t) in o.tasks.iter().enumerate() {
            if let Some(t) = t {
                println!(
                    "  task {i}: f0 {:x} f1 {:x} vs0 {:x} v0 {:x?} fpscr {:x}",
                    t.vsr[0][0], t.vsr[1][0], t.vsr[0][1], t.vsr[32], t.fpscr
                );
            }
        }
        for i in &o.images {
            println!(
                "  image {:?} msr {:x} f0 {:x} v0 {:x?} fpscr {:x}",
                i.task, i.msr, i.registers.vsr[0][0], i.registers.vsr[32], i.registers.fpscr
            );
        }
        for l in r.console().lines().take(12) {
            println!("    {l}");
        }
        let t = std::time::Instant::now();
        let mut same = true;
        for _ in 0..N {
            same &= r.run(&s) == o;
        }
        println!("  again x20: same {same} {:?} each", t.elapsed() / N);
    }
}
