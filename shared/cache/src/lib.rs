//! A value that is loaded from a remote source and kept in memory.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::Timestamp;

/// A cached value with a maximum age. The caller passes the current time and the load, which runs only when needed.
#[derive(Debug)]
pub struct Cached<T, E> {
    max_age: Duration,
    reload_interval: Duration,
    state: Mutex<State<T, E>>,
}

#[derive(Debug)]
struct State<T, E> {
    value: Option<T>,
    /// The start of the load that produced `value`.
    loaded_at: Option<Timestamp>,
    /// The start of the last load, whether or not it succeeded.
    attempted_at: Option<Timestamp>,
    /// The error of the last load, if it failed.
    failure: Option<E>,
}

impl<T: Clone, E: Clone + Display> Cached<T, E> {
    /// Creates an empty cache. A value is fresh for `max_age`. [`get_or_stale`](Self::get_or_stale) and
    /// [`refresh`](Self::refresh) start at most one load per `reload_interval`.
    pub const fn new(max_age: Duration, reload_interval: Duration) -> Self {
        let state = State { value: None, loaded_at: None, attempted_at: None, failure: None };
        Self { max_age, reload_interval, state: Mutex::new(state) }
    }

    /// Returns the value if it is fresh, and loads it otherwise.
    ///
    /// # Errors
    ///
    /// The error of the load. A stale value is not returned in its place.
    pub async fn get<F>(&self, now: Timestamp, load: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        match self.fresh(now) {
            Some(value) => Ok(value),
            None => self.load(now, load).await,
        }
    }

    /// Returns the value if it is fresh, and reloads it otherwise. When the reload fails, or the last one was less than
    /// the reload interval ago, returns the stale value.
    ///
    /// # Errors
    ///
    /// The error of the load if no value has been loaded yet.
    pub async fn get_or_stale<F>(&self, now: Timestamp, load: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.fresh(now) {
            return Ok(value);
        }
        let stale = self.state().value.clone();
        match stale {
            Some(value) if !self.may_reload(now) => Ok(value),
            Some(value) => Ok(self.load(now, load).await.unwrap_or_else(|error| {
                tracing::error!(%error, "reload failed; using the stale value");
                value
            })),
            None => self.load(now, load).await,
        }
    }

    /// Loads the value, even if it is fresh. Returns `None` without loading if the last load started less than the reload
    /// interval ago and succeeded. A load that was abandoned has neither succeeded nor failed.
    ///
    /// # Errors
    ///
    /// The error of the load, or of the last one if that started less than the reload interval ago and failed.
    pub async fn refresh<F>(&self, now: Timestamp, load: impl FnOnce() -> F) -> Result<Option<T>, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let (is_loaded, failure) = (self.is_loaded(), self.state().failure.clone());
        if self.may_reload(now) || (!is_loaded && failure.is_none()) {
            return self.load(now, load).await.map(Some);
        }
        failure.map_or(Ok(None), Err)
    }

    /// Whether a value has been loaded, fresh or stale.
    pub fn is_loaded(&self) -> bool {
        self.state().value.is_some()
    }

    fn fresh(&self, now: Timestamp) -> Option<T> {
        let state = self.state();
        let is_fresh = state.loaded_at.is_some_and(|at| now < at.plus(self.max_age));
        state.value.clone().filter(|_| is_fresh)
    }

    fn may_reload(&self, now: Timestamp) -> bool {
        self.state().attempted_at.is_none_or(|at| now >= at.plus(self.reload_interval))
    }

    async fn load<F>(&self, now: Timestamp, load: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.state().attempted_at = Some(now);
        // On the heap, so that callers that find the value do not reserve space for the load.
        let loaded = Box::pin(load()).await;
        let mut state = self.state();
        state.failure = loaded.as_ref().err().cloned();
        if let Ok(value) = &loaded {
            state.value = Some(value.clone());
            state.loaded_at = Some(now);
        }
        loaded
    }

    fn state(&self) -> MutexGuard<'_, State<T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::task::{Context, Waker};

    use super::*;

    const MAX_AGE: Duration = Duration::from_mins(10);
    const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

    fn start() -> Timestamp {
        Timestamp::parse("2026-01-31T12:00:00Z").unwrap()
    }

    /// A source whose loads end with these results, in order.
    struct Source(Cell<Vec<Result<u8, &'static str>>>);

    impl Source {
        fn new<const N: usize>(results: [Result<u8, &'static str>; N]) -> Self {
            Self(Cell::new(results.into_iter().rev().collect()))
        }

        fn next(&self) -> Result<u8, &'static str> {
            let mut results = self.0.take();
            let result = results.pop().expect("a load that was expected");
            self.0.set(results);
            result
        }

        #[expect(clippy::unused_async, reason = "a load is asynchronous")]
        async fn load(&self) -> Result<u8, &'static str> {
            self.next()
        }
    }

    fn cached() -> Cached<u8, &'static str> {
        Cached::new(MAX_AGE, RELOAD_INTERVAL)
    }

    #[tokio::test]
    async fn fresh_value_is_not_loaded_again() {
        let (cached, source) = (cached(), Source::new([Ok(1), Ok(2)]));
        let expiry = start().plus(MAX_AGE);
        assert_eq!(cached.get(start(), || source.load()).await, Ok(1));
        assert_eq!(cached.get(start().plus(MAX_AGE.mul_f64(0.99)), || source.load()).await, Ok(1));
        assert_eq!(cached.get(expiry, || source.load()).await, Ok(2));
    }

    #[tokio::test]
    async fn get_with_failed_reload_returns_the_error() {
        let (cached, source) = (cached(), Source::new([Ok(1), Err("down")]));
        assert_eq!(cached.get(start(), || source.load()).await, Ok(1));
        assert_eq!(cached.get(start().plus(MAX_AGE), || source.load()).await, Err("down"));
    }

    #[tokio::test]
    async fn get_or_stale_with_failed_reload_returns_the_stale_value() {
        let (cached, source) = (cached(), Source::new([Ok(1), Err("down"), Ok(2)]));
        let expiry = start().plus(MAX_AGE);
        assert_eq!(cached.get_or_stale(start(), || source.load()).await, Ok(1));
        assert_eq!(cached.get_or_stale(expiry, || source.load()).await, Ok(1));
        assert_eq!(cached.get_or_stale(expiry, || source.load()).await, Ok(1), "no second load within the interval");
        assert_eq!(cached.get_or_stale(expiry.plus(RELOAD_INTERVAL), || source.load()).await, Ok(2));
    }

    #[tokio::test]
    async fn get_or_stale_without_a_value_loads_every_time() {
        let (cached, source) = (cached(), Source::new([Err("down"), Ok(1)]));
        assert_eq!(cached.get_or_stale(start(), || source.load()).await, Err("down"));
        assert_eq!(cached.get_or_stale(start(), || source.load()).await, Ok(1));
    }

    #[tokio::test]
    async fn refresh_loads_once_per_interval() {
        let (cached, source) = (cached(), Source::new([Ok(1), Ok(2), Err("down")]));
        assert_eq!(cached.refresh(start(), || source.load()).await, Ok(Some(1)));
        assert_eq!(cached.refresh(start(), || source.load()).await, Ok(None));
        let next = start().plus(RELOAD_INTERVAL);
        assert_eq!(cached.refresh(next, || source.load()).await, Ok(Some(2)));
        assert_eq!(cached.refresh(next.plus(RELOAD_INTERVAL), || source.load()).await, Err("down"));
        assert_eq!(cached.refresh(next.plus(RELOAD_INTERVAL), || source.load()).await, Err("down"), "without a load");
    }

    #[tokio::test]
    async fn refresh_after_an_abandoned_load_loads_again() {
        let (cached, source) = (cached(), Source::new([Ok(1)]));
        let mut abandoned = Box::pin(cached.refresh(start(), std::future::pending));
        assert!(abandoned.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(abandoned);
        assert_eq!(cached.refresh(start(), || source.load()).await, Ok(Some(1)));
    }
}
