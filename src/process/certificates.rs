//! The certificates of a cluster on this machine, kept at every look.

use super::{
    ProcessError, ProcessPlatform,
    files::{self, FileError},
    folder::MemberFolder,
    observe::member_names,
    state::MemberFile,
    tls::{self, Authorities, TlsError},
};
use crate::{
    etcd::Credentials,
    plan::{Side, Sides, certificates::Certificates, transport::Listen},
};

impl ProcessPlatform {
    fn authorities(&self) -> Result<Sides<Authorities>, FileError> {
        let read = |side| Authorities::read(&self.folder, side);
        Ok(Sides { peer: read(Side::Peer)?, client: read(Side::Client)? })
    }

    /// How the members are talked to.
    pub(super) fn credentials(&self) -> Result<Credentials, ProcessError> {
        Ok(self.certificates.credentials(&self.folder, &self.authorities()?, self.policy.leaf_life)?)
    }

    /// The members whose files can be read.
    fn members(&self) -> Result<Vec<(MemberFolder, MemberFile)>, FileError> {
        let folders = member_names(&self.folder)?.into_iter().map(|name| self.folder.member(&name));
        // One that can't be read is told of where members are looked at.
        let read = |folder: MemberFolder| Some((files::read_yaml(&folder.file()).ok()??, folder));
        Ok(folders.filter_map(read).map(|(file, folder)| (folder, file)).collect())
    }

    /// What the plan is told of them.
    pub(super) fn observe_certificates(&self) -> Result<Sides<Certificates>, ProcessError> {
        let known = self.authorities()?;
        let members = self.members()?;
        let mut observed = Sides { peer: known.peer.observed(), client: known.client.observed() };
        for side in Side::ALL {
            let leaves = &mut observed.get_mut(side).leaves;
            for (folder, file) in members.iter().filter(|(_, file)| under_tls(file, side)) {
                leaves.extend(tls::leaf(folder, &file.name, side, known.get(side))?);
            }
        }
        if !known.client.certificates().is_empty() {
            observed.client.leaves.extend(tls::client_leaf(&self.folder, &known.client)?);
        }
        Ok(observed)
    }

    /// Makes what is due. A member whose certificate can't be made goes on with the one it has, so that is no reason not
    /// to look at anything else.
    pub(super) fn keep_certificates(&self) {
        if let Err(error) = self.try_keep_certificates() {
            tracing::warn!(%error, "a certificate is due and can't be made");
        }
    }

    fn try_keep_certificates(&self) -> Result<(), TlsError> {
        let known = self.authorities()?;
        for (folder, file) in self.members()? {
            self.keep_leaves(&folder, &file, &known)?;
        }
        if known.client.issuer().is_some() {
            tls::keep_client_leaf(&self.folder, &known.client, self.policy.leaf_life)?;
        }
        Ok(())
    }

    fn keep_leaves(
        &self,
        folder: &MemberFolder,
        file: &MemberFile,
        known: &Sides<Authorities>,
    ) -> Result<(), TlsError> {
        for side in Side::ALL.into_iter().filter(|side| under_tls(file, *side)) {
            tls::keep_leaf(folder, &file.name, side, known.get(side), self.policy.leaf_life)?;
        }
        Ok(())
    }

    /// Everything that a member's process reads when it starts: whom it trusts, and who it is.
    pub(super) fn prepare_certificates(
        &self,
        folder: &MemberFolder,
        file: &MemberFile,
    ) -> Result<(), TlsError> {
        let known = self.authorities()?;
        self.keep_leaves(folder, file, &known)?;
        for side in Side::ALL.into_iter().filter(|side| under_tls(file, *side)) {
            tls::write_trust(folder, side, &file.transport.get(side).trust, known.get(side))?;
            if tls::leaf(folder, &file.name, side, known.get(side))?.is_none() {
                return Err(TlsError::Authority(format!(
                    "its {side} certificate in {} is missing or can't be used, and nobody can sign another one",
                    folder.certificate(side).display()
                )));
            }
        }
        Ok(())
    }
}

fn under_tls(file: &MemberFile, side: Side) -> bool {
    file.transport.get(side).listen != Listen::Plain
}
