//! Who may log in to NATS: tokens, nkeys, and credentials of an operator.

use serde_json::json;

use super::keys::{ACCOUNT, Nkey, OPERATOR, USER};
use super::{Server, objects, said};

#[tokio::test]
async fn tokens_are_taken() {
    let Some(server) = Server::start("authorization { token: \"t0ken-of-nats\" }").await else {
        return;
    };
    let address = format!("nats://127.0.0.1:{}", server.port);
    let token = json!({"token": "t0ken-of-nats\n"});
    assert_eq!(said(&objects(&address, &token, None)).await, "delivered");
    let in_address = format!("nats://t0ken-of-nats@127.0.0.1:{}", server.port);
    assert_eq!(
        said(&objects(&in_address, &json!({}), None)).await,
        "delivered"
    );
    let wrong = said(&objects(&address, &json!({"token": "wr0ng-token"}), None)).await;
    assert!(
        wrong.starts_with("misconfigured: ") && !wrong.contains("wr0ng"),
        "{wrong}"
    );
}

#[tokio::test]
async fn nkeys_sign_the_servers_nonce() {
    let user = Nkey::new(USER, 1);
    let configuration = format!("authorization {{ users: [{{nkey: {}}}] }}", user.public());
    let Some(server) = Server::start(&configuration).await else {
        return;
    };
    let address = format!("nats://127.0.0.1:{}", server.port);
    let secret = |key: &Nkey| json!({"nkey": key.seed()});
    assert_eq!(
        said(&objects(&address, &secret(&user), None)).await,
        "delivered"
    );
    let stranger = said(&objects(&address, &secret(&Nkey::new(USER, 2)), None)).await;
    assert!(
        stranger.starts_with("misconfigured: ") && stranger.contains("Authorization"),
        "{stranger}"
    );

    let Some(open) = Server::start("").await else {
        return;
    };
    let address = format!("nats://127.0.0.1:{}", open.port);
    let said = said(&objects(&address, &secret(&user), None)).await;
    assert!(
        said.starts_with("misconfigured: ") && said.contains("NKeys"),
        "{said}"
    );
}

#[tokio::test]
async fn creds_files_log_in_where_an_operator_rules() {
    let (operator, account, user) = (
        Nkey::new(OPERATOR, 3),
        Nkey::new(ACCOUNT, 4),
        Nkey::new(USER, 5),
    );
    let unlimited = json!({"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
        "wildcards": true, "conn": -1, "leaf": -1});
    let operator_jwt = operator.issue(&operator, &json!({"type": "operator", "version": 2}));
    let account_jwt = operator.issue(
        &account,
        &json!({"type": "account", "version": 2, "limits": unlimited}),
    );
    let user_jwt = account.issue(
        &user,
        &json!({"type": "user", "version": 2, "pub": {}, "sub": {},
        "subs": -1, "data": -1, "payload": -1}),
    );
    let configuration = format!(
        "operator: {operator_jwt}\nresolver: MEMORY\nresolver_preload: {{ {}: {account_jwt} }}\n",
        account.public()
    );
    let Some(server) = Server::start(&configuration).await else {
        return;
    };
    let address = format!("nats://127.0.0.1:{}", server.port);
    let creds = |jwt: &str, key: &Nkey| {
        json!({"creds": format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n", key.seed())})
    };
    assert_eq!(
        said(&objects(&address, &creds(&user_jwt, &user), None)).await,
        "delivered"
    );
    assert_eq!(server.count("in_msgs").await, 1);
    let foreign = Nkey::new(USER, 6);
    let said = said(&objects(&address, &creds(&user_jwt, &foreign), None)).await;
    assert!(
        said.starts_with("misconfigured: ") && said.contains("Authorization"),
        "{said}"
    );
    assert!(
        !said.contains(user_jwt.get(..20).unwrap())
            && !said.contains(foreign.seed().get(..10).unwrap()),
        "{said}"
    );
}
