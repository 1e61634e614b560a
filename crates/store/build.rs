//! Makes cargo notice a new migration file: the migrations are embedded by a macro.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
