//! Scratch.
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_scenario::scenario::Scenario;
const N: u32 = 20;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let name = args[1].parse().unwrap();
    let endian = if args[2] == "be" {
        Endian::Big
    } else {
        Endian::Little
    };
    let mut r = match Runner::new(&name, endian) {
        Ok(r) => r,
        Err(e) => {
            println!("ERR {e}");
            return;
        }
    };
    for f in &args[3..] {
        let s = Scenario::load(std::path::Path::new(f)).unwrap();
        let o = r.run(&s);
        println!("{f}: {:?} blocks {}", o.end, r.blocks());
        println!("  {:?}", o.log);
        let sy = r.symbols().unwrap();
        if !matches!(o.end, ctxfuzz_emulator::run::outcome::End::Completed) {
            let n = r.blocks() as usize;
            let rec: Vec<u64> = r.recent().to_vec();
            let l = rec.len();
            for i in (0..40).rev() {
                let pc = rec[(n + 2 * l - i) % l];
                println!(
                    "    {}",
                    sy.locate(pc).map_or(format!("{pc:x}"), |l| l.to_string())
                );
            }
        }
        for l in r.console().lines().take(30) {
            println!("    {l}");
        }
        let t = std::time::Instant::now();
        let mut same = true;
        for _ in 0..N {
            same &= r.run(&s) == o;
        }
        println!("  again: same {same} {:?} each", t.elapsed() / N);
    }
}
