//! `run -d`: starting a guest under a monitor, which keeps its output and writes down its end.

use crate::base::creator::Creator;
use crate::base::fault::BoxFault;
use crate::base::fsx::Context;
use crate::base::path::HostPath;
use crate::base::progress::Progress;
use crate::engine::Outcome;
use crate::engine::detach::{self as engine, Input, Keeper};
use crate::ops::life::{LifeError, carry_out, finish};
use crate::ops::reach::Reach;
use crate::ops::run::{Ready, Request, Seat};
use crate::store::{LogWriter, Stream};

/// Starts the guest and returns the container's id. A start that fails is this call's failure, with the kind that tells
/// why; a container that was made for this run only is gone by then.
pub fn detach(
    request: &Request,
    reach: &Reach,
    progress: &dyn Progress,
) -> Result<String, BoxFault> {
    // The monitor leaves this directory, from where the home may have been named.
    let home = std::path::absolute(&reach.home).context("find", &reach.home)?;
    let reach = &Reach {
        home: HostPath::new(home),
        ..reach.clone()
    };
    let mut ready = Ready::of(request, reach, Seat::Own, progress)?;
    ready.tell(progress);
    let id = ready.settle(request, progress)?;
    let id = id.expect("what has a seat of its own has a container");
    let input = match &ready.subject.wish {
        wish if wish.terminal => Input::Terminal,
        wish if wish.interactive => Input::Open,
        _ => Input::Nothing,
    };
    let mut guard = Guard {
        target: request.target.clone(),
        ready: &ready,
        id: &id,
        monitor: None,
        log: None,
    };
    if let Err(fault) = engine::detach(&mut guard, input, progress) {
        if ready.is_removed {
            let _the_first_fault_counts = ready.store.remove_container(&id);
        }
        return Err(fault);
    }
    Ok(id)
}

/// What surrounds the guest.
struct Guard<'a> {
    target: String,
    ready: &'a Ready,
    id: &'a str,
    monitor: Option<Creator>,
    log: Option<LogWriter>,
}

impl Keeper for Guard<'_> {
    fn begin(&mut self) -> Result<(), BoxFault> {
        if !self.ready.store.claim(self.id)? {
            let target = self.target.clone();
            return Err(match self.ready.is_taken()? {
                true => LifeError::Running(target),
                false => LifeError::Busy(target),
            }
            .into());
        }
        self.monitor = Some(Creator::current());
        self.log = Some(self.ready.store.log_writer(self.id)?);
        Ok(())
    }

    fn guest(&mut self, progress: &dyn Progress) -> Result<Outcome, BoxFault> {
        let monitor = self.monitor.as_ref();
        let monitor = monitor.expect("it began before there is a guest");
        carry_out(self.ready, &self.target, monitor, progress)
    }

    fn wrote(&mut self, stream: engine::Stream, bytes: &[u8]) {
        let stream = match stream {
            engine::Stream::Out => Stream::Out,
            engine::Stream::Err => Stream::Err,
        };
        if let Some(log) = &mut self.log {
            log.wrote(stream, bytes);
        }
    }

    fn ended(&mut self, outcome: Outcome) {
        if let Some(log) = &mut self.log {
            log.finish();
        }
        let monitor = self.monitor.take().expect("it began before it ends");
        // Nobody is left to tell. A container that was removed meanwhile has no state; one whose state cannot be
        // written for want of room shows that it ended, and not how.
        let _nobody_is_left_to_tell = finish(self.ready, self.id, &monitor, outcome);
        let _the_end_of_this_process_does_it_too = self.ready.store.release(self.id);
    }
}
