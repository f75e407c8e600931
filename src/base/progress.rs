//! How long work tells of itself, without knowing whether anybody watches.

/// Where the progress of one operation goes; silent by default.
///
/// Everything may be called from several threads at once.
pub trait Progress: Sync + Send {
    /// Starts a line of its own, such as one layer; `total` in bytes where known.
    fn begin(&self, label: &str, total: Option<u64>) -> Box<dyn Track>;

    /// Says one thing that the user should know and can act on.
    fn warn(&self, message: &str);

    /// Says what is being done; shown with `--verbose`.
    fn note(&self, message: &str);

    /// A child of this process becomes the guest, and this process stays beside it: whoever waits to hear that the
    /// guest has started is to wait for the child alone.
    fn stays_beside(&self) {}
}

/// The progress of one piece of work. Dropping it without [`Track::done`] means it failed.
pub trait Track: Send {
    /// `bytes` more are done.
    fn advance(&self, bytes: u64);

    /// The work is complete; `outcome` is one or two words, such as "pulled" or "present".
    fn done(self: Box<Self>, outcome: &str);
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _label: &str, _total: Option<u64>) -> Box<dyn Track> {
        Box::new(Silent)
    }

    fn warn(&self, _message: &str) {}

    fn note(&self, _message: &str) {}
}

impl Track for Silent {
    fn advance(&self, _bytes: u64) {}

    fn done(self: Box<Self>, _outcome: &str) {}
}
