mod overview;
mod tasks;

pub(super) use overview::{__path_list as __path_images, list as images};
pub(super) use tasks::{
    __path_build, __path_cancel, __path_get, __path_list, __path_prune, __path_pull, __path_remove, build, cancel, get,
    list, prune, pull, remove,
};
