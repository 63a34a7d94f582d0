//! Rows of a query: text, or NULL.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, RowDescriptionBody};

use super::QueryError;

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// As the server names it.
    pub name: String,
    /// The oid of the column's type.
    pub type_oid: u32,
}

/// One row; every value is the type's text form.
#[derive(Debug, Clone)]
pub struct Row {
    columns: Arc<[Column]>,
    data: Bytes,
    /// Where each value stands in `data`; `None` is NULL. Checked to be UTF-8 on receipt.
    values: Vec<Option<Range<usize>>>,
}

impl Row {
    /// The value of a column, counted from 0; `None` if it is NULL or there is no such column.
    pub fn get(&self, index: usize) -> Option<&str> {
        let range = self.values.get(index)?.clone()?;
        std::str::from_utf8(&self.data[range]).ok()
    }

    /// The value of a column, as a type of Rust's: `row.parse::<i64>(0)?`, `row.parse::<Option<bool>>(1)?`.
    ///
    /// # Errors
    /// NULL where the type has no place for it, text that is not the type's, or no such column.
    pub fn parse<T: TextParse>(&self, index: usize) -> Result<T, QueryError> {
        let column =
            self.columns.get(index).ok_or(QueryError::NoColumn { index, columns: self.columns.len() })?;
        let value = self.get(index);
        T::text_parse(value).ok_or_else(|| QueryError::Value {
            column: column.name.clone(),
            value: value.map_or_else(|| "NULL".to_owned(), |text| format!("{text:?}")),
            expected: T::EXPECTED,
        })
    }

    /// The columns of the result, the same for all of its rows.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many columns there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether the row has no columns at all, as of `SELECT FROM t`.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(super) fn decode(columns: &Arc<[Column]>, body: &DataRowBody) -> Result<Self, QueryError> {
        let malformed = |error: std::io::Error| QueryError::Protocol(error.to_string());
        let values: Vec<_> = body.ranges().collect().map_err(malformed)?;
        if values.len() != columns.len() {
            return Err(QueryError::Protocol(format!(
                "a row of {} columns arrived, {} were announced",
                values.len(),
                columns.len()
            )));
        }
        let data = body.buffer_bytes().clone();
        for (column, range) in columns.iter().zip(&values) {
            if range.clone().is_some_and(|range| std::str::from_utf8(&data[range]).is_err()) {
                return Err(QueryError::NotUtf8 { column: column.name.clone() });
            }
        }
        Ok(Self { columns: Arc::clone(columns), data, values })
    }
}

/// Reads the columns that a result announces.
pub(super) fn decode_columns(body: &RowDescriptionBody) -> Result<Arc<[Column]>, QueryError> {
    body.fields()
        .map(|field| Ok(Column { name: field.name().to_owned(), type_oid: field.type_oid() }))
        .collect::<Vec<_>>()
        .map(Arc::from)
        .map_err(|error| QueryError::Protocol(error.to_string()))
}

/// A type that can be read from PostgreSQL's text form.
pub trait TextParse: Sized {
    /// The type's name in an error.
    const EXPECTED: &'static str;

    /// `None` if the text, or NULL, is not a value of this type.
    fn text_parse(value: Option<&str>) -> Option<Self>;
}

macro_rules! parse_by_from_str {
    ($($type:ty: $expected:literal),+ $(,)?) => {$(
        impl TextParse for $type {
            const EXPECTED: &'static str = $expected;

            fn text_parse(value: Option<&str>) -> Option<Self> {
                value?.parse().ok()
            }
        }
    )+};
}

parse_by_from_str! {
    String: "text",
    i16: "a 16-bit integer", i32: "a 32-bit integer", i64: "a 64-bit integer",
    u16: "a positive 16-bit integer", u32: "a positive 32-bit integer", u64: "a positive 64-bit integer",
    f32: "a number", f64: "a number",
}

/// PostgreSQL writes `t` and `f`.
impl TextParse for bool {
    const EXPECTED: &'static str = "a boolean";

    fn text_parse(value: Option<&str>) -> Option<Self> {
        match value? {
            "t" | "true" => Some(true),
            "f" | "false" => Some(false),
            _ => None,
        }
    }
}

/// `None` for NULL.
impl<T: TextParse> TextParse for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn text_parse(value: Option<&str>) -> Option<Self> {
        value.map_or(Some(None), |text| T::text_parse(Some(text)).map(Some))
    }
}
