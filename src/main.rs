//! The program: a result becomes an exit status, a panic becomes one line.

use std::process::ExitCode;

use coracle::cli;
use dlmalloc::GlobalDlmalloc;

// Considered: mimalloc, which takes 0.4 ms to begin with, more than a start of ours has to spare.
#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

fn main() -> ExitCode {
    #[expect(
        clippy::disallowed_methods,
        reason = "a panic ends here, before it can print more"
    )]
    std::panic::set_hook(Box::new(|panic| {
        std::process::exit(cli::report::panicked(panic).into())
    }));
    cli::main(std::env::args_os())
}
