//! Builds the kernel model, the user-side interpreter, and the agent of real kernels, for both byte orders, with clang and lld.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let model = Path::new("model");
    println!("cargo::rerun-if-changed=model");
    println!("cargo::rerun-if-changed=agent");
    println!("cargo::rerun-if-env-changed=CTXFUZZ_CLANG");
    println!("cargo::rerun-if-env-changed=CTXFUZZ_LLD");
    for (suffix, target) in [
        ("le", "powerpc64le-linux-gnu"),
        ("be", "powerpc64-linux-gnu"),
    ] {
        let objects = |folder: &str| compile(model, folder, &out.join(suffix), target);
        let image = |name: &str| out.join(format!("{name}-{suffix}.elf"));
        link(
            &objects("kernel"),
            &model.join("kernel.lds"),
            &image("kernel"),
        );
        let user = objects("user");
        link(&user, &model.join("user.lds"), &image("user"));
        let agent = [user, objects("../agent")].concat();
        link(&agent, Path::new("agent/agent.lds"), &image("agent"));
    }
    list_sources(model, &out.join("sources.rs"));
}

/// Writes an array of the kernel model's sources, as `kernel::sources` has it: names as in line information, and texts.
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

/// Files of a folder with one of these extensions, in order, so that what is built is the same everywhere.
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

fn tool(variable: &str, default: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

/// Compiles every C and assembly file of a folder.
fn compile(model: &Path, folder: &str, out: &Path, target: &str) -> Vec<PathBuf> {
    let out = &out.join(folder.trim_start_matches("../"));
    std::fs::create_dir_all(out)
        .unwrap_or_else(|e| fail(&format!("cannot create {}: {e}", out.display())));
    names_in(&model.join(folder), &["c", "S"])
        .into_iter()
        .map(|file| {
            let source = PathBuf::from(folder).join(&file);
            let mut name = file.into_os_string();
            name.push(".o");
            let object = out.join(name);
            // Run in the model's folder, so that line information has no path of this machine.
            run(Command::new(tool("CTXFUZZ_CLANG", "clang"))
                .current_dir(model)
                .args(FLAGS)
                .arg(format!("--target={target}"))
                .arg("-c")
                .arg(&source)
                .arg("-o")
                .arg(&object));
            object
        })
        .collect()
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

fn link(objects: &[PathBuf], script: &Path, image: &Path) {
    run(Command::new(tool("CTXFUZZ_LLD", "ld.lld"))
        .args(["-static", "-nostdlib", "-T"])
        .arg(script)
        .arg("-o")
        .arg(image)
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
