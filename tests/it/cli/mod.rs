//! The command line, run as its users run it: as a process, with arguments, files and pipes.

mod answers;
mod authorization;
mod founding;
mod harness;
mod history;
mod keys;
mod lifecycle;
mod predictions;
mod statements;
