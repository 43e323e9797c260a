//! The capacity units that transactions consume.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsInput, TransactWriteItemsOutput};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};

/// The write capacity units of a client's transactions, in order.
#[derive(Debug, Clone, Default)]
pub struct Capacity(Arc<Mutex<Vec<f64>>>);

impl Capacity {
    /// Returns the same client with a meter.
    pub(crate) fn of(client: &Client) -> (Client, Self) {
        let capacity = Self::default();
        let config = client.config().to_builder().interceptor(capacity.clone()).build();
        (Client::from_conf(config), capacity)
    }

    /// Returns the units of each transaction since the last call.
    pub fn spent(&self) -> Vec<f64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Capacity {
    fn name(&self) -> &'static str {
        "Capacity"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(input) = context.input_mut().downcast_mut::<TransactWriteItemsInput>() {
            input.return_consumed_capacity = Some(ReturnConsumedCapacity::Total);
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let output =
            context.output_or_error().ok().and_then(|output| output.downcast_ref::<TransactWriteItemsOutput>());
        if let Some(output) = output {
            let units = output.consumed_capacity().iter().filter_map(ConsumedCapacity::capacity_units).sum();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(units);
        }
        Ok(())
    }
}
