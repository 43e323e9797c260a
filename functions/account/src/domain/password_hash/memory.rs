//! The memory in which passwords are hashed.
//!
//! A hash takes 19 MiB. If each one allocated them, small allocations that live longer would end up in what it has freed,
//! and the next one would not fit: the process would grow by 19 MiB again and again. So the process allocates them once.

use std::sync::{Mutex, PoisonError};

use argon2::{Algorithm, Argon2, Block, Error, Params, Version};
use zeroize::Zeroize;

/// Grows to the largest hash, and is zero between two hashes.
static MEMORY: Mutex<Vec<Block>> = Mutex::new(Vec::new());

/// Computes an Argon2id hash (RFC 9106). `output` has the length that `params` state.
///
/// # Errors
///
/// [`Error`] if memory is insufficient, or a length is not supported.
pub(super) fn argon2id(
    params: Params,
    version: Version,
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
) -> Result<(), Error> {
    let blocks = params.block_count();
    // If a computation panicked, what it left is overwritten by the next one.
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = blocks.saturating_sub(memory.len());
    memory.try_reserve_exact(missing).map_err(|_| Error::OutOfMemory)?;
    if missing > 0 {
        memory.resize(blocks, Block::new());
    }
    let used = memory.get_mut(..blocks).ok_or(Error::MemoryTooLittle)?;
    let result = Argon2::new(Algorithm::Argon2id, version, params)
        .hash_password_into_with_memory(password, salt, output, &mut *used);
    // The password could be derived from the blocks at less cost than from the hash.
    used.iter_mut().zeroize();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(memory_kib: u32, password: &str) -> [u8; 32] {
        let params = Params::new(memory_kib, 2, 1, Some(32)).unwrap();
        let mut output = [0; 32];
        argon2id(params, Version::V0x13, password.as_bytes(), &[7; 16], &mut output).unwrap();
        output
    }

    #[test]
    fn hash_does_not_depend_on_earlier_hashes() {
        let expected = [hash(64, "one"), hash(1024, "two")];
        for _ in 0..3 {
            assert_eq!([hash(64, "one"), hash(1024, "two")], expected);
        }
        let mut fresh = [0; 32];
        let params = Params::new(64, 2, 1, Some(32)).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(b"one", &[7; 16], &mut fresh)
            .unwrap();
        assert_eq!(fresh, expected[0]);
    }

    #[test]
    fn memory_is_reused_and_wiped() {
        hash(4096, "one");
        let before = MEMORY.lock().unwrap().as_ptr();
        hash(4096, "two");
        let memory = MEMORY.lock().unwrap();
        assert_eq!(memory.as_ptr(), before);
        assert!(memory.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
    }
}
