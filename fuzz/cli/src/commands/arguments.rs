//! Arguments that several commands share, so that they are spelled and explained the same
//! everywhere.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::bail;
use clap::{Args, ValueEnum};
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects;
use ctxfuzz_emulator::kernel::name::{KernelName, MODELS, UnknownKernel};
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::untrusted;

use super::complain;
use crate::registry::{self, Registries};

/// `--abi`: whose promises count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AbiArgument {
    /// Report what any program can notice (verdict live).
    Elf,
    /// Report too what breaks the documented Linux system call ABI (verdicts live and abi).
    Linux,
}

impl From<AbiArgument> for Abi {
    fn from(argument: AbiArgument) -> Abi {
        match argument {
            AbiArgument::Elf => Abi::Elf,
            AbiArgument::Linux => Abi::Linux,
        }
    }
}

/// `--endian`: byte orders to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EndianArgument {
    /// ppc64le.
    Le,
    /// ppc64.
    Be,
    /// One after the other.
    Both,
}

impl EndianArgument {
    /// The byte orders, in the order they are run.
    pub fn endians(self) -> &'static [Endian] {
        match self {
            EndianArgument::Le => &[Endian::Little],
            EndianArgument::Be => &[Endian::Big],
            EndianArgument::Both => &Endian::BOTH,
        }
    }
}

/// A name that is no kernel, or that of one that is not there.
#[derive(Debug, thiserror::Error)]
pub enum BadKernel {
    /// Nothing is called so.
    #[error(
        "unknown kernel `{}`: {hint}expected `fixed`, `clobbering`, `repaired`, one of them with `+DEFECT` (`ctxfuzz defects` lists them), `shuffled:` and one of these, `vmlinux:FILE`, or a name that `ctxfuzz kernels` lists",
        untrusted::shown(.name)
    )]
    Unknown {
        /// What was written.
        name: String,
        /// What was meant, with a space behind it, or nothing.
        hint: String,
    },
    /// A model with a defect that there is none.
    #[error("{error}{hint}")]
    Defect {
        /// Which.
        error: UnknownKernel,
        /// What was meant, with a `; ` before it, or nothing.
        hint: String,
    },
    /// A name whose file has gone.
    #[error("kernel `{name}`: {} is not there; {place} names it", untrusted::path(.file))]
    Gone {
        /// The name.
        name: String,
        /// Its file.
        file: PathBuf,
        /// Where that is said.
        place: String,
    },
    /// Another mistake in a name.
    #[error(transparent)]
    Name(#[from] UnknownKernel),
    /// Short names cannot be had.
    #[error(transparent)]
    Registry(#[from] registry::Trouble),
}

/// Memory of QEMU's pseries machine in MiB: it comes in parts of 256.
pub fn parse_memory(text: &str) -> Result<u64, String> {
    let size: Option<u64> = text.parse().ok();
    let fits = |size: &u64| size.is_multiple_of(256) && (256..=16384).contains(size);
    size.filter(fits)
        .ok_or_else(|| "expected a multiple of 256, from 256 to 16384".to_owned())
}

/// Reads a kernel's name: one that every ctxfuzz knows, or a short name of this machine's user or
/// this project. Those are looked up only if it is none of the others.
pub fn parse_kernel(name: &str) -> Result<KernelName, BadKernel> {
    match KernelName::from_str(name) {
        Ok(kernel) => Ok(kernel),
        Err(UnknownKernel::Base(_)) => short(name),
        Err(UnknownKernel::Defect { kernel, defect }) => {
            let ids = defects::all().map(|defect| defect.id);
            let hint = registry::nearest(&defect, ids);
            Err(BadKernel::Defect {
                hint: hint.map_or_else(String::new, |id| format!("; did you mean `{id}`?")),
                error: UnknownKernel::Defect { kernel, defect },
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// A kernel by a short name.
fn short(name: &str) -> Result<KernelName, BadKernel> {
    let registries = Registries::read()?;
    if let Some((file, entry)) = registries.find(name) {
        if !entry.file.exists() {
            return Err(BadKernel::Gone {
                name: name.to_owned(),
                file: entry.file.clone(),
                place: registry::place(file, entry),
            });
        }
        return Ok(KernelName::named(name, entry.file.clone()));
    }
    let shorts = registries.entries().map(|(.., entry)| entry.name.as_str());
    let nearest = registry::nearest(name, MODELS.into_iter().chain(shorts));
    let hint = match nearest {
        Some(nearest) => format!("did you mean `{nearest}`? "),
        None if Path::new(name).is_file() => {
            format!("did you mean `vmlinux:{}`? ", untrusted::shown(name))
        }
        None => String::new(),
    };
    Err(BadKernel::Unknown {
        name: name.to_owned(),
        hint,
    })
}

/// `--a` and `--b`.
#[derive(Clone, Debug, Args)]
pub struct KernelArguments {
    /// First kernel: `fixed`, `clobbering`, or one of them with `+DEFECT`, `vmlinux:FILE`, or a
    /// short name (`ctxfuzz kernels` lists them).
    #[arg(long, value_name = "KERNEL", default_value = "clobbering", value_parser = parse_kernel)]
    pub a: KernelName,
    /// Second kernel.
    #[arg(long, value_name = "KERNEL", default_value = "fixed", value_parser = parse_kernel)]
    pub b: KernelName,
}

impl KernelArguments {
    /// The byte orders to run, as [`of_kernels`].
    pub fn endians(
        &self,
        asked: Option<EndianArgument>,
        default: EndianArgument,
    ) -> anyhow::Result<Vec<Endian>> {
        of_kernels(&Kernels::pair(&self.a, &self.b), asked, default)
    }
}

/// `--a` and `--b`, or `--kernel`.
#[derive(Clone, Debug, Args)]
pub struct PairOrOneArguments {
    #[command(flatten)]
    pair: KernelArguments,
    /// One kernel, judged by itself as `check` judges it, in place of --a and --b.
    #[arg(long, value_name = "KERNEL", conflicts_with_all = ["a", "b"], value_parser = parse_kernel)]
    kernel: Option<KernelName>,
}

impl PairOrOneArguments {
    /// The kernels.
    pub fn kernels(&self) -> Kernels {
        match &self.kernel {
            Some(kernel) => Kernels::One(kernel.clone()),
            None => Kernels::pair(&self.pair.a, &self.pair.b),
        }
    }

    /// The byte orders to run, as [`of_kernels`].
    pub fn endians(
        &self,
        asked: Option<EndianArgument>,
        default: EndianArgument,
    ) -> anyhow::Result<Vec<Endian>> {
        of_kernels(&self.kernels(), asked, default)
    }
}

/// The byte orders to run: those asked for, or the only one a real kernel has, or `default` for
/// models.
pub fn of_kernels(
    kernels: &Kernels,
    asked: Option<EndianArgument>,
    default: EndianArgument,
) -> anyhow::Result<Vec<Endian>> {
    let own = kernels.names().iter().map(|name| endians_of(name, asked));
    let own: Vec<Option<Endian>> = own.collect::<anyhow::Result<_>>()?;
    if let (Kernels::Pair([a, b]), &[Some(first), Some(second)]) = (kernels, own.as_slice())
        && first != second
    {
        bail!("{a} and {b} have different byte orders: they cannot be compared");
    }
    let names = kernels.names().iter();
    let real = names
        .zip(own)
        .find_map(|(name, own)| own.map(|own| (name, own)));
    Ok(match real {
        Some((kernel, own)) => {
            if asked == Some(EndianArgument::Both) {
                let others = Endian::BOTH.into_iter().filter(|&other| other != own);
                let others: Vec<&str> = others.map(Endian::name).collect();
                complain(&format!(
                    "{kernel}: --endian {} is not applicable: it is a {} kernel",
                    others.join(", "),
                    own.name()
                ));
            }
            vec![own]
        }
        None => asked.unwrap_or(default).endians().to_vec(),
    })
}

/// The one byte order that a real kernel has, if it is not another than was asked for; `None` for a
/// model.
pub fn endians_of(
    kernel: &KernelName,
    asked: Option<EndianArgument>,
) -> anyhow::Result<Option<Endian>> {
    let Some(own) = kernel.endian().transpose()? else {
        return Ok(None);
    };
    if asked.is_some_and(|asked| !asked.endians().contains(&own)) {
        bail!("{kernel} is a {} kernel: leave --endian out", own.name());
    }
    Ok(Some(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_means_both() {
        assert_eq!(EndianArgument::Le.endians(), [Endian::Little]);
        assert_eq!(EndianArgument::Be.endians(), [Endian::Big]);
        assert_eq!(EndianArgument::Both.endians(), Endian::BOTH);
    }

    #[test]
    fn one_kernel_takes_the_place_of_two() -> anyhow::Result<()> {
        use clap::Parser;

        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            kernels: PairOrOneArguments,
        }
        let read = |line: &str| Line::try_parse_from(line.split(' ')).map(|line| line.kernels);
        let names = |line: &str| -> anyhow::Result<Vec<String>> {
            let kernels = read(line)?.kernels();
            Ok(kernels.names().iter().map(ToString::to_string).collect())
        };
        assert_eq!(names("x")?, ["clobbering", "fixed"]);
        assert_eq!(names("x --b repaired")?, ["clobbering", "repaired"]);
        assert_eq!(names("x --kernel repaired")?, ["repaired"]);
        for other in ["--a", "--b"] {
            assert!(read(&format!("x --kernel fixed {other} fixed")).is_err());
        }
        let one = read("x --kernel fixed")?;
        let both = Some(EndianArgument::Both);
        let default = EndianArgument::Be;
        assert_eq!(one.endians(None, default)?, [Endian::Big]);
        assert_eq!(one.endians(both, default)?, Endian::BOTH);
        Ok(())
    }

    #[test]
    fn kernels_are_read_or_refused() {
        assert!(parse_kernel("clobbering").is_ok());
        assert!(parse_kernel("fixd").is_err());
    }
}
