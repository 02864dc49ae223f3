//! A profile that a scenario brings along. It is kept as the text that it is written as, so that a program that only hands
//! scenarios on carries nothing that reads profiles.

use super::{Profile, ProfileError};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A profile in JSON, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnProfile {
    /// The profile's name.
    pub name: String,
    text: String,
}

impl OwnProfile {
    /// The profile. Whoever takes one from a file checks it there, with [`Profile::from_json`].
    ///
    /// # Errors
    /// When the text holds none.
    pub fn read(&self) -> Result<Profile, ProfileError> {
        serde_json::from_str(&self.text).map_err(|error| ProfileError::Json(error.to_string()))
    }
}

impl From<&Profile> for OwnProfile {
    fn from(profile: &Profile) -> Self {
        // A profile has no maps with keys that JSON could not write.
        let text = serde_json::to_string(profile).unwrap_or_default();
        OwnProfile { name: profile.name.clone(), text }
    }
}

impl Serialize for OwnProfile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: &RawValue = serde_json::from_str(&self.text).map_err(serde::ser::Error::custom)?;
        text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OwnProfile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let Named { name } = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        Ok(OwnProfile { name, text: text.get().to_owned() })
    }
}
