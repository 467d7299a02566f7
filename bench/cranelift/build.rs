//! The shared library that is compared with calls functions of this program.

fn main() {
    println!("cargo:rustc-link-arg=-rdynamic");
}
