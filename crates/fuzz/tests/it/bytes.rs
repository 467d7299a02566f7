//! A moment of each decoder; `cargo xtask fuzz store` goes on for as long as one likes.

use std::time::Duration;

use rekindle_fuzz::bytes::{TARGETS, Target, decode};

fn target(name: &str) -> &'static Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    found.expect("a target of this name")
}

/// Decodes changed bytes for a part of a second.
fn hold(name: &str) {
    let time = Duration::from_millis(300);
    let decoded = decode(target(name), 1, time, None).expect("all holds");
    // Mutation must reach more than what all inputs reach.
    assert!(decoded.ways > 2, "{decoded:?}");
}

macro_rules! decoders {
    ($($test:ident: $name:literal;)*) => {
        $(#[test]
        fn $test() {
            hold($name);
        })*

        #[test]
        fn every_decoder_has_a_test() {
            assert_eq!(TARGETS.len(), [$($name),*].len());
        }
    };
}

decoders! {
    what_an_image_verifies_was_written: "image-damaged";
    no_sealed_image_reaches_outside: "image-sealed";
    no_part_of_an_entry_panics: "image-parts";
    a_process_goes_on_whatever_its_images_say: "image-opened";
    a_cache_opens_or_says_why_not_whatever_its_files_hold: "cache-files";
    artifacts_encode_as_they_were_decoded_and_link_or_fail: "artifact";
    the_unwinder_gets_only_records_of_our_code: "call-frames";
    no_notes_panic: "build-id";
    no_function_tables_are_more_than_their_bytes: "function-tables";
    a_module_goes_on_whatever_a_program_says: "cranelift-program";
    no_guest_file_is_loaded_from_outside_itself: "guest-elf";
    what_is_beside_a_region_encodes_as_it_was_decoded: "region-metadata";
}
