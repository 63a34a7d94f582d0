//! The words of a statement that pg_dump wrote: names, keywords, literals, symbols.
//!
//! Enough of SQL's lexical rules to tell a keyword from the same letters inside of a name, a string
//! or a comment. Keywords that could end a name (`TO`, `ON`, `FROM`) are reserved, so pg_dump quotes
//! names like them, and the first bare one is the keyword.

use std::iter::Peekable;
use std::ops::Range;

use crate::identifier::Relation;
use crate::text::Text;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword, a name that needs no quotes, or a number.
    Word,
    /// A name in double quotes.
    Quoted,
    /// A string, in single quotes or between dollar signs.
    Literal,
    /// One byte of punctuation.
    Symbol,
    /// A quote that is never closed: everything from it to the end.
    Unclosed,
}

/// One token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token<'t> {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its bytes, quotes included.
    pub(crate) bytes: &'t [u8],
    /// Where those are in the statement.
    pub(crate) range: Range<usize>,
}

impl Token<'_> {
    /// Whether this is the keyword, in whatever case, and not a quoted name.
    pub(crate) fn is_word(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.bytes.eq_ignore_ascii_case(keyword.as_bytes())
    }

    /// Whether this is this byte of punctuation.
    pub(crate) fn is_symbol(&self, symbol: u8) -> bool {
        self.kind == Kind::Symbol && self.bytes == [symbol]
    }

    /// The name that this stands for, without quotes; `None` if it cannot be one.
    pub(crate) fn name(&self) -> Option<Text> {
        match self.kind {
            Kind::Word => Some(self.bytes.into()),
            Kind::Quoted => Some(unquoted(&self.bytes[1..self.bytes.len() - 1]).into()),
            Kind::Literal | Kind::Symbol | Kind::Unclosed => None,
        }
    }
}

/// The bytes between the quotes, each doubled quote made one.
fn unquoted(inner: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        name.push(*byte);
        if *byte == b'"' {
            bytes.next();
        }
    }
    name
}

/// The tokens of a text, in order.
pub(crate) struct Tokens<'t> {
    text: &'t [u8],
    offset: usize,
}

impl<'t> Tokens<'t> {
    /// The tokens of `text`.
    pub(crate) fn of(text: &'t Text) -> Peekable<Self> {
        Self { text: text.as_bytes(), offset: 0 }.peekable()
    }

    fn rest(&self) -> &'t [u8] {
        &self.text[self.offset..]
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            self.offset += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let rest = self.rest();
            if rest.starts_with(b"--") {
                self.offset += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            } else if rest.starts_with(b"/*") {
                self.offset += find(&rest[2..], b"*/").map_or(rest.len(), |end| end + 4);
            } else {
                return;
            }
        }
    }

    /// The kind and the length of what the rest begins with.
    fn measure(&self, first: u8) -> (Kind, usize) {
        let rest = self.rest();
        match first {
            b'"' => closed(Kind::Quoted, rest, quoted_length(rest, b'"', Escapes::Doubling)),
            b'\'' => closed(Kind::Literal, rest, quoted_length(rest, b'\'', Escapes::Doubling)),
            b'E' | b'e' if rest.get(1) == Some(&b'\'') => {
                let length = quoted_length(&rest[1..], b'\'', Escapes::Backslashes);
                closed(Kind::Literal, rest, length.map(|length| length + 1))
            }
            b'$' => match dollar_tag(rest) {
                Some(tag) => {
                    let body = find(&rest[tag.len()..], tag).map(|end| end + 2 * tag.len());
                    closed(Kind::Literal, rest, body)
                }
                None => (Kind::Symbol, 1),
            },
            _ if is_word_byte(first) => {
                let ends = |byte: &u8| !is_word_byte(*byte) && *byte != b'$';
                (Kind::Word, rest.iter().position(ends).unwrap_or(rest.len()))
            }
            _ => (Kind::Symbol, 1),
        }
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        self.skip_blanks_and_comments();
        let (kind, length) = self.measure(*self.rest().first()?);
        let range = self.offset..self.offset + length;
        self.offset = range.end;
        Some(Token { kind, bytes: &self.text[range.clone()], range })
    }
}

/// Takes `name` or `schema.name`, if that is what comes next.
pub(crate) fn take_relation(tokens: &mut Peekable<Tokens<'_>>) -> Option<Relation> {
    let first = tokens.next()?.name()?;
    if tokens.next_if(|token| token.is_symbol(b'.')).is_none() {
        return Some(Relation { schema: None, name: first });
    }
    Some(Relation { schema: Some(first), name: tokens.next()?.name()? })
}

/// Takes everything up to and with the first bare `keyword` outside of parentheses; whether there
/// was one.
pub(crate) fn skip_past(tokens: &mut Peekable<Tokens<'_>>, keyword: &str) -> bool {
    let mut depth = 0_usize;
    for token in tokens {
        if token.is_symbol(b'(') {
            depth += 1;
        } else if token.is_symbol(b')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && token.is_word(keyword) {
            return true;
        }
    }
    false
}

/// How a quote is written inside of what it encloses.
#[derive(Clone, Copy)]
enum Escapes {
    Doubling,
    Backslashes,
}

/// The length with both quotes, if there is a closing one.
fn quoted_length(text: &[u8], quote: u8, escapes: Escapes) -> Option<usize> {
    let backslashes = matches!(escapes, Escapes::Backslashes);
    let mut at = 1;
    loop {
        let byte = *text.get(at)?;
        at += 1;
        if byte == b'\\' && backslashes {
            at += 1;
        } else if byte == quote {
            if text.get(at) != Some(&quote) {
                return Some(at);
            }
            at += 1;
        }
    }
}

fn closed(kind: Kind, rest: &[u8], length: Option<usize>) -> (Kind, usize) {
    length.map_or((Kind::Unclosed, rest.len()), |length| (kind, length))
}

/// `$$` or `$word$` at the beginning of the text.
fn dollar_tag(text: &[u8]) -> Option<&[u8]> {
    let length = text[1..].iter().take_while(|byte| is_word_byte(**byte)).count();
    (text.get(length + 1) == Some(&b'$')).then(|| &text[..length + 2])
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identifier::quote_ident;

    fn tokens(text: &str) -> Vec<(Kind, String)> {
        let text = Text::from(text);
        Tokens::of(&text)
            .map(|token| (token.kind, String::from_utf8_lossy(token.bytes).into_owned()))
            .collect()
    }

    #[test]
    fn names_strings_and_comments_hide_keywords() {
        use Kind::{Literal, Quoted, Symbol, Unclosed, Word};
        let expect = |list: &[(Kind, &str)]| -> Vec<(Kind, String)> {
            list.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect()
        };
        assert_eq!(
            tokens(r#"GRANT SELECT("a ""TO"" b") -- TO x"#),
            expect(&[
                (Word, "GRANT"),
                (Word, "SELECT"),
                (Symbol, "("),
                (Quoted, r#""a ""TO"" b""#),
                (Symbol, ")")
            ])
        );
        assert_eq!(
            tokens(r"'it''s TO' E'a\'TO' $$ TO $$ $b$ $$ TO $b$ größe /* TO */ $1;"),
            expect(&[
                (Literal, "'it''s TO'"),
                (Literal, r"E'a\'TO'"),
                (Literal, "$$ TO $$"),
                (Literal, "$b$ $$ TO $b$"),
                (Word, "größe"),
                (Symbol, "$"),
                (Word, "1"),
                (Symbol, ";"),
            ])
        );
        assert_eq!(tokens("a 'b"), expect(&[(Word, "a"), (Unclosed, "'b")]));
        assert_eq!(tokens("a /* b"), expect(&[(Word, "a")]));
    }

    #[test]
    fn relations_are_taken_with_or_without_a_schema() {
        for (text, schema, name) in
            [(r#""S.c"."t""x" y"#, Some("S.c"), "t\"x"), ("t y", None, "t"), ("s.t", Some("s"), "t")]
        {
            let text = text.into();
            let relation = take_relation(&mut Tokens::of(&text)).unwrap();
            assert_eq!(relation, Relation { schema: schema.map(Text::from), name: name.into() });
        }
        let text = "'literal'".into();
        assert_eq!(take_relation(&mut Tokens::of(&text)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_become_tokens_that_stand_in_order(bytes in any::<Vec<u8>>()) {
            let text = Text::from(bytes);
            let mut end = 0;
            for token in Tokens::of(&text) {
                prop_assert!(token.range.start >= end && token.range.end > token.range.start);
                end = token.range.end;
            }
            prop_assert!(end <= text.as_bytes().len());
        }

        #[test]
        fn a_quoted_name_is_one_token(name in any::<Vec<u8>>()) {
            let name = Text::from(name);
            let quoted = quote_ident(&name);
            let all: Vec<_> = Tokens::of(&quoted).map(|token| token.name()).collect();
            prop_assert_eq!(all, [Some(name)]);
        }
    }
}
