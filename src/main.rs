//! The program: picks the role, turns a result into an exit status.
fn main() {}
