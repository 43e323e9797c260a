use super::*;
use crate::testing::{TestApp, TestUser, send};

#[tokio::test]
async fn transfer_is_visible_to_its_parties_only() {
    let app = TestApp::new().await;
    let (ada, bob, eve) = (app.user().await, app.user().await, app.user().await);
    app.open_debit(ada, "ada", 100).await;
    app.open_debit(bob, "bob", 0).await;
    app.open_debit(eve, "eve", 0).await;
    let find = async |id, user: TestUser| match get_transfer(&app.store, id, user.id, &user.claims).await {
        Ok(transfer) => Some(transfer),
        Err(PaymentError::TransferNotFound) => None,
        Err(error) => panic!("{error}"),
    };
    let sent = app.move_money(ada, send("ada", "bob"), 30).await.unwrap().value;
    assert_eq!(find(sent.id, ada).await, Some(sent.clone()));
    assert_eq!(find(sent.id, bob).await, Some(sent.clone()));
    assert_eq!(find(sent.id, eve).await, None);

    let failing = app.keyed(ada, "k", send("ada", "bob"), 1000);
    let id = failing.transfer.id;
    app.post(failing).await.unwrap_err();
    assert!(find(id, ada).await.is_some());
    assert_eq!(find(id, bob).await, None, "a failed transfer is visible to its initiator only");
}
