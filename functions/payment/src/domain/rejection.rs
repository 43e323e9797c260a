//! The reasons why an account does not admit an operation whose condition on it failed.

use kernel::{Currency, UserId};

use super::{AccountState, AccountStatus, AccountType, FailureReason, Party, Payment, TokenClaims, Transfer};

/// The types of account that can receive the principal of a loan.
const DISBURSABLE: &[AccountType] = &[AccountType::Debit];
/// The types of account that a payment can credit.
const COLLECTING: &[AccountType] = &[AccountType::Debit, AccountType::Credit];

/// The reason why an account does not admit an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The token is revoked.
    Revoked,
    /// The operation requires an account of another type.
    WrongType {
        allowed: &'static [AccountType],
    },
    Failed(FailureReason),
}

impl From<FailureReason> for Rejection {
    fn from(reason: FailureReason) -> Self {
        Self::Failed(reason)
    }
}

impl Rejection {
    /// Classifies the failed condition of a transfer on the account of one of its parties.
    pub fn of_transfer(
        transfer: &Transfer,
        party: Party,
        account: Option<&AccountState>,
        claims: &TokenClaims,
    ) -> Self {
        let owner = transfer.posting.requires_ownership(party).then_some(transfer.initiated_by);
        let state = match owned(party, account, owner, claims) {
            Ok(state) => state,
            Err(rejection) => return rejection,
        };
        Self::of_movement(party, state, transfer.currency)
    }

    /// Classifies the failed condition on the account that should receive the principal of a loan.
    pub fn of_disbursement(
        payee: Option<&AccountState>,
        owner: UserId,
        currency: Currency,
        claims: &TokenClaims,
    ) -> Self {
        match owned(Party::Payee, payee, Some(owner), claims) {
            Err(rejection) => rejection,
            Ok(state) if state.account.kind != AccountType::Debit => Self::WrongType { allowed: DISBURSABLE },
            Ok(state) => Self::of_movement(Party::Payee, state, currency),
        }
    }

    /// Classifies the failed condition on the account that a payment should credit.
    pub fn of_payment(payment: &Payment, account: Option<&AccountState>, claims: &TokenClaims) -> Self {
        match owned(Party::Payee, account, Some(payment.owner), claims) {
            Err(rejection) => rejection,
            Ok(state) if state.account.kind == AccountType::Loan => Self::WrongType { allowed: COLLECTING },
            Ok(_) => FailureReason::CurrencyMismatch(Party::Payee).into(),
        }
    }

    /// Classifies the failed condition of a collection on the account that it should credit. The claims are those of the
    /// payment's owner, if they initiated the collection.
    pub fn of_collection(account: Option<&AccountState>, claims: Option<&TokenClaims>) -> Self {
        match account {
            None => FailureReason::AccountNotFound(Party::Payee).into(),
            Some(state) if claims.is_some_and(|claims| state.revocation.is_revoked(claims)) => Self::Revoked,
            Some(_) => FailureReason::HeadroomExceeded.into(),
        }
    }

    fn of_movement(party: Party, AccountState { account, .. }: &AccountState, currency: Currency) -> Self {
        let reason = if account.currency != currency {
            FailureReason::CurrencyMismatch(party)
        } else if account.status != AccountStatus::Active {
            FailureReason::AccountFrozen(party)
        } else {
            match party {
                Party::Payer => FailureReason::InsufficientFunds,
                Party::Payee => FailureReason::HeadroomExceeded,
            }
        };
        reason.into()
    }
}

/// Checks that the account exists and, if an owner is required, that it is theirs and their token is not revoked.
fn owned<'a>(
    party: Party,
    account: Option<&'a AccountState>,
    owner: Option<UserId>,
    claims: &TokenClaims,
) -> Result<&'a AccountState, Rejection> {
    let not_found = FailureReason::AccountNotFound(party);
    let state = account.ok_or(not_found)?;
    if let Some(owner) = owner {
        if state.account.owner != owner {
            return Err(not_found.into());
        }
        if state.revocation.is_revoked(claims) {
            return Err(Rejection::Revoked);
        }
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use kernel::testing::SeededRandom;
    use kernel::{Amount, SessionId, Timestamp};

    use super::*;
    use crate::domain::{
        AccountRevocation, NewAccount, OperationId, PaymentAccountId, Posting, TransferStatus, TransferType,
    };

    struct Case {
        ada: UserId,
        bob: UserId,
        claims: TokenClaims,
        now: Timestamp,
    }

    impl Case {
        fn new() -> Self {
            let random = SeededRandom::new(1);
            let claims = TokenClaims { epoch: 1, session: SessionId::random(&random), issued_at: 0 };
            let now = Timestamp::from_unix_seconds(0).unwrap();
            Self { ada: UserId::random(&random), bob: UserId::random(&random), claims, now }
        }

        fn account(&self, owner: UserId, new: &NewAccount) -> AccountState {
            let account = new.open(id("a"), owner, currency("USD"), self.now);
            AccountState { account, revocation: AccountRevocation::default() }
        }

        fn debit(&self, owner: UserId) -> AccountState {
            self.account(owner, &NewAccount::Debit { deposit: None, write_shards: None })
        }

        fn send(&self) -> Transfer {
            Transfer {
                id: OperationId::random(&SeededRandom::new(2)).into(),
                posting: Posting::Internal { from: id("a"), to: id("b"), kind: TransferType::Send },
                status: TransferStatus::Completed,
                amount: Amount::from_minor(1).unwrap(),
                currency: currency("USD"),
                note: None,
                initiated_by: self.ada,
                created_at: self.now,
            }
        }
    }

    fn id(text: &str) -> PaymentAccountId {
        PaymentAccountId::parse(text).unwrap()
    }

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    #[test]
    fn transfer_rejection_names_the_first_violated_rule() {
        use FailureReason::{AccountFrozen, AccountNotFound, CurrencyMismatch, HeadroomExceeded, InsufficientFunds};
        use Party::{Payee, Payer};
        let case = Case::new();
        let transfer = case.send();
        let of =
            |party, account: Option<&AccountState>| Rejection::of_transfer(&transfer, party, account, &case.claims);
        let (own, foreign) = (case.debit(case.ada), case.debit(case.bob));
        let mut euros = case.debit(case.ada);
        euros.account.currency = currency("EUR");
        let mut frozen = case.debit(case.ada);
        frozen.account.status = AccountStatus::Frozen;
        let revoked = AccountState {
            revocation: AccountRevocation { owner_epoch: 2, ..AccountRevocation::default() },
            ..case.debit(case.ada)
        };
        let ended = AccountState {
            revocation: AccountRevocation {
                owner_epoch: 1,
                revoked_sessions: vec![case.claims.session.to_string()],
                tokens_not_before: 0,
            },
            ..case.debit(case.ada)
        };
        for (party, account, expected) in [
            (Payer, None, AccountNotFound(Payer).into()),
            (Payer, Some(&foreign), AccountNotFound(Payer).into()),
            (Payer, Some(&revoked), Rejection::Revoked),
            (Payer, Some(&ended), Rejection::Revoked),
            (Payer, Some(&euros), CurrencyMismatch(Payer).into()),
            (Payer, Some(&frozen), AccountFrozen(Payer).into()),
            (Payer, Some(&own), InsufficientFunds.into()),
            (Payee, None, AccountNotFound(Payee).into()),
            (Payee, Some(&revoked), HeadroomExceeded.into()),
            (Payee, Some(&euros), CurrencyMismatch(Payee).into()),
            (Payee, Some(&frozen), AccountFrozen(Payee).into()),
            (Payee, Some(&foreign), HeadroomExceeded.into()),
        ] {
            assert_eq!(of(party, account), expected, "{party:?} {account:?}");
        }
    }

    #[test]
    fn deposit_to_a_foreign_account_is_rejected_as_not_found() {
        let case = Case::new();
        let transfer = Transfer { posting: Posting::Deposit { to: id("a") }, ..case.send() };
        let rejection = Rejection::of_transfer(&transfer, Party::Payee, Some(&case.debit(case.bob)), &case.claims);
        assert_eq!(rejection, FailureReason::AccountNotFound(Party::Payee).into());
    }

    #[test]
    fn disbursement_to_a_credit_account_is_rejected_by_type() {
        let case = Case::new();
        let credit = case.account(case.ada, &NewAccount::Credit { limit: Amount::from_minor(1).unwrap() });
        let of = |account| Rejection::of_disbursement(account, case.ada, currency("USD"), &case.claims);
        assert_eq!(of(Some(&credit)), Rejection::WrongType { allowed: &[AccountType::Debit] });
        let debit = case.debit(case.ada);
        assert_eq!(of(Some(&debit)), FailureReason::HeadroomExceeded.into());
        assert_eq!(of(None), FailureReason::AccountNotFound(Party::Payee).into());
    }

    #[test]
    fn collection_by_the_provider_ignores_revoked_tokens() {
        let case = Case::new();
        let revoked = AccountState {
            revocation: AccountRevocation { owner_epoch: 2, ..AccountRevocation::default() },
            ..case.debit(case.ada)
        };
        assert_eq!(Rejection::of_collection(Some(&revoked), Some(&case.claims)), Rejection::Revoked);
        assert_eq!(Rejection::of_collection(Some(&revoked), None), FailureReason::HeadroomExceeded.into());
    }
}
