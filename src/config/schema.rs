//! [`Document`] as JSON Schema, for editors: completion, descriptions, and mistakes of shape before
//! the program runs. It knows the file alone: nothing is required, variables may say it.

use schemars::{Schema, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::{Map, Value, json};

use super::document::{Document, described::Described};

/// Where `${NAME}` stands, the text may be anything.
const INTERPOLATED: &str = r"\$\{";

/// The schema, 2020-12.
pub fn schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Document>();
    schema.insert("title".to_owned(), "Vestibule's configuration".into());
    adapt(&mut schema);
    schema
}

/// The schema as text that ends with a newline.
pub fn text() -> String {
    format!("{:#}\n", schema().to_value())
}

/// What is the same everywhere: descriptions say the default, a key is left out rather than empty,
/// `${NAME}` goes anywhere.
fn adapt(schema: &mut Schema) {
    transform_subschemas(&mut adapt, schema);
    let Some(object) = schema.as_object_mut() else { return };
    describe(object);
    remove_null(object);
    let Some((key, narrow)) = ["enum", "pattern"].into_iter().find_map(|key| object.remove_entry(key)) else { return };
    let narrow = if key == "pattern" { json!({ "type": "string", key: narrow }) } else { json!({ key: narrow }) };
    object.remove("type");
    object.remove("$ref");
    object.insert("anyOf".to_owned(), json!([narrow, { "type": "string", "pattern": INTERPOLATED }]));
}

fn describe(object: &mut Map<String, Value>) {
    // `None`, which nobody can write.
    object.remove("default");
    let Some(Value::String(text)) = object.get_mut("description") else { return };
    *text = text.replace('\n', " ");
    if let Some(value) = Described::read(text).value.and_then(|text| serde_yaml::from_str(&text).ok()) {
        object.insert("default".to_owned(), value);
    }
}

fn remove_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice != &json!({ "type": "null" }));
        if let [Value::Object(only)] = choices.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}
