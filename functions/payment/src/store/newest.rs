//! Reading an index from the newest to the oldest, and several of its partitions as one list.

use std::collections::BTreeMap;

use kernel::Timestamp;

use super::item::{Item, Reader, text};
use super::{StoreError, Table};
use crate::domain::Place;

/// One partition of an index whose sort key is `order`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Partition<'a> {
    pub(crate) index: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: &'a str,
}

/// What part of a list is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Span {
    /// Not before this time.
    pub(crate) since: Option<Timestamp>,
    /// Before this time.
    pub(crate) before: Option<Timestamp>,
    /// After this place, reading from the newest to the oldest.
    pub(crate) after: Option<Place>,
    /// At most so many.
    pub(crate) limit: usize,
}

impl Table {
    /// The newest items of a partition, each under its place: one more than the limit, if there are as many.
    pub(crate) async fn newest(
        &self,
        partition: Partition<'_>,
        span: &Span,
    ) -> Result<Vec<(String, Item)>, StoreError> {
        // Every place begins with its time, so a bare time sorts before all places of that time; '0' before all times of
        // this era, '~' after them.
        let oldest = span.since.map_or_else(|| "0".to_owned(), |since| since.to_string());
        let before = span.before.map_or_else(|| "~".to_owned(), |before| before.to_string());
        let after = span.after.as_ref().map(Place::to_string);
        let newest = after.clone().map_or(before.clone(), |after| after.min(before));
        if oldest > newest {
            return Ok(Vec::new());
        }
        // BETWEEN includes the place itself, which is left out below.
        let enough = i32::try_from(span.limit.saturating_add(2)).unwrap_or(i32::MAX);
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(partition.index)
            .key_condition_expression("#key = :value AND #order BETWEEN :oldest AND :newest")
            .expression_attribute_names("#key", partition.key)
            .expression_attribute_names("#order", "order")
            .expression_attribute_values(":value", text(partition.value))
            .expression_attribute_values(":oldest", text(oldest))
            .expression_attribute_values(":newest", text(newest))
            .scan_index_forward(false)
            .limit(enough)
            .send()
            .await?;
        let mut items = Vec::new();
        for item in answer.items.unwrap_or_default() {
            let place = Reader(&item).text("order")?.to_owned();
            if Some(&place) != after.as_ref() {
                items.push((place, item));
            }
        }
        Ok(items)
    }
}

/// Several partitions' newest items as one list, each item once, and where the next page begins, if there is more.
pub(crate) fn merge(
    partitions: impl IntoIterator<Item = Vec<(String, Item)>>,
    limit: usize,
) -> (Vec<Item>, Option<Place>) {
    let mut newest_last: BTreeMap<String, Item> = partitions.into_iter().flatten().collect();
    let mut items = Vec::new();
    let mut last = None;
    while let Some((place, item)) = newest_last.pop_last() {
        if items.len() == limit {
            return (items, last.and_then(|place: String| Place::parse(&place)));
        }
        items.push(item);
        last = Some(place);
    }
    (items, None)
}
