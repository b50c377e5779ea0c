//! Where reports go: text for people, JSON for machines.

use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;
use serde_json::{Map, Value};

use super::args::{Color, Global};
use super::error::Failure;
use super::exit::Exit;
use super::style;
use crate::views;

/// What a command has to say.
pub trait Report: Serialize {
    /// The name and version of the JSON form, such as `althing.vote/1`.
    const SCHEMA: &'static str;

    /// The text for people.
    fn text(&self) -> String;
}

/// Prints reports and failures in the form that the user asked for.
pub struct Output {
    json: bool,
    quiet: bool,
    color: ColorChoice,
}

impl Output {
    /// Output as the global options ask for.
    pub fn new(global: &Global) -> Self {
        Self {
            json: global.json,
            quiet: global.quiet,
            color: match global.color {
                Color::Auto => ColorChoice::Auto,
                Color::Always => ColorChoice::Always,
                Color::Never => ColorChoice::Never,
            },
        }
    }

    /// Output for a program, before the options are known.
    pub const fn json_only() -> Self {
        Self {
            json: true,
            quiet: false,
            color: ColorChoice::Never,
        }
    }

    /// Whether the user asked for JSON.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a report on standard output.
    pub fn report<R: Report>(&self, report: &R) -> Result<(), Failure> {
        if self.json {
            self.json(R::SCHEMA, report)
        } else if self.quiet {
            Ok(())
        } else {
            self.text(&report.text())
        }
    }

    /// Prints a value as one line of JSON with its schema.
    fn json(&self, schema: &str, value: &impl Serialize) -> Result<(), Failure> {
        self.text(&format!("{}\n", views::json(schema, value)))
    }

    /// Prints text on standard output as it is. A reader that has gone is no failure.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        let mut stream = self.stdout();
        match stream
            .write_all(text.as_bytes())
            .and_then(|()| stream.flush())
        {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => Err(Failure::new(
                Exit::Failure,
                "output.io",
                format!("can't write to standard output: {error}"),
            )),
            Ok(()) => Ok(()),
        }
    }

    /// Standard output, which drops styles where they are not wanted.
    fn stdout(&self) -> AutoStream<io::Stdout> {
        AutoStream::new(io::stdout(), self.color)
    }

    /// Tells the user something that is not data.
    pub fn note(&self, text: &str) {
        if !self.quiet && !self.json {
            let mut stream = AutoStream::new(io::stderr(), self.color);
            // A note that nobody can read is lost.
            let _ = writeln!(stream, "{text}");
        }
    }

    /// Whether a progress bar would be seen.
    pub fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Prints a failure and says how the process ends.
    pub fn failure(&self, failure: &Failure) -> Exit {
        if self.json {
            let printed = self.json("althing.error/1", &failure_json(failure));
            return printed.err().map_or(failure.exit, |error| error.exit);
        }
        let mut stream = AutoStream::new(io::stderr(), self.color);
        // A failure that nobody can read still ends with its exit code.
        let _ = write!(stream, "{}", failure_text(failure));
        failure.exit
    }
}

fn failure_json(failure: &Failure) -> Value {
    let mut error = Map::new();
    error.insert("code".to_owned(), failure.code.clone().into());
    error.insert("message".to_owned(), failure.message.clone().into());
    if !failure.causes.is_empty() {
        error.insert("causes".to_owned(), failure.causes.clone().into());
    }
    let hint = failure.hint.clone();
    error.insert("hint".to_owned(), hint.map_or(Value::Null, Value::from));
    let mut object = failure.details.clone();
    object.insert("error".to_owned(), error.into());
    object.into()
}

fn failure_text(failure: &Failure) -> String {
    let mut text = format!(
        "{}: {} {}\n",
        style::bad("error"),
        style::escaped(&failure.message),
        style::dim(&format!("[{}]", failure.code)),
    );
    for cause in &failure.causes {
        text.push_str(&format!("caused by: {}\n", style::escaped(cause)));
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("{}: {hint}\n", style::good("hint")));
    }
    text
}
