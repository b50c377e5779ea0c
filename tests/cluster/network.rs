//! Hosts of a cluster's own: network namespaces joined by `switch.py`, which delays, loses, doubles and
//! cuts, and a clock for each.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

/// The port on which every node listens, each at an address of its own.
const PORT: u16 = 26_000;

/// The network between the nodes of one cluster.
pub struct Network {
    switch: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    prefix: String,
    /// The library that shifts a process's clock, where it is installed.
    clocks: Option<PathBuf>,
}

impl Network {
    /// Makes a host for each node; or says why this machine can't.
    pub fn of(hosts: usize) -> Result<Self, String> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("alt{}n{next}h", std::process::id() % 10_000);
        let mut switch = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/switch.py"))
            .args([prefix.clone(), hosts.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("python3: {error}"))?;
        let commands = switch.stdin.take().unwrap();
        let mut answers = BufReader::new(switch.stdout.take().unwrap());
        let mut ready = String::new();
        answers.read_line(&mut ready).unwrap();
        if ready.trim() != "ready" {
            let output = switch.wait_with_output().unwrap();
            let why = String::from_utf8_lossy(&output.stderr);
            let last = why.lines().last().unwrap_or_default();
            return Err(format!("network namespaces can't be made here: {last}"));
        }
        Ok(Self {
            switch,
            commands,
            answers,
            prefix,
            clocks: faketime(),
        })
    }

    /// Where a node listens.
    pub fn address(node: usize) -> String {
        format!("10.88.0.{node}:{PORT}")
    }

    /// Gives the switch a command; see `switch.py`.
    pub fn command(&mut self, line: &str) {
        writeln!(self.commands, "{line}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "ok", "{line}");
    }

    /// The program on a node's host, by a clock that is what the file says.
    pub fn program(&self, node: usize, clock: &Path) -> Command {
        let mut command = Command::new("ip");
        let host = format!("{}{node}", self.prefix);
        command.args(["netns", "exec", &host, env!("CARGO_BIN_EXE_althing")]);
        if let Some(library) = &self.clocks {
            command
                .env("LD_PRELOAD", library)
                .env("FAKETIME_TIMESTAMP_FILE", clock)
                .env("FAKETIME_CACHE_DURATION", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        command
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // It would take the hosts down at the end of its input, too, but nobody would wait for it.
        let _ = self.commands.write_all(b"end\n");
        let _ = self.switch.wait();
    }
}

/// Sets a host's clock: so many seconds ahead of this machine's, or behind.
pub fn set_clock(clock: &Path, seconds: i64) {
    fs::write(clock, format!("{seconds:+}\n")).unwrap();
}

fn faketime() -> Option<PathBuf> {
    let places = fs::read_dir("/usr/lib").ok()?;
    let library = |place: PathBuf| place.join("faketime/libfaketimeMT.so.1");
    places
        .filter_map(|place| Some(library(place.ok()?.path())))
        .find(|path| path.exists())
}
