//! Items of the table, and what they say.

use std::collections::HashMap;
use std::fmt::Display;

use aws_sdk_dynamodb::types::AttributeValue;
use kernel::{Amount, Balance, Currency, Timestamp, UserId};

use super::{Fence, StoreError};
use crate::domain::{
    Account, AccountStatus, AccountType, Fingerprint, IntakeShards, Note, PaymentAccountId, Place, Posting, Refusal,
    Transfer, TransferId, TransferStatus, TransferType,
};

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A text.
pub(crate) fn text(value: impl Display) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// A number.
pub(crate) fn number(value: impl Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A key of the table.
pub(crate) fn key(pk: impl Into<String>, sk: &str) -> Item {
    HashMap::from([("pk".to_owned(), AttributeValue::S(pk.into())), ("sk".to_owned(), text(sk))])
}

pub(crate) fn account_key(id: &PaymentAccountId) -> Item {
    key(format!("ACCOUNT#{id}"), "ACCOUNT")
}

pub(crate) fn transfer_key(id: TransferId) -> Item {
    key(format!("TRANSFER#{id}"), "TRANSFER")
}

pub(crate) fn user_key(id: UserId) -> Item {
    key(format!("USER#{id}"), "USER")
}

/// Reads an item's attributes, naming what is wrong.
pub(crate) struct Reader<'a>(pub(crate) &'a Item);

impl<'a> Reader<'a> {
    pub(crate) fn optional_text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    pub(crate) fn text(&self, name: &str) -> Result<&'a str, StoreError> {
        self.optional_text(name).ok_or_else(|| self.unreadable(name, "is missing"))
    }

    pub(crate) fn read<T, E: Display>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        read(self.text(name)?).map_err(|error| self.unreadable(name, error))
    }

    pub(crate) fn integer<T: std::str::FromStr<Err: Display>>(&self, name: &str) -> Result<T, StoreError> {
        let digits = self.0.get(name).and_then(|value| value.as_n().ok());
        let digits = digits.ok_or_else(|| self.unreadable(name, "is missing"))?;
        digits.parse().map_err(|error| self.unreadable(name, error))
    }

    pub(crate) fn texts(&self, name: &str) -> &'a [String] {
        self.0.get(name).and_then(|value| value.as_ss().ok()).map(Vec::as_slice).unwrap_or_default()
    }

    /// A list of integers.
    pub(crate) fn integers(&self, name: &str) -> Result<Vec<i64>, StoreError> {
        let list = self.0.get(name).and_then(|value| value.as_l().ok());
        let list = list.ok_or_else(|| self.unreadable(name, "is missing"))?;
        let integers: Option<_> = list.iter().map(|value| value.as_n().ok()?.parse().ok()).collect();
        integers.ok_or_else(|| self.unreadable(name, "is no list of integers"))
    }

    /// A list of maps, such as the steps of a payment.
    pub(crate) fn maps(&self, name: &str) -> impl Iterator<Item = &'a Item> {
        self.0.get(name).and_then(|value| value.as_l().ok()).into_iter().flatten().filter_map(|value| value.as_m().ok())
    }

    pub(crate) fn unreadable(&self, name: &str, reason: impl Display) -> StoreError {
        let pk = self.optional_text("pk").unwrap_or("?");
        StoreError::Internal(format!("{pk}: {name}: {reason}"))
    }

    pub(crate) fn known<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, StoreError> {
        self.read(name, |value| parse(value).ok_or_else(|| format!("{value} is not known")))
    }
}

/// What an account says of itself, without its key.
pub(crate) fn account_attributes(account: &Account) -> Item {
    let mut item = Item::from([
        ("id".to_owned(), text(&account.id)),
        ("ownerId".to_owned(), text(account.owner)),
        ("type".to_owned(), text(account.kind.as_str())),
        ("currency".to_owned(), text(account.currency)),
        ("status".to_owned(), text(account.status.as_str())),
        ("balance".to_owned(), number(account.balance.minor())),
        ("available".to_owned(), number(account.available)),
        ("headroom".to_owned(), number(account.headroom)),
        ("createdAt".to_owned(), text(account.created_at)),
    ]);
    if let Some(shards) = account.intake_shards {
        item.insert(INTAKE_SHARDS.to_owned(), number(shards.count()));
    }
    item
}

/// The number of an account's shards, where it has any.
pub(crate) const INTAKE_SHARDS: &str = "intakeShards";

/// The shards of an account.
pub(crate) fn read_intake_shards(account: &Item) -> Result<Option<IntakeShards>, StoreError> {
    let reader = Reader(account);
    let shards = account.get(INTAKE_SHARDS).map(|_| reader.integer(INTAKE_SHARDS)).transpose()?;
    shards.map(IntakeShards::new).transpose().map_err(|error| reader.unreadable(INTAKE_SHARDS, error))
}

pub(crate) fn read_account(item: &Item) -> Result<Account, StoreError> {
    let reader = Reader(item);
    let balance = Balance::from_minor(reader.integer("balance")?);
    Ok(Account {
        id: reader.read("id", PaymentAccountId::parse)?,
        owner: reader.read("ownerId", UserId::parse)?,
        kind: reader.known("type", AccountType::parse)?,
        currency: reader.read("currency", Currency::parse)?,
        status: reader.known("status", AccountStatus::parse)?,
        balance: balance.map_err(|error| reader.unreadable("balance", error))?,
        available: reader.integer("available")?,
        headroom: reader.integer("headroom")?,
        intake_shards: read_intake_shards(item)?,
        created_at: reader.read("createdAt", Timestamp::parse)?,
    })
}

pub(crate) fn transfer_item(transfer: &Transfer, fingerprint: Option<&Fingerprint>) -> Item {
    let mut item = transfer_key(transfer.id);
    let mut set = |name: &str, value: AttributeValue| {
        item.insert(name.to_owned(), value);
    };
    set("id", text(transfer.id));
    set("type", text(transfer.posting.kind().as_str()));
    set("status", text(transfer.status.as_str()));
    set("amount", number(transfer.amount.minor()));
    set("currency", text(transfer.currency));
    set("initiatedBy", text(transfer.initiated_by));
    set("createdAt", text(transfer.created_at));
    if let Some(from) = transfer.posting.from() {
        set("from", text(from));
    }
    if let Some(to) = transfer.posting.to() {
        set("to", text(to));
    }
    if let Some(note) = &transfer.note {
        set("note", text(note.as_str()));
    }
    if let Some(fingerprint) = fingerprint {
        set("fingerprint", text(fingerprint.as_str()));
    }
    match transfer.status {
        TransferStatus::Completed => set("order", text(Place::of(transfer.created_at, transfer.id))),
        TransferStatus::Failed(refusal) => {
            let (code, party) = refusal.as_stored();
            set("failureCode", text(code));
            set("failureParty", text(party));
        }
    }
    item
}

pub(crate) fn read_transfer(item: &Item) -> Result<Transfer, StoreError> {
    let reader = Reader(item);
    let account = |name: &str| reader.read(name, PaymentAccountId::parse);
    let posting = match reader.known("type", TransferType::parse)? {
        TransferType::Deposit => Posting::Deposit { to: account("to")? },
        TransferType::Collection => Posting::Collection { to: account("to")? },
        TransferType::Withdrawal => Posting::Withdrawal { from: account("from")? },
        kind => Posting::Between { from: account("from")?, to: account("to")?, kind },
    };
    let status = match reader.text("status")? {
        "COMPLETED" => TransferStatus::Completed,
        "FAILED" => {
            let party = reader.text("failureParty")?;
            TransferStatus::Failed(reader.known("failureCode", |code| Refusal::parse(code, party))?)
        }
        other => return Err(reader.unreadable("status", format!("{other} is not known"))),
    };
    let amount = Amount::from_minor(reader.integer("amount")?);
    Ok(Transfer {
        id: reader.read("id", TransferId::parse)?,
        posting,
        status,
        amount: amount.map_err(|error| reader.unreadable("amount", error))?,
        currency: reader.read("currency", Currency::parse)?,
        note: reader
            .optional_text("note")
            .map(Note::parse)
            .transpose()
            .map_err(|error| reader.unreadable("note", error))?,
        initiated_by: reader.read("initiatedBy", UserId::parse)?,
        created_at: reader.read("createdAt", Timestamp::parse)?,
    })
}

/// Whether a token stands behind the fence of this account.
pub(crate) fn is_fenced_off(account: &Item, fence: Fence) -> bool {
    let reader = Reader(account);
    let session = fence.session.to_string();
    reader.integer::<u64>("ownerEpoch").is_ok_and(|current| fence.epoch < current)
        || reader.texts("revokedSessions").contains(&session)
}
