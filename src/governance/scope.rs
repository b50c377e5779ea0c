//! What a grant is limited to, and whether a context falls within it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::MAX_INTEGER;
use super::text::serde_as_text;

/// The name of a scope dimension: 1 to 64 of `a-z`, `0-9`, `_`, `.` and `-`.
///
/// Names that begin with `max_` hold numeric limits; all others hold sets of allowed values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeKey(Box<str>);

impl ScopeKey {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 64;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the dimension is a numeric limit rather than a set of values.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        self.0.starts_with("max_")
    }
}

impl fmt::Display for ScopeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why something is no scope, or no context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseScopeError {
    /// A key with other characters, or of another length.
    #[error("expected a key of 1 to 64 of a-z, 0-9, '_', '.' and '-', found {0:?}")]
    Key(String),
    /// An empty value, or one that is too long or not printable.
    #[error("expected values of 1 to 256 bytes of printable ASCII for {0}")]
    Value(ScopeKey),
    /// A dimension that allows nothing.
    #[error("expected at least one allowed value for {0}")]
    NoValues(ScopeKey),
    /// Values that repeat or are out of order.
    #[error("expected the values of {0} in ascending order without repetition")]
    Order(ScopeKey),
    /// A set where a limit belongs, or a limit where a set belongs.
    #[error("expected an integer for {0} if its name begins with max_, and strings otherwise")]
    Dimension(ScopeKey),
    /// More dimensions than [`Scope::MAX_KEYS`].
    #[error("expected at most 64 keys")]
    TooManyKeys,
}

impl FromStr for ScopeKey {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
        if (1..=Self::MAX_BYTES).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(ParseScopeError::Key(text.chars().take(80).collect()))
        }
    }
}

serde_as_text!(ScopeKey, "a key of a-z, 0-9, '_', '.' and '-'");

fn check_value(key: &ScopeKey, value: &str) -> Result<(), ParseScopeError> {
    let printable = value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if value.is_empty() || value.len() > Scope::MAX_VALUE_BYTES || !printable {
        return Err(ParseScopeError::Value(key.clone()));
    }
    Ok(())
}

/// One dimension of a scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Dimension {
    /// The values that a context may have under this key.
    Values(BTreeSet<String>),
    /// A number that the caller must keep to; it comes back as an obligation.
    Limit(u64),
}

/// What a grant is limited to. The empty scope is unrestricted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Scope(BTreeMap<ScopeKey, Dimension>);

/// The circumstances in which somebody wants to act: one value a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CheckContext(BTreeMap<ScopeKey, String>);

impl Scope {
    /// The most dimensions of one scope.
    pub const MAX_KEYS: usize = 64;

    /// The longest value, in bytes.
    pub const MAX_VALUE_BYTES: usize = 256;

    /// The unrestricted scope.
    #[must_use]
    pub fn unrestricted() -> Self {
        Self::default()
    }

    /// Adds an allowed value, or sets a limit where the key begins with `max_`.
    ///
    /// # Errors
    /// [`ParseScopeError`] for a bad key or value, and for more than [`Self::MAX_KEYS`] keys.
    pub fn allow(&mut self, key: &str, value: &str) -> Result<(), ParseScopeError> {
        let key: ScopeKey = key.parse()?;
        if self.0.len() >= Self::MAX_KEYS && !self.0.contains_key(&key) {
            return Err(ParseScopeError::TooManyKeys);
        }
        if key.is_limit() {
            let limit =
                parse_limit(value).ok_or_else(|| ParseScopeError::Dimension(key.clone()))?;
            self.0.insert(key, Dimension::Limit(limit));
            return Ok(());
        }
        check_value(&key, value)?;
        let values = self
            .0
            .entry(key)
            .or_insert(Dimension::Values(BTreeSet::new()));
        if let Dimension::Values(values) = values {
            values.insert(value.to_owned());
        }
        Ok(())
    }

    /// The dimensions in the order of their names.
    pub fn dimensions(&self) -> impl Iterator<Item = (&ScopeKey, &Dimension)> {
        self.0.iter()
    }

    /// Whether nothing is restricted.
    #[must_use]
    pub fn is_unrestricted(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this scope allows nothing that `wider` does not: it has every key of it, with a subset
    /// of the values or at most the limit. Further keys only narrow.
    #[must_use]
    pub fn is_within(&self, wider: &Self) -> bool {
        wider
            .0
            .iter()
            .all(|(key, outer)| match (self.0.get(key), outer) {
                (Some(Dimension::Values(inner)), Dimension::Values(outer)) => {
                    inner.is_subset(outer)
                }
                (Some(Dimension::Limit(inner)), Dimension::Limit(outer)) => inner <= outer,
                _ => false,
            })
    }

    /// Whether every set-valued key of this scope is in `context` with an allowed value.
    #[must_use]
    pub fn admits(&self, context: &CheckContext) -> bool {
        self.0.iter().all(|(key, dimension)| match dimension {
            Dimension::Limit(_) => true,
            Dimension::Values(allowed) => context
                .0
                .get(key)
                .is_some_and(|value| allowed.contains(value)),
        })
    }

    /// The limits that a caller takes on by acting under this scope.
    pub fn obligations(&self) -> impl Iterator<Item = (&ScopeKey, u64)> {
        self.0
            .iter()
            .filter_map(|(key, dimension)| match dimension {
                Dimension::Limit(limit) => Some((key, *limit)),
                Dimension::Values(_) => None,
            })
    }
}

fn parse_limit(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|limit| digits && *limit <= MAX_INTEGER)
}

impl CheckContext {
    /// Sets the value of a key.
    ///
    /// # Errors
    /// [`ParseScopeError`] for a bad key or value, and for more than [`Scope::MAX_KEYS`] keys.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ParseScopeError> {
        let key: ScopeKey = key.parse()?;
        check_value(&key, value)?;
        if self.0.len() >= Scope::MAX_KEYS && !self.0.contains_key(&key) {
            return Err(ParseScopeError::TooManyKeys);
        }
        self.0.insert(key, value.to_owned());
        Ok(())
    }

    /// Whether no key is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawDimension {
    Limit(u64),
    Values(Vec<String>),
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = BTreeMap::<ScopeKey, RawDimension>::deserialize(deserializer)?;
        Self::from_raw(raw).map_err(de::Error::custom)
    }
}

impl Scope {
    fn from_raw(raw: BTreeMap<ScopeKey, RawDimension>) -> Result<Self, ParseScopeError> {
        if raw.len() > Self::MAX_KEYS {
            return Err(ParseScopeError::TooManyKeys);
        }
        let mut scope = BTreeMap::new();
        for (key, dimension) in raw {
            let dimension = match dimension {
                RawDimension::Limit(limit) if key.is_limit() && limit <= MAX_INTEGER => {
                    Dimension::Limit(limit)
                }
                RawDimension::Values(values) if !key.is_limit() => {
                    Dimension::Values(ascending(&key, values)?)
                }
                _ => return Err(ParseScopeError::Dimension(key)),
            };
            scope.insert(key, dimension);
        }
        Ok(Self(scope))
    }
}

fn ascending(key: &ScopeKey, values: Vec<String>) -> Result<BTreeSet<String>, ParseScopeError> {
    if values.is_empty() {
        return Err(ParseScopeError::NoValues(key.clone()));
    }
    if !values.is_sorted_by(|previous, next| previous < next) {
        return Err(ParseScopeError::Order(key.clone()));
    }
    for value in &values {
        check_value(key, value)?;
    }
    Ok(values.into_iter().collect())
}

impl<'de> Deserialize<'de> for CheckContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = BTreeMap::<ScopeKey, String>::deserialize(deserializer)?;
        if raw.len() > Scope::MAX_KEYS {
            return Err(de::Error::custom(ParseScopeError::TooManyKeys));
        }
        for (key, value) in &raw {
            check_value(key, value).map_err(de::Error::custom)?;
        }
        Ok(Self(raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(pairs: &[(&str, &str)]) -> Scope {
        let mut scope = Scope::unrestricted();
        for (key, value) in pairs {
            scope.allow(key, value).unwrap();
        }
        scope
    }

    fn context(pairs: &[(&str, &str)]) -> CheckContext {
        let mut context = CheckContext::default();
        for (key, value) in pairs {
            context.set(key, value).unwrap();
        }
        context
    }

    #[test]
    fn every_key_must_be_present_with_an_allowed_value() {
        let prod = [("environment", "prod")];
        let two = [
            ("environment", "prod"),
            ("environment", "test"),
            ("region", "eu"),
        ];
        for (scope_pairs, context_pairs, admitted) in [
            (&[][..], &[][..], true),
            (&[][..], &prod[..], true),
            (&prod[..], &[][..], false),
            (&prod[..], &prod[..], true),
            (&prod[..], &[("environment", "test")][..], false),
            (&two[..], &[("environment", "test")][..], false),
            (
                &two[..],
                &[("environment", "test"), ("region", "eu")][..],
                true,
            ),
            (&[("max_rate_qps", "5")][..], &[][..], true),
        ] {
            assert_eq!(
                scope(scope_pairs).admits(&context(context_pairs)),
                admitted,
                "{scope_pairs:?} {context_pairs:?}"
            );
        }
    }

    #[test]
    fn a_narrower_scope_has_every_key_and_no_more_values() {
        let outer = [
            ("environment", "prod"),
            ("environment", "test"),
            ("max_rate_qps", "5"),
        ];
        for (inner, within) in [
            (&outer[..], true),
            (&outer[1..], true),
            (&outer[..2], false),
            (&outer[2..], false),
            (&[("environment", "prod"), ("max_rate_qps", "6")][..], false),
            (&[("environment", "dev"), ("max_rate_qps", "5")][..], false),
            (
                &[
                    ("environment", "prod"),
                    ("max_rate_qps", "4"),
                    ("region", "eu"),
                ][..],
                true,
            ),
        ] {
            assert_eq!(scope(inner).is_within(&scope(&outer)), within, "{inner:?}");
        }
        assert!(scope(&outer).is_within(&Scope::unrestricted()));
    }

    #[test]
    fn limits_come_back_as_obligations() {
        let scope = scope(&[("max_rate_qps", "5"), ("region", "eu")]);
        let obligations: Vec<_> = scope
            .obligations()
            .map(|(key, limit)| (key.as_str(), limit))
            .collect();
        assert_eq!(obligations, [("max_rate_qps", 5)]);
    }

    #[test]
    fn a_scope_has_one_json_form() {
        let text = r#"{"environment":["prod","test"],"max_rate_qps":5}"#;
        let scope: Scope = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&scope).unwrap(), text);
        for bad in [
            r#"{"environment":[]}"#,
            r#"{"environment":["test","prod"]}"#,
            r#"{"environment":["prod","prod"]}"#,
            r#"{"environment":[""]}"#,
            r#"{"environment":5}"#,
            r#"{"max_rate_qps":["5"]}"#,
            r#"{"Environment":["prod"]}"#,
            r#"{"":["prod"]}"#,
            r#"{"max_rate_qps":9007199254740992}"#,
        ] {
            assert!(serde_json::from_str::<Scope>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_the_empty_scope_is_unrestricted() {
        assert!(Scope::unrestricted().is_unrestricted());
        assert!(!scope(&[("environment", "prod")]).is_unrestricted());
    }

    #[test]
    fn a_scope_and_a_context_have_at_most_64_keys() {
        for (keys, allowed) in [(64, true), (65, false), (66, false)] {
            let members = |value: &str| {
                let members: Vec<_> = (0..keys).map(|key| format!("\"k{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            };
            let scope = serde_json::from_str::<Scope>(&members("[\"a\"]"));
            assert_eq!(scope.is_ok(), allowed, "{keys}");
            let context = serde_json::from_str::<CheckContext>(&members("\"a\""));
            assert_eq!(context.is_ok(), allowed, "{keys}");
        }
    }
}
