//! Numbers of host calls (docs/internals.md, section 2).

use super::capture::Observable;

pub const EVENT: u64 = 1;
pub const INTERRUPT: u64 = 2;
pub const SIGNAL_HANDLER: u64 = 3;
pub const TASK_STARTED: u64 = 4;
pub const SIGRETURN: u64 = 5;
pub const DUMPED: u64 = 6;
pub const IDLE: u64 = 7;
pub const AGENT_TRACED: u64 = 8;
pub const CONTEXT: u64 = 9;
pub const ALIGNMENT: u64 = 10;
pub const ALL_DONE: u64 = 17;
pub const PANIC: u64 = 18;
pub const TRACED: u64 = 19;
pub const CORE: u64 = 20;
pub const GUEST_LEFT: u64 = 21;

/// What the kernel hands over with a call: registers of task r4, in the tracer's memory.
pub fn captured(number: u64) -> Option<Observable> {
    match number {
        CORE => Some(Observable::CoreDump),
        GUEST_LEFT => Some(Observable::Guest),
        _ => None,
    }
}
