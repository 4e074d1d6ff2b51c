//! Does the machine behave as the Power ISA says? Small programs with known results, for the
//! self-test and for whoever asks "is it the emulator?".
//!
//! Expected values follow Power ISA 3.1 (sections named in each check) and agree with
//! qemu-system-ppc64's power10 model. With [`Options::repair_errata`] off the checks marked as
//! errata must fail: that is how one knows that they look.

mod bench;

use self::bench::{B, Bench, CheckHost, DATA, FPSCR, INEXACT, USER_MSR};
use self::programs::*;
use super::address::USER_TEXT;
use super::{Machine, MachineError, Options, Vector};
use crate::arch::Endian;
use crate::arch::msr;

/// The programs, as build.rs has assembled them.
mod programs {
    include!(concat!(env!("OUT_DIR"), "/conformance.rs"));
}

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is checked.
    pub name: &'static str,
    /// The value the ISA asks for.
    pub expected: u64,
    /// The value found.
    pub found: u64,
    /// Whether stock Unicorn is known to get it wrong.
    pub erratum: bool,
}

impl Check {
    /// Whether the machine does what the ISA says.
    pub fn holds(&self) -> bool {
        self.expected == self.found
    }
}

/// Runs all checks on a machine of that byte order.
pub fn check(endian: Endian, repair_errata: bool) -> Result<Vec<Check>, MachineError> {
    let bench = Bench {
        endian,
        options: Options {
            budget: 10_000,
            repair_errata,
            ..Options::default()
        },
    };
    let mut checks = Vec::new();
    checks.extend(bench.fpr_writes()?);
    checks.extend(bench.status_registers()?);
    checks.extend(bench.fraction_inexact()?);
    checks.extend(bench.vector_memory_order()?);
    checks.extend(bench.user_mode_fpr_write()?);
    checks.extend(bench.system_call()?);
    checks.extend(bench.system_call_vectored()?);
    checks.extend(bench.unavailable()?);
    checks.extend(bench.interrupt()?);
    checks.extend(bench.enabled_exception()?);
    Ok(checks)
}

impl Bench {
    /// ISA 3.1, Book I, 7.2.1.1: the result of a floating-point instruction goes to doubleword 0,
    /// and doubleword 1 becomes 0.
    fn fpr_writes(&self) -> Result<Vec<Check>, MachineError> {
        let mut checks = Vec::new();
        for (name, write) in [
            ("lfd makes doubleword 1 of its VSR zero", LFD_F7),
            ("fadd makes doubleword 1 of its VSR zero", FADD_F7),
            ("fmr makes doubleword 1 of its VSR zero", FMR_F7),
            ("mffs makes doubleword 1 of its VSR zero", MFFS_F7),
        ] {
            let code = [LOAD_VS7_TO_VS9, write].concat();
            let file = self.run(&code, &[], &[], None)?.registers()?;
            checks.push(Check {
                name,
                expected: 0,
                found: file.vsr[7][1],
                erratum: true,
            });
            checks.push(Check {
                name: "a neighbouring VSR keeps doubleword 1",
                expected: B,
                found: file.vsr[8][1],
                erratum: false,
            });
        }
        Ok(checks)
    }

    /// FPSCR is 64 bits wide (Book I, 4.2.2); `mfvscr` zero-extends VSCR (Book I, 6.3.2).
    fn status_registers(&self) -> Result<Vec<Check>, MachineError> {
        let file = self.run(STATUS_REGISTERS, &[], &[], None)?.registers()?;
        let check = |name, expected, found| Check {
            name,
            expected,
            found,
            erratum: false,
        };
        Ok(vec![
            check(
                "mtfsf with L=1 writes all 64 bits of FPSCR",
                FPSCR,
                file.fpscr,
            ),
            check("mffs reads all 64 bits of FPSCR", FPSCR, file.vsr[1][0]),
            check("mtvscr writes VSCR", 0x1_0001, file.vscr.into()),
            check("mfvscr zeroes the high doubleword", 0, file.vsr[32][0]),
            check(
                "mfvscr puts VSCR in the low word",
                0x1_0001,
                file.vsr[32][1],
            ),
        ])
    }

    /// Book I, 4.6.10: FI is written like any other bit of FPSCR, and kept where it is not
    /// selected.
    fn fraction_inexact(&self) -> Result<Vec<Check>, MachineError> {
        let after = |more: &[u32]| -> Result<u64, MachineError> {
            let code = [FRACTION_INEXACT, more].concat();
            let machine = self.run(&code, &[], &[], None)?;
            Ok(machine.registers()?.fpscr)
        };
        let check = |name, expected, found, erratum| Check {
            name,
            expected,
            found,
            erratum,
        };
        Ok(vec![
            check("mtfsf writes FI", INEXACT, after(&[])?, true),
            check(
                "mtfsfi keeps FI where it does not select it",
                INEXACT | 1,
                after(MTFSFI)?,
                true,
            ),
            check(
                "xvadddp of zeros keeps FI",
                INEXACT,
                after(XVADDDP_OF_ZEROS)?,
                true,
            ),
            check(
                "mtfsb0 clears FI",
                INEXACT & !0x2_0000,
                after(MTFSB0)?,
                false,
            ),
        ])
    }

    /// `stvx` stores the quadword in the byte order of the machine (Book I, 6.7.3), `lxvd2x` two
    /// doublewords in order (Book I, 7.6.3).
    fn vector_memory_order(&self) -> Result<Vec<Check>, MachineError> {
        let machine = self.run(VECTOR_MEMORY_ORDER, &[], &[], None)?;
        let file = machine.registers()?;
        let (high, low) = (0x1122_3344_5566_7788, 0x99aa_bbcc_ddee_ff00);
        let stored = [
            machine.memory().read_u64(DATA + 0x100),
            machine.memory().read_u64(DATA + 0x108),
        ];
        let (first, second) = if self.endian == Endian::Little {
            (low, high)
        } else {
            (high, low)
        };
        let check = |name, expected, found| Check {
            name,
            expected,
            found,
            erratum: false,
        };
        Ok(vec![
            check(
                "lxvd2x puts the first doubleword into doubleword 0",
                high,
                file.vsr[34][0],
            ),
            check("stvx stores a quadword, first half", first, stored[0]),
            check("stvx stores a quadword, second half", second, stored[1]),
            check("lvx loads a quadword", first, file.vsr[35][0]),
        ])
    }

    /// As `fpr_writes`, in user mode with FP but not VSX available: the repair may not change what
    /// is available.
    fn user_mode_fpr_write(&self) -> Result<Vec<Check>, MachineError> {
        let machine = self.run(ENTER_USER_FP, USER_LFD, &[], None)?;
        let file = machine.registers()?;
        Ok(vec![
            Check {
                name: "lfd in user mode without VSX makes doubleword 1 zero",
                expected: 0,
                found: file.vsr[7][1],
                erratum: true,
            },
            Check {
                name: "lfd in user mode loads doubleword 0",
                expected: B,
                found: file.vsr[7][0],
                erratum: false,
            },
            Check {
                name: "lfd leaves its address register alone",
                expected: 0x2000_0000,
                found: machine.gpr(3)?,
                erratum: false,
            },
        ])
    }

    /// Book III, 7.5.13: SRR0 is the next instruction, SRR1 the old MSR; the handler runs with EE,
    /// PR, FP, VEC, VSX off.
    fn system_call(&self) -> Result<Vec<Check>, MachineError> {
        let vectors = [(0x4c00, HANDLER)];
        let machine = self.run(ENTER_USER_FP, USER_SC, &vectors, None)?;
        self.entry(
            "sc",
            &machine,
            USER_TEXT + 8,
            USER_MSR | msr::FP | self.little(),
        )
    }

    fn entry(
        &self,
        what: &str,
        machine: &Machine<CheckHost>,
        srr0: u64,
        srr1: u64,
    ) -> Result<Vec<Check>, MachineError> {
        let (first, second, third) = match what {
            "sc" => (
                "sc: SRR0 is the next instruction",
                "sc: SRR1 is the old MSR",
                "sc: the handler's MSR",
            ),
            "fp" => (
                "FP unavailable: SRR0 is the instruction",
                "FP unavailable: SRR1 is the old MSR",
                "FP unavailable: the handler's MSR",
            ),
            _ => (
                "interrupt: SRR0 is the next instruction",
                "interrupt: SRR1 is the old MSR",
                "interrupt: the handler's MSR",
            ),
        };
        let handler_msr = msr::SF | msr::ME | msr::IR | msr::DR | self.little();
        let check = |name, expected, found| Check {
            name,
            expected,
            found,
            erratum: false,
        };
        Ok(vec![
            check(first, srr0, machine.gpr(7)?),
            check(second, srr1, machine.gpr(8)?),
            check(third, handler_msr, machine.gpr(9)?),
        ])
    }

    /// Book III, 7.5.27: `scv` puts the next instruction into LR and the MSR into CTR; `rfscv`
    /// returns by them.
    fn system_call_vectored(&self) -> Result<Vec<Check>, MachineError> {
        let vectors = [(0x3000, HANDLER_SCV)];
        let machine = self.run(ENTER_USER_FP, USER_SCV, &vectors, None)?;
        let check = |name, expected, found| Check {
            name,
            expected,
            found,
            erratum: false,
        };
        Ok(vec![
            check(
                "scv: LR is the next instruction",
                USER_TEXT + 4,
                machine.gpr(7)?,
            ),
            check(
                "scv: CTR is the old MSR",
                USER_MSR | msr::FP | self.little(),
                machine.gpr(8)?,
            ),
        ])
    }

    /// Book III, 7.5.9: SRR0 is the instruction that needs the facility, even where the machine has
    /// replaced it.
    fn unavailable(&self) -> Result<Vec<Check>, MachineError> {
        let vectors = [(0x4800, HANDLER)];
        let machine = self.run(ENTER_USER, USER_UNAVAILABLE, &vectors, None)?;
        self.entry("fp", &machine, USER_TEXT + 4, USER_MSR | self.little())
    }

    /// Book I, 4.4: an enabled zero divide is a program interrupt at the instruction if FE0 or FE1
    /// is on, and leaves its target alone.
    fn enabled_exception(&self) -> Result<Vec<Check>, MachineError> {
        let vectors = [(0x4700, HANDLER_PROGRAM)];
        let run = |enter| self.run(enter, USER_ZERO_DIVIDE, &vectors, None);
        let check = |name, expected, found| Check {
            name,
            expected,
            found,
            erratum: false,
        };
        let (taken, ignored) = (run(ENTER_USER_FP_EXCEPTIONS)?, run(ENTER_USER_FP)?);
        let msr = USER_MSR | msr::FP | msr::FE0 | msr::FE1 | self.little();
        let file = taken.registers()?;
        Ok(vec![
            Check {
                // Without repairs the `mtfsf` before it leaves an exception behind, which comes
                // late.
                erratum: true,
                ..check(
                    "enabled zero divide: SRR0 is the instruction",
                    USER_TEXT + 24,
                    taken.gpr(7)?,
                )
            },
            check(
                "enabled zero divide: SRR1 says floating point",
                msr | 0x10_0000,
                taken.gpr(8)?,
            ),
            check("enabled zero divide: the target is kept", B, file.vsr[7][0]),
            check(
                "enabled zero divide: FPSCR has FX, FEX, ZX and ZE",
                0xc400_0010,
                file.fpscr & 0xfff8_00f8,
            ),
            check(
                "no interrupt with FE0 = FE1 = 0",
                0x2000_0000,
                ignored.gpr(3)?,
            ),
        ])
    }

    /// An interrupt between two user instructions.
    fn interrupt(&self) -> Result<Vec<Check>, MachineError> {
        let machine = self.run(
            ENTER_USER_FP,
            USER_INTERRUPT,
            &[(0x4900, HANDLER)],
            Some(Vector::Decrementer),
        )?;
        self.entry(
            "interrupt",
            &machine,
            USER_TEXT + 8,
            USER_MSR | msr::FP | self.little(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_behaves_as_the_isa_says() -> Result<(), MachineError> {
        for endian in Endian::BOTH {
            let wrong: Vec<Check> = check(endian, true)?
                .into_iter()
                .filter(|c| !c.holds())
                .collect();
            assert!(wrong.is_empty(), "{endian:?}: {wrong:#x?}");
        }
        Ok(())
    }

    #[test]
    fn stock_behaviour_fails_exactly_where_it_is_known_to() -> Result<(), MachineError> {
        for endian in Endian::BOTH {
            for check in check(endian, false)? {
                assert_eq!(check.holds(), !check.erratum, "{endian:?}: {check:#x?}");
            }
        }
        Ok(())
    }
}
