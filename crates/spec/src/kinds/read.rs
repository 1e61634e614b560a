use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Fault;
use crate::parse::Strict;

/// Reads the data of an item as strictly as a document is read. The fault's path starts at the item.
pub(super) fn read<T: DeserializeOwned>(data: Value) -> Result<T, Fault> {
    serde_path_to_error::deserialize(Strict(data)).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string().replacen("unknown variant", "unknown value", 1);
        // `.` is how the crate writes the whole.
        Fault { path: if path == "." { String::new() } else { path }, message }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Model;

    #[test]
    fn faults_say_where() {
        let fault = |data| read::<Model>(data).unwrap_err().to_string();
        let deployment = |endpoint| json!({ "name": "a", "type": "chat", "deployments": [{ "endpoint": endpoint }] });
        let shown = fault(deployment(json!({ "url": 7 })));
        assert!(shown.starts_with("deployments[0].endpoint.url: invalid type"), "{shown}");
        let shown = fault(deployment(json!({ "url": "http://x", "wieght": 7 })));
        assert!(shown.starts_with("deployments[0].endpoint.wieght: unknown field `wieght`"), "{shown}");
        let shown = fault(json!({ "name": "a", "type": "chats" }));
        assert!(shown.starts_with("type: unknown value `chats`"), "{shown}");
        assert!(fault(json!([])).starts_with(": invalid type"), "{}", fault(json!([])));
    }
}
