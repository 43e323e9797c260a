//! Pages of an index in descending order, merged from several partitions.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use dynamo::{Item, text};
use futures_util::StreamExt;
use futures_util::stream;
use kernel::Timestamp;

use super::{MAX_CONCURRENT_QUERIES, Store, StoreError};
use crate::domain::Cursor;

/// The number of entries that a partition's first query reads at least. The smallest charge for a query, half a read unit,
/// covers 4 KiB: nine transfers with an idempotency key and accounts with generated ids.
const LEAST_PER_QUERY: usize = 8;

/// The number of entries that one query of a filtered list reads.
pub(super) const FILTERED_PER_QUERY: usize = 100;
/// The maximum number of entries that a filtered page reads.
pub(super) const MAX_FILTERED: usize = 1_000;

/// A partition of an index with the sort key `order`.
#[derive(Debug, Clone)]
pub(super) struct Partition {
    pub(super) index: &'static str,
    pub(super) key: &'static str,
    pub(super) value: String,
}

/// A condition on the entries of a partition.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub(super) attribute: &'static str,
    pub(super) value: AttributeValue,
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

/// The bounds of the orders to read, both inclusive.
#[derive(Debug, Clone)]
struct Bounds {
    oldest: String,
    newest: String,
    /// Whether `newest` is the order of an entry that was read before.
    excludes_newest: bool,
}

impl Bounds {
    /// `None` if the range is empty.
    fn of(range: &PageRange) -> Option<Self> {
        // An order begins with the time, so a bare time sorts before all orders of that time. '0' sorts before all times
        // of this era, '~' after them.
        let oldest = range.since.map_or_else(|| "0".to_owned(), |since| since.to_string());
        let before = range.before.map_or_else(|| "~".to_owned(), |before| before.to_string());
        let after = range.after.as_ref().map(Cursor::to_string).filter(|after| *after <= before);
        let (newest, excludes_newest) = after.map_or((before, false), |after| (after, true));
        (oldest <= newest).then_some(Self { oldest, newest, excludes_newest })
    }
}

/// A part of a partition that may have entries of the page.
#[derive(Debug)]
struct Unread {
    partition: Partition,
    bounds: Bounds,
    /// The number of entries to read, newest first.
    count: usize,
}

/// The result of one query.
#[derive(Debug)]
struct Batch {
    /// The entries by their order.
    entries: Vec<(String, Item)>,
    /// The rest of the partition, if it has further entries.
    unread: Option<Unread>,
}

/// The newest of the entries that were read, each once.
#[derive(Debug)]
struct NewestEntries {
    /// The maximum number: those of a page, and one that shows that there is a next page.
    capacity: usize,
    by_order: BTreeMap<String, Item>,
}

impl NewestEntries {
    fn new(limit: usize) -> Self {
        Self { capacity: limit.saturating_add(1), by_order: BTreeMap::new() }
    }

    fn add(&mut self, entries: Vec<(String, Item)>) {
        for (order, item) in entries {
            self.by_order.insert(order, item);
            if self.by_order.len() > self.capacity {
                self.by_order.pop_first();
            }
        }
    }

    fn is_full(&self) -> bool {
        self.by_order.len() == self.capacity
    }

    /// Narrows the rest of a partition to the entries that may be among the newest. Returns `None` if there can be none.
    fn narrow(&self, Unread { partition, bounds, .. }: Unread) -> Option<Unread> {
        // What was read and is not older than the rest precedes it.
        let read_until = (Bound::Included(bounds.newest.as_str()), Bound::Unbounded);
        let count = self.capacity.saturating_sub(self.by_order.range::<str, _>(read_until).count());
        let oldest = self.by_order.first_key_value().filter(|_| self.is_full()).map(|(order, _)| order.clone());
        let bounds = Bounds { oldest: oldest.unwrap_or(bounds.oldest), ..bounds };
        (count > 0).then_some(Unread { partition, bounds, count })
    }
}

impl Store {
    /// Reads a page of the entries of several partitions.
    ///
    /// The first queries read from each partition twice its share of the page. A partition all of whose entries so far are
    /// on the page may have more of them, at most as many as the page has room for after them. The second queries read
    /// exactly those, so none of the entries of the page remains. Each is a round trip for
    /// [`MAX_CONCURRENT_QUERIES`] partitions. No query reads more than `limit + 2` entries.
    pub(super) async fn merged_page<T>(
        &self,
        partitions: Vec<Partition>,
        range: &PageRange,
        read: impl Fn(Item) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let read_at = self.now();
        let mut newest = NewestEntries::new(range.limit);
        let share = newest.capacity.saturating_mul(2).div_ceil(partitions.len().max(1));
        let count = share.max(LEAST_PER_QUERY).min(newest.capacity);
        let mut unread = Vec::new();
        if let Some(bounds) = Bounds::of(range) {
            let whole = |partition| Unread { partition, bounds: bounds.clone(), count };
            unread.extend(partitions.into_iter().map(whole));
        }
        while !unread.is_empty() {
            let mut batches = stream::iter(unread.into_iter().map(|unread| self.read_batch(unread)))
                .buffer_unordered(MAX_CONCURRENT_QUERIES);
            let mut partly_read = Vec::new();
            while let Some(batch) = batches.next().await {
                let Batch { entries, unread } = batch?;
                newest.add(entries);
                partly_read.extend(unread);
            }
            drop(batches);
            unread = partly_read.into_iter().filter_map(|unread| newest.narrow(unread)).collect();
        }
        page(newest.by_order, range.limit, None, read_at, read)
    }

    async fn read_batch(&self, Unread { partition, bounds, count }: Unread) -> Result<Batch, StoreError> {
        // The entry at the upper bound is read too, and removed.
        let limit = count.saturating_add(usize::from(bounds.excludes_newest));
        let response = self.query_desc(&partition, &bounds, limit).send().await?;
        let entries = entries(response.items.unwrap_or_default(), &bounds)?;
        let read_until = response.last_evaluated_key.as_ref().map(order_of).transpose()?;
        let unread = read_until.map(|read_until| {
            let bounds = Bounds { newest: read_until.to_owned(), excludes_newest: true, ..bounds };
            Unread { partition, bounds, count }
        });
        Ok(Batch { entries, unread })
    }

    /// Reads a page of the entries of a partition to which a filter applies, by at most
    /// `MAX_FILTERED / FILTERED_PER_QUERY` consecutive queries of [`FILTERED_PER_QUERY`] entries.
    pub(super) async fn filtered_page<T>(
        &self,
        partition: Partition,
        Filter { attribute, value }: Filter,
        range: &PageRange,
        read: impl Fn(Item) -> Result<T, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let read_at = self.now();
        let mut newest = NewestEntries::new(range.limit);
        let Some(bounds) = Bounds::of(range) else { return page(newest.by_order, range.limit, None, read_at, read) };
        let query = self
            .query_desc(&partition, &bounds, FILTERED_PER_QUERY)
            .filter_expression("#filtered = :filtered")
            .expression_attribute_names("#filtered", attribute)
            .expression_attribute_values(":filtered", value);
        let mut start = None;
        for _ in 0..MAX_FILTERED / FILTERED_PER_QUERY {
            let response = query.clone().set_exclusive_start_key(start).send().await?;
            newest.add(entries(response.items.unwrap_or_default(), &bounds)?);
            start = response.last_evaluated_key;
            if newest.is_full() || start.is_none() {
                return page(newest.by_order, range.limit, None, read_at, read);
            }
        }
        let read_until = start.as_ref().map(order_of).transpose()?;
        page(newest.by_order, range.limit, read_until, read_at, read)
    }

    /// A query of at most `limit` entries of a partition, newest first.
    fn query_desc(&self, partition: &Partition, bounds: &Bounds, limit: usize) -> QueryFluentBuilder {
        self.table
            .client()
            .query()
            .table_name(self.table.name())
            .index_name(partition.index)
            .key_condition_expression("#key = :value AND #order BETWEEN :oldest AND :newest")
            .expression_attribute_names("#key", partition.key)
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":value", text(&partition.value))
            .expression_attribute_values(":oldest", text(&bounds.oldest))
            .expression_attribute_values(":newest", text(&bounds.newest))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
    }
}

/// The items by their order, without the entry that was read before.
fn entries(items: Vec<Item>, bounds: &Bounds) -> Result<Vec<(String, Item)>, StoreError> {
    let mut entries = Vec::with_capacity(items.len());
    for item in items {
        let order = order_of(&item)?.to_owned();
        if !(bounds.excludes_newest && order == bounds.newest) {
            entries.push((order, item));
        }
    }
    Ok(entries)
}

fn order_of(item: &Item) -> Result<&str, StoreError> {
    let order = item.get("order").and_then(|order| order.as_s().ok());
    Ok(order.ok_or_else(|| StoreError::internal("an indexed item has no order"))?)
}

/// A page of entries that were read after `read_at`. `read_until` is the order up to which the list was read, if it was not
/// read to its end.
fn page<T>(
    mut ascending: BTreeMap<String, Item>,
    limit: usize,
    read_until: Option<&str>,
    read_at: Timestamp,
    read: impl Fn(Item) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let complete_until = read_at.minus(MAX_INDEXING_DELAY);
    let mut entries = Vec::with_capacity(ascending.len());
    let mut last: Option<String> = None;
    while let Some((order, item)) = ascending.pop_last() {
        if entries.len() == limit {
            return Ok(Page { entries, next: last.as_deref().map(cursor).transpose()?, complete_until });
        }
        entries.push(read(item)?);
        last = Some(order);
    }
    Ok(Page { entries, next: read_until.map(cursor).transpose()?, complete_until })
}

fn cursor(order: &str) -> Result<Cursor, StoreError> {
    order.parse().map_err(|_| StoreError::internal("an indexed item has a malformed order"))
}

#[cfg(test)]
mod tests;
