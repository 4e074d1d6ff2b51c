//! Functions that scenarios name for their pending work: a name that nobody knows is a mistake, and
//! said before anything runs.
//!
//! A function that another kernel has is none: it is not applicable where it is missing (the
//! emulator's `run::platform::points`).

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::functions::{Functions, is_alias};
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_scenario::FunctionName;
use ctxfuzz_triage::untrusted;

use super::complain;
use super::input::Input;
use crate::registry;

/// So many names are said that look like one that there is nowhere.
const ALIKE: usize = 3;

/// Whether each function that a scenario names is one of these kernels', or one that ctxfuzz knows
/// of other kernels. Each that is not gets its line.
pub fn are_known(inputs: &[Input], kernels: &[&KernelName]) -> anyhow::Result<bool> {
    let mut all = true;
    let mut those_of = None;
    for input in inputs {
        for (index, event) in input.scenario.events.iter().enumerate() {
            let Some(point) = event.pending().and_then(|pending| pending.at) else {
                continue;
            };
            let those_of = match &those_of {
                Some(those_of) => those_of,
                None => those_of.insert(functions(kernels)?),
            };
            if let Some(what) = unknown(point.function, those_of) {
                let path = untrusted::path(&input.path);
                let key = event.key();
                complain(&format!(
                    "{path}: events[{index}].{key}.pending.at.function: {what}"
                ));
                all = false;
            }
        }
    }
    Ok(all)
}

/// The functions of the kernels, and of the model.
fn functions(kernels: &[&KernelName]) -> anyhow::Result<Vec<Functions>> {
    let mut functions = vec![Functions::of_the_model()];
    for kernel in kernels {
        let endian = kernel.endian().transpose()?.unwrap_or(Endian::Little);
        functions.push(Functions::new(kernel, endian));
    }
    Ok(functions)
}

/// What to say of a function that there is nowhere.
fn unknown(name: FunctionName, those_of: &[Functions]) -> Option<String> {
    if is_alias(name) || those_of.iter().any(|kernel| kernel.bodies(name).is_some()) {
        return None;
    }
    let names = || those_of.iter().flat_map(Functions::names);
    let hint = match registry::nearest(name.as_str(), names()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => {
            let alike = registry::alike(name.as_str(), names(), ALIKE);
            format!(
                "the compiler may have made it a part of its callers; most like it are `{}`, and `ctxfuzz coverage --kernel KERNEL PATH` lists those that scenarios reach",
                alike.join("`, `")
            )
        }
    };
    Some(format!("no kernel here has a function `{name}`; {hint}"))
}
