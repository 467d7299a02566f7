//! File systems by what can be relied on, by their numbers in `linux/magic.h`. What isn't listed can't
//! be: network file systems, FUSE, and what is new.

/// File systems of this machine that change a file's time of change with its contents: ext, XFS, Btrfs,
/// F2FS, bcachefs, tmpfs, overlayfs.
const SHOW_CHANGES: [i64; 7] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0xf2f5_2010,
    0xca45_1a4e,
    0x0102_1994,
    0x794c_7630,
];

/// Others whose files nobody else can change: ZFS, ramfs, JFS, ReiserFS, NILFS, SquashFS, EROFS, FAT,
/// exFAT, NTFS.
const OTHERS_LOCAL: [i64; 10] = [
    0x2fc1_2fc1,
    0x8584_58f6,
    0x3153_464a,
    0x5265_4973,
    0x3434,
    0x7371_7368,
    0xe0f5_e1e2,
    0x4d44,
    0x2011_bab0,
    0x7366_746e,
];

/// Whether a change of a file shows in its times, whoever makes it.
pub(crate) fn shows_changes(file_system: i64) -> bool {
    SHOW_CHANGES.contains(&file_system)
}

/// Whether only processes of this machine can change a file, so that a mapping of one that nobody here
/// shortens stays whole. On another machine's file system, a file that is removed there may be gone
/// here, and touching the mapping would be fatal.
pub(crate) fn is_local(file_system: i64) -> bool {
    shows_changes(file_system) || OTHERS_LOCAL.contains(&file_system)
}

#[cfg(test)]
mod tests {
    use super::{is_local, shows_changes};

    #[test]
    fn file_systems_of_other_machines_are_no_local_ones() {
        // NFS, CIFS, SMB2, FUSE (sshfs, gcsfuse, virtiofs), 9p, Ceph, AFS, VirtualBox's shared folders.
        let remote = [
            0x6969,
            0xff53_4d42,
            0xfe53_4d42,
            0x6573_5546,
            0x0102_1997,
            0x00c3_6400,
            0x5346_414f,
            0x786f_4256,
        ];
        for number in remote {
            assert!(!is_local(number) && !shows_changes(number), "{number:x}");
        }
        assert!(is_local(0xef53) && is_local(0x2fc1_2fc1) && !shows_changes(0x2fc1_2fc1));
    }
}
