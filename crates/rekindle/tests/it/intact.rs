//! Images that one process checked whole aren't checked by the next, and only those.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use crate::support::{Fake, Home, call, constant, hit, key, miss, obtain, scope};
use rekindle::{Cache, CacheConfig, MissReason};

/// Longer than a file must have been left alone, and than the kernel takes to write it.
const QUIET_S: i64 = 120;

const DAY_S: i64 = 24 * 60 * 60;

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

/// A home with an image of two functions, which [`later`] is old enough for a note.
fn home_with_quiet_image() -> Home {
    home_with_image(2)
}

/// Opens the cache when its images are old enough for a note.
fn later(home: &Home) -> Cache {
    home.open_on(&Fake::ahead(QUIET_S))
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
    assert_eq!(use_all(&later(&home)), 0);
    assert!(note(&home).exists());
    assert_eq!(use_all(&later(&home)), 1);

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
    use_all(&later(&home));
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
    assert_eq!(use_all(&later(&home)), 0);
    fs::write(&note, &written).expect("space");
    assert_eq!(use_all(&later(&home)), 1);
    // The same bytes as another file are another file.
    let image = &home.images()[0];
    let copy = image.with_extension("copy");
    fs::copy(image, &copy).expect("space");
    fs::rename(&copy, image).expect("it is ours");
    assert_eq!(use_all(&later(&home)), 0);
}

#[test]
fn a_damaged_image_gets_no_note() {
    let home = home_with_image(3);
    damage(&home.images()[0]);
    let cache = later(&home);
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
    use_all(&later(&home));
    let cache = Cache::open(&CacheConfig {
        verify_one_in: 1000,
        ..home.config()
    });
    hit(&scope(&cache), &key(1));
    let statistics = cache.statistics();
    assert_eq!(statistics.images_mapped, 1);
    assert_eq!(statistics.images_known_intact, 0);
}

#[test]
fn lost_writes_are_not_believed_and_cost_the_image() {
    let home = home_with_quiet_image();
    let storage = Arc::new(Fake {
        ahead_s: AtomicI64::new(QUIET_S),
        loses_writes: true,
        ..Fake::default()
    });
    let cache = home.open_on(&storage);
    assert_eq!(use_all(&cache), 0);
    // Whoever asks the disk again is told of no failure: there must be nothing left to ask about.
    assert!(home.images().is_empty());
    let notices = cache.notices();
    assert_eq!(notices.len(), 1);
    assert!(
        notices[0].to_string().contains("to the disk"),
        "{}",
        notices[0]
    );
}

#[test]
fn a_young_image_gets_no_note_since_the_disk_may_not_have_it() {
    let home = home_with_image(2);
    for ahead_s in [0, 30] {
        assert_eq!(use_all(&home.open_on(&Fake::ahead(ahead_s))), 0);
        assert!(!note(&home).exists());
    }
    use_all(&home.open_on(&Fake::ahead(61)));
    assert!(note(&home).exists());
}

#[test]
fn a_note_is_made_of_the_state_in_which_the_image_was_opened() {
    let home = home_with_quiet_image();
    let cache = later(&home);
    let scope = scope(&cache);
    for number in 1..=2 {
        assert_eq!(call(&hit(&scope, &key(number))), number);
    }
    let image = &home.images()[0];
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(image, mode).expect("it is ours");
    scope.flush();
    assert!(!note(&home).exists(), "something changed since");
}

#[test]
fn spaced_starts_make_their_note_and_leave_the_image_alone() {
    let home = home_with_quiet_image();
    let image = home.images()[0].clone();
    let state = || {
        let data = fs::metadata(&image).expect("it exists");
        (
            data.mtime(),
            data.mtime_nsec(),
            data.ctime(),
            data.ctime_nsec(),
        )
    };
    let before = state();
    let used = image.with_extension("used");
    for (hours, known) in [(2, 0), (4, 1), (20, 1)] {
        assert_eq!(use_all(&home.open_on(&Fake::ahead(hours * 3600))), known);
        assert!(!used.exists(), "once a day at most");
    }
    let mut noted = None;
    for hours in [240, 245, 260] {
        assert_eq!(use_all(&home.open_on(&Fake::ahead(hours * 3600))), 1);
        let time = fs::metadata(&used).and_then(|data| data.modified());
        let time = time.expect("its use was noted");
        assert_eq!(*noted.get_or_insert(time), time, "once a day at most");
    }
    use_all(&home.open_on(&Fake::ahead(12 * DAY_S)));
    assert!(fs::metadata(&used).and_then(|data| data.modified()).ok() > noted);
    assert_eq!(state(), before);
    let last_used_s = home.open().images()[0].last_used_s;
    assert!(last_used_s > before.0 + 11 * DAY_S);
}
