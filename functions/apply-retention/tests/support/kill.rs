//! A process that dies at its n-th call of a service, before the call is sent or after it took effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// When a process dies at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The call is not sent. Counts all calls.
    Before,
    /// The call takes effect, and its answer is lost. Counts the calls that change something: after another one
    /// everything is as it was before it.
    After,
}

/// Fails the n-th call of all clients that have it, and every call after it.
#[derive(Debug, Clone)]
pub(crate) struct Kill {
    at: usize,
    moment: Moment,
    calls: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, Copy)]
struct CallNumber(usize);

impl Storable for CallNumber {
    type Storer = StoreReplace<Self>;
}

impl Kill {
    /// Dies at the call `at`, counted from 0.
    pub(crate) fn new(at: usize, moment: Moment) -> Self {
        Self { at, moment, calls: Arc::default() }
    }

    /// Whether there were as many calls.
    pub(crate) fn has_struck(&self) -> bool {
        self.calls.load(Ordering::SeqCst) > self.at
    }
}

#[dyn_dispatch_hint]
impl Intercept for Kill {
    fn name(&self) -> &'static str {
        "Kill"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.moment == Moment::After && !is_write(context.request()) {
            return if self.has_struck() { Err("killed before the call".into()) } else { Ok(()) };
        }
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        bag.interceptor_state().store_put(CallNumber(number));
        if number > self.at || (number == self.at && self.moment == Moment::Before) {
            return Err("killed before the call".into());
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        _: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let number = bag.load::<CallNumber>().map_or(usize::MAX, |number| number.0);
        if number == self.at { Err("killed after the call".into()) } else { Ok(()) }
    }
}

fn is_write(request: &HttpRequest) -> bool {
    match request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next()) {
        Some(of_dynamo) => !["GetItem", "BatchGetItem", "Query"].contains(&of_dynamo),
        None => !["GET", "HEAD"].contains(&request.method()),
    }
}
