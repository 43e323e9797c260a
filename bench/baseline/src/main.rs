//! `GET /payments/transfers/{id}`: reads one item, as the guides of AWS and cargo-lambda write such a function.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Body, Error, Request, RequestExt, Response, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let client = Client::new(&config);
    let table = std::env::var("PAYMENT_TABLE")?;
    run(service_fn(|request: Request| get(&client, &table, request))).await
}

async fn get(client: &Client, table: &str, request: Request) -> Result<Response<Body>, Error> {
    let parameters = request.path_parameters();
    let id = parameters.first("id").unwrap_or_default();
    let response = client
        .get_item()
        .table_name(table)
        .key("pk", AttributeValue::S(format!("TRANSFER#{id}")))
        .key("sk", AttributeValue::S("TRANSFER".to_owned()))
        .consistent_read(true)
        .send()
        .await?;
    let Some(item) = response.item() else {
        return Ok(Response::builder().status(404).body(Body::Empty)?);
    };
    let amount = item.get("amount").and_then(|amount| amount.as_n().ok());
    Ok(Response::builder().status(200).body(serde_json::json!({"id": id, "amount": amount}).to_string().into())?)
}
