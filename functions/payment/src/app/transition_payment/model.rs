//! Payments against a model: their owner and the provider change them in any order.

use std::collections::BTreeMap;

use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::{option, sample};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tokio::runtime::Runtime;

use super::*;
use crate::app::apply_webhook::apply_webhook;
use crate::domain::PaymentStatus::{Failed, Initiated, Pending, Success};
use crate::domain::{Contradiction, IdempotentRequest, Report, Webhook, WebhookOutcome};
use crate::testing::{TestApp, TestUser, provider_transaction};

const CASES: u32 = 12;
const PAYMENTS: usize = 3;
const TRANSACTIONS: u8 = 3;
const WEBHOOKS: u8 = 8;
const KEYS: u8 = 2;
/// The amount of every payment, in minor units.
const AMOUNT: i64 = 2500;

prop_state_machine! {
    #![proptest_config(testkit::models::config(CASES))]

    #[test]
    fn payments_agree_with_their_model(sequential 1..40 => Payments);
}

/// A change that the owner requests or the provider reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    payment: usize,
    to: PaymentStatus,
    transaction: Option<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Create { is_collected: bool },
    ByOwner { change: Change, key: Option<u8> },
    Report { id: u8, change: Change, minor: Option<i64> },
    RevokeToken,
    SignIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Created,
    /// By the owner, now or earlier.
    Changed {
        to: PaymentStatus,
        replayed: bool,
    },
    Reported(PaymentStatus, WebhookOutcome),
    InvalidTransition(PaymentStatus),
    KeyReused,
    WebhookIdReused,
    TransactionUsed,
    Revoked,
}

#[derive(Debug, Clone)]
struct ModelPayment {
    status: PaymentStatus,
    is_collected: bool,
    transaction: Option<u8>,
    by_owner: Vec<PaymentStatus>,
    changes: usize,
}

#[derive(Debug, Clone)]
struct Model {
    payments: Vec<ModelPayment>,
    webhooks: BTreeMap<u8, (Change, Option<i64>)>,
    requests: BTreeMap<u8, Change>,
    /// The payment that a transaction of the provider has settled.
    settled: BTreeMap<u8, usize>,
    token_is_revoked: bool,
    outcome: Outcome,
}

impl Model {
    fn change(&mut self, Change { payment, to, transaction }: Change) {
        let changed = &mut self.payments[payment];
        changed.status = to;
        changed.transaction = transaction.or(changed.transaction);
        changed.changes += 1;
        if let (Success, Some(transaction)) = (to, changed.transaction) {
            self.settled.insert(transaction, payment);
        }
    }

    fn is_used(&self, Change { payment, to, transaction }: Change) -> bool {
        let transaction = transaction.or(self.payments[payment].transaction);
        to == Success && transaction.is_some_and(|transaction| self.settled.contains_key(&transaction))
    }

    fn by_owner(&mut self, change: Change, key: Option<u8>) -> Outcome {
        if self.token_is_revoked {
            return Outcome::Revoked;
        }
        let Change { payment, to, transaction } = change;
        if let Some(earlier) = key.and_then(|key| self.requests.get(&key)) {
            return if *earlier == change { Outcome::Changed { to, replayed: true } } else { Outcome::KeyReused };
        }
        let before = &self.payments[payment];
        let is_next = matches!((before.status, to), (Initiated, Pending) | (Pending, Success | Failed));
        if !is_next {
            let is_repeated =
                before.by_owner.contains(&to) && (transaction.is_none() || transaction == before.transaction);
            return if key.is_none() && is_repeated {
                Outcome::Changed { to: before.status, replayed: false }
            } else {
                Outcome::InvalidTransition(before.status)
            };
        }
        if self.is_used(change) {
            return Outcome::TransactionUsed;
        }
        self.change(change);
        self.payments[payment].by_owner.push(to);
        if let Some(key) = key {
            self.requests.insert(key, change);
        }
        Outcome::Changed { to, replayed: false }
    }

    fn report(&mut self, id: u8, change: Change, minor: Option<i64>) -> Outcome {
        let Change { payment, to, transaction } = change;
        let before = self.payments[payment].clone();
        if let Some(recorded) = self.webhooks.get(&id) {
            let is_same = *recorded == (change, minor);
            return if is_same {
                Outcome::Reported(before.status, WebhookOutcome::Duplicate)
            } else {
                Outcome::WebhookIdReused
            };
        }
        let is_other = matches!((transaction, before.transaction), (Some(one), Some(other)) if one != other);
        let is_other_amount = minor.is_some_and(|minor| minor != AMOUNT);
        let contradicted = |what| WebhookOutcome::Contradicted(what);
        let effect = match (before.status, to) {
            (Initiated, Success | Failed) | (Pending, Initiated) => return Outcome::InvalidTransition(before.status),
            (Pending | Success, Success) | (Pending, Failed) if is_other => {
                contradicted(Contradiction::ProviderTransaction)
            }
            (Pending | Success, Success) if is_other_amount => contradicted(Contradiction::Amount),
            (Pending, Success) if self.is_used(change) => contradicted(Contradiction::ProviderTransaction),
            (Initiated, Pending) | (Pending, Success | Failed) => WebhookOutcome::Applied,
            (Initiated, Initiated) | (Pending, Pending) | (Success, Success) | (Failed, Failed) => {
                WebhookOutcome::Repeated
            }
            (Success, Failed) | (Failed, Success) => contradicted(Contradiction::Status),
            (Success | Failed, Initiated | Pending) => WebhookOutcome::Stale,
        };
        if effect == WebhookOutcome::Applied {
            self.change(change);
        }
        self.webhooks.insert(id, (change, minor));
        Outcome::Reported(self.payments[payment].status, effect)
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self {
            payments: Vec::new(),
            webhooks: BTreeMap::new(),
            requests: BTreeMap::new(),
            settled: BTreeMap::new(),
            token_is_revoked: false,
            outcome: Outcome::Created,
        })
        .boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Step> {
        let create = any::<bool>().prop_map(|is_collected| Step::Create { is_collected });
        if state.payments.is_empty() {
            return create.boxed();
        }
        let to = sample::select(vec![Initiated, Pending, Pending, Success, Success, Failed]);
        let change = || {
            (0..state.payments.len(), to.clone(), option::of(0..TRANSACTIONS))
                .prop_map(|(payment, to, transaction)| Change { payment, to, transaction })
        };
        let minor = prop_oneof![4 => Just(None), 2 => Just(Some(AMOUNT)), 1 => Just(Some(AMOUNT - 1))];
        prop_oneof![
            2 => create,
            8 => (change(), option::weighted(0.3, 0..KEYS)).prop_map(|(change, key)| Step::ByOwner { change, key }),
            12 => (0..WEBHOOKS, change(), minor).prop_map(|(id, change, minor)| Step::Report { id, change, minor }),
            1 => Just(Step::RevokeToken),
            3 => Just(Step::SignIn),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        match step {
            Step::Create { .. } => state.payments.len() < PAYMENTS && !state.token_is_revoked,
            Step::ByOwner { change, .. } | Step::Report { change, .. } => change.payment < state.payments.len(),
            Step::RevokeToken | Step::SignIn => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        match *step {
            Step::Create { is_collected } => {
                let (status, by_owner) = (Initiated, Vec::new());
                state.payments.push(ModelPayment { status, is_collected, transaction: None, by_owner, changes: 0 });
                state.outcome = Outcome::Created;
            }
            Step::ByOwner { change, key } => state.outcome = state.by_owner(change, key),
            Step::Report { id, change, minor } => state.outcome = state.report(id, change, minor),
            Step::RevokeToken => state.token_is_revoked = true,
            Step::SignIn => state.token_is_revoked = false,
        }
        state
    }
}

struct Payments {
    runtime: Runtime,
    app: TestApp,
    ada: TestUser,
    epoch: u64,
    references: Vec<PaymentReference>,
}

fn transaction(number: u8) -> ProviderTransactionId {
    provider_transaction(&format!("momo-{number}"))
}

fn failure(error: &PaymentError) -> Outcome {
    match error {
        PaymentError::InvalidTransition(InvalidTransition { from, .. }) => Outcome::InvalidTransition(*from),
        PaymentError::KeyReused(_) => Outcome::KeyReused,
        PaymentError::WebhookIdReused => Outcome::WebhookIdReused,
        PaymentError::ProviderTransactionUsed => Outcome::TransactionUsed,
        PaymentError::Revoked(_) => Outcome::Revoked,
        other => panic!("{other:?}"),
    }
}

impl Payments {
    async fn by_owner(&self, Change { payment, to, transaction: id }: Change, key: Option<u8>) -> Outcome {
        let request = match key {
            Some(key) => {
                let payload = (payment, to, id);
                IdempotentRequest::keyed(self.ada.id, "status", &key.to_string(), &payload).unwrap()
            }
            None => IdempotentRequest::unkeyed(&self.app.random),
        };
        let params =
            TransitionParams { reference: self.references[payment], to, provider_transaction_id: id.map(transaction) };
        let context = self.ada.context(request);
        match transition_payment(&self.app.store, &context, params, SelfDeposit::Enabled).await {
            Ok(Idempotent { value, replayed }) => Outcome::Changed { to: value.status, replayed },
            Err(error) => failure(&error),
        }
    }

    async fn report(&self, id: u8, change: Change, minor: Option<i64>) -> Outcome {
        let Change { payment, to: status, transaction: reported } = change;
        let report = Report {
            reference: self.references[payment],
            status,
            provider_transaction_id: reported.map(transaction),
            amount: minor,
            currency: None,
        };
        let webhook = Webhook { report, ..self.app.webhook(&format!("w-{id}"), self.references[payment], status) };
        match apply_webhook(&self.app.store, &webhook).await {
            Ok((payment, outcome)) => Outcome::Reported(payment.status, outcome),
            Err(error) => failure(&error),
        }
    }
}

impl StateMachineTest for Payments {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_model: &Model) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let app = runtime.block_on(TestApp::new());
        let ada = runtime.block_on(app.user());
        runtime.block_on(app.open_debit(ada, "shop", 0));
        Self { runtime, app, ada, epoch: 0, references: Vec::new() }
    }

    fn apply(mut payments: Self, model: &Model, step: Step) -> Self {
        let Payments { runtime, app, ada, epoch, references } = &mut payments;
        match step {
            Step::Create { is_collected } => {
                let created = app.create_payment(*ada, is_collected.then_some("shop"));
                references.push(runtime.block_on(created).reference);
            }
            Step::RevokeToken => {
                *epoch += 1;
                runtime.block_on(app.replicate(ada.id, *epoch, *epoch + 1));
            }
            Step::SignIn => ada.claims = app.new_claims(*epoch),
            Step::ByOwner { change, key } => {
                assert_eq!(payments.runtime.block_on(payments.by_owner(change, key)), model.outcome, "{step:?}");
            }
            Step::Report { id, change, minor } => {
                assert_eq!(payments.runtime.block_on(payments.report(id, change, minor)), model.outcome, "{step:?}");
            }
        }
        payments
    }

    fn check_invariants(Self { runtime, app, ada, references, .. }: &Self, model: &Model) {
        runtime.block_on(async {
            for (reference, expected) in references.iter().zip(&model.payments) {
                let stored = app.stored_payment(*ada, *reference).await.unwrap();
                assert_eq!(
                    (stored.status, stored.provider_transaction_id, stored.history.len()),
                    (expected.status, expected.transaction.map(transaction), expected.changes + 1)
                );
            }
            let is_credited = |payment: &&ModelPayment| payment.is_collected && payment.status == Success;
            let credited = model.payments.iter().filter(is_credited).map(|_| AMOUNT).sum::<i64>();
            assert_eq!(app.balance(*ada, "shop").await, credited);
        });
    }

    fn teardown(Self { runtime, app, .. }: Self, _model: Model) {
        runtime.block_on(app.assert_books_balance());
    }
}
