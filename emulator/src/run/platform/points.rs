//! Preemption points by name in the kernel that runs: where pending work comes whose scenario says
//! in which function (`Pending::at`).

use std::collections::BTreeSet;

use ctxfuzz_scenario::event::Pending;

use crate::kernel::functions::Functions;
use crate::machine::Reply;
use crate::machine::point::{Arrival, FunctionPoint};
use crate::machine::pseries::Timer;
use crate::run::effects::{self, NotApplicable};

/// The functions of a kernel, and what a run could not find among them.
pub struct Points {
    functions: Functions,
    /// Where the work comes of the operation that was made ready last.
    timer: Option<Timer>,
    not_applicable: BTreeSet<NotApplicable>,
}

impl Points {
    /// Those of a kernel with these functions.
    pub fn new(functions: Functions) -> Self {
        Points {
            functions,
            timer: None,
            not_applicable: BTreeSet::new(),
        }
    }

    /// Forgets the last run.
    pub fn prepare(&mut self) {
        self.timer = None;
        self.not_applicable.clear();
    }

    /// What the last run could not find.
    pub fn not_applicable(&self) -> impl Iterator<Item = &NotApplicable> {
        self.not_applicable.iter()
    }

    /// The work of an event, and where it comes if that has a name. Without the function in this
    /// kernel nothing is pending.
    pub fn find(&mut self, event: u16, pending: &Pending) -> (Pending, Option<Timer>) {
        self.timer = None;
        let Some(point) = pending.at else {
            return (*pending, None);
        };
        let Some(bodies) = self.functions.bodies(point.function) else {
            self.cannot(
                event,
                pending,
                &format!(
                    "this kernel has no function `{}`, or it is part of its callers",
                    point.function
                ),
            );
            return (Pending::NONE, None);
        };
        self.timer = Some(Timer::InFunction {
            point: FunctionPoint {
                bodies,
                call: point.call,
                percent: point.into.0,
            },
            arrival: Arrival {
                past: point.past,
                event,
            },
        });
        (*pending, self.timer.clone())
    }

    /// The reply by which an interrupt is taken, with its work coming where it is to come.
    pub fn late(&mut self, reply: Reply) -> Reply {
        match self.timer.take() {
            Some(timer) => reply.with_timer(timer),
            None => reply,
        }
    }

    fn cannot(&mut self, event: u16, pending: &Pending, what: &str) {
        for effect in effects::of_pending(pending) {
            self.not_applicable.insert(NotApplicable {
                event,
                effect,
                what: what.to_owned().into(),
            });
        }
    }
}
