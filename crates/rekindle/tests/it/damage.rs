//! Damaged files: always the right answer, or a miss.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Home, RICH_FIRST, call, constant, hit, key, miss, obtain, rich, scope};
use rekindle::{Lookup, MissReason, Scope};

const CONSTANTS: u64 = 6;

/// A home with one image of several functions, and the image's bytes.
fn home_with_image() -> (Home, Vec<u8>) {
    let home = Home::new();
    let scope = scope(&home.open());
    obtain(&scope, &key(0), rich);
    for number in 1..=CONSTANTS {
        obtain(&scope, &key(number), || constant(number as u32));
    }
    scope.flush();
    let image = fs::read(&home.images()[0]).expect("readable");
    (home, image)
}

/// Looks everything up and calls what is there. Returns how many hits there were.
fn judge(scope: &Scope, what: &str) -> usize {
    let mut hits = 0;
    for number in 0..=CONSTANTS {
        match scope.lookup(&key(number)) {
            Lookup::Hit(code) => {
                let expected = if number == 0 { RICH_FIRST } else { number };
                assert_eq!(call(&code), expected, "{what}");
                hits += 1;
            }
            Lookup::Miss(ticket) => {
                let reason = ticket.reason();
                let expected = [MissReason::Damaged, MissReason::NotCached];
                assert!(expected.contains(&reason), "{what}: {reason}");
            }
        }
    }
    hits
}

/// Puts other bytes in place of the image, as a new file: mapped files are never written.
fn replace_image(home: &Home, bytes: &[u8]) {
    let path = &home.images()[0];
    fs::remove_file(path).expect("it is ours");
    fs::write(path, bytes).expect("space");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
}

#[test]
fn truncation_at_every_64th_byte() {
    let (home, image) = home_with_image();
    for len in (0..image.len()).step_by(64) {
        replace_image(&home, &image[..len]);
        let scope = scope(&home.open());
        assert_eq!(judge(&scope, &format!("{len} bytes")), 0, "{len} bytes");
        assert_eq!(miss(&scope, &key(1)), MissReason::Damaged);
    }
    replace_image(&home, &image);
    assert_eq!(judge(&scope(&home.open()), "whole"), 7);
}

#[test]
fn bit_flips_across_the_file() {
    let (home, mut image) = home_with_image();
    let mut missed = 0;
    let all = CONSTANTS as usize + 1;
    // A prime step, so that every field of every structure is met; padding is mostly skipped.
    let worth = |place: &usize| place.is_multiple_of(7) && worth_flipping(&image, *place);
    let places: Vec<usize> = (0..image.len()).filter(worth).collect();
    for place in places {
        let bit = 1 << (place / 7 % 8);
        image[place] ^= bit;
        replace_image(&home, &image);
        missed += all - judge(&scope(&home.open()), &format!("bit {bit:#x} at {place:#x}"));
        image[place] ^= bit;
    }
    assert!(missed > 0, "nothing that matters was flipped");
}

/// Leaves out most of the zeroes between parts.
fn worth_flipping(image: &[u8], place: usize) -> bool {
    let near = &image[place.saturating_sub(32)..(place + 32).min(image.len())];
    near.iter().any(|byte| *byte != 0) || place.is_multiple_of(512)
}

#[test]
fn a_damaged_entry_is_recompiled_and_replaced() {
    let (home, mut image) = home_with_image();
    // `mov eax, 3; ret`, aligned to 16.
    let code = [0xb8, 3, 0, 0, 0, 0xc3];
    let place = image
        .windows(6)
        .position(|bytes| bytes == code)
        .expect("the text is there");
    image[place + 1] = 4;
    replace_image(&home, &image);

    let cache = home.open();
    let second = scope(&cache);
    let Lookup::Miss(ticket) = second.lookup(&key(3)) else {
        panic!("wrong code")
    };
    assert_eq!(ticket.reason(), MissReason::Damaged);
    assert_eq!(
        call(
            &second
                .insert(ticket, constant(3))
                .expect("it can be placed")
        ),
        3
    );
    assert_eq!(call(&hit(&second, &key(2))), 2, "its neighbours are sound");
    assert_eq!(cache.statistics().misses[&MissReason::Damaged], 1);
    second.flush();
    assert_eq!(call(&hit(&scope(&home.open()), &key(3))), 3);
}

#[test]
fn a_refused_image_is_removed_with_the_next_flush() {
    let (home, image) = home_with_image();
    replace_image(&home, &image[..1000]);
    let cache = home.open();
    let second = scope(&cache);
    obtain(&second, &key(1), || constant(1));
    second.flush();
    assert_eq!(cache.statistics().images_refused, 1);
    assert_eq!(home.images().len(), 1, "the torn image is gone");
    assert_eq!(miss(&scope(&home.open()), &key(2)), MissReason::NotCached);
}

#[test]
fn a_planted_image_is_a_miss() {
    let (home, image) = home_with_image();
    let other = Home::new();
    let their = scope(&other.open());
    obtain(&their, &key(9), || constant(9));
    their.flush();
    // The same user, scope and environment, but another secret.
    replace_image(&other, &image);
    let cache = other.open();
    assert_eq!(miss(&scope(&cache), &key(1)), MissReason::Damaged);
    assert_eq!(cache.statistics().images_refused, 1);
    drop(home);
}
