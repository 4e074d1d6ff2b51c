//! What is known of a task while its run is followed, and of a child that has not started.

use std::collections::BTreeSet;

use crate::transparency::context::Context;

/// A task while its run is followed.
pub(super) struct Task {
    /// Whether FP exceptions are delivered to it. None: the fork that made it was interrupted by a
    /// handler that changed this, and may have been done before or after.
    pub exceptions: Option<bool>,
    pub before: Option<Context>,
    /// What `rt_sigreturn` brings back, innermost handler last.
    pub interrupted: Vec<Context>,
    /// Every VRSAVE it had. A new program's image of it is 0.
    pub vrsaves: BTreeSet<u32>,
}

impl Default for Task {
    /// One whose start nobody saw.
    fn default() -> Self {
        Task {
            before: None,
            interrupted: Vec::new(),
            vrsaves: BTreeSet::from([0]),
            exceptions: Some(false),
        }
    }
}

/// What a child must start with.
pub(super) struct Heritage {
    pub parent: u8,
    pub context: Context,
    pub vrsaves: BTreeSet<u32>,
    /// As [`Task::exceptions`].
    pub exceptions: Option<bool>,
}

impl Heritage {
    /// Its parent changes how FP exceptions are delivered, in a handler that has `interrupted`
    /// these. If the fork is among them the child may be made before or after this.
    pub fn hears(&mut self, delivered: bool, interrupted: &[Context]) {
        let fork = self.context.when;
        if interrupted.iter().any(|context| context.when == fork) {
            self.exceptions = self.exceptions.filter(|before| *before == delivered);
        }
    }
}
