//! Pages of an index in descending order, merged from several partitions.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use dynamo::{Item, text};
use kernel::Timestamp;

use super::{Store, StoreError};
use crate::domain::Cursor;

/// The number of entries that one query of a filtered list reads.
pub(super) const FILTERED_PER_QUERY: usize = 100;
/// The maximum number of entries that a filtered page reads.
pub(super) const MAX_FILTERED: usize = 1_000;

/// A partition of an index with the sort key `order`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partition<'a> {
    pub(super) index: &'static str,
    pub(super) key: &'static str,
    pub(super) value: &'a str,
}

/// A condition on the entries of a partition.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub(super) attribute: &'static str,
    pub(super) value: AttributeValue,
}

/// The newest entries of a partition.
#[derive(Debug)]
pub(super) struct Newest {
    /// The entries by their `order`: up to one more than the limit.
    entries: Vec<(String, Item)>,
    /// The `order` up to which the partition was read, if it has further entries that were not.
    read_until: Option<String>,
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
    /// The list is complete up to this creation time, exclusive.
    pub complete_until: Timestamp,
}

/// The maximum time from the creation time of an entry until the index contains it: a write ends with its invocation, at
/// most 10 seconds after it took the time, and the index follows it, usually within a second.
const MAX_INDEXING_DELAY: Duration = Duration::from_secs(15);

impl Store {
    /// Queries a partition from the newest entry in the range. A filter is applied to at most [`MAX_FILTERED`] entries.
    pub(super) async fn query_desc(
        &self,
        partition: Partition<'_>,
        filter: Option<Filter>,
        range: &PageRange,
    ) -> Result<Newest, StoreError> {
        // An order begins with the time, so a bare time sorts before all orders of that time. '0' sorts before all times
        // of this era, '~' after them.
        let oldest = range.since.map_or_else(|| "0".to_owned(), |since| since.to_string());
        let before = range.before.map_or_else(|| "~".to_owned(), |before| before.to_string());
        let after = range.after.as_ref().map(Cursor::to_string);
        let newest = after.clone().map_or(before.clone(), |after| after.min(before));
        let mut entries = Vec::new();
        if oldest > newest {
            return Ok(Newest { entries, read_until: None });
        }
        // BETWEEN includes the entry at the cursor, which is removed below.
        let limit = if filter.is_some() { FILTERED_PER_QUERY } else { range.limit.saturating_add(2) };
        let mut query = self
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
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let is_filtered = filter.is_some();
        if let Some(Filter { attribute, value }) = filter {
            query = query
                .filter_expression("#filtered = :filtered")
                .expression_attribute_names("#filtered", attribute)
                .expression_attribute_values(":filtered", value);
        }
        let mut start = None;
        for _ in 0..MAX_FILTERED / FILTERED_PER_QUERY {
            let response = query.clone().set_exclusive_start_key(start).send().await?;
            for item in response.items.unwrap_or_default() {
                let order = order_of(&item)?.to_owned();
                if Some(&order) != after.as_ref() {
                    entries.push((order, item));
                }
            }
            start = response.last_evaluated_key;
            if !is_filtered || entries.len() > range.limit || start.is_none() {
                return Ok(Newest { entries, read_until: None });
            }
        }
        let read_until = start.as_ref().map(order_of).transpose()?.map(str::to_owned);
        Ok(Newest { entries, read_until })
    }
}

fn order_of(item: &Item) -> Result<&str, StoreError> {
    let order = item.get("order").and_then(|order| order.as_s().ok());
    Ok(order.ok_or_else(|| StoreError::internal("an indexed item has no order"))?)
}

/// Merges the entries of several partitions, which were read after `read_at`, into a page that contains each entry once.
pub(super) fn merge<T>(
    partitions: impl IntoIterator<Item = Newest>,
    limit: usize,
    read_at: Timestamp,
    read: impl Fn(Item) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let complete_until = read_at.minus(MAX_INDEXING_DELAY);
    let mut ascending: BTreeMap<String, Item> = BTreeMap::new();
    let mut read_until: Option<String> = None;
    for newest in partitions {
        ascending.extend(newest.entries);
        read_until = read_until.max(newest.read_until);
    }
    let mut entries = Vec::new();
    let mut last: Option<String> = None;
    while let Some((order, item)) = ascending.pop_last() {
        if entries.len() == limit {
            return Ok(Page { entries, next: last.as_deref().map(cursor).transpose()?, complete_until });
        }
        entries.push(read(item)?);
        last = Some(order);
    }
    Ok(Page { entries, next: read_until.as_deref().map(cursor).transpose()?, complete_until })
}

fn cursor(order: &str) -> Result<Cursor, StoreError> {
    order.parse().map_err(|_| StoreError::internal("an indexed item has a malformed order"))
}
