//! Randomness as a dependency, so that tests and simulations can seed it.

use ring::rand::SecureRandom;

/// A source of random bytes.
pub trait Random {
    /// Fills the buffer. A production implementation MUST be cryptographically secure, and MUST abort rather than leave the
    /// buffer unfilled.
    fn fill(&self, buffer: &mut [u8]);
}

impl<R: Random + ?Sized> Random for &R {
    fn fill(&self, buffer: &mut [u8]) {
        (**self).fill(buffer);
    }
}

/// The operating system's randomness, suitable for secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        if ring::rand::SystemRandom::new().fill(buffer).is_err() {
            tracing::error!("the operating system failed to provide randomness");
            std::process::abort();
        }
    }
}
