//! Folders that can't be used, or hardly.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::support::{Home, call, config, constant, hit, key, miss, obtain, scope};
use rekindle::{Cache, CacheConfig, CacheMode, MissReason};

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// The cache works without its folder, and says once why it has to.
fn assert_memory_only(cache: &Cache, why: &str) {
    let scope = scope(cache);
    assert_eq!(miss(&scope, &key(1)), MissReason::CacheOff);
    assert_eq!(call(&obtain(&scope, &key(1), || constant(1))), 1);
    assert_eq!(scope.flush().entries_written, 0);
    let notices = cache.notices();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].to_string().contains(why), "{}", notices[0]);
}

#[test]
fn a_folder_that_others_can_write_is_refused() {
    let home = Home::new();
    drop(home.open());
    for mode in [0o777, 0o770, 0o702] {
        chmod(&home.path(), mode);
        assert_memory_only(&home.open(), "others may write it");
    }
    chmod(&home.path(), 0o755);
    assert!(home.open().notices().is_empty(), "others may look");
}

#[test]
fn a_symbolic_link_is_refused() {
    let home = Home::new();
    drop(home.open());
    let link = home.path().with_file_name("link");
    symlink(home.path(), &link).expect("a link");
    assert_memory_only(&Cache::open(&config(&link)), "symbolic link");
}

#[test]
fn a_file_in_the_folders_place_is_refused() {
    let home = Home::new();
    fs::write(home.path(), "").expect("space");
    assert_memory_only(&home.open(), "plain folder");
}

#[test]
fn an_image_that_others_can_write_is_not_used() {
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(1), || constant(1));
    first.flush();
    chmod(&home.images()[0], 0o666);
    let cache = home.open();
    assert_eq!(miss(&scope(&cache), &key(1)), MissReason::Damaged);
    assert_eq!(cache.statistics().images_refused, 1);
}

#[test]
fn a_missing_folder_for_a_reader_is_quietly_empty() {
    let home = Home::new();
    let cache = Cache::open(&CacheConfig {
        mode: CacheMode::ReadOnly,
        ..home.config()
    });
    assert_eq!(miss(&scope(&cache), &key(1)), MissReason::CacheOff);
    assert!(!home.path().exists());
}

#[test]
fn a_folder_that_vanishes_costs_the_flush_alone() {
    let home = Home::new();
    let cache = home.open();
    let scope = scope(&cache);
    let code = obtain(&scope, &key(1), || constant(1));
    fs::remove_dir_all(home.path()).expect("it is ours");
    assert_eq!(scope.flush().entries_written, 0);
    assert_eq!(cache.notices().len(), 1);
    assert_eq!(call(&code), 1);
}

#[test]
fn a_folder_without_write_permission_is_read() {
    if rustix_is_root() {
        return; // Root may write anywhere.
    }
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(1), || constant(1));
    first.flush();
    let folder = home.images()[0].parent().expect("it has one").to_owned();
    chmod(&folder, 0o500);
    let cache = home.open();
    let second = scope(&cache);
    assert_eq!(call(&hit(&second, &key(1))), 1);
    obtain(&second, &key(2), || constant(2));
    assert_eq!(second.flush().entries_written, 0);
    assert_eq!(cache.notices().len(), 1);
    chmod(&folder, 0o700);
}

fn rustix_is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
