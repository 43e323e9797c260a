//! `GET /items/{id}`: one item of a table, as the guides of AWS and cargo-lambda write such a function.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Error, Request, Response, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = aws_config::load_from_env().await;
    let client = Client::new(&config);
    run(service_fn(|request: Request| get(&client, request))).await
}

async fn get(client: &Client, _request: Request) -> Result<Response<Body>, Error> {
    let key = AttributeValue::S("ACCOUNT#usual".to_owned());
    let answer = client
        .get_item()
        .table_name("PaymentTable")
        .key("pk", key)
        .key("sk", AttributeValue::S("ACCOUNT".to_owned()))
        .send()
        .await?;
    let found = answer.item().is_some();
    Ok(Response::builder().status(200).body(serde_json::json!({"found": found}).to_string().into())?)
}
