//! How text looks: a few styles, aligned tables, and escapes for whatever came from outside.

use std::fmt::Write as _;

use crate::governance::display_text;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Bold, for what matters most.
pub fn bold(text: &str) -> String {
    format!("\x1b[1m{text}\x1b[0m")
}

/// Dimmed, for what may be skipped.
pub fn dim(text: &str) -> String {
    format!("\x1b[2m{text}\x1b[0m")
}

/// Green, for what is in order.
pub fn good(text: &str) -> String {
    format!("\x1b[32m{text}\x1b[0m")
}

/// Red, for what is not.
pub fn bad(text: &str) -> String {
    format!("\x1b[31m{text}\x1b[0m")
}

/// Text from outside with every control and format character escaped.
pub fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let plain = display_text::is_plain(c.encode_utf8(&mut [0; 4]));
            let escape = (!plain).then(|| c.escape_unicode());
            escape.into_iter().flatten().chain(plain.then_some(c))
        })
        .collect()
}

/// Longer text from outside: its lines stay lines, everything else is escaped.
pub fn escaped_lines(text: &str) -> Vec<String> {
    text.lines().map(escaped).collect()
}

/// A borderless table whose columns line up.
pub struct Grid(Table);

impl Grid {
    /// A table with these column heads.
    pub fn new(heads: &[&str]) -> Self {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(heads.iter().map(|head| head.to_uppercase()));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self(table)
    }

    /// Sets a column of numbers flush right.
    pub fn right(mut self, column: usize) -> Self {
        if let Some(column) = self.0.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        self
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.add_row(cells);
    }

    /// The table's text, lines without trailing spaces.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in self.0.lines() {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

/// Lines of `name  value`, names aligned.
pub fn fields(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in pairs {
        let name = dim(&format!("{name:width$}"));
        let _ = writeln!(text, "{name}  {value}");
    }
    text
}

/// `count` and `noun`, in the plural where it is called for.
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_can_not_move_the_cursor() {
        for (text, expected) in [
            ("plain ä 東", "plain ä 東"),
            ("a\nb", "a\\u{a}b"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\u{202e}b", "a\\u{202e}b"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }
}
