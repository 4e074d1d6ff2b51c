//! What the targets are told: libFuzzer leaves them no command line, so it is by environment
//! variables, and by what they were packed with.

use std::env;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_triage::definedness::Abi;

use crate::packed::{self, Packed};

/// What a target is told. Where a variable is not set, what it was packed with counts.
#[derive(Debug)]
pub struct Told {
    packed: Packed,
}

/// What every target that runs scenarios is told.
#[derive(Debug)]
pub struct Settings<const N: usize> {
    /// The kernels, in the order in which they were asked for.
    pub kernels: [KernelName; N],
    /// Byte order of all of them.
    pub endian: Endian,
    /// What is reported.
    pub abi: Abi,
    /// Signatures that nobody wants to hear of again.
    pub known: Vec<String>,
}

impl<const N: usize> Settings<N> {
    /// The kernels that these variables name, each with what it is by default, and the rest. If it
    /// was told to write this for another time, the process ends here.
    pub fn from_environment(variables: [(&str, &str); N]) -> Result<Self, String> {
        let told = Told {
            packed: Packed::here()?,
        };
        let mut kernels = Vec::new();
        for (variable, default) in variables {
            kernels.push(told.kernel(variable, default)?);
        }
        let settings = Settings {
            endian: told.endian(&kernels)?,
            kernels: kernels
                .try_into()
                .map_err(|_| "a kernel for each variable was expected".to_owned())?,
            abi: told.abi()?,
            known: told.known()?,
        };
        settings.write_if_told(variables)?;
        Ok(settings)
    }

    fn write_if_told(&self, variables: [(&str, &str); N]) -> Result<(), String> {
        let kernels = variables.iter().zip(&self.kernels);
        let kernels: Vec<_> = kernels.map(|(variable, name)| (variable.0, name)).collect();
        let abi = match self.abi {
            Abi::Elf => "elf",
            Abi::Linux => "linux",
        };
        packed::write_if_told(
            &kernels,
            &[
                ("CTXFUZZ_ENDIAN", self.endian.name()),
                ("CTXFUZZ_ABI", abi),
                ("CTXFUZZ_KNOWN", &self.known.join(",")),
            ],
        )
    }
}

impl Told {
    /// The kernel that a variable names.
    fn kernel(&self, variable: &str, default: &str) -> Result<KernelName, String> {
        let name = match variable_of(variable)? {
            Some(name) => name,
            None => match self.packed.kernel(variable) {
                Some(packed) => return packed,
                None => default.to_owned(),
            },
        };
        name.parse().map_err(|error| format!("{variable}: {error}"))
    }

    /// `CTXFUZZ_ENDIAN`: `le` or `be`; by default that of a real kernel, or `le`.
    fn endian(&self, kernels: &[KernelName]) -> Result<Endian, String> {
        let choices = [("le", Endian::Little), ("be", Endian::Big)];
        let asked = self.choose("CTXFUZZ_ENDIAN", choices)?;
        let mut chosen = asked;
        for kernel in kernels {
            let Some(own) = kernel.endian() else { continue };
            let own = own.map_err(|error| error.to_string())?;
            match chosen {
                Some(other) if other != own => {
                    return Err(format!(
                        "CTXFUZZ_ENDIAN: {kernel} is a {} kernel: `{}` does not fit",
                        own.name(),
                        other.name()
                    ));
                }
                _ => chosen = Some(own),
            }
        }
        Ok(chosen.unwrap_or(Endian::Little))
    }

    /// `CTXFUZZ_ABI`: `elf` (default) or `linux`.
    fn abi(&self) -> Result<Abi, String> {
        let choices = [("elf", Abi::Elf), ("linux", Abi::Linux)];
        Ok(self.choose("CTXFUZZ_ABI", choices)?.unwrap_or(Abi::Elf))
    }

    /// `CTXFUZZ_KNOWN`: signatures that nobody wants to hear of again, separated by commas.
    fn known(&self) -> Result<Vec<String>, String> {
        let known = self.value("CTXFUZZ_KNOWN")?.unwrap_or_default();
        let words = known.split(',').filter(|word| !word.is_empty());
        Ok(words.map(str::to_owned).collect())
    }

    fn value(&self, variable: &str) -> Result<Option<String>, String> {
        let packed = || self.packed.value(variable).map(str::to_owned);
        Ok(variable_of(variable)?.or_else(packed))
    }

    fn choose<T>(&self, variable: &str, choices: [(&str, T); 2]) -> Result<Option<T>, String> {
        let Some(value) = self.value(variable)? else {
            return Ok(None);
        };
        let [first, second] = [choices[0].0, choices[1].0];
        let chosen = choices.into_iter().find(|(name, _)| *name == value);
        match chosen {
            Some((_, choice)) => Ok(Some(choice)),
            None => Err(format!(
                "{variable}: unknown value `{value}`: expected `{first}` or `{second}`"
            )),
        }
    }
}

/// What was made, or the end of the process. libFuzzer takes any exit for a crash once it runs
/// inputs, so this is for before that.
pub fn or_exit<T>(made: Result<T, String>) -> T {
    made.unwrap_or_else(|error| {
        eprintln!("ctxfuzz: {error}");
        std::process::exit(2)
    })
}

fn variable_of(variable: &str) -> Result<Option<String>, String> {
    match env::var(variable) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(error) => Err(format!("{variable}: {error}")),
    }
}
