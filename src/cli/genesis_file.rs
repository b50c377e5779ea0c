//! The founding statement on its way from founder to founder.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::Failure;
use super::statement_file::read_text;
use crate::governance::founding::Founding;
use crate::governance::genesis::Genesis;
use crate::governance::key::{PublicKey, Signature};
use crate::governance::statement::Statement;

/// A founding statement with the signatures that it has so far.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisFile {
    r#type: String,
    /// What every founder signs.
    pub statement: Statement<Founding>,
    /// Key and signature of each founder, in the statement's order.
    pub founders: Vec<FounderSignature>,
}

/// One founder's key, and its signature once it has signed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FounderSignature {
    /// The founder's key.
    pub key: PublicKey,
    /// Its signature under the statement, or `null`.
    pub signature: Option<Signature>,
}

/// The `type` of the file.
const TYPE: &str = "althing/genesis/v1";

impl GenesisFile {
    /// A founding statement that nobody has signed.
    pub fn unsigned(statement: Statement<Founding>, keys: Vec<PublicKey>) -> Self {
        let founders = keys.into_iter().map(|key| FounderSignature {
            key,
            signature: None,
        });
        Self {
            r#type: TYPE.to_owned(),
            statement,
            founders: founders.collect(),
        }
    }

    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let malformed = |message: String| {
            Failure::usage(
                "genesis.malformed",
                format!("{}: {message}", path.display()),
            )
        };
        let file: Self = serde_json::from_str(&read_text(path)?)
            .map_err(|error| malformed(error.to_string()))?;
        if file.r#type != TYPE {
            return Err(malformed(format!(
                "expected the type {TYPE}, found {:?}",
                file.r#type
            )));
        }
        Ok(file)
    }

    /// The file's text.
    pub fn to_text(&self) -> Result<String, Failure> {
        serde_json::to_string(self)
            .map(|text| text + "\n")
            .map_err(|error| Failure::usage("genesis.unwritable", error.to_string()))
    }

    /// The names of the founders who have not signed.
    pub fn missing(&self) -> Vec<String> {
        let founders = self.statement.content().founders.iter();
        founders
            .zip(&self.founders)
            .filter(|(_, signed)| signed.signature.is_none())
            .map(|(founder, _)| founder.name.to_string())
            .collect()
    }

    /// The place of the founder with this key.
    pub fn founder(&mut self, key: &PublicKey) -> Option<&mut FounderSignature> {
        self.founders.iter_mut().find(|founder| founder.key == *key)
    }

    /// The complete genesis, if everyone has signed.
    pub fn complete(self) -> Result<Genesis, Failure> {
        let missing = self.missing();
        if !missing.is_empty() {
            return Err(Failure::new(
                super::exit::Exit::NoAuthority,
                "genesis.signatures-missing",
                format!("the signatures of {} are missing", missing.join(", ")),
            )
            .hint(
                "write the statement with `althing init … --out FILE`, let each founder run \
                 `althing genesis sign FILE --as NAME`, then `althing init --from FILE`",
            ));
        }
        let founders = self.founders.into_iter();
        Ok(Genesis {
            statement: self.statement,
            founders: founders
                .filter_map(|founder| Some((founder.key, founder.signature?)))
                .collect(),
        })
    }
}
