//! The `COPY` statement of a table's data: what it names, and the statements made of it.
//!
//! pg_dump writes `COPY app."Sales" (id, "Net amount") FROM stdin;`. The columns are what must be
//! copied (generated ones are left out), the relation is where the rows are to be loaded. Mostly
//! that is where they come from as well; of a partition that is loaded through the root of its
//! tree it is not, and the rows come from [`Entry::relation`](crate::Entry::relation).

use crate::identifier::Relation;
use crate::text::Text;

/// A parsed `COPY ... FROM stdin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyStatement {
    /// Where the rows are loaded.
    pub relation: Relation,
    /// The columns, quoted and parted by commas just as pg_dump wrote them, without parentheses.
    /// `None` for a table without columns to copy.
    pub columns: Option<Text>,
}

/// Why a statement is not one of pg_dump's `COPY` statements.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {offset} of the statement {statement:?}")]
pub struct CopyStatementError {
    /// What the statement should have there.
    pub expected: &'static str,
    /// Bytes from the statement's beginning.
    pub offset: usize,
    /// The statement as it stands in the archive.
    pub statement: Text,
}

impl CopyStatement {
    /// Takes apart the statement of a `TABLE DATA` entry.
    ///
    /// # Errors
    /// It does not have the form that pg_dump writes.
    pub fn parse(statement: &Text) -> Result<Self, CopyStatementError> {
        let mut scanner = Scanner { statement, offset: 0 };
        scanner.word("COPY")?;
        let first = scanner.identifier()?;
        let relation = if scanner.take(b'.') {
            Relation { schema: Some(first), name: scanner.identifier()? }
        } else {
            Relation { schema: None, name: first }
        };
        scanner.skip_spaces();
        let columns = if scanner.take(b'(') { Some(scanner.column_list()?) } else { None };
        scanner.word("FROM")?;
        scanner.word("stdin;")?;
        if scanner.rest().is_empty() { Ok(Self { relation, columns }) } else { Err(scanner.error("the end")) }
    }

    /// The statement that gives the same columns of `source` as text:
    /// `COPY "app"."sales" (id, "Net amount") TO STDOUT`.
    ///
    /// `source` is [`Entry::relation`](crate::Entry::relation) of the entry that the statement is
    /// from.
    pub fn copy_to_stdout(&self, source: &Relation) -> Text {
        self.copy(source, b" TO STDOUT")
    }

    /// The statement that loads the rows: `COPY "app"."sales" (id, "Net amount") FROM STDIN`.
    pub fn copy_from_stdin(&self) -> Text {
        self.copy(&self.relation, b" FROM STDIN")
    }

    fn copy(&self, relation: &Relation, direction: &[u8]) -> Text {
        let mut sql = b"COPY ".to_vec();
        sql.extend(relation.to_sql().as_bytes());
        if let Some(columns) = &self.columns {
            sql.extend(b" (");
            sql.extend(columns.as_bytes());
            sql.push(b')');
        }
        sql.extend(direction);
        sql.into()
    }
}

/// A place in a statement. ASCII bytes are never part of another character, see [`Text`].
struct Scanner<'s> {
    statement: &'s Text,
    offset: usize,
}

impl<'s> Scanner<'s> {
    fn rest(&self) -> &'s [u8] {
        &self.statement.as_bytes()[self.offset..]
    }

    fn error(&self, expected: &'static str) -> CopyStatementError {
        CopyStatementError { expected, offset: self.offset, statement: self.statement.clone() }
    }

    fn skip_spaces(&mut self) {
        self.offset += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.rest().first() == Some(&byte);
        self.offset += usize::from(found);
        found
    }

    /// `word`, with spaces before and after it.
    fn word(&mut self, word: &'static str) -> Result<(), CopyStatementError> {
        self.skip_spaces();
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.error(word));
        }
        self.offset += word.len();
        self.skip_spaces();
        Ok(())
    }

    fn identifier(&mut self) -> Result<Text, CopyStatementError> {
        const EXPECTED: &str = "a name";
        if self.take(b'"') {
            return self.quoted_rest();
        }
        let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'.' | b'(' | b')' | b'"' | b';');
        let length = self.rest().iter().take_while(|byte| !ends(byte)).count();
        if length == 0 {
            return Err(self.error(EXPECTED));
        }
        let name = Text::from(&self.rest()[..length]);
        self.offset += length;
        Ok(name)
    }

    /// The rest of a quoted name, after its opening quote.
    fn quoted_rest(&mut self) -> Result<Text, CopyStatementError> {
        let mut name = Vec::new();
        loop {
            let Some(byte) = self.rest().first() else { return Err(self.error("a closing quote")) };
            self.offset += 1;
            // A doubled quote stands for one.
            if *byte == b'"' && !self.take(b'"') {
                return Ok(name.into());
            }
            name.push(*byte);
        }
    }

    /// Everything up to the closing parenthesis, which is taken as well.
    fn column_list(&mut self) -> Result<Text, CopyStatementError> {
        let start = self.offset;
        // A doubled quote closes and opens again, which comes to the same here.
        let mut in_quotes = false;
        while let Some(byte) = self.rest().first() {
            self.offset += 1;
            match byte {
                b'"' => in_quotes = !in_quotes,
                b')' if !in_quotes => {
                    return Ok(self.statement.as_bytes()[start..self.offset - 1].into());
                }
                _ => {}
            }
        }
        Err(self.error("a closing parenthesis"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identifier::quote_ident;

    fn parse(statement: &str) -> Result<CopyStatement, CopyStatementError> {
        CopyStatement::parse(&statement.into())
    }

    fn relation(schema: &str, name: &str) -> Relation {
        Relation { schema: Some(schema.into()), name: name.into() }
    }

    #[test]
    fn names_are_unquoted_and_columns_kept() {
        for (statement, schema, name, columns) in [
            ("COPY public.t (a, b) FROM stdin;\n", "public", "t", Some("a, b")),
            (r#"COPY "Sch ema".tab (a, "B ""x") FROM stdin;"#, "Sch ema", "tab", Some(r#"a, "B ""x""#)),
            (
                r#"COPY s."a.b""c(d)" ("e)f", "g""h") FROM stdin;"#,
                "s",
                r#"a.b"c(d)"#,
                Some(r#""e)f", "g""h""#),
            ),
            (r#"COPY "select"."größe" ("from") FROM stdin;"#, "select", "größe", Some(r#""from""#)),
            ("COPY größe.x (ä) FROM stdin;\n", "größe", "x", Some("ä")),
            ("COPY public.no_columns  FROM stdin;\n", "public", "no_columns", None),
            ("COPY public.t () FROM stdin;\n", "public", "t", Some("")),
        ] {
            let parsed = parse(statement).unwrap();
            assert_eq!(parsed.relation, relation(schema, name), "{statement}");
            assert_eq!(parsed.columns, columns.map(Text::from), "{statement}");
        }
    }

    #[test]
    fn before_version_1_13_there_is_no_schema() {
        let parsed = parse("COPY t (a) FROM stdin;\n").unwrap();
        assert_eq!(parsed.relation, Relation { schema: None, name: "t".into() });
        assert_eq!(parsed.copy_from_stdin(), r#"COPY "t" (a) FROM STDIN"#);
    }

    #[test]
    fn rows_come_from_the_given_relation_and_go_to_the_statements() {
        let parsed = parse("COPY public.root (id, \"At\") FROM stdin;\n").unwrap();
        assert_eq!(
            parsed.copy_to_stdout(&relation("public", "Leaf 1")),
            r#"COPY "public"."Leaf 1" (id, "At") TO STDOUT"#
        );
        assert_eq!(parsed.copy_from_stdin(), r#"COPY "public"."root" (id, "At") FROM STDIN"#);
        let bare = parse("COPY public.none  FROM stdin;\n").unwrap();
        assert_eq!(bare.copy_to_stdout(&bare.relation), r#"COPY "public"."none" TO STDOUT"#);
    }

    #[test]
    fn errors_name_the_place() {
        for (statement, message) in [
            ("INSERT", r#"expected COPY at byte 0 of the statement "INSERT""#),
            ("COPY  ", r#"expected a name at byte 6 of the statement "COPY  ""#),
            ("COPY \"a", r#"expected a closing quote at byte 7 of the statement "COPY \"a""#),
            (
                "COPY a.b (\"c)",
                r#"expected a closing parenthesis at byte 13 of the statement "COPY a.b (\"c)""#,
            ),
            ("COPY a (b) TO stdout;", r#"expected FROM at byte 11 of the statement "COPY a (b) TO stdout;""#),
            (
                "COPY a (b) FROM stdin; x",
                r#"expected the end at byte 23 of the statement "COPY a (b) FROM stdin; x""#,
            ),
        ] {
            assert_eq!(parse(statement).unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn any_quoted_name_comes_back(schema in any::<String>(), name in any::<Vec<u8>>(), column in any::<Vec<u8>>()) {
            let relation = Relation { schema: Some(schema.into()), name: name.into() };
            let column = quote_ident(&column.into());
            let mut statement = b"COPY ".to_vec();
            statement.extend(relation.to_sql().as_bytes());
            statement.extend(b" (");
            statement.extend(column.as_bytes());
            statement.extend(b") FROM stdin;\n");
            let parsed = CopyStatement::parse(&statement.into()).unwrap();
            prop_assert_eq!(parsed, CopyStatement { relation, columns: Some(column) });
        }

        #[test]
        fn no_statement_panics(statement in any::<Vec<u8>>(), tail in "COPY [a\". ()]{0,12}(FROM stdin;)?") {
            let _ = CopyStatement::parse(&statement.into());
            let _ = CopyStatement::parse(&tail.into());
        }
    }
}
