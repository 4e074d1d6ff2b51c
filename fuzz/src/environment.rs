//! What the targets are told: libFuzzer leaves them no command line, so it is by environment variables.

use std::env;

use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_triage::definedness::Abi;

/// The kernel that a variable names.
pub fn kernel(variable: &str, default: &str) -> Result<KernelName, String> {
    let name = value(variable, default)?;
    name.parse().map_err(|error| format!("{variable}: {error}"))
}

/// `CTXFUZZ_ENDIAN`: `le` (default) or `be`.
pub fn endian() -> Result<Endian, String> {
    choose(
        "CTXFUZZ_ENDIAN",
        [("le", Endian::Little), ("be", Endian::Big)],
    )
}

/// `CTXFUZZ_ABI`: `elf` (default) or `linux`.
pub fn abi() -> Result<Abi, String> {
    choose("CTXFUZZ_ABI", [("elf", Abi::Elf), ("linux", Abi::Linux)])
}

/// `CTXFUZZ_KNOWN`: signatures that nobody wants to hear of again, separated by commas.
pub fn known() -> Result<Vec<String>, String> {
    let known = value("CTXFUZZ_KNOWN", "")?;
    let words = known.split(',').filter(|word| !word.is_empty());
    Ok(words.map(str::to_owned).collect())
}

/// What was made, or the end of the process. libFuzzer takes any exit for a crash once it runs inputs, so this is for before that.
pub fn or_exit<T>(made: Result<T, String>) -> T {
    made.unwrap_or_else(|error| {
        eprintln!("ctxfuzz: {error}");
        std::process::exit(2)
    })
}

fn value(variable: &str, default: &str) -> Result<String, String> {
    match env::var(variable) {
        Ok(value) => Ok(value),
        Err(env::VarError::NotPresent) => Ok(default.to_owned()),
        Err(error) => Err(format!("{variable}: {error}")),
    }
}

/// The first of the choices is the default.
fn choose<T>(variable: &str, choices: [(&str, T); 2]) -> Result<T, String> {
    let names = [choices[0].0, choices[1].0];
    let value = value(variable, names[0])?;
    let chosen = choices.into_iter().find(|(name, _)| *name == value);
    chosen.map(|(_, choice)| choice).ok_or_else(|| {
        let [first, second] = names;
        format!("{variable}: unknown value `{value}`: expected `{first}` or `{second}`")
    })
}
