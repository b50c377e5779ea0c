//! A PostgreSQL server of a test's own, and its standbys.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Who a server runs as where the tests run as root, which PostgreSQL refuses.
const USER: &str = "postgres";

/// The role of the tests.
const ROLE: &str = "althing";

/// How long a server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// The programs of a server.
struct Programs {
    dir: PathBuf,
    /// The user and group to run them as, where that is not the one who runs the tests.
    user: Option<(u32, u32)>,
}

impl Programs {
    fn find() -> Result<Self, String> {
        let dir = installed().ok_or("no initdb of PostgreSQL was found")?;
        let user = if is_root() {
            Some(ids_of(USER).ok_or(format!("there is no user {USER} to run a server as"))?)
        } else {
            None
        };
        Ok(Self { dir, user })
    }

    fn command(&self, program: &str) -> Command {
        use std::os::unix::process::CommandExt as _;

        let mut command = Command::new(self.dir.join(program));
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).output().unwrap();
        succeed(program, &output);
    }
}

fn succeed(program: &str, output: &Output) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {error}");
}

/// The newest of Debian's, or whatever stands in the path.
fn installed() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| {
            let version = version.ok()?;
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        })
        .collect();
    versions.sort();
    let in_path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&in_path).collect::<Vec<_>>();
    let all = versions
        .into_iter()
        .rev()
        .map(|(_, dir)| dir)
        .chain(in_path);
    all.into_iter().find(|dir| dir.join("initdb").exists())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

fn ids_of(user: &str) -> Option<(u32, u32)> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<&str> = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&user))?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// Servers that replicate: at the beginning the first is the primary.
pub struct Cluster {
    programs: Programs,
    dir: TempDir,
    ports: Vec<u16>,
    primary: usize,
}

/// A server on its own, or why there is none.
pub fn start() -> Option<Cluster> {
    start_with(0)
}

/// A primary that waits for any one of so many standbys.
pub fn start_with(standbys: usize) -> Option<Cluster> {
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(missing) => {
            assert!(
                env::var_os("ALTHING_REQUIRE_POSTGRES").is_none(),
                "{missing}"
            );
            let _ = writeln!(io::stderr(), "skipped: {missing}");
            return None;
        }
    };
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if let Some((user, group)) = programs.user {
        chown(dir.path(), Some(user), Some(group)).unwrap();
    }
    let mut cluster = Cluster {
        programs,
        dir,
        ports: Vec::new(),
        primary: 0,
    };
    cluster.init(standbys);
    Some(cluster)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Cluster {
    fn data(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("data{index}"))
    }

    fn init(&mut self, standbys: usize) {
        self.ports.push(free_port());
        let data = self.data(0);
        let data_text = text(&data);
        self.programs.run(
            "initdb",
            &[
                "-D",
                data_text,
                "-A",
                "trust",
                "-U",
                ROLE,
                "--no-instructions",
            ],
        );
        let mut settings = String::from(
            "listen_addresses = '127.0.0.1'\nmax_wal_senders = 10\nwal_keep_size = 64\nlog_min_messages = fatal\n",
        );
        settings.push_str(&format!(
            "unix_socket_directories = '{}'\n",
            self.dir.path().display()
        ));
        if standbys > 0 {
            settings.push_str("synchronous_standby_names = 'ANY 1 (*)'\n");
        }
        append(&data.join("postgresql.conf"), &settings);
        // Nothing is replicated yet that a standby could acknowledge.
        self.start_server(0);
        for _ in 0..standbys {
            self.add_standby();
        }
    }

    fn add_standby(&mut self) {
        let index = self.ports.len();
        self.ports.push(free_port());
        self.make_standby(index);
    }

    /// A copy of the primary, made anew, that follows it.
    fn make_standby(&self, index: usize) {
        let data = self.data(index);
        let port = self.ports[self.primary].to_string();
        let from = ["-h", "127.0.0.1", "-p", &port, "-U", ROLE];
        let arguments = [
            &["-D", text(&data), "-R", "-X", "stream", "-c", "fast"],
            &from[..],
        ]
        .concat();
        self.programs.run("pg_basebackup", &arguments);
        self.start_server(index);
    }

    fn start_server(&self, index: usize) {
        let data = self.data(index);
        let options = format!("-p {}", self.ports[index]);
        let log = self.dir.path().join(format!("log{index}"));
        let output = self
            .programs
            .command("pg_ctl")
            .args([
                "-D",
                text(&data),
                "-o",
                &options,
                "-l",
                text(&log),
                "-w",
                "start",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let log = fs::read_to_string(&log).unwrap_or_default();
        assert!(output.success(), "the server does not start: {log}");
    }

    /// The URL of all servers, whichever is the primary.
    pub fn url(&self) -> String {
        self.url_of("althing")
    }

    /// As [`url`](Self::url), of another schema: another ledger.
    pub fn url_of(&self, schema: &str) -> String {
        let hosts: Vec<String> = self
            .ports
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        format!(
            "postgres://{ROLE}@{}/postgres?schema={schema}",
            hosts.join(",")
        )
    }

    /// Runs SQL as the superuser on the primary.
    pub fn sql(&self, statements: &str) {
        let mut client = self.client();
        client.batch_execute(statements).unwrap();
    }

    pub fn client(&self) -> postgres::Client {
        self.client_of(ROLE)
    }

    /// A connection to the primary as a role.
    pub fn client_of(&self, role: &str) -> postgres::Client {
        let port = self.ports[self.primary];
        let url = format!("postgres://{role}@127.0.0.1:{port}/postgres");
        postgres::Client::connect(&url, postgres::NoTls).unwrap()
    }

    /// Lets the primary speak TLS, too.
    pub fn enable_tls(&self, certificate: &Path, key: &Path) {
        let data = self.data(self.primary);
        for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = data.join(name);
            fs::copy(from, &to).unwrap();
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
            if let Some((user, group)) = self.programs.user {
                chown(&to, Some(user), Some(group)).unwrap();
            }
        }
        append(&data.join("postgresql.conf"), "ssl = on\n");
        self.programs.run("pg_ctl", &["-D", text(&data), "reload"]);
        let end = Instant::now() + PATIENCE;
        let is_on = "SELECT current_setting('ssl') = 'on'";
        while !self
            .client()
            .query_one(is_on, &[])
            .unwrap()
            .get::<_, bool>(0)
        {
            assert!(Instant::now() < end, "the server does not turn TLS on");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the primary with all its processes, promotes the standby that is furthest on, and puts a new
    /// standby in the place of the dead one.
    pub fn fail_over(&mut self) {
        let dead = self.primary;
        self.kill(dead);
        let standbys =
            (0..self.ports.len()).filter(|index| *index != dead && self.data(*index).exists());
        let next = standbys.max_by_key(|index| self.received(*index)).unwrap();
        let data = self.data(next);
        self.programs
            .run("pg_ctl", &["-D", text(&data), "-w", "promote"]);
        self.primary = next;
        fs::remove_dir_all(self.data(dead)).unwrap();
        // Whoever followed the dead one follows the new one.
        for index in 0..self.ports.len() {
            if index != next && self.data(index).exists() {
                self.follow(index);
            }
        }
        // And the dead one comes back, as a standby.
        self.make_standby(dead);
    }

    /// Stops a server, which comes back with [`restart`](Self::restart).
    pub fn stop(&self, index: usize) {
        let data = self.data(index);
        let arguments = ["-D", text(&data), "-m", "fast", "-w", "stop"];
        self.programs.run("pg_ctl", &arguments);
    }

    pub fn restart(&self, index: usize) {
        self.start_server(index);
    }

    /// `kill -9` for the server and whatever it started.
    fn kill(&self, index: usize) {
        let pid = fs::read_to_string(self.data(index).join("postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        let children = Command::new("pgrep").args(["-P", &pid]).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        let all = std::iter::once(pid.as_str()).chain(children.split_whitespace());
        // A child may have ended by itself.
        drop(Command::new("kill").arg("-9").args(all).output());
        let end = Instant::now() + PATIENCE;
        while Path::new("/proc").join(&pid).exists() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// How far a standby has come, in bytes.
    fn received(&self, index: usize) -> i64 {
        let url = format!("postgres://{ROLE}@127.0.0.1:{}/postgres", self.ports[index]);
        let Ok(mut client) = postgres::Client::connect(&url, postgres::NoTls) else {
            return -1;
        };
        let query = "SELECT (pg_last_wal_receive_lsn() - '0/0')::bigint";
        client.query_one(query, &[]).map_or(-1, |row| row.get(0))
    }

    fn follow(&self, index: usize) {
        let port = self.ports[self.primary];
        let settings = format!("primary_conninfo = 'user={ROLE} host=127.0.0.1 port={port}'\n");
        append(&self.data(index).join("postgresql.auto.conf"), &settings);
        self.programs
            .run("pg_ctl", &["-D", text(&self.data(index)), "reload"]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for index in 0..self.ports.len() {
            let data = self.data(index);
            if data.exists() {
                let stop = ["-D", text(&data), "-m", "immediate", "stop"];
                let _ = self.programs.command("pg_ctl").args(stop).output();
            }
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn append(file: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).open(file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
