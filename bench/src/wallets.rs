//! People who are known on the payment side, and their accounts.

use auth::Principal;
use aws_sdk_dynamodb::Client;
use config::Env;
use kernel::SystemRandom;
use kernel::{Clock, SessionId, SystemClock, UserId};
use payment::domain::{User, UserStatus};
use payment::http::open_account;
use payment::store::Store;
use serde_json::json;

use crate::scenarios::posting;

/// The payment table, and the settings of the functions on it.
pub struct Wallets {
    /// The table.
    pub store: Store,
    /// As `template.yaml` has them, with the conveniences of a development stage.
    pub env: Env,
}

impl Wallets {
    /// In this table.
    pub fn new(client: Client, table: &str) -> Self {
        let env = Env::from_iter([
            ("DEFAULT_CURRENCY", "USD"),
            ("SELF_DEPOSIT", "enabled"),
            ("MAX_ACCOUNTS_PER_USER", "20"),
            ("MAX_CREDIT_LIMIT", "1000000"),
            ("MAX_LOAN_PRINCIPAL", "5000000"),
            ("PROVIDER_NAME", "simulator"),
        ]);
        Self { store: Store::new(client, table, SystemClock, SystemRandom), env }
    }

    /// Somebody who is known here, and signed in.
    pub async fn user(&self) -> Principal {
        let principal = somebody();
        let email = "somebody@example.com".to_owned();
        let user = User { id: principal.user_id, email, status: UserStatus::Active, epoch: principal.epoch };
        self.store.replicate_user(&user, 1).await.expect("a person");
        principal
    }

    /// Opens a DEBIT account that holds this much.
    pub async fn open(&self, owner: Principal, id: &str, balance: i64) {
        let body = json!({"paymentAccountType": "DEBIT", "paymentAccountId": id, "balance": balance});
        open_account::handle(&self.opener(), owner, posting(&body)).await.expect("an account that opens");
    }

    /// Opens a DEBIT account that takes in money in so many shards.
    pub async fn open_with_shards(&self, owner: Principal, id: &str, shards: u8) {
        let body = json!({"paymentAccountType": "DEBIT", "paymentAccountId": id, "intakeShards": shards});
        open_account::handle(&self.opener(), owner, posting(&body)).await.expect("an account that opens");
    }

    /// What opens accounts.
    pub fn opener(&self) -> open_account::State {
        open_account::State::from_env(&self.env, self.store.clone()).expect("a complete environment")
    }
}

/// Somebody who is signed in.
pub fn somebody() -> Principal {
    Principal {
        user_id: UserId::random(&SystemRandom),
        session_id: SessionId::random(&SystemRandom),
        epoch: 0,
        expires_at: SystemClock.now(),
        email_verified: true,
        phone_verified: true,
    }
}
