//! Names of relations, and how they are written in SQL.

use std::fmt;

use crate::text::Text;

/// A relation's schema and name, not quoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relation {
    /// The schema; `None` only in archives of version 1.12, whose statements rely on the search
    /// path.
    pub schema: Option<Text>,
    /// The name within the schema.
    pub name: Text,
}

impl Relation {
    /// The relation as it is written in a statement, every part quoted.
    pub fn to_sql(&self) -> Text {
        let mut sql = Vec::new();
        if let Some(schema) = &self.schema {
            sql.extend(quote_ident(schema).as_bytes());
            sql.push(b'.');
        }
        sql.extend(quote_ident(&self.name).as_bytes());
        sql.into()
    }
}

/// For people: `schema.name` without quotes.
impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        self.name.fmt(f)
    }
}

/// `name` as an SQL identifier: always in quotes, so no list of keywords is needed.
pub fn quote_ident(name: &Text) -> Text {
    let bytes = name.as_bytes();
    let mut quoted = Vec::with_capacity(bytes.len() + 2);
    quoted.push(b'"');
    for byte in bytes {
        if *byte == b'"' {
            quoted.push(b'"');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_quoted() {
        for (name, quoted) in [
            ("accounts", r#""accounts""#),
            ("select", r#""select""#),
            ("Sch ema", r#""Sch ema""#),
            (r#"a"b"#, r#""a""b""#),
            ("größe", r#""größe""#),
        ] {
            assert_eq!(quote_ident(&name.into()), quoted);
        }
        assert_eq!(quote_ident(&Text::from(&b"\xe9"[..])).as_bytes(), b"\"\xe9\"");
    }

    #[test]
    fn a_relation_is_written_with_its_schema() {
        let mut relation = Relation { schema: Some("app".into()), name: "Tab.le".into() };
        assert_eq!(relation.to_sql(), r#""app"."Tab.le""#);
        assert_eq!(relation.to_string(), "app.Tab.le");
        relation.schema = None;
        assert_eq!(relation.to_sql(), r#""Tab.le""#);
    }
}
