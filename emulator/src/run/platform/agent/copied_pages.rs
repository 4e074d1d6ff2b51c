//! Stores of tasks to pages that are not there yet: which pages the agent has for them, and which
//! this kernel copies with VMX.

use ctxfuzz_scenario::effect::Effect;

use super::{Agent, PAGE, at};
use crate::machine::pseries::Timer;
use crate::machine::{Reply, View};

/// Where the agent maps a file privately, one page after the other.
const LAZY_AREA: u64 = 0x3000_0000;
/// The largest page there is.
const LAZY_STRIDE: u64 = 0x1_0000;
/// Where it maps physical memory that is not the kernel's, privately.
const DEVICE_AREA: u64 = 0x3200_0000;

/// Pages that the kernel copies at the first store to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopiedPages {
    /// Of a file: with VMX up to Linux 6.1.
    File,
    /// Of memory that is not the kernel's: with VMX as well, where there is /dev/mem.
    Device,
    /// There are none that this kernel copies with VMX.
    None,
}

impl Agent {
    /// A task stores to a page that has not been touched in this run.
    pub fn store_fault(&mut self, view: &View<'_>, event: u16) -> Reply {
        let timer = self.has_request();
        let (area, stride, pages) = match self.pages {
            CopiedPages::File | CopiedPages::None => (LAZY_AREA, LAZY_STRIDE, at::LAZY_PAGES),
            CopiedPages::Device => {
                let stride = view.load(PAGE + at::PAGE_SIZE);
                (DEVICE_AREA, stride, at::DEVICE_PAGES)
            }
        };
        if self.pages == CopiedPages::None {
            let what = "this kernel copies the page of a file without VMX, and has no /dev/mem to map other memory";
            self.cannot(event, Effect::PageCopy, what);
        }
        if self.touched >= view.load(PAGE + pages) {
            let what = "the agent's pages that are not there yet are used up: there are 64 a run";
            self.cannot(event, Effect::PageCopy, what);
            return Reply::timer(timer.then_some(Timer::Soon));
        }
        let address = area + self.touched * stride;
        self.touched += 1;
        Reply::store_fault(address, timer)
    }
}
