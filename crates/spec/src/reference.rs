use crate::{Document, ItemId, ItemKind, fault::Scope, quote::Quoted};

/// An item that names another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Who names it.
    pub from: ItemId,
    /// Where it does so, below the item.
    pub path: String,
    /// What is named.
    pub to: ItemId,
}

/// What items name in other items, in the order of the document.
pub fn references(document: &Document) -> Vec<Reference> {
    ItemKind::all().flat_map(|kind| kind.kind().references(document)).collect()
}

/// Reports each reference to what is not there.
pub(crate) fn check(root: &mut Scope<'_>, document: &Document) {
    for Reference { from, path, to } in references(document) {
        if document.item(&to).is_none() {
            let place = from.kind.kind().place(document, &from.name).unwrap_or_default();
            let at = format!("{place}.{path}");
            // Who writes a secret in place of a name must not find it in a message.
            let name =
                if to.kind == ItemKind::CREDENTIAL { "of this name".to_owned() } else { Quoted(&to.name).to_string() };
            root.field(&at).fault(format!("there is no {} {name}; put it there, or name another", to.kind));
        }
    }
}
