//! What `pg_dump --schema-only` prints, by object.
//!
//! Two settings stand before the objects that need them, and only where they change: the tablespace and the access
//! method. Taken as they stand, one object that is missing would change the text of the next; so each object that has
//! them is given the two lines that apply to it.

use super::Place;
use super::server::newest_client;

/// An object's definition, its owner, comment or privileges: what has a heading of its own in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// As the heading has it: `TABLE app.texts`. The owner is no part of it, so that another owner is a difference in
    /// the text and not another object.
    pub object: String,
    /// The statements.
    pub text: String,
}

/// Lines that differ between any two dumps.
const NOISE: [&str; 5] = [
    "-- PostgreSQL database dump complete",
    "\\restrict ",
    "\\unrestrict ",
    "-- Dumped from database",
    "-- Dumped by pg_dump",
];

/// The settings that stand before objects.
const SETTINGS: [&str; 2] = ["SET default_tablespace = ", "SET default_table_access_method = "];

/// What has a tablespace, an access method, or both.
const PLACED: [&str; 4] = ["TABLE ", "MATERIALIZED VIEW ", "INDEX ", "CONSTRAINT "];

/// The definitions of a database in the order in which the newest client on board prints them; the first holds what
/// stands before all objects.
///
/// # Panics
/// pg_dump fails.
pub async fn definitions(place: &Place) -> Vec<Definition> {
    let mut dump = place.client("pg_dump", newest_client());
    let output = dump.arg("--schema-only").output().await.expect("pg_dump can be run");
    assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
    split(&String::from_utf8(output.stdout).expect("pg_dump writes UTF-8"))
}

fn split(dump: &str) -> Vec<Definition> {
    let lines: Vec<&str> =
        dump.lines().filter(|line| !NOISE.iter().any(|start| line.starts_with(start))).collect();
    // Servers before 12 know no access methods of tables: theirs is heap.
    let mut settings = ["SET default_tablespace = '';", "SET default_table_access_method = heap;"];
    let mut found = vec![Definition { object: "SETTINGS".to_owned(), text: String::new() }];
    for (at, line) in lines.iter().enumerate() {
        if let Some(definition) = heading(&lines, at) {
            found.push(definition);
            let last = found.last_mut().expect("one was just pushed");
            if PLACED.iter().any(|kind| last.object.starts_with(kind)) {
                for setting in settings {
                    push_line(&mut last.text, setting);
                }
            }
        } else if let Some(which) = SETTINGS.iter().position(|start| line.starts_with(start)) {
            settings[which] = line;
        } else if *line != "--" {
            let last = found.last_mut().expect("there is one from the beginning");
            push_line(&mut last.text, line);
        }
    }
    found
}

/// The heading whose middle line this is: `-- Name: …; Type: …; Schema: …; Owner: …` between two lines of dashes. The
/// owner becomes the text's first line.
fn heading(lines: &[&str], at: usize) -> Option<Definition> {
    let around = [at.checked_sub(1)?, at + 1];
    if around.iter().any(|line| lines.get(*line) != Some(&"--")) {
        return None;
    }
    let rest = lines[at].strip_prefix("-- Name: ")?;
    // A name may hold anything, so the parts are taken from the end.
    let (rest, owner) = rest.rsplit_once("; Owner: ")?;
    let (rest, schema) = rest.rsplit_once("; Schema: ")?;
    let (name, kind) = rest.rsplit_once("; Type: ")?;
    // For privileges this is the object's owner, which is in the object's own definition; that of an extension's
    // member is whoever restored the extension.
    let text = if kind == "ACL" { String::new() } else { format!("-- Owner: {owner}\n") };
    Some(Definition { object: format!("{kind} {schema}.{name}"), text })
}

fn push_line(text: &mut String, line: &str) {
    if !line.is_empty() {
        text.push_str(line);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "\
--
-- PostgreSQL database dump
--

\\restrict abc

-- Dumped from database version 15.1
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: a; Type: TABLE; Schema: app; Owner: one
--

CREATE TABLE app.a (
    id integer
);


SET default_tablespace = elsewhere;

--
-- Name: TABLE \"; Owner: b\"; Type: COMMENT; Schema: app; Owner: two
--

COMMENT ON TABLE app.b IS 'x';


--
-- Name: a_key; Type: INDEX; Schema: app; Owner: one; Tablespace: elsewhere
--

CREATE INDEX a_key ON app.a (id);
";

    #[test]
    fn a_dump_is_split_at_its_headings() {
        let found = split(DUMP);
        let objects: Vec<&str> = found.iter().map(|definition| definition.object.as_str()).collect();
        assert_eq!(
            objects,
            ["SETTINGS", "TABLE app.a", "COMMENT app.TABLE \"; Owner: b\"", "INDEX app.a_key"]
        );
        assert_eq!(found[0].text, "-- PostgreSQL database dump\nSET row_security = off;\n");
    }

    #[test]
    fn an_object_has_the_settings_that_apply_to_it() {
        let found = split(DUMP);
        let table = "-- Owner: one\nSET default_tablespace = '';\nSET default_table_access_method = heap;\n\
                     CREATE TABLE app.a (\n    id integer\n);\n";
        assert_eq!(found[1].text, table);
        assert_eq!(found[2].text, "-- Owner: two\nCOMMENT ON TABLE app.b IS 'x';\n");
        assert!(found[3].text.contains("SET default_tablespace = elsewhere;\n"), "{found:?}");
    }
}
