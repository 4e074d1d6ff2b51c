//! Builds the kernel model (once as usual, once otherwise), the user-side interpreter, and the
//! agent of real kernels, for both byte orders, with clang and lld. Assembles the small programs
//! that the machine is measured and checked with.

use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let model = Path::new("model");
    println!("cargo::rerun-if-changed=model");
    println!("cargo::rerun-if-changed=agent");
    println!("cargo::rerun-if-changed=programs");
    println!("cargo::rerun-if-env-changed=CTXFUZZ_CLANG");
    println!("cargo::rerun-if-env-changed=CTXFUZZ_LLD");
    for (suffix, target) in [
        ("le", "powerpc64le-linux-gnu"),
        ("be", "powerpc64-linux-gnu"),
    ] {
        let objects = |folder: &str, other: &[&str]| {
            let name = if other.is_empty() {
                suffix.to_owned()
            } else {
                format!("{suffix}-shuffled")
            };
            compile(
                model,
                folder,
                &out.join(name),
                &[&[&*format!("--target={target}")], other].concat(),
            )
        };
        let image = |name: &str| out.join(format!("{name}-{suffix}.elf"));
        let script = model.join("kernel.lds");
        link(&objects("kernel", &[]), &script, &image("kernel"), &[]);
        let shuffled = objects("kernel", OTHER_FLAGS);
        link(&shuffled, &script, &image("shuffled"), &[SHUFFLE]);
        let user = objects("user", &[]);
        link(&user, &model.join("user.lds"), &image("user"), &[]);
        let agent = [user, objects("../agent", &[])].concat();
        link(&agent, Path::new("agent/agent.lds"), &image("agent"), &[]);
    }
    list_sources(model, &out.join("sources.rs"));
    for name in ["conformance", "measure"] {
        assemble(name, &out);
    }
}

/// Assembles `programs/NAME.S`, and writes `NAME.rs` with the words of each program in it.
fn assemble(name: &str, out: &Path) {
    let source = Path::new("programs").join(name).with_extension("S");
    let object = out.join(name).with_extension("o");
    run(Command::new(tool("CTXFUZZ_CLANG", "clang"))
        .args(["--target=powerpc64-linux-gnu", "-mcpu=power9", "-c"])
        .arg(&source)
        .arg("-o")
        .arg(&object));
    let wrong = |why: &str| -> ! { fail(&format!("{}: {why}", source.display())) };
    let bytes = std::fs::read(&object).unwrap_or_else(|e| wrong(&e.to_string()));
    let file = object::File::parse(&*bytes).unwrap_or_else(|e| wrong(&e.to_string()));
    let text = file.sections().find(|s| s.kind() == SectionKind::Text);
    let text = text.unwrap_or_else(|| wrong("has no code"));
    if text.relocations().next().is_some() {
        wrong("a program refers to a place outside itself");
    }
    let code = text.data().unwrap_or_else(|e| wrong(&e.to_string()));
    let mut list = String::new();
    for symbol in file.symbols().filter(|s| s.size() > 0) {
        let (start, size) = (symbol.address() as usize, symbol.size() as usize);
        let program = symbol.name().unwrap_or_else(|e| wrong(&e.to_string()));
        list += &format!("/// `{program}` of {name}.S.\n");
        list += &format!("pub const {}: &[u32] = &[", program.to_uppercase());
        for word in code[start..start + size].chunks_exact(4) {
            list += &format!(
                "0x{:02x}{:02x}_{:02x}{:02x}, ",
                word[0], word[1], word[2], word[3]
            );
        }
        list += "];\n";
    }
    let to = out.join(name).with_extension("rs");
    std::fs::write(&to, list)
        .unwrap_or_else(|e| fail(&format!("cannot write {}: {e}", to.display())));
}

/// Writes an array of the kernel model's sources, as `kernel::sources` has it: names as in line
/// information, and texts.
fn list_sources(model: &Path, to: &Path) {
    let mut list = String::from("&[\n");
    for folder in ["include", "kernel"] {
        let from = std::path::absolute(model.join(folder)).unwrap_or_else(|e| fail(&e.to_string()));
        for name in names_in(&from, &["c", "h", "S"]) {
            let (shown, path) = (Path::new(folder).join(&name), from.join(&name));
            list += &format!("    ({shown:?}, include_str!({path:?})),\n");
        }
    }
    list += "]\n";
    std::fs::write(to, list)
        .unwrap_or_else(|e| fail(&format!("cannot write {}: {e}", to.display())));
}

/// Files of a folder with one of these extensions, in order, so that what is built is the same
/// everywhere.
fn names_in(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|e| fail(&format!("cannot read {}: {e}", folder.display())));
    let mut names: Vec<PathBuf> = entries
        .filter_map(|e| e.ok().map(|e| PathBuf::from(e.file_name())))
        .filter(|p| {
            extensions
                .iter()
                .any(|x| p.extension().is_some_and(|y| y == *x))
        })
        .collect();
    names.sort();
    names
}

/// The same kernel built otherwise, to see that root causes and their names do not depend on how:
/// what each flag overrides is in `FLAGS`.
const OTHER_FLAGS: &[&str] = &["-Os", "-ffunction-sections"];

/// The linker puts functions in another order: always the same one.
const SHUFFLE: &str = "--shuffle-sections=.text*=7";

fn tool(variable: &str, default: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

/// Compiles every C and assembly file of a folder.
fn compile(model: &Path, folder: &str, out: &Path, flags: &[&str]) -> Vec<PathBuf> {
    let out = &out.join(folder.trim_start_matches("../"));
    std::fs::create_dir_all(out)
        .unwrap_or_else(|e| fail(&format!("cannot create {}: {e}", out.display())));
    let sources: Vec<PathBuf> = names_in(&model.join(folder), &["c", "S"])
        .into_iter()
        .map(|name| Path::new(folder).join(name))
        .collect();
    let object = |source: &PathBuf| {
        let mut name = source.file_name().unwrap_or_default().to_owned();
        name.push(".o");
        out.join(name)
    };
    // Run in the model's folder, so that line information has no path of this machine.
    let one = |source: &PathBuf| {
        run(Command::new(tool("CTXFUZZ_CLANG", "clang"))
            .current_dir(model)
            .args(FLAGS)
            .args(flags)
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(object(source)));
    };
    let share = sources.len().div_ceil(jobs()).max(1);
    std::thread::scope(|scope| {
        for sources in sources.chunks(share) {
            scope.spawn(|| sources.iter().for_each(one));
        }
    });
    sources.iter().map(object).collect()
}

/// How much cargo wants done at a time.
fn jobs() -> usize {
    let wanted = std::env::var("NUM_JOBS").ok();
    wanted.and_then(|jobs| jobs.parse().ok()).unwrap_or(1)
}

/// model/README.md says why each is there; model/build.mk has the same list.
const FLAGS: &[&str] = &[
    "-mabi=elfv2",
    "-mcpu=power9",
    "-msoft-float",
    "-mno-altivec",
    "-mno-vsx",
    "-O2",
    "-g",
    "-std=gnu11",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-pic",
    "-fno-inline",
    "-fno-optimize-sibling-calls",
    "-fno-strict-aliasing",
    "-fno-jump-tables",
    "-fno-stack-protector",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-fdebug-compilation-dir=.",
    "-Iinclude",
];

fn link(objects: &[PathBuf], script: &Path, image: &Path, flags: &[&str]) {
    run(Command::new(tool("CTXFUZZ_LLD", "ld.lld"))
        .args(["-static", "-nostdlib", "-T"])
        .arg(script)
        .arg("-o")
        .arg(image)
        .args(flags)
        .args(objects));
}

fn run(command: &mut Command) {
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!("{command:?} ended with {status}")),
        Err(error) => fail(&format!(
            "cannot run {:?}: {error}. The kernel model needs clang and lld (Debian: apt-get install clang lld)",
            command.get_program()
        )),
    }
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    std::process::exit(1)
}
