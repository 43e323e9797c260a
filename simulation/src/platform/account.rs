//! The functions of the account context.

use std::sync::Arc;
use std::time::Duration;

use account::app::cached_signing_key::CachedSigningKey;
use account::app::change_password::ChangePassword;
use account::app::end_session::EndSession;
use account::app::reauthenticate::Reauthenticate;
use account::app::refresh_session::RefreshSession;
use account::app::sign_in::SignIn;
use account::app::sign_out::SignOut;
use account::app::sign_up::SignUp;
use account::app::token_issuer::TokenIssuer;
use account::domain::{AccessTokens, AuditLog, Lifetimes};
use account::http;
use account::ops::{CfnResponseSender, RotateKeys, SetUserStatus, rotate_keys, set_user_status};
use account::store::{AccountTable, AuditTable, KeyTables, SigningKeyTable};
use auth::Verifier;
use auth::table_keys::TableKeys;
use http_api::{Problem, Response};
use kernel::Secret;
use serde_json::Value;

use super::{Answer, Ask, Clients};
use crate::clock::SkewedClock;
use crate::random::TaskRandom;
use crate::tables::{ACCOUNT_TABLE, AUDIT_TABLE, SIGNING_KEY_TABLE};

pub(crate) const ISSUER: &str = "issuer";
pub(crate) const AUDIENCE: &str = "audience";

pub(crate) const LIFETIMES: Lifetimes = Lifetimes {
    access_token: Duration::from_mins(15),
    idle: Duration::from_hours(24),
    absolute: Duration::from_hours(24 * 7),
};

pub(crate) struct AccountFunctions {
    accounts: AccountTable,
    verifier: Verifier<TableKeys>,
    sign_up: SignUp,
    sign_in: SignIn,
    refresh: RefreshSession,
    sign_out: SignOut,
    end_session: EndSession,
    change_password: ChangePassword,
    set_status: SetUserStatus,
    rotate: RotateKeys,
}

impl AccountFunctions {
    pub(crate) fn new(clients: &Clients, seed: u64, clock: &SkewedClock) -> Self {
        let client = clients.client(seed);
        let audit = AuditTable::new(client.clone(), AUDIT_TABLE);
        let audit_log = || AuditLog::new(&Secret::new("pepper".to_owned()), Duration::from_hours(24 * 400));
        let accounts = AccountTable::audited(client.clone(), ACCOUNT_TABLE, clock.clone(), TaskRandom, audit.clone());
        let issuer = || TokenIssuer {
            signing_key: CachedSigningKey::new(SigningKeyTable::new(client.clone(), SIGNING_KEY_TABLE), clock.clone()),
            tokens: AccessTokens::new(ISSUER, AUDIENCE),
        };
        let keys = TableKeys::new(client.clone(), ACCOUNT_TABLE);
        Self {
            verifier: Verifier::new(ISSUER, AUDIENCE, keys, clock.clone()),
            sign_up: SignUp {
                accounts: accounts.clone(),
                password_policy: "8".parse().expect("a valid policy"),
                audit_log: audit_log(),
            },
            sign_in: SignIn {
                accounts: accounts.clone(),
                issuer: issuer(),
                lifetimes: LIFETIMES,
                max_sessions: 20,
                audit_log: audit_log(),
            },
            refresh: RefreshSession {
                accounts: accounts.clone(),
                issuer: issuer(),
                lifetimes: LIFETIMES,
                audit_log: audit_log(),
            },
            sign_out: SignOut {
                accounts: accounts.clone(),
                issuer: issuer(),
                lifetimes: LIFETIMES,
                audit_log: audit_log(),
            },
            end_session: EndSession { accounts: accounts.clone(), audit_log: audit_log() },
            change_password: ChangePassword {
                users: Reauthenticate { accounts: accounts.clone(), audit_log: audit_log() },
                password_policy: "8".parse().expect("a valid policy"),
                issuer: issuer(),
                lifetimes: LIFETIMES,
            },
            set_status: SetUserStatus { accounts: accounts.clone(), audit_log: audit_log() },
            rotate: RotateKeys {
                keys: KeyTables::new(client, ACCOUNT_TABLE, SIGNING_KEY_TABLE, audit, TaskRandom),
                policy: "1".parse().expect("a valid policy"),
                audit_log: audit_log(),
                responses: CfnResponseSender::default(),
                random: Arc::new(TaskRandom),
                clock: Arc::new(clock.clone()),
            },
            accounts,
        }
    }

    pub(crate) async fn handle(&self, ask: &Ask) -> Answer {
        Box::pin(self.respond(ask)).await.into()
    }

    async fn respond(&self, ask: &Ask) -> Result<Response, Problem> {
        let request = ask.request();
        match ask.endpoint {
            "signup" => return http::signup::handle(&self.sign_up, request).await,
            "login" => return http::login::handle(&self.sign_in, request).await,
            "refresh" => return http::refresh::handle(&self.refresh, request).await,
            "signout" => {
                let principal = account::authenticate_optional(&self.verifier, &request).await?;
                return http::signout::handle(&self.sign_out, principal, request).await;
            }
            _ => {}
        }
        let session = account::authenticate_session(&self.verifier, &self.accounts, &request).await?;
        match ask.endpoint {
            "end-session" => http::end_session::handle(&self.end_session, session, request).await,
            "change-password" => Box::pin(http::change_password::handle(&self.change_password, session, request)).await,
            other => unreachable!("{other}"),
        }
    }

    pub(crate) async fn set_user_status(&self, event: Value) -> Result<(), String> {
        let set = set_user_status(&self.set_status, event, "operator".to_owned()).await;
        set.map(drop).map_err(|error| error.to_string())
    }

    pub(crate) async fn rotate_keys(&self, event: Value) -> Result<(), String> {
        let rotated = rotate_keys(&self.rotate, event, "schedule".to_owned()).await;
        rotated.map(drop).map_err(|error| error.to_string())
    }
}
