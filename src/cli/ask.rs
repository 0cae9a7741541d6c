//! `quorate replace` and `quorate restart`: leaves a request beside the member; the running `up` does the rest.

use jiff::Timestamp;

use super::{
    AskArgs, Dir,
    exit::{self, CommandError, ExitCode},
    show, wait,
};
use crate::{
    plan::MemberName,
    process::{folder::Folder, lock::Lock, requests},
};

pub(super) async fn replace(dir: &Dir, args: &AskArgs) -> Result<(), CommandError> {
    let (folder, name) = find(dir, args)?;
    requests::replace(&folder, &name, Timestamp::now()).map_err(CommandError::failed)?;
    exit::print(&format!("{name} will be replaced by a new member\n"))?;
    if !args.wait.wait {
        return Ok(());
    }
    wait::until(&folder, &args.wait, |status| {
        status.is("Ready") && !status.members.iter().any(|one| one.name == name.0)
    })
    .await
}

pub(super) async fn restart(dir: &Dir, args: &AskArgs) -> Result<(), CommandError> {
    let (folder, name) = find(dir, args)?;
    let asked = Timestamp::now();
    requests::restart(&folder, &name, asked).map_err(CommandError::failed)?;
    exit::print(&format!("{name} will be restarted on its data\n"))?;
    if !args.wait.wait {
        return Ok(());
    }
    wait::until(&folder, &args.wait, |status| {
        requests::restarted_since(&folder, &name, asked)
            && status.members.iter().any(|one| one.name == name.0 && one.ready)
    })
    .await
}

/// The member that was named, which must exist.
fn find(dir: &Dir, args: &AskArgs) -> Result<(Folder, MemberName), CommandError> {
    let folder = Folder::new(&dir.dir);
    let name = MemberName(args.name.clone());
    let status = show::read(&folder)?;
    // Its folder, since a member whose file was lost can still be given up.
    if !folder.member(&name).root().is_dir() {
        let names: Vec<_> = status.members.iter().map(|one| one.name.as_str()).collect();
        return Err(CommandError::new(
            ExitCode::NotFound,
            format!(
                "there is no member {name} in {}; there are {}",
                folder.root().display(),
                names.join(", ")
            ),
        ));
    }
    if args.wait.wait && !Lock::is_held(&folder) {
        return Err(wait::not_running(&folder));
    }
    Ok((folder, name))
}
