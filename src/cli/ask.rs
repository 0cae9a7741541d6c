//! `quorate replace` and `quorate restart`: leaves a request beside each member; the running `up` does the rest.

use jiff::Timestamp;

use super::{
    AskArgs, Dir, RestartArgs, WaitArgs,
    exit::{self, CommandError, ExitCode},
    show, wait,
};
use crate::{
    plan::MemberName,
    process::{folder::Folder, lock::Lock, requests},
};

/// What comes of it, since it takes a while.
pub(super) const ROTATION: &str = "new authorities will take over: members are restarted one by one to trust them, certificates \
                                   are made anew, and members are restarted one by one to trust the old ones no more\n";

pub(super) async fn replace(dir: &Dir, args: &AskArgs) -> Result<(), CommandError> {
    let (folder, name) = find(dir, &args.name, &args.wait)?;
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

pub(super) async fn restart(dir: &Dir, args: &RestartArgs) -> Result<(), CommandError> {
    let (folder, names) = match args.name.as_ref().filter(|_| !args.all) {
        Some(name) => {
            let (folder, name) = find(dir, name, &args.wait)?;
            (folder, vec![name])
        }
        None => everyone(dir, &args.wait)?,
    };
    let asked = Timestamp::now();
    for name in &names {
        requests::restart(&folder, name, asked).map_err(CommandError::failed)?;
    }
    let listed: Vec<_> = names.iter().map(|name| name.0.as_str()).collect();
    let (one_by_one, their) = if args.all { (" one by one", "their") } else { ("", "its") };
    exit::print(&format!("{} will be restarted{one_by_one} on {their} data\n", listed.join(", ")))?;
    if !args.wait.wait {
        return Ok(());
    }
    wait::until(&folder, &args.wait, |status| {
        let ready = |name: &MemberName| status.members.iter().any(|one| one.name == name.0 && one.ready);
        names.iter().all(|name| requests::restarted_since(&folder, name, asked) && ready(name))
    })
    .await
}

pub(super) fn rotate_certificates(dir: &Dir) -> Result<(), CommandError> {
    let folder = Folder::new(&dir.dir);
    show::read(&folder)?;
    requests::rotate_certificates(&folder, Timestamp::now()).map_err(CommandError::failed)?;
    exit::print(ROTATION)
}

/// All members there are.
fn everyone(dir: &Dir, wait: &WaitArgs) -> Result<(Folder, Vec<MemberName>), CommandError> {
    let folder = Folder::new(&dir.dir);
    let status = show::read(&folder)?;
    if wait.wait && !Lock::is_held(&folder) {
        return Err(wait::not_running(&folder));
    }
    Ok((folder, status.members.into_iter().map(|one| MemberName(one.name)).collect()))
}

/// The member that was named, which must exist.
fn find(dir: &Dir, name: &str, wait: &WaitArgs) -> Result<(Folder, MemberName), CommandError> {
    let folder = Folder::new(&dir.dir);
    let name = MemberName(name.to_owned());
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
    if wait.wait && !Lock::is_held(&folder) {
        return Err(wait::not_running(&folder));
    }
    Ok((folder, name))
}
