//! What clients, the provider and operators do.

use std::fmt;
use std::time::Duration;

use crate::executor::TaskId;
use crate::invocation::TIMEOUT;

/// A user by number, with the session of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub user: usize,
    /// The task that signed in.
    pub session: TaskId,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {} (session {})", self.user, self.session)
    }
}

/// The type-specific part of an opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    Debit { deposit: i64, shards: i64 },
    Credit { limit: i64 },
    Loan { principal: i64, disburse_to: String },
}

/// A command to one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    SignUp {
        user: usize,
    },
    SignIn {
        user: usize,
        wrong_password: bool,
    },
    /// Presents the current refresh token, or one that was used.
    Refresh {
        by: Caller,
        used: bool,
    },
    SignOut {
        by: Caller,
        scope: &'static str,
    },
    EndSession {
        by: Caller,
        other: TaskId,
    },
    ChangePassword {
        by: Caller,
    },
    Open {
        by: Caller,
        account: String,
        opening: Opening,
        currency: &'static str,
        key: Option<String>,
    },
    Deposit {
        by: Caller,
        account: String,
        amount: i64,
        key: Option<String>,
    },
    Withdraw {
        by: Caller,
        account: String,
        amount: i64,
        key: Option<String>,
    },
    Send {
        by: Caller,
        from: String,
        to: String,
        amount: i64,
        key: Option<String>,
    },
    SetShards {
        by: Caller,
        account: String,
        count: i64,
    },
    CreatePayment {
        by: Caller,
        account: Option<String>,
        amount: i64,
        key: Option<String>,
    },
    /// `payment` is the task that created it.
    ChangePayment {
        by: Caller,
        payment: TaskId,
        to: &'static str,
        key: Option<String>,
    },
    Webhook {
        id: String,
        payment: TaskId,
        status: &'static str,
        transaction: String,
    },
    ListAccounts {
        by: Caller,
    },
    GetPayment {
        by: Caller,
        payment: TaskId,
    },
    /// Polls the history from where the last poll said that it was complete.
    Follow {
        by: Caller,
    },
    SetStatus {
        user: usize,
        status: &'static str,
    },
    Freeze {
        account: String,
        frozen: bool,
    },
    RotateKeys {
        now: bool,
    },
    /// Continues the pass of the audit, or begins a new one of a scope.
    Audit {
        restart: Option<&'static str>,
    },
}

impl Command {
    /// The name of the operation.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::SignUp { .. } => "sign up",
            Self::SignIn { .. } => "sign in",
            Self::Refresh { .. } => "refresh",
            Self::SignOut { .. } => "sign out",
            Self::EndSession { .. } => "end session",
            Self::ChangePassword { .. } => "change password",
            Self::Open { .. } => "open account",
            Self::Deposit { .. } => "deposit",
            Self::Withdraw { .. } => "withdraw",
            Self::Send { .. } => "send",
            Self::SetShards { .. } => "set shards",
            Self::CreatePayment { .. } => "create payment",
            Self::ChangePayment { .. } => "change payment",
            Self::Webhook { .. } => "webhook",
            Self::ListAccounts { .. } => "list accounts",
            Self::GetPayment { .. } => "get payment",
            Self::Follow { .. } => "follow history",
            Self::SetStatus { .. } => "set status",
            Self::Freeze { .. } => "freeze",
            Self::RotateKeys { .. } => "rotate keys",
            Self::Audit { .. } => "audit",
        }
    }

    pub(crate) const fn caller(&self) -> Option<Caller> {
        match self {
            Self::Refresh { by, .. }
            | Self::SignOut { by, .. }
            | Self::EndSession { by, .. }
            | Self::ChangePassword { by }
            | Self::Open { by, .. }
            | Self::Deposit { by, .. }
            | Self::Withdraw { by, .. }
            | Self::Send { by, .. }
            | Self::SetShards { by, .. }
            | Self::CreatePayment { by, .. }
            | Self::ChangePayment { by, .. }
            | Self::ListAccounts { by }
            | Self::GetPayment { by, .. }
            | Self::Follow { by } => Some(*by),
            _ => None,
        }
    }

    pub(crate) const fn caller_mut(&mut self) -> Option<&mut Caller> {
        match self {
            Self::Open { by, .. }
            | Self::Deposit { by, .. }
            | Self::Withdraw { by, .. }
            | Self::Send { by, .. }
            | Self::CreatePayment { by, .. }
            | Self::ChangePayment { by, .. } => Some(by),
            _ => None,
        }
    }

    /// The amount, which a repetition with the same key may change.
    pub(crate) const fn amount_mut(&mut self) -> Option<&mut i64> {
        match self {
            Self::Deposit { amount, .. }
            | Self::Withdraw { amount, .. }
            | Self::Send { amount, .. }
            | Self::CreatePayment { amount, .. } => Some(amount),
            _ => None,
        }
    }

    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Open { key, .. }
            | Self::Deposit { key, .. }
            | Self::Withdraw { key, .. }
            | Self::Send { key, .. }
            | Self::CreatePayment { key, .. }
            | Self::ChangePayment { key, .. } => key.as_deref(),
            _ => None,
        }
    }

    /// The timeout of the function.
    pub(crate) const fn timeout(&self) -> Duration {
        match self {
            Self::Audit { .. } => Duration::from_mins(15),
            _ => TIMEOUT,
        }
    }

    /// What the command asks for, regardless of the session and the key.
    pub(crate) fn payload(&self) -> String {
        let mut command = self.clone();
        if let Some(by) = command.caller_mut() {
            by.session = 0;
        }
        command.to_string()
    }

    /// Whether the function that handles it belongs to the account context.
    pub(crate) const fn is_of_account_context(&self) -> bool {
        matches!(
            self,
            Self::SignUp { .. }
                | Self::SignIn { .. }
                | Self::Refresh { .. }
                | Self::SignOut { .. }
                | Self::EndSession { .. }
                | Self::ChangePassword { .. }
                | Self::SetStatus { .. }
                | Self::RotateKeys { .. }
        )
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignUp { user } => write!(f, "user {user} signs up"),
            Self::SignIn { user, wrong_password: false } => write!(f, "user {user} signs in"),
            Self::SignIn { user, .. } => write!(f, "someone guesses the password of user {user}"),
            Self::Refresh { by, used: false } => write!(f, "{by} refreshes"),
            Self::Refresh { by, .. } => write!(f, "{by} refreshes with a used token"),
            Self::SignOut { by, scope } => write!(f, "{by} signs out ({scope})"),
            Self::EndSession { by, other } => write!(f, "{by} ends session {other}"),
            Self::ChangePassword { by } => write!(f, "{by} changes the password"),
            Self::Open { by, account, opening, currency, .. } => {
                write!(f, "{by} opens {account} in {currency}: ")?;
                match opening {
                    Opening::Debit { deposit, shards } => write!(f, "DEBIT with {deposit}, {shards} shards"),
                    Opening::Credit { limit } => write!(f, "CREDIT of {limit}"),
                    Opening::Loan { principal, disburse_to } => write!(f, "LOAN of {principal} to {disburse_to}"),
                }
            }
            Self::Deposit { by, account, amount, .. } => write!(f, "{by} deposits {amount} to {account}"),
            Self::Withdraw { by, account, amount, .. } => write!(f, "{by} withdraws {amount} from {account}"),
            Self::Send { by, from, to, amount, .. } => write!(f, "{by} sends {amount} from {from} to {to}"),
            Self::SetShards { by, account, count } => write!(f, "{by} sets {count} shards on {account}"),
            Self::CreatePayment { by, account, amount, .. } => {
                write!(f, "{by} creates a payment of {amount} to {}", account.as_deref().unwrap_or("no account"))
            }
            Self::ChangePayment { by, payment, to, .. } => write!(f, "{by} changes payment {payment} to {to}"),
            Self::Webhook { id, payment, status, transaction } => {
                write!(f, "webhook {id}: payment {payment} is {status} by {transaction}")
            }
            Self::ListAccounts { by } => write!(f, "{by} lists accounts"),
            Self::GetPayment { by, payment } => write!(f, "{by} reads payment {payment}"),
            Self::Follow { by } => write!(f, "{by} follows the history"),
            Self::SetStatus { user, status } => write!(f, "the operator sets user {user} to {status}"),
            Self::Freeze { account, frozen: true } => write!(f, "the operator freezes {account}"),
            Self::Freeze { account, .. } => write!(f, "the operator unfreezes {account}"),
            Self::RotateKeys { now: false } => f.write_str("the schedule rotates the keys"),
            Self::RotateKeys { .. } => f.write_str("the operator rotates the keys"),
            Self::Audit { restart: None } => f.write_str("the schedule audits the ledger"),
            Self::Audit { restart: Some(scope) } => write!(f, "the operator audits the ledger ({scope})"),
        }
    }
}
