//! Pages of an index in descending order, merged from several partitions.

use std::collections::BTreeMap;

use dynamo::{Item, text};
use kernel::Timestamp;

use super::{Store, StoreError};
use crate::domain::Cursor;

/// A partition of an index with the sort key `order`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partition<'a> {
    pub(super) index: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'a str,
}

/// The part of a list to read.
#[derive(Debug, Clone, Default)]
pub struct PageRange {
    /// The earliest creation time, inclusive.
    pub since: Option<Timestamp>,
    /// The latest creation time, exclusive.
    pub before: Option<Timestamp>,
    /// The last entry of the previous page.
    pub after: Option<Cursor>,
    /// The maximum number of entries, 1 to 100.
    pub limit: usize,
}

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub entries: Vec<T>,
    /// The cursor of the next page, if there is one.
    pub next: Option<Cursor>,
}

impl Store {
    /// Queries a partition from the newest entry in the range, and returns the entries by their `order`: up to one more
    /// than the limit.
    pub(super) async fn query_desc(
        &self,
        partition: Partition<'_>,
        range: &PageRange,
    ) -> Result<Vec<(String, Item)>, StoreError> {
        // An order begins with the time, so a bare time sorts before all orders of that time. '0' sorts before all times
        // of this era, '~' after them.
        let oldest = range.since.map_or_else(|| "0".to_owned(), |since| since.to_string());
        let before = range.before.map_or_else(|| "~".to_owned(), |before| before.to_string());
        let after = range.after.as_ref().map(Cursor::to_string);
        let newest = after.clone().map_or(before.clone(), |after| after.min(before));
        if oldest > newest {
            return Ok(Vec::new());
        }
        // BETWEEN includes the entry at the cursor, which is removed below.
        let limit = i32::try_from(range.limit.saturating_add(2)).unwrap_or(i32::MAX);
        let response = self
            .table
            .client()
            .query()
            .table_name(self.table.name())
            .index_name(partition.index)
            .key_condition_expression("#key = :value AND #order BETWEEN :oldest AND :newest")
            .expression_attribute_names("#key", partition.key)
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":value", text(partition.value))
            .expression_attribute_values(":oldest", text(oldest))
            .expression_attribute_values(":newest", text(newest))
            .scan_index_forward(false)
            .limit(limit)
            .send()
            .await?;
        let mut items = Vec::new();
        for item in response.items.unwrap_or_default() {
            let order = item.get("order").and_then(|order| order.as_s().ok()).cloned();
            let order = order.ok_or_else(|| StoreError::internal("an indexed item has no order"))?;
            if Some(&order) != after.as_ref() {
                items.push((order, item));
            }
        }
        Ok(items)
    }
}

/// Merges the entries of several partitions into a page that contains each entry once.
pub(super) fn merge<T>(
    partitions: impl IntoIterator<Item = Vec<(String, Item)>>,
    limit: usize,
    read: impl Fn(Item) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let mut ascending: BTreeMap<String, Item> = partitions.into_iter().flatten().collect();
    let mut entries = Vec::new();
    let mut last: Option<String> = None;
    while let Some((order, item)) = ascending.pop_last() {
        if entries.len() == limit {
            return Ok(Page { entries, next: last.and_then(|order| order.parse().ok()) });
        }
        entries.push(read(item)?);
        last = Some(order);
    }
    Ok(Page { entries, next: None })
}
