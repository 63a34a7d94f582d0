//! What is wrong with a policy's file: each place with its line, and what is allowed there.

use std::fmt::Write;

use permafrost_domain::policy::{PolicyProblem, PolicyProblems};

/// The characters of a line that are shown.
const SHOWN: usize = 80;
/// The characters before a place that are shown at least, where the line is longer than that.
const BEFORE: usize = 50;

/// Every problem of `text`, the file `name`, with an empty line behind each.
pub(crate) fn policy_problems(name: &str, text: &str, problems: &PolicyProblems) -> String {
    let mut report = String::new();
    for problem in problems.iter() {
        describe(&mut report, name, text, problem);
    }
    report
}

fn describe(report: &mut String, name: &str, text: &str, problem: &PolicyProblem) {
    let PolicyProblem { position, path, message, allowed } = problem;
    let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
    let gutter = match position {
        None => {
            let _ = writeln!(report, "{name}: {path}{message}");
            0
        }
        Some(position) => {
            let (line, column) = (position.line, position.column);
            let _ = writeln!(report, "{name}:{line}:{column}: {path}{message}");
            let number = line.to_string();
            let source = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
            let (excerpt, caret) = excerpt(source, column);
            let gutter = number.len();
            let _ = writeln!(report, "  {number} | {excerpt}");
            let _ = writeln!(report, "  {:gutter$} | {caret}^", "");
            gutter
        }
    };
    if let Some(allowed) = allowed {
        let _ = writeln!(report, "  {:gutter$} = allowed: {allowed}", "");
    }
    report.push('\n');
}

/// The part of a line around a column (from 1), and what stands before the caret in the line below it.
fn excerpt(line: &str, column: usize) -> (String, String) {
    let chars: Vec<char> = line.trim_end().chars().collect();
    let at = column.saturating_sub(1).min(chars.len());
    let skipped = if chars.len() > SHOWN { at.saturating_sub(BEFORE) } else { 0 };
    let shown = &chars[skipped..chars.len().min(skipped + SHOWN)];
    let left = if skipped > 0 { "…" } else { "" };
    let right = if skipped + SHOWN < chars.len() { "…" } else { "" };
    // A tab stays one above and below; whatever else moves a terminal's cursor is not shown.
    let printable = |c: &char| if c.is_control() && *c != '\t' { '\u{fffd}' } else { *c };
    let excerpt: String = shown.iter().map(printable).collect();
    let blank = |c: &char| if *c == '\t' { '\t' } else { ' ' };
    let caret: String = left.chars().map(|_| ' ').chain(shown[..at - skipped].iter().map(blank)).collect();
    (format!("{left}{excerpt}{right}"), caret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_its_column() {
        assert_eq!(excerpt("  on: [sonday]", 8), ("  on: [sonday]".to_owned(), " ".repeat(7)));
        assert_eq!(excerpt("\tkey: x", 2), ("\tkey: x".to_owned(), "\t".to_owned()));
        assert_eq!(excerpt("short", 90), ("short".to_owned(), " ".repeat(5)));
        assert_eq!(excerpt("", 1), (String::new(), String::new()));
        assert_eq!(excerpt("a\u{1b}[2J", 1).0, "a\u{fffd}[2J");
    }

    #[test]
    fn of_a_long_line_the_place_is_shown() {
        let line = format!("{}{}{}", "a".repeat(300), 'X', "b".repeat(300));
        let (excerpt, caret) = excerpt(&line, 301);
        assert_eq!(excerpt.chars().nth(caret.chars().count()), Some('X'));
        assert!(excerpt.starts_with('…') && excerpt.ends_with('…'));
        assert_eq!(excerpt.chars().count(), SHOWN + 2);
    }
}
