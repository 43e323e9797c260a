//! Opening accounts, and listing one's own.

use std::future::Future;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, TransactWriteItem};
use dynamo::compat::TransactionOutcome;
use futures_util::future::try_join_all;
use kernel::{Balance, Timestamp, UserId};

use super::fence::EndedSessions;
use super::intake::{Sharded, nothing_drawn};
use super::item::{
    Item, Reader, account_attributes, account_key, is_fenced_off, key, number, read_account, text, transfer_item,
    user_key,
};
use super::transaction::{Verdict, verdict};
use super::{Fence, StoreError, Table};
use crate::domain::{Account, Party, Refusal, Request, Transfer};

/// How often an opening begins anew because sessions of the person's end meanwhile.
const ATTEMPTS: usize = 3;

/// An account that someone wants to open.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The request, by which it is known when it comes again.
    pub request: Request,
    /// The account as it will stand.
    pub account: Account,
    /// The transfer that moves money as it opens: a DEBIT account's opening deposit, a LOAN's disbursement.
    pub transfer: Option<Transfer>,
    /// Whose tokens may open accounts.
    pub fence: Fence,
    /// How many accounts a person may have.
    pub max_accounts: u32,
    /// When there must be an answer.
    pub deadline: Option<Timestamp>,
}

/// An account that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The account as it stood when it opened.
    pub account: Account,
    /// Whether it was opened before this request, by the same one.
    pub replayed: bool,
}

/// Why no account was opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The id is taken.
    #[error("an account of this id exists")]
    IdTaken,
    /// The person is not known on this side yet.
    #[error("the user is not synced yet")]
    UserNotSynced,
    /// The person has as many accounts as a person may have.
    #[error("the user has the most accounts there may be")]
    TooManyAccounts,
    /// The principal cannot be disbursed to the account that was named.
    #[error("{0}")]
    Disbursement(Refusal),
    /// The account that should receive the principal is not a DEBIT account.
    #[error("the principal can only be disbursed to a DEBIT account")]
    DisbursementType,
    /// The name of the request stands for another one.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The token is older than the fence, or the person is suspended.
    #[error("the token was revoked")]
    Revoked,
    /// Other transactions held the items for as long as there was time.
    #[error("other requests hold this user")]
    Contention,
    /// The table.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens accounts. MUST write the account, its transfer and the owner's claim to it together or not at all; MUST open
/// one account for a request that the client named, however often it comes.
pub trait OpenAccount {
    /// Opens it, or tells why not.
    fn open(&self, opening: Opening) -> impl Future<Output = Result<Opened, OpenError>> + Send;
}

/// Lists accounts.
pub trait ListAccounts {
    /// All accounts of a person, oldest first. MUST include every account whose opening was answered before.
    fn accounts_of(&self, owner: UserId) -> impl Future<Output = Result<Vec<Account>, StoreError>> + Send;
}

/// What an item of the opening transaction is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Request,
    Account,
    Shard,
    Owner,
    Transfer,
    Payee,
}

/// What became of a try to open an account.
enum Attempt {
    Opened(Opened),
    /// Sessions of its owner have ended a short while ago: the account must know of them from the start.
    Fenced(EndedSessions),
}

impl OpenAccount for Table {
    async fn open(&self, opening: Opening) -> Result<Opened, OpenError> {
        // As a rule no session has ended, and one round trip is enough.
        let mut seen = None;
        for _ in 0..ATTEMPTS {
            match self.try_to_open(&opening, seen.as_ref()).await? {
                Attempt::Opened(opened) => return Ok(opened),
                Attempt::Fenced(ended) => seen = Some(ended),
            }
        }
        Err(OpenError::Contention)
    }
}

impl Table {
    /// Opens the account with the fence that was seen around its owner's money, if that is still how it stands.
    async fn try_to_open(&self, opening: &Opening, seen: Option<&EndedSessions>) -> Result<Attempt, OpenError> {
        let Opening { request, account, transfer, fence, deadline, .. } = opening;
        let now = self.clock.now().unix_seconds();
        let mut parts = Vec::new();
        let mut items = Vec::new();
        let mut add = |part, item| {
            parts.push(part);
            items.push(item);
        };
        if let Some(fingerprint) = &request.fingerprint {
            let mut record = account_attributes(account);
            record.extend(key(format!("IDEMPOTENCY#{}", request.id), "IDEMPOTENCY"));
            record.insert("fingerprint".to_owned(), text(fingerprint.as_str()));
            add(Part::Request, self.put_new(record)?);
        }
        let mut item = account_attributes(account);
        item.extend(account_key(&account.id));
        item.insert("ownerEpoch".to_owned(), number(fence.epoch));
        item.extend(account.intake_shards.map(nothing_drawn));
        if let Some(ended) = seen {
            item.insert("fenceVersion".to_owned(), number(ended.version()));
            item.extend(ended.revoked_at(now).map(|revoked| ("revokedSessions".to_owned(), revoked)));
        }
        add(Part::Account, self.put_new(item)?);
        for shard in self.new_shards(account)? {
            add(Part::Shard, shard);
        }
        add(Part::Owner, self.claim(opening, seen, now)?);
        if let Some(transfer) = transfer {
            add(Part::Transfer, self.put_new(transfer_item(transfer, None))?);
            // A deposit's payee is the account itself, which opens with the money in it.
            if let (Some(_), Some(payee)) = (transfer.posting.from(), transfer.posting.to()) {
                add(Part::Payee, self.disburse(account_key(payee), transfer, *fence)?);
            }
        }
        let reasons = match self.transact(items, *deadline).await? {
            TransactionOutcome::Committed => {
                return Ok(Attempt::Opened(Opened { account: account.clone(), replayed: false }));
            }
            TransactionOutcome::ConditionFailed(reasons) => reasons,
            TransactionOutcome::Conflict => return Err(OpenError::Contention),
        };
        for (index, part) in parts.into_iter().enumerate() {
            let item = match verdict(&reasons, index) {
                Verdict::Held => continue,
                Verdict::FailedOn(item) => Some(item),
                Verdict::FailedOnNothing => None,
            };
            return match part {
                Part::Request => replay(request, item).map(Attempt::Opened),
                Part::Account => Err(OpenError::IdTaken),
                Part::Owner => diagnose_owner(item, opening).map(Attempt::Fenced),
                Part::Payee => Err(diagnose_payee(item, opening)?),
                Part::Transfer | Part::Shard => break,
            };
        }
        Err(StoreError::internal("an opening was cancelled for no reason that we know").into())
    }

    /// Adds the account to its owner's, if the owner may have one more and the account knows which sessions have ended. That
    /// the opening's own has not ended follows: while its tokens live, an end is seen before the account can open.
    fn claim(
        &self,
        opening: &Opening,
        seen: Option<&EndedSessions>,
        now: i64,
    ) -> Result<TransactWriteItem, StoreError> {
        let Opening { account, fence, max_accounts, .. } = opening;
        self.update(user_key(account.owner), |update| {
            let (as_seen, update) = match seen {
                None => (
                    "(attribute_not_exists(revokedUntil) OR revokedUntil <= :now)",
                    update.expression_attribute_values(":now", number(now)),
                ),
                Some(ended) => {
                    ("fenceVersion = :seen", update.expression_attribute_values(":seen", number(ended.version())))
                }
            };
            update
                .update_expression("ADD accountIds :account")
                .condition_expression(format!(
                    "#status = :active AND epoch <= :epoch \
                     AND (attribute_not_exists(accountIds) OR size(accountIds) < :most) AND {as_seen}"
                ))
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":account", AttributeValue::Ss(vec![account.id.to_string()]))
                .expression_attribute_values(":active", text("ACTIVE"))
                .expression_attribute_values(":epoch", number(fence.epoch))
                .expression_attribute_values(":most", number(max_accounts))
        })
    }

    /// Gives a loan's principal to an account that must be its owner's own DEBIT account.
    fn disburse(&self, key: Item, transfer: &Transfer, fence: Fence) -> Result<TransactWriteItem, StoreError> {
        let mut item = self.give(key, transfer, Some((transfer.initiated_by, fence)))?;
        if let Some(update) = item.update.as_mut() {
            let condition = update.condition_expression.take().unwrap_or_default();
            update.condition_expression = Some(format!("{condition} AND #type = :debit"));
            update.expression_attribute_names.get_or_insert_default().insert("#type".to_owned(), "type".to_owned());
            update.expression_attribute_values.get_or_insert_default().insert(":debit".to_owned(), text("DEBIT"));
        }
        Ok(item)
    }
}

fn replay(request: &Request, stored: Option<&Item>) -> Result<Opened, OpenError> {
    let stored = stored.ok_or_else(|| StoreError::internal("the stored request was not returned"))?;
    let known = Reader(stored).text("fingerprint")?;
    if request.fingerprint.as_ref().is_none_or(|fingerprint| fingerprint.as_str() != known) {
        return Err(OpenError::KeyReused);
    }
    Ok(Opened { account: read_account(stored)?, replayed: true })
}

/// Why the owner may not have the account; or, if they may, which sessions of theirs it must know of.
fn diagnose_owner(user: Option<&Item>, opening: &Opening) -> Result<EndedSessions, OpenError> {
    // Without a status the item says only that sessions have ended.
    let Some((user, status)) = user.and_then(|user| Some((user, Reader(user).optional_text("status")?))) else {
        return Err(OpenError::UserNotSynced);
    };
    let ended = EndedSessions::read(user)?;
    let is_older = Reader(user).integer::<u64>("epoch")? > opening.fence.epoch;
    if is_older || ended.contain(opening.fence.session) || status != "ACTIVE" {
        return Err(OpenError::Revoked);
    }
    let accounts = u32::try_from(Reader(user).texts("accountIds").len()).unwrap_or(u32::MAX);
    if accounts >= opening.max_accounts { Err(OpenError::TooManyAccounts) } else { Ok(ended) }
}

fn diagnose_payee(item: Option<&Item>, opening: &Opening) -> Result<OpenError, StoreError> {
    let refused = |refusal| Ok(OpenError::Disbursement(refusal));
    let Some(item) = item else { return refused(Refusal::AccountNotFound(Party::Payee)) };
    let reader = Reader(item);
    if reader.text("ownerId")? != opening.account.owner.to_string() {
        return refused(Refusal::AccountNotFound(Party::Payee));
    }
    if is_fenced_off(item, opening.fence) {
        return Ok(OpenError::Revoked);
    }
    if reader.text("type")? != "DEBIT" {
        return Ok(OpenError::DisbursementType);
    }
    if reader.text("currency")? != opening.account.currency.as_str() {
        return refused(Refusal::CurrencyMismatch(Party::Payee));
    }
    if reader.text("status")? != "ACTIVE" {
        return refused(Refusal::AccountFrozen(Party::Payee));
    }
    refused(Refusal::HeadroomExceeded)
}

impl Table {
    /// The ids of a person's accounts. None of a person who is not known here yet.
    pub(crate) async fn account_ids(&self, owner: UserId) -> Result<Vec<String>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(user_key(owner)))
            .projection_expression("accountIds")
            .consistent_read(true)
            .send()
            .await?;
        Ok(answer.item.as_ref().map(|user| Reader(user).texts("accountIds").to_vec()).unwrap_or_default())
    }

    /// Several items by their keys, all of them or an error.
    pub(crate) async fn batch_get(&self, keys: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let request = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.name, request.map_err(StoreError::internal)?)
            .send()
            .await?;
        if answer.unprocessed_keys().is_some_and(|keys| !keys.is_empty()) {
            return Err(StoreError::Unavailable("it left a part of the read undone".to_owned()));
        }
        Ok(answer.responses.and_then(|mut tables| tables.remove(&self.name)).unwrap_or_default())
    }

    /// An account with what its shards hold.
    async fn whole(&self, item: &Item) -> Result<Account, StoreError> {
        let Some(Sharded { account, undrawn }) = self.with_shards(item).await? else { return read_account(item) };
        let account = read_account(&account)?;
        let balance = Balance::from_minor(account.balance.minor().saturating_add(undrawn.amount));
        let balance = balance.map_err(StoreError::internal)?;
        Ok(Account { balance, available: account.available.saturating_add(undrawn.amount), ..account })
    }
}

impl ListAccounts for Table {
    async fn accounts_of(&self, owner: UserId) -> Result<Vec<Account>, StoreError> {
        let ids = self.account_ids(owner).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let keys = ids.iter().map(|id| key(format!("ACCOUNT#{id}"), "ACCOUNT")).collect();
        let items = self.batch_get(keys).await?;
        let mut accounts = try_join_all(items.iter().map(|item| self.whole(item))).await?;
        accounts.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(accounts)
    }
}
