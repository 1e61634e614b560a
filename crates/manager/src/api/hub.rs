mod models;
mod pulls;

pub(super) use models::{__path_list as __path_models, __path_remove, list as models, remove};
pub(super) use pulls::{__path_begin, __path_cancel, __path_get, __path_list, begin, cancel, get, list};
