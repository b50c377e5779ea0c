//! Logins of people with a browser: a cookie that opens what can be read, and nothing else.
//!
//! ```text
//! althing=1f3c9a02.1767225600000000.5c…e1      the token's id, its end in microseconds, a MAC
//! ```
//!
//! The cookie is not the token: nobody who finds it can write, or use it from a program. It holds as long as
//! the token is listed and in time, twelve hours at most, and until the service ends: the key of the MAC is
//! made when it starts and kept nowhere.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use axum::http::{HeaderMap, header};

use super::tokens::Token;
use crate::governance::time::Timestamp;

/// How long a login lasts, in seconds.
const LASTS_SECONDS: u64 = 12 * 3600;

/// What the MAC is over, before the rest.
const CONTEXT: &str = "althing/session/v1";

/// Makes and opens the cookies of one service.
pub(super) struct Sessions {
    /// None where the machine gives no random bytes: then nobody can log in.
    key: Option<hmac::Key>,
    is_secure: bool,
}

/// A cookie whose MAC is right: which token it stands for, if that is still there.
pub(super) struct Claim<'a> {
    pub(super) token_id: &'a str,
    end: u64,
    mac: Vec<u8>,
}

impl Sessions {
    /// With `is_secure` browsers send the cookie over TLS only, and take it from this very host only.
    pub(super) fn new(is_secure: bool) -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Self {
            key: key.ok(),
            is_secure,
        }
    }

    /// The header that logs the holder of a token in.
    pub(super) fn cookie(&self, token: &Token, now: Timestamp) -> Option<String> {
        let longest = now.as_micros().saturating_add(LASTS_SECONDS * 1_000_000);
        let end = token
            .expires_at
            .map_or(longest, |end| end.as_micros().min(longest));
        let mac = hmac::sign(self.key.as_ref()?, covered(token, end).as_bytes());
        let mac: String = mac
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let seconds = end.saturating_sub(now.as_micros()) / 1_000_000;
        Some(self.header(&format!("{}.{end}.{mac}", token.id), seconds))
    }

    /// The header that logs out.
    pub(super) fn no_cookie(&self) -> String {
        self.header("", 0)
    }

    fn header(&self, value: &str, seconds: u64) -> String {
        let secure = if self.is_secure { "; Secure" } else { "" };
        let name = self.name();
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
    }

    const fn name(&self) -> &'static str {
        if self.is_secure {
            "__Host-althing"
        } else {
            "althing"
        }
    }

    /// The cookie among the headers of a request, as far as it has the form of one.
    pub(super) fn claim<'a>(&self, headers: &'a HeaderMap) -> Option<Claim<'a>> {
        let cookies = headers.get_all(header::COOKIE).iter();
        let mut pairs = cookies
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='));
        let (_, value) = pairs.find(|(name, value)| *name == self.name() && !value.is_empty())?;
        let mut parts = value.split('.');
        let (token_id, end, mac) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Claim {
            token_id,
            end: end.parse().ok()?,
            mac: bytes(mac)?,
        })
    }

    /// Whether the cookie was made here of this token, and is in time.
    pub(super) fn holds(&self, claim: &Claim<'_>, token: &Token, now: Timestamp) -> bool {
        let is_made_here = |key| {
            let covered = covered(token, claim.end);
            hmac::verify(key, covered.as_bytes(), &claim.mac).is_ok()
        };
        now.as_micros() < claim.end && self.key.as_ref().is_some_and(is_made_here)
    }
}

/// The token's hash makes a cookie of one token worthless for another one with its id.
fn covered(token: &Token, end: u64) -> String {
    format!("{CONTEXT}\n{}\n{}\n{end}", token.id, token.sha256)
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::governance::digest::Digest;

    fn token(id: &str, expires_at: Option<Timestamp>) -> Token {
        Token {
            id: id.to_owned(),
            name: "a".parse().unwrap(),
            scopes: Vec::new(),
            sha256: Digest::of(id.as_bytes()),
            created_at: at(0),
            expires_at,
        }
    }

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_micros((1_000_000 + hours * 3600) * 1_000_000).unwrap()
    }

    fn opens(sessions: &Sessions, cookie: &str, token: &Token, now: Timestamp) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        let claim = sessions.claim(&headers);
        claim.is_some_and(|it| it.token_id == token.id && sessions.holds(&it, token, now))
    }

    #[test]
    fn a_cookie_opens_until_its_end_what_its_token_does() {
        let sessions = Sessions::new(false);
        let (token_a, token_b) = (token("a", None), token("b", Some(at(3))));
        let value = |token| {
            let header = sessions.cookie(token, at(1)).unwrap();
            header.split(';').next().unwrap().to_owned()
        };
        let (a, b) = (value(&token_a), value(&token_b));
        let longer = a.replace(
            &format!(".{}.", at(13).as_micros()),
            &format!(".{}.", at(14).as_micros()),
        );
        assert_ne!(longer, a);
        let cut = &a[..a.len() - 2];
        let among = format!("x=y; {a}; z=");
        let elsewhere = format!("other{a}");
        for (cookie, token, now, expected) in [
            (a.as_str(), &token_a, at(1), true),
            (&a, &token_a, at(12), true),
            (&a, &token_a, at(13), false),
            (&b, &token_b, at(2), true),
            (&b, &token_b, at(3), false),
            (&a, &token_b, at(1), false),
            (&among, &token_a, at(1), true),
            (&elsewhere, &token_a, at(1), false),
            (&longer, &token_a, at(13), false),
            (cut, &token_a, at(1), false),
            ("althing=", &token_a, at(1), false),
            ("althing=a.b.c", &token_a, at(1), false),
            ("althing=a", &token_a, at(1), false),
        ] {
            assert_eq!(opens(&sessions, cookie, token, now), expected, "{cookie}");
        }
        // A token of the same id that was made anew, and another service.
        let mut anew = token("a", None);
        anew.sha256 = Digest::of(b"another");
        assert!(!opens(&sessions, &a, &anew, at(1)));
        assert!(!opens(&Sessions::new(false), &a, &token_a, at(1)));
    }

    #[test]
    fn with_tls_the_cookie_is_bound_to_it() {
        let token = token("a", None);
        let header = Sessions::new(true).cookie(&token, at(1)).unwrap();
        assert!(header.starts_with("__Host-althing=a."), "{header}");
        let expected = "; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure";
        assert!(header.ends_with(expected), "{header}");
        let header = Sessions::new(false).cookie(&token, at(1)).unwrap();
        assert!(header.starts_with("althing=a."), "{header}");
        assert!(!header.contains("Secure"), "{header}");
        assert!(Sessions::new(false).no_cookie().ends_with("Max-Age=0"));
    }
}
