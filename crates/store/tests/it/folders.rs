//! Images in their folder.

use std::path::Path;

use rekindle_store::{Environment, ImageFile, Opening, ScopeFolder, ScopeId, Store};

use crate::{image, secret};

fn folder(directory: &Path) -> ScopeFolder {
    let store = Store::open(&directory.join("cache"), Opening::Writing).expect("it can be made");
    let environment = Environment::builder("test").build();
    store
        .create_scope_folder(&environment, &ScopeId::from_name("s"))
        .expect("it can be made")
}

fn open(folder: &ScopeFolder, number: u32) -> ImageFile {
    let opened = folder.open_image(number, &secret(), None);
    opened.expect("it is sound")
}

#[test]
fn what_others_were_merged_into_is_no_newer_than_they() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let folder = folder(directory.path());
    for number in 1..4 {
        assert_eq!(folder.publish(&image()).expect("space"), number);
    }
    let merged = [2, 1].map(|number| open(&folder, number));
    let number = folder.publish_in_place_of(&merged, &image());
    assert_eq!(number.expect("space"), 2);
    assert_eq!(folder.images().expect("readable"), [3, 2, 1]);
}

#[test]
fn what_was_removed_while_it_was_merged_does_not_come_back() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let folder = folder(directory.path());
    for _ in 1..4 {
        folder.publish(&image()).expect("space");
    }
    let merged = [3, 2, 1].map(|number| open(&folder, number));
    folder.remove(2).expect("it is ours");
    assert!(folder.publish_in_place_of(&merged, &image()).is_err());
    assert_eq!(folder.images().expect("readable"), [3, 1]);
    // Nor if another has its number.
    let one = [open(&folder, 3)];
    folder.remove(3).expect("it is ours");
    assert_eq!(folder.publish(&image()).expect("space"), 2);
    assert_eq!(folder.publish(&image()).expect("space"), 3);
    assert!(folder.publish_in_place_of(&one, &image()).is_err());
}
