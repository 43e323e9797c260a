//! Randomness as a dependency, so that tests and simulations run under a seed.

use ring::rand::SecureRandom;

/// Unpredictable bytes.
pub trait Random {
    /// Fills the buffer. An implementation for production MUST be cryptographically secure, and MUST abort rather than
    /// leave the buffer as it was.
    fn fill(&self, buffer: &mut [u8]);
}

impl<R: Random + ?Sized> Random for &R {
    fn fill(&self, buffer: &mut [u8]) {
        (**self).fill(buffer);
    }
}

/// The operating system's randomness, fit for secrets.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) {
        if ring::rand::SystemRandom::new().fill(buffer).is_err() {
            tracing::error!("the operating system gives no randomness");
            std::process::abort();
        }
    }
}
