//! Folders that can't be used, or hardly.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::{
    Fake, Home, RICH_FIRST, call, config, constant, environment, hit, key, miss, obtain, rich,
    scope, symbols,
};
use rekindle::{Cache, CacheConfig, CacheMode, MissReason, ScopeId};

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
fn the_folder_may_be_a_link_and_nothing_in_it() {
    let home = Home::new();
    drop(home.open());
    let link = home.path().with_file_name("link");
    symlink(home.path(), &link).expect("a link");
    let cache = Cache::open(&config(&link));
    assert!(cache.notices().is_empty());
    let first = scope(&cache);
    obtain(&first, &key(1), || constant(1));
    assert_eq!(first.flush().entries_written, 1);
    assert_eq!(call(&hit(&scope(&home.open()), &key(1))), 1);

    let second = home.path().with_file_name("second");
    symlink(&link, &second).expect("a link");
    assert_memory_only(&Cache::open(&config(&second)), "symbolic link");
    let version = home.path().join("v1");
    let moved = home.path().with_file_name("moved");
    fs::rename(&version, &moved).expect("it is ours");
    symlink(&moved, &version).expect("a link");
    assert_memory_only(&home.open(), "symbolic link");
}

#[test]
fn a_folder_of_other_things_is_no_cache_and_stays_as_it_is() {
    let home = Home::new();
    fs::create_dir_all(home.path().join("v1/api")).expect("space");
    let handlers = home.path().join("v1/api/handlers.py");
    fs::write(&handlers, "precious").expect("space");
    assert_memory_only(&home.open(), "nothing says that it is a cache");
    assert!(Cache::clear_at(&home.config()).is_err());
    assert_eq!(fs::read(&handlers).expect("readable"), b"precious");
    assert_eq!(fs::read_dir(home.path()).expect("readable").count(), 1);
}

#[test]
fn clearing_a_cache_that_is_not_there_makes_none() {
    let home = Home::new();
    assert_eq!(
        Cache::clear_at(&home.config()).expect("there is nothing"),
        0
    );
    assert!(!home.path().exists());
    fs::create_dir(home.path()).expect("space");
    assert_eq!(
        Cache::clear_at(&home.config()).expect("there is nothing"),
        0
    );
    assert_eq!(fs::read_dir(home.path()).expect("readable").count(), 0);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[test]
fn the_mode_of_a_folder_that_is_no_cache_stays_as_it_is() {
    let home = Home::new();
    let folder = home.path();
    fs::create_dir(&folder).expect("space");
    // Nobody is to use what waits for something to be mounted there.
    for guard in [0o555, 0o111, 0o055, 0o005] {
        chmod(&folder, guard);
        assert!(!home.open().notices().is_empty(), "{guard:o}");
        assert!(!home.open().is_persistent(), "{guard:o}");
        assert_eq!(mode(&folder), guard);
        chmod(&folder, 0o700);
        assert_eq!(fs::read_dir(&folder).expect("readable").count(), 0);
    }
    for others in ["thesis.tex", "secret"] {
        let file = folder.join(others);
        fs::write(&file, "mine").expect("space");
        chmod(&file, 0o000);
        for locked in [0o300, 0o500, 0o100, 0o000] {
            chmod(&folder, locked);
            drop(home.open());
            assert_eq!(mode(&folder), locked);
            let _ = Cache::clear_at(&home.config());
            assert_eq!(mode(&folder), locked);
            chmod(&folder, 0o700);
            assert_eq!(mode(&file), 0o000);
            assert_eq!(fs::read_dir(&folder).expect("readable").count(), 1);
        }
        fs::remove_file(&file).expect("it is ours");
    }
}

#[test]
fn clearing_repairs_nothing() {
    let home = Home::new();
    drop(home.open());
    let folders = [home.path(), home.path().join("v1")];
    for folder in &folders {
        chmod(folder, 0o300);
        let _ = Cache::clear_at(&home.config());
        assert_eq!(mode(folder), 0o300);
        obtain(&scope(&home.open()), &key(1), || constant(1));
        assert_eq!(mode(folder), 0o700, "whoever uses it does");
    }
}

#[test]
fn a_secret_that_others_can_read_is_said_to_be_so() {
    let home = Home::new();
    drop(home.open());
    let secret = home.path().join("secret");
    for (public, why) in [
        (0o644, "may read"),
        (0o640, "may read"),
        (0o666, "may write"),
    ] {
        chmod(&secret, public);
        let cache = home.open();
        let notices = cache.notices();
        assert_eq!(notices.len(), 1);
        let notice = notices[0].to_string();
        assert!(
            notice.contains(why) && notice.contains("`chmod 600`"),
            "{notice}"
        );
    }
    // What is advised helps.
    chmod(&secret, 0o600);
    assert!(home.open().notices().is_empty());
    chmod(&secret, 0o644);
    Cache::clear_at(&home.config()).expect("it can be cleared all the same");
    fs::remove_file(&secret).expect("it is ours");
    assert!(home.open().notices().is_empty());
}

#[test]
fn a_full_disk_costs_what_is_kept_alone() {
    let home = Home::new();
    drop(home.open());
    for room in 0..3 {
        let storage = Arc::new(Fake::default());
        storage.room.store(room, Ordering::Relaxed);
        let cache = home.open_on(&storage);
        let id = ScopeId::from_name(&format!("room {room}"));
        let scope = cache.scope(&environment(), id, symbols());
        let code = obtain(&scope, &key(1), || constant(1));
        scope.flush();
        let full = cache
            .notices()
            .iter()
            .any(|notice| notice.to_string().contains("space"));
        assert_eq!(
            full,
            scope.flush().entries_written == 0 && room < 2,
            "{:?}",
            cache.notices()
        );
        assert_eq!(call(&code), 1);
    }
    let leftover = temporary_files(&home.path());
    assert!(leftover.is_empty(), "{leftover:?}");
}

fn temporary_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(temporary_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "tmp") {
            found.push(path);
        }
    }
    found
}

#[test]
fn images_on_another_machines_file_system_are_read_and_not_mapped() {
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(0), rich);
    obtain(&first, &key(1), || constant(1));
    first.flush();
    let image = home.images()[0].clone();
    let is_mapped = || {
        let maps = fs::read_to_string("/proc/self/maps").expect("readable");
        maps.contains(image.to_str().expect("a plain path"))
    };
    drop(first);
    // NFS, FUSE, and what nobody has heard of.
    for number in [0x6969, 0x6573_5546, 0x1234_5678] {
        let storage = Arc::new(Fake {
            file_system: Some(number),
            ..Fake::default()
        });
        let scope = scope(&home.open_on(&storage));
        assert_eq!(call(&hit(&scope, &key(1))), 1);
        assert!(!is_mapped(), "{number:x}");
        // Another machine shortens the file: here, that would be fatal if it were mapped.
        let bytes = fs::read(&image).expect("readable");
        fs::write(&image, "").expect("space");
        assert_eq!(call(&hit(&scope, &key(0))), RICH_FIRST);
        fs::write(&image, bytes).expect("space");
    }
    let local = scope(&home.open());
    assert_eq!(call(&hit(&local, &key(1))), 1);
    assert!(is_mapped());
}

#[test]
fn images_on_another_machines_file_system_take_no_more_memory_than_some() {
    let home = Home::new();
    let first = scope(&home.open());
    obtain(&first, &key(1), || {
        let mut large = constant(1);
        large.metadata = vec![1; 70 << 20];
        large
    });
    first.flush();
    let other = ScopeId::from_name("other");
    obtain(
        &home.open().scope(&environment(), other.clone(), symbols()),
        &key(2),
        || constant(2),
    );
    let nfs = Arc::new(Fake {
        file_system: Some(0x6969),
        ..Fake::default()
    });
    let cache = home.open_on(&nfs);
    assert_eq!(miss(&scope(&cache), &key(1)), MissReason::NoMemory);
    let notices = cache.notices();
    assert!(
        notices[0].to_string().contains("too much memory"),
        "{notices:?}"
    );
    let other = cache.scope(&environment(), other, symbols());
    assert_eq!(call(&hit(&other, &key(2))), 2, "there is room for this one");
    assert_eq!(call(&hit(&scope(&home.open()), &key(1))), 1, "mapped");
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
