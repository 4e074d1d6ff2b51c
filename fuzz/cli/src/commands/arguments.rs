//! Arguments that several commands share, so that they are spelled and explained the same
//! everywhere.

use std::str::FromStr;

use anyhow::bail;
use clap::{Args, ValueEnum};
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::{KernelName, UnknownKernel};
use ctxfuzz_triage::definedness::Abi;

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

/// Reads a kernel's name.
pub fn parse_kernel(name: &str) -> Result<KernelName, UnknownKernel> {
    KernelName::from_str(name)
}

/// `--a` and `--b`.
#[derive(Clone, Debug, Args)]
pub struct KernelArguments {
    /// First kernel: `fixed`, `clobbering`, or one of them with `+DEFECT` (`ctxfuzz kernels` lists
    /// them), or `vmlinux:FILE`.
    #[arg(long, value_name = "KERNEL", default_value = "clobbering", value_parser = parse_kernel)]
    pub a: KernelName,
    /// Second kernel.
    #[arg(long, value_name = "KERNEL", default_value = "fixed", value_parser = parse_kernel)]
    pub b: KernelName,
}

impl KernelArguments {
    /// The byte orders to run: those asked for, or the only one a real kernel has, or `default` for
    /// models.
    pub fn endians(
        &self,
        asked: Option<EndianArgument>,
        default: EndianArgument,
    ) -> anyhow::Result<Vec<Endian>> {
        let a = endians_of(&self.a, asked)?;
        let b = endians_of(&self.b, asked)?;
        match (a, b) {
            (Some(a), Some(b)) if a != b => bail!(
                "{} and {} have different byte orders: they cannot be compared",
                self.a,
                self.b
            ),
            (Some(own), _) | (None, Some(own)) => Ok(vec![own]),
            (None, None) => Ok(asked.unwrap_or(default).endians().to_vec()),
        }
    }
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
    fn kernels_are_read_or_refused() {
        assert!(parse_kernel("clobbering").is_ok());
        assert!(parse_kernel("fixd").is_err());
    }
}
