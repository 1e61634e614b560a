//! Teams. A team is named by its id or its alias.

mod change;
mod read;
mod view;

pub(super) use change::{
    __path_block, __path_create, __path_delete, __path_unblock, __path_update, block, create, delete, unblock, update,
};
pub(super) use read::{__path_get, __path_list, get, list};

use view::TeamView;
