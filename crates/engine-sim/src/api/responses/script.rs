use serde_json::{Value, json};

use super::Plan;
use super::shape::{Stage, part};
use crate::deliver::{Event, Script};

/// The events of a response.
pub(super) struct ResponseScript {
    plan: Plan,
    /// Events made; also their `sequence_number`.
    made: u32,
}

/// Events before the first token.
const BEFORE: u32 = 4;

// === impl ResponseScript ===

impl ResponseScript {
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, made: 0 }
    }

    fn event(&mut self, name: &'static str, mut json: Value, tokens: u32) -> Event {
        if let Some(object) = json.as_object_mut() {
            object.insert("sequence_number".to_owned(), self.made.into());
            object.insert("type".to_owned(), name.into());
            sort_tail(object);
        }
        self.made += 1;
        Event { name: Some(name), json: serde_json::to_vec(&json).unwrap_or_default(), tokens }
    }

    fn before(&mut self) -> Event {
        let id = self.plan.item_id();
        match self.made {
            0 => self.event("response.created", json!({"response": self.plan.response(Stage::Open)}), 0),
            1 => self.event("response.in_progress", json!({"response": self.plan.response(Stage::Open)}), 0),
            2 => {
                let json = json!({"item": self.plan.item(Stage::Open), "output_index": 0});
                self.event("response.output_item.added", json, 0)
            }
            _ => {
                let part = part("", &json!([]));
                let json = json!({"content_index": 0, "item_id": id, "output_index": 0, "part": part});
                self.event("response.content_part.added", json, 0)
            }
        }
    }

    fn delta(&mut self, index: u32) -> Event {
        let (id, text) = (self.plan.item_id(), self.plan.text.token(index).into_owned());
        let json = json!({"content_index": 0, "delta": text, "item_id": id, "logprobs": [], "output_index": 0});
        self.event("response.output_text.delta", json, 1)
    }

    fn after(&mut self, step: u32) -> Option<Event> {
        let (id, whole) = (self.plan.item_id(), self.plan.text.whole());
        let (name, json) = match step {
            0 => {
                let json = json!({"content_index": 0, "item_id": id, "logprobs": [], "output_index": 0, "text": whole});
                ("response.output_text.done", json)
            }
            1 => {
                let part = part(&whole, &Value::Null);
                let json = json!({"content_index": 0, "item_id": id, "output_index": 0, "part": part});
                ("response.content_part.done", json)
            }
            2 => {
                let json = json!({"item": self.plan.item(Stage::Over), "output_index": 0});
                ("response.output_item.done", json)
            }
            3 => ("response.completed", json!({"response": self.plan.response(Stage::Over)})),
            _ => return None,
        };
        Some(self.event(name, json, 0))
    }
}

impl Script for ResponseScript {
    fn next(&mut self) -> Option<Event> {
        let tokens = self.plan.text.len();
        match self.made {
            made if made < BEFORE => Some(self.before()),
            made if made < BEFORE + tokens => Some(self.delta(made - BEFORE)),
            made => self.after(made - BEFORE - tokens),
        }
    }

    fn abort(&mut self) -> Option<Event> {
        self.made = BEFORE + self.plan.text.len() + 3;
        self.next()
    }

    fn says_done(&self) -> bool {
        false
    }
}

/// vLLM writes `text` after the sequence number and before the type.
fn sort_tail(object: &mut serde_json::Map<String, Value>) {
    for late in ["text", "type"] {
        if let Some(value) = object.shift_remove(late) {
            object.insert(late.to_owned(), value);
        }
    }
}
