//! The volumes of a test cluster on this machine: folders of hostPath, which are made for root and ignore fsGroup.

use std::{fs, os::unix::fs::PermissionsExt, sync::Once, time::Duration};

/// Where the test cluster keeps them.
const FOLDER: &str = "/tmp/hostpath_pv";

/// Lets any user write to them as they appear, as volumes of a real class do for the group of the Pod. Nothing happens
/// where there are none.
pub fn keep_open() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        std::thread::spawn(|| {
            loop {
                for entry in fs::read_dir(FOLDER).into_iter().flatten().flatten() {
                    let closed =
                        entry.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o777 == 0o750);
                    if closed {
                        // It may be deleted at this very moment.
                        let _ = fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o777));
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    });
}
