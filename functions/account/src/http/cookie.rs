//! The cookie that holds an access token (RFC 6265).

use std::time::Duration;

use kernel::Secret;
use runtime::http::ACCESS_TOKEN_COOKIE;

/// A `Set-Cookie` that gives the browser a token for as long as it lives. Scripts cannot read it, it goes over TLS only,
/// and no other site's request bears it, but for a link that is followed here.
pub(super) fn set_access_token(token: &Secret<String>, lifetime: Duration) -> String {
    set_cookie(token.expose(), lifetime)
}

/// A `Set-Cookie` that makes the browser forget the token. A browser drops only the cookie of the same name and path.
pub(super) fn clear_access_token() -> String {
    set_cookie("", Duration::ZERO)
}

fn set_cookie(value: &str, lifetime: Duration) -> String {
    let max_age = lifetime.as_secs();
    format!("{ACCESS_TOKEN_COOKIE}={value}; Max-Age={max_age}; Path=/; HttpOnly; Secure; SameSite=Lax")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_kept_from_scripts_from_plain_http_and_from_other_sites() {
        assert_eq!(
            set_access_token(&Secret::new("a.b.c".to_owned()), Duration::from_mins(15)),
            "access_token=a.b.c; Max-Age=900; Path=/; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(clear_access_token(), "access_token=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax");
    }
}
