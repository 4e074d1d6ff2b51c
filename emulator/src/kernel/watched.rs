//! Functions of a kernel that show an effect when it goes through them.

use ctxfuzz_scenario::effect::Effect;

use super::symbols::Symbols;

/// A function that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// `create_io_thread`: the only way to an io_uring worker.
    CreateIoThread,
    /// `copypage_power7`: `copy_page` with VMX.
    CopyPage,
    /// `enter_vmx_usercopy`: a copy from or to user memory is about to use VMX.
    EnterVmxUsercopy,
    /// `fix_alignment`.
    FixAlignment,
    /// `system_reset_exception` (the model's).
    SystemReset,
    /// `net_rx_action`, which in the model is a softirq that would use VMX.
    NetRxAction,
    /// `sys_enable_kernel` (the model's alone).
    EnableKernel,
    /// `sys_hibernate` (the model's alone).
    Hibernate,
    /// A task is about to sleep: in a pipe, or in a futex.
    Sleeps,
}

/// Every one, by its names: the first that a kernel has is watched. Where no other is given it has
/// this name from Linux 6.1 to 7.2, and in the model.
pub const WATCHED: [(Watched, &[&str]); 10] = [
    (Watched::CreateIoThread, &["create_io_thread"]),
    // The model has no processor without VMX, and one function.
    (Watched::CopyPage, &["copypage_power7", "copy_page"]),
    (Watched::EnterVmxUsercopy, &["enter_vmx_usercopy"]),
    (Watched::FixAlignment, &["fix_alignment"]),
    (Watched::SystemReset, &["system_reset_exception"]),
    (Watched::NetRxAction, &["net_rx_action"]),
    (Watched::EnableKernel, &["sys_enable_kernel"]),
    (Watched::Hibernate, &["sys_hibernate"]),
    // A pipe, and the model; a futex, whose word always has the value that is waited for.
    (
        Watched::Sleeps,
        &["prepare_to_wait_event", "prepare_to_wait"],
    ),
    (Watched::Sleeps, &["__futex_wait", "futex_wait"]),
];

impl Watched {
    /// The effect that the function shows wherever it runs. A page copied in a page fault is told
    /// from other copies by its event.
    pub fn shows(self) -> Option<Effect> {
        Some(match self {
            Watched::CreateIoThread => Effect::IoWorker,
            Watched::CopyPage => Effect::PageCopy,
            Watched::EnterVmxUsercopy => Effect::VmxCopy,
            Watched::FixAlignment => Effect::Alignment,
            Watched::SystemReset => Effect::SystemReset,
            Watched::NetRxAction => Effect::Softirq,
            Watched::EnableKernel => Effect::KernelUse,
            Watched::Hibernate => Effect::Hibernation,
            Watched::Sleeps => Effect::Sleep,
        })
    }
}

/// Where a kernel enters them, in the order of [`WATCHED`]: past the code that finds the TOC, which
/// callers inside the kernel skip. `None` for one that it does not have.
pub fn addresses(symbols: &Symbols) -> Vec<Option<u64>> {
    let entry = |(_, names): &(Watched, &[&str])| {
        let address = names.iter().find_map(|name| symbols.address(name))?;
        let functions = symbols.functions();
        let at = functions.binary_search_by_key(&address, |function| function.address);
        Some(address + at.map_or(0, |at| functions[at].local_entry))
    };
    WATCHED.iter().map(entry).collect()
}
