mod credentials;
mod sessions;
mod verification;
