//! Users of the payment context and their accounts.

use auth::Principal;
use aws_sdk_dynamodb::Client;
use config::Env;
use kernel::SystemRandom;
use kernel::{Clock, SessionId, SystemClock, UserId};
use payment::domain::{User, UserStatus};
use payment::http::open_account;
use payment::store::Store;
use serde_json::json;

use crate::requests::post;

/// The payment table and the settings of its functions.
pub struct PaymentFixtures {
    pub store: Store,
    /// As in `template.yaml`, for a development stage.
    pub env: Env,
}

impl PaymentFixtures {
    pub fn new(client: Client, table: &str) -> Self {
        let env = Env::from_iter([
            ("DEFAULT_CURRENCY", "USD"),
            ("SELF_DEPOSIT", "enabled"),
            ("SELF_CREDIT", "enabled"),
            ("MAX_CREDIT_PER_USER", "10000000"),
            ("MAX_ACCOUNTS_PER_USER", "100"),
            ("MAX_CREDIT_LIMIT", "1000000"),
            ("MAX_LOAN_PRINCIPAL", "5000000"),
            ("PROVIDER_NAME", "simulator"),
        ]);
        Self { store: Store::new(client, table, SystemClock, SystemRandom), env }
    }

    /// A replicated user who is signed in.
    pub async fn user(&self) -> Principal {
        let principal = new_principal();
        let email = "user@example.com".to_owned();
        let user = User { id: principal.user_id, email, status: UserStatus::Active, epoch: principal.epoch };
        self.store.replicate_user(&user, 1).await.expect("a replicated user");
        principal
    }

    /// Opens a DEBIT account with this balance.
    pub async fn open(&self, owner: Principal, id: &str, balance: i64) {
        let body = json!({"paymentAccountType": "DEBIT", "paymentAccountId": id, "balance": balance});
        open_account::handle(&self.open_account_state(), owner, post(&body)).await.expect("an account");
    }

    /// Opens a DEBIT account with write shards.
    pub async fn open_with_shards(&self, owner: Principal, id: &str, shards: u8) {
        let body = json!({"paymentAccountType": "DEBIT", "paymentAccountId": id, "intakeShards": shards});
        open_account::handle(&self.open_account_state(), owner, post(&body)).await.expect("an account");
    }

    pub fn open_account_state(&self) -> open_account::State {
        open_account::State::from_env(&self.env, self.store.clone()).expect("a complete environment")
    }
}

/// A signed-in user who is not replicated.
pub fn new_principal() -> Principal {
    Principal {
        user_id: UserId::random(&SystemRandom),
        session_id: SessionId::random(&SystemRandom),
        epoch: 0,
        issued_at: SystemClock.now(),
        expires_at: SystemClock.now(),
        email_verified: true,
        phone_verified: true,
    }
}
