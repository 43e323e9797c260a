//! Capacity units calculated from the sizes of items: a check of `ReturnConsumedCapacity`, and the only source for
//! rejected writes, for which DynamoDB reports nothing.
//!
//! Sizes: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>. Units:
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>.

use serde_json::{Map, Value};

/// An item in DynamoDB JSON.
pub type Item = Map<String, Value>;

/// Capacity units: one write unit is a write of up to 1 KiB, one read unit a consistent read of up to 4 KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Capacity {
    pub read: f64,
    pub write: f64,
}

impl std::iter::Sum for Capacity {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self { read: sum.read + one.read, write: sum.write + one.write })
    }
}

/// The size of an item in bytes.
pub fn size_bytes(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    let Some((kind, inner)) = value.as_object().and_then(|typed| typed.iter().next()) else { return 0 };
    let members = || inner.as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match kind.as_str() {
        "S" => text(inner).len(),
        "N" => number_bytes(&text(inner)),
        // Base64: three bytes are four characters.
        "B" => binary_bytes(&text(inner)),
        "SS" => members().map(|member| text(member).len()).sum(),
        "NS" => members().map(|member| number_bytes(&text(member))).sum(),
        "BS" => members().map(|member| binary_bytes(&text(member))).sum(),
        "L" => 3 + members().map(|member| 1 + value_bytes(member)).sum::<usize>(),
        "M" => {
            let pairs = inner.as_object().into_iter().flatten();
            3 + pairs.map(|(name, value)| 1 + name.len() + value_bytes(value)).sum::<usize>()
        }
        // NULL and BOOL.
        _ => 1,
    }
}

/// One byte per two significant digits, one more, and one for a sign.
fn number_bytes(text: &str) -> usize {
    let digits = text.trim_start_matches('-').replace('.', "");
    let significant = digits.trim_start_matches('0').trim_end_matches('0').len();
    significant.div_ceil(2) + 1 + usize::from(text.starts_with('-'))
}

fn binary_bytes(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

fn units(bytes: usize, unit_bytes: usize) -> f64 {
    let units = bytes.div_ceil(unit_bytes).max(1);
    f64::from(u32::try_from(units).unwrap_or(u32::MAX))
}

/// Write units of a change: the larger of both images counts.
pub fn write_units(before: Option<&Item>, after: Option<&Item>) -> f64 {
    let larger = before.map_or(0, size_bytes).max(after.map_or(0, size_bytes));
    units(larger, 1024)
}

/// Read units of a number of bytes.
pub fn read_units(bytes: usize, consistent: bool) -> f64 {
    units(bytes, 4096) * if consistent { 1.0 } else { 0.5 }
}

/// A global secondary index.
#[derive(Debug, Clone)]
pub struct Index {
    /// The key attributes. An item without one of them is not indexed.
    pub key: Vec<String>,
    /// The attributes of an entry; `None` for all of the item.
    pub projected: Option<Vec<String>>,
}

impl Index {
    /// Write units of the index for a write of the table. A transaction does not double them.
    pub fn write_units(&self, before: Option<&Item>, after: Option<&Item>) -> f64 {
        let place = |item: Option<&Item>| -> Option<Vec<Value>> {
            self.key.iter().map(|name| item.and_then(|item| item.get(name)).cloned()).collect()
        };
        let projected = |item: Option<&Item>| -> Option<Item> {
            let (item, projected) = (item?, self.projected.as_ref());
            let is_projected = |name: &String| projected.is_none_or(|projected| projected.contains(name));
            Some(
                item.iter()
                    .filter(|(name, _)| is_projected(name))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            )
        };
        let (before_place, after_place) = (place(before), place(after));
        let (before, after) = (projected(before), projected(after));
        match (before_place, after_place) {
            (None, None) => 0.0,
            (Some(_), None) => write_units(before.as_ref(), None),
            (None, Some(_)) => write_units(None, after.as_ref()),
            (Some(_), Some(_)) if before == after => 0.0,
            (Some(old), Some(new)) if old == new => write_units(before.as_ref(), after.as_ref()),
            // The entry moves.
            (Some(_), Some(_)) => write_units(before.as_ref(), None) + write_units(None, after.as_ref()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "units are halves, and halves are exact")]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(value: &Value) -> Item {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn item_size_follows_the_developer_guide() {
        for (value, bytes) in [
            (json!({"pk": {"S": "é"}}), 2 + 2),
            (json!({"n": {"N": "0"}}), 1 + 1),
            (json!({"n": {"N": "-123.50"}}), 1 + 2 + 1 + 1),
            (json!({"n": {"N": "9007199254740991"}}), 1 + 8 + 1),
            (json!({"b": {"B": "AAAAAA=="}}), 1 + 4),
            (json!({"t": {"BOOL": true}}), 1 + 1),
            (json!({"s": {"SS": ["ab", "c"]}}), 1 + 3),
            (json!({"l": {"L": [{"S": "ab"}, {"NULL": true}]}}), 1 + 3 + (1 + 2) + (1 + 1)),
            (json!({"m": {"M": {"k": {"S": "ab"}}}}), 1 + 3 + (1 + 1 + 2)),
        ] {
            assert_eq!(size_bytes(&item(&value)), bytes, "{value}");
        }
    }

    #[test]
    fn write_units_round_up_the_larger_image() {
        let of = |bytes: usize| item(&json!({"k": {"S": "x".repeat(bytes - 1)}}));
        assert_eq!(write_units(None, None), 1.0);
        assert_eq!(write_units(None, Some(&of(1024))), 1.0);
        assert_eq!(write_units(Some(&of(2049)), Some(&of(10))), 3.0);
        assert_eq!((read_units(0, true), read_units(4096, true), read_units(4097, false)), (1.0, 1.0, 1.0));
    }

    #[test]
    fn index_units_count_changes_of_the_index_only() {
        let index = Index { key: vec!["from".to_owned()], projected: None };
        let at = |place: &str, note: &str| item(&json!({"from": {"S": place}, "note": {"S": note}}));
        let outside = item(&json!({"note": {"S": "n"}}));
        assert_eq!(index.write_units(None, Some(&outside)), 0.0);
        assert_eq!(index.write_units(None, Some(&at("a", "n"))), 1.0);
        assert_eq!(index.write_units(Some(&at("a", "n")), Some(&at("a", "n"))), 0.0);
        assert_eq!(index.write_units(Some(&at("a", "n")), Some(&at("a", "m"))), 1.0);
        assert_eq!(index.write_units(Some(&at("a", "n")), Some(&at("b", "n"))), 2.0);
        let keys_only = Index { projected: Some(index.key.clone()), ..index };
        assert_eq!(keys_only.write_units(None, Some(&at("a", &"n".repeat(2000)))), 1.0);
        assert_eq!(keys_only.write_units(Some(&at("a", "n")), Some(&at("a", "m"))), 0.0);
        assert_eq!(keys_only.write_units(Some(&at("a", "n")), Some(&at("b", "n"))), 2.0);
    }
}
