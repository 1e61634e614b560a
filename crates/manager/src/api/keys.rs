//! Virtual keys. A key is named by its id, its hash or its alias, never by its secret.

mod block;
mod create;
mod delete;
mod get;
mod list;
mod reach;
mod rotate;
mod update;
mod view;

pub(super) use block::{__path_block, __path_unblock, block, unblock};
pub(super) use create::{__path_create, create};
pub(super) use delete::{__path_delete, delete};
pub(super) use get::{__path_get, get};
pub(super) use list::{__path_list, list};
pub(super) use reach::{__path_reach, reach};
pub(super) use rotate::{__path_rotate, rotate};
pub(super) use update::{__path_update, update};

pub(super) use view::Expiry;

use view::{IssuedKeyView, KeyView};
