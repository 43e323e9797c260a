//! The items of an engine's tables at one time.

use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::types::Item;
use dynoxide::{Database, ImportOptions};

/// The items of some tables.
#[derive(Debug)]
pub struct Snapshot(Vec<(String, Vec<Item>)>);

impl Snapshot {
    pub(crate) fn of(database: &Database, tables: &[&str]) -> Self {
        Self(tables.iter().map(|table| ((*table).to_owned(), items(database, table))).collect())
    }

    pub(crate) fn restore(&self, database: &Database) {
        for (table, kept) in &self.0 {
            for item in items(database, table).iter().filter(|item| !kept.contains(item)) {
                let key = ["pk", "sk"].map(|name| (name.to_owned(), item[name].clone())).into();
                let request = DeleteItemRequest { table_name: table.clone(), key, ..DeleteItemRequest::default() };
                database.delete_item(request).expect("a key of the table");
            }
            let options = ImportOptions { record_streams: false, set_cached_at: false };
            database.import_items(table, kept.clone(), options).expect("items of the same table");
        }
    }
}

fn items(database: &Database, table: &str) -> Vec<Item> {
    let request = ScanRequest { table_name: table.to_owned(), ..ScanRequest::default() };
    let page = database.scan(request).expect("a table");
    assert!(page.last_evaluated_key.is_none(), "{table} has more than one page of items");
    page.items.unwrap_or_default()
}
