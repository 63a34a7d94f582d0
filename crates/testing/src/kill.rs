//! A process that dies at its n-th call of a service, before the call is sent or after it took effect.

use std::sync::{Arc, Mutex, MutexGuard};

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
pub enum Moment {
    /// The call is not sent. Counts all calls.
    Before,
    /// The call takes effect, and its answer is lost. Counts the calls that change something: after another one
    /// everything is as it was before it.
    After,
}

/// One death of a crash matrix.
#[derive(Debug)]
pub struct Death<'a> {
    /// What it is called where something does not hold.
    pub name: String,
    kill: &'a Kill,
    call: usize,
    moment: Moment,
}

impl Death<'_> {
    /// From now on the process dies at its call.
    pub fn arm(&self) {
        self.kill.arm(self.call, self.moment);
    }

    /// Whether there were as many calls.
    pub fn has_struck(&self) -> bool {
        self.kill.has_struck()
    }
}

/// Fails the n-th call of all clients that have it, and every call after it, until it is armed anew.
#[derive(Debug, Clone, Default)]
pub struct Kill(Arc<Mutex<Armed>>);

#[derive(Debug, Clone, Copy)]
struct Armed {
    at: usize,
    moment: Moment,
    calls: usize,
}

impl Default for Armed {
    fn default() -> Self {
        Self { at: usize::MAX, moment: Moment::Before, calls: 0 }
    }
}

#[derive(Debug, Clone, Copy)]
struct CallNumber(usize);

impl Storable for CallNumber {
    type Storer = StoreReplace<Self>;
}

impl Kill {
    /// The crash matrix: calls `live` for a death at every call, before the call and after its effect, until there are
    /// no more calls. How many deaths there were.
    ///
    /// `live` makes what it needs, arms the death, does what is to die, goes on where that died, and looks at the end:
    /// it is the same without a death, with which both passes end.
    pub async fn every_death(&self, mut live: impl AsyncFnMut(&Death<'_>)) -> usize {
        let mut deaths = 0;
        for moment in [Moment::Before, Moment::After] {
            for call in 0.. {
                let name = format!("died {moment:?} call {call}");
                // What is to die is as large as a whole function.
                Box::pin(live(&Death { name, kill: self, call, moment })).await;
                if !self.has_struck() {
                    break;
                }
                deaths += 1;
            }
        }
        deaths
    }

    /// Dies at the call `at` from now on, counted from 0.
    pub fn arm(&self, at: usize, moment: Moment) {
        *self.armed() = Armed { at, moment, calls: 0 };
    }

    /// Whether there were as many calls.
    pub fn has_struck(&self) -> bool {
        let armed = *self.armed();
        armed.calls > armed.at
    }

    fn armed(&self) -> MutexGuard<'_, Armed> {
        self.0.lock().unwrap()
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
        let mut armed = self.armed();
        let is_dead = armed.calls > armed.at;
        if armed.moment == Moment::Before || is_write(context.request()) {
            bag.interceptor_state().store_put(CallNumber(armed.calls));
            armed.calls += 1;
        }
        let dies_before = armed.moment == Moment::Before && armed.calls > armed.at;
        if is_dead || dies_before { Err("killed before the call".into()) } else { Ok(()) }
    }

    fn modify_before_deserialization(
        &self,
        _: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let number = bag.load::<CallNumber>().map(|number| number.0);
        if number == Some(self.armed().at) { Err("killed after the call".into()) } else { Ok(()) }
    }
}

fn is_write(request: &HttpRequest) -> bool {
    match request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next()) {
        Some(of_dynamo) => !["GetItem", "BatchGetItem", "Query"].contains(&of_dynamo),
        None => !["GET", "HEAD"].contains(&request.method()),
    }
}
