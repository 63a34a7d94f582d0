//! Lists that are longer than a page: asked for page by page, as far as the caller reads.

use std::vec;

use permafrost_domain::wire::Page;
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::error::ClientError;

/// The items of a list, in the API's order.
#[derive(Debug)]
pub struct Pages<'a, T> {
    client: &'a Client,
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
    here: vec::IntoIter<T>,
    next: Next,
}

#[derive(Debug)]
enum Next {
    First,
    Page(String),
    None,
}

impl<'a, T: DeserializeOwned> Pages<'a, T> {
    pub(crate) fn new(client: &'a Client, segments: &[&str], query: Vec<(&'static str, String)>) -> Self {
        let segments = segments.iter().map(|&segment| segment.to_owned()).collect();
        Self { client, segments, query, here: Vec::new().into_iter(), next: Next::First }
    }

    /// The next item; `None` after the last one.
    ///
    /// # Errors
    /// What the request for the next page met.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(item) = self.here.next() {
                return Ok(Some(item));
            }
            let mut query = self.query.clone();
            match std::mem::replace(&mut self.next, Next::None) {
                Next::First => {}
                Next::Page(token) => query.push(("next", token)),
                Next::None => return Ok(None),
            }
            let segments: Vec<&str> = self.segments.iter().map(String::as_str).collect();
            let page: Page<T> = self.client.transport().get(&segments, &query).await?;
            self.here = page.items.into_iter();
            self.next = page.next.map_or(Next::None, Next::Page);
        }
    }

    /// The next items, at most `limit`.
    ///
    /// # Errors
    /// What the request for a page met.
    pub async fn take(&mut self, limit: usize) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        while items.len() < limit {
            match self.next().await? {
                Some(item) => items.push(item),
                None => break,
            }
        }
        Ok(items)
    }
}
