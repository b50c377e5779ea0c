//! A running service, and a small client that holds every answer to the description.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::schema::Schemas;
use crate::cli::harness::World;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service on a world's ledger; killed when it is dropped.
pub struct Server {
    child: Child,
    pub address: String,
}

/// What a service answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Server {
    /// Starts a service, and waits until it is ready.
    pub fn start(world: &World) -> Self {
        Self::with(world, &[])
    }

    /// As [`start`](Self::start), with more arguments.
    pub fn with(world: &World, arguments: &[&str]) -> Self {
        let server = Self::unready(world, arguments);
        server.wait_until_ready();
        server
    }

    pub fn wait_until_ready(&self) {
        let start = Instant::now();
        while self.get("/readyz").status != 200 {
            assert!(start.elapsed() < PATIENCE, "not ready in time");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts a service, and waits until it listens.
    pub fn unready(world: &World, arguments: &[&str]) -> Self {
        let mut child = world
            .command()
            .args(["serve", "--json", "--log", "error"])
            .args(arguments)
            .args(if arguments.contains(&"--listen") {
                &[][..]
            } else {
                &["--listen", "127.0.0.1:0"]
            })
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let report: Value = serde_json::from_str(&line).unwrap();
        let address = report["address"]
            .as_str()
            .unwrap()
            .replace("0.0.0.0", "127.0.0.1");
        Self { child, address }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the service at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells the service to end, without waiting for it.
    pub fn terminate(&self) {
        let told = Command::new("kill")
            .args(["-TERM", &self.id().to_string()])
            .status();
        assert!(told.unwrap().success());
    }

    /// Waits for the end; the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Asks for something.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"")
    }

    /// Posts JSON.
    #[track_caller]
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        let json = ("content-type", "application/json");
        let headers: Vec<_> = headers.iter().copied().chain([json]).collect();
        self.ask("POST", path, &headers, body.as_ref())
    }

    /// Sends a request of its own connection, and holds the answer to the description.
    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n", body.len()));
        request.push_str("connection: close\r\n\r\n");
        let answer = self.send(&[request.as_bytes(), body].concat());
        let answer = answer.unwrap_or_else(|| panic!("no answer to {method} {path}"));
        assert_documented(method, path, &answer);
        answer
    }

    /// Asks as a browser does. Pages are no part of the description.
    #[track_caller]
    pub fn browse(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        let accept = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let host = ("host", "localhost");
        let given = |wanted: &str| headers.iter().any(|(name, _)| *name == wanted);
        let defaults = [accept, host].into_iter().filter(|(name, _)| !given(name));
        for (name, value) in defaults.chain(headers.iter().copied()) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n", body.len()));
        request.push_str(&format!("connection: close\r\n\r\n{body}"));
        let answer = self.send(request.as_bytes());
        answer.unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// Sends bytes as they are; what came back, if anything did that is an answer.
    pub fn send(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = self.connect();
        // Who refuses does not read to the end.
        let _ = stream.write_all(bytes);
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received);
        parse(&received)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The status and, of a problem, the code.
    pub fn outcome(&self) -> (u16, String) {
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let code = json["code"].as_str().unwrap_or_default();
        (self.status, code.to_owned())
    }

    /// Fails the test unless the answer has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }

    /// Fails the test unless the answer is a problem with this status and code.
    #[track_caller]
    pub fn fails(self, status: u16, code: &str) -> Value {
        assert_eq!(self.outcome(), (status, code.to_owned()), "{}", self.text());
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(
            problem["type"],
            format!("urn:althing:problem:{code}"),
            "{problem}"
        );
        assert!(
            problem["detail"].as_str().is_some_and(|it| !it.is_empty()),
            "{problem}"
        );
        problem
    }
}

/// An answer that ended with its connection.
pub fn parse(received: &[u8]) -> Option<Answer> {
    let end = received
        .windows(4)
        .position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&received[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let body = received[end + 4..].to_vec();
    let is_chunked = headers
        .iter()
        .any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if is_chunked { unchunked(&body) } else { body };
    Some(Answer {
        status,
        headers,
        body,
    })
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|window| window == b"\r\n") {
        let length = std::str::from_utf8(&body[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        let Some(chunk) = body.get(end + 2..end + 2 + length) else {
            break;
        };
        whole.extend_from_slice(chunk);
        body = body.get(end + 4 + length..).unwrap_or_default();
    }
    whole
}

/// The description, from the code that the service is built of.
pub fn description() -> &'static Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| serde_json::to_value(althing::server::openapi()).unwrap())
}

/// The path as it is described, and the operation that answers to it.
pub fn described(method: &str, path: &str) -> Option<(&'static str, &'static Value)> {
    let path = path.split('?').next().unwrap();
    let parts: Vec<&str> = path.split('/').collect();
    let paths = description()["paths"].as_object().unwrap();
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        pattern.len() == parts.len()
            && (pattern.iter().zip(&parts))
                .all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
    };
    // A plain path goes before one with a parameter.
    let plain = paths.get_key_value(path);
    let found = plain.or_else(|| paths.iter().find(|(pattern, _)| fits(pattern)));
    let (pattern, methods) = found?;
    Some((pattern, methods.get(method.to_ascii_lowercase())?))
}

/// Fails the test unless the description has this status, content type and form for what was asked.
#[track_caller]
pub fn assert_documented(method: &str, path: &str, answer: &Answer) {
    let (_, code) = answer.outcome();
    if ["request.unknown-path", "request.method"].contains(&code.as_str()) {
        return;
    }
    let found = described(method, path);
    let (_, operation) = found.unwrap_or_else(|| panic!("{method} {path}"));
    let response = &operation["responses"][answer.status.to_string()];
    assert!(
        response.is_object(),
        "{method} {path}: {} is not described",
        answer.status
    );
    let kind = answer.header("content-type").unwrap_or_default();
    let kinds = response["content"].as_object().unwrap();
    assert!(
        kinds.contains_key(kind),
        "{method} {path}: {kind:?}, described: {kinds:?}"
    );
    if kind.ends_with("json") {
        let schema = &kinds[kind]["schema"];
        let problem = Schemas(description()).problem(schema, &answer.json());
        let shown: String = answer.text().chars().take(400).collect();
        assert_eq!(problem, None, "{method} {path}: {shown}");
    }
    assert!(answer.header("x-request-id").is_some(), "{method} {path}");
}

/// A token of these scopes, as a header.
pub fn token(world: &World, scopes: &[&str]) -> String {
    let scopes: String = scopes
        .iter()
        .map(|scope| format!(" --scope {scope}"))
        .collect();
    let made = world
        .run(&format!("token create tester{scopes} --json"))
        .ok()
        .json();
    format!("Bearer {}", made["secret"].as_str().unwrap())
}

/// A prediction of a model.
pub fn prediction(model: &str) -> Value {
    json!({"model": model, "model_version": "1.2", "input": {"age": 61}})
}
