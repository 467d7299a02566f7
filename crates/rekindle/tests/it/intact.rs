//! Images that one process checked whole aren't checked by the next, and only those.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{Home, call, constant, hit, key, miss, obtain, scope};
use rekindle::{Cache, CacheConfig, MissReason};

/// Longer than a file must have been left alone.
const QUIET: Duration = Duration::from_millis(3100);

/// A home with one large image of so many functions.
fn home_with_image(functions: u64) -> Home {
    let home = Home::new();
    let first = scope(&home.open());
    for number in 1..=functions {
        obtain(&first, &key(number), || {
            let mut artifact = constant(number as u32);
            artifact.metadata = vec![number as u8; 200 << 10];
            artifact
        });
    }
    first.flush();
    home
}

/// A home with an image of two functions, old enough for a note.
fn home_with_quiet_image() -> Home {
    let home = home_with_image(2);
    std::thread::sleep(QUIET);
    home
}

fn note(home: &Home) -> PathBuf {
    home.images()[0].with_extension("intact")
}

/// Uses both functions, and ends as a process does. Returns how many images were known intact.
fn use_all(cache: &Cache) -> u64 {
    let scope = scope(cache);
    for number in 1..=2 {
        assert_eq!(call(&hit(&scope, &key(number))), number);
    }
    scope.flush();
    cache.statistics().images_known_intact
}

/// Makes the function that returns 2 return 4, in the file as it is.
fn damage(path: &Path) {
    let mut image = fs::read(path).expect("readable");
    let code = [0xb8, 2, 0, 0, 0, 0xc3];
    let place = image.windows(6).position(|bytes| bytes == code);
    image[place.expect("the text is there") + 1] = 4;
    fs::write(path, image).expect("space");
}

#[test]
fn what_was_checked_is_believed_until_it_changes() {
    let home = home_with_quiet_image();
    assert_eq!(use_all(&home.open()), 0);
    assert!(note(&home).exists());
    assert_eq!(use_all(&home.open()), 1);

    let image = &home.images()[0];
    let modified = fs::metadata(image).and_then(|data| data.modified());
    damage(image);
    // The time of change can't be set back.
    let file = fs::File::options().write(true).open(image);
    let file = file.expect("it is ours");
    file.set_modified(modified.expect("known")).expect("ours");
    let cache = home.open();
    let changed = scope(&cache);
    assert_eq!(miss(&changed, &key(2)), MissReason::Damaged);
    assert_eq!(call(&hit(&changed, &key(1))), 1);
    assert_eq!(cache.statistics().images_known_intact, 0);
}

#[test]
fn a_note_is_believed_of_its_own_image_alone() {
    let home = home_with_quiet_image();
    use_all(&home.open());
    let note = note(&home);
    let written = fs::read(&note).expect("readable");
    for place in 0..written.len() {
        let mut other = written.clone();
        other[place] ^= 1;
        fs::write(&note, &other).expect("space");
        let cache = home.open();
        hit(&scope(&cache), &key(1));
        assert_eq!(cache.statistics().images_known_intact, 0, "{place}");
    }
    fs::write(&note, &written[1..]).expect("space");
    assert_eq!(use_all(&home.open()), 0);
    fs::write(&note, &written).expect("space");
    assert_eq!(use_all(&home.open()), 1);
    // The same bytes as another file are another file.
    let image = &home.images()[0];
    let copy = image.with_extension("copy");
    fs::copy(image, &copy).expect("space");
    fs::rename(&copy, image).expect("it is ours");
    assert_eq!(use_all(&home.open()), 0);
}

#[test]
fn a_damaged_image_gets_no_note() {
    let home = home_with_image(3);
    damage(&home.images()[0]);
    std::thread::sleep(QUIET);
    let cache = home.open();
    let second = scope(&cache);
    for number in [1, 3] {
        assert_eq!(call(&hit(&second, &key(number))), number);
    }
    second.flush();
    assert!(!note(&home).exists());
}

#[test]
fn who_verifies_hits_checks_digests() {
    let home = home_with_quiet_image();
    use_all(&home.open());
    let cache = Cache::open(&CacheConfig {
        verify_one_in: 1000,
        ..home.config()
    });
    hit(&scope(&cache), &key(1));
    let statistics = cache.statistics();
    assert_eq!(statistics.images_mapped, 1);
    assert_eq!(statistics.images_known_intact, 0);
}
