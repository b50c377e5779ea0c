//! Holds JSON to the schemas of the description.
//!
//! Only what the description uses is understood: anything else fails the test, so that nothing is passed
//! over. Stricter than JSON Schema in one thing: an object with described members has no others.

use std::iter;

use serde_json::{Map, Value};

/// What a schema may say without asking for anything.
const NOTES: &[&str] = &["description", "format", "title", "example"];

/// A description, to which its schemas refer.
#[derive(Clone, Copy)]
pub struct Schemas<'a>(pub &'a Value);

impl Schemas<'_> {
    /// Where `value` is not what `schema` says, and why.
    pub fn problem(self, schema: &Value, value: &Value) -> Option<String> {
        self.check(schema, value).err()
    }

    fn check(self, schema: &Value, value: &Value) -> Result<(), String> {
        let Some(schema) = schema.as_object() else {
            return Ok(());
        };
        for (keyword, said) in schema {
            match keyword.as_str() {
                "$ref" => {
                    let place = said.as_str().unwrap().strip_prefix('#').unwrap();
                    let referred = self.0.pointer(place);
                    self.check(referred.unwrap_or_else(|| panic!("{said}")), value)?;
                }
                "type" => is(fits_type(said, value), value, said)?,
                "enum" => is(said.as_array().unwrap().contains(value), value, said)?,
                "minimum" if value.is_number() => {
                    is(value.as_f64() >= said.as_f64(), value, said)?;
                }
                "minimum" => {}
                "required" => required(said, value)?,
                "properties" => self.members(said, schema, value)?,
                "additionalProperties" => self.others(said, schema, value)?,
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(said, item)
                            .map_err(|problem| format!("[{index}] {problem}"))?;
                    }
                }
                "anyOf" | "oneOf" => {
                    let found = said.as_array().unwrap().iter();
                    let found = found.filter(|one| self.check(one, value).is_ok()).count();
                    is(found > 0 && (keyword == "anyOf" || found == 1), value, said)?;
                }
                "propertyNames" => {}
                note if NOTES.contains(&note) => {}
                unknown => panic!("the checker does not know {unknown}"),
            }
        }
        Ok(())
    }

    fn members(
        self,
        members: &Value,
        schema: &Map<String, Value>,
        value: &Value,
    ) -> Result<(), String> {
        for (name, found) in value.as_object().into_iter().flatten() {
            match members.get(name) {
                Some(member) => self
                    .check(member, found)
                    .map_err(|problem| format!(".{name} {problem}"))?,
                None if schema.contains_key("additionalProperties") => {}
                None => return Err(format!(".{name} is not described")),
            }
        }
        Ok(())
    }

    fn others(
        self,
        others: &Value,
        schema: &Map<String, Value>,
        value: &Value,
    ) -> Result<(), String> {
        let described = schema.get("properties").and_then(Value::as_object);
        for (name, found) in value.as_object().into_iter().flatten() {
            if described.is_none_or(|described| !described.contains_key(name)) {
                self.check(others, found)
                    .map_err(|problem| format!(".{name} {problem}"))?;
            }
        }
        Ok(())
    }
}

fn is(holds: bool, value: &Value, said: &Value) -> Result<(), String> {
    if holds {
        return Ok(());
    }
    Err(format!("expected {said}, found {value}"))
}

fn required(names: &Value, value: &Value) -> Result<(), String> {
    let Some(members) = value.as_object() else {
        return Ok(());
    };
    let mut names = names.as_array().into_iter().flatten();
    let missing = names.find(|name| !members.contains_key(name.as_str().unwrap()));
    missing.map_or(Ok(()), |name| Err(format!("{name} is missing")))
}

fn fits_type(said: &Value, value: &Value) -> bool {
    let fits = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("the checker does not know the type {other}"),
    };
    match said {
        Value::Array(several) => several.iter().any(|one| fits(one.as_str().unwrap())),
        one => iter::once(one).any(|one| fits(one.as_str().unwrap())),
    }
}

#[test]
fn what_is_not_as_described_is_found() {
    use serde_json::json;
    let description = json!({"components": {"schemas": {"One": {
        "type": "object", "required": ["schema"],
        "properties": {
            "schema": {"type": "string", "enum": ["one/1"]},
            "seq": {"type": ["integer", "null"], "minimum": 1},
            "all": {"type": "array", "items": {"type": "string"}},
            "either": {"oneOf": [{"type": "null"}, {"type": "boolean"}]},
            "named": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
    }}}});
    let schema = json!({"$ref": "#/components/schemas/One"});
    let schemas = Schemas(&description);
    for (changes, is_right) in [
        (json!({}), true),
        (
            json!({"seq": 1, "all": [], "either": null, "named": {"a": 1}}),
            true,
        ),
        (
            json!({"seq": null, "all": ["a"], "either": true, "named": {}}),
            true,
        ),
        (json!({"schema": "one/2"}), false),
        (json!({"seq": 0}), false),
        (json!({"seq": 1.5}), false),
        (json!({"seq": "1"}), false),
        (json!({"all": ["a", 1]}), false),
        (json!({"all": {}}), false),
        (json!({"either": 1}), false),
        (json!({"named": {"a": "b"}}), false),
        (json!({"other": 1}), false),
    ] {
        let mut value = json!({"schema": "one/1"});
        value
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        let problem = schemas.problem(&schema, &value);
        assert_eq!(problem.is_none(), is_right, "{value}: {problem:?}");
    }
    assert!(schemas.problem(&schema, &json!({})).is_some());
    assert!(schemas.problem(&schema, &json!([])).is_some());
}
