//! An authority, a server's certificate and a client's, in files, as an operator has them.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};

pub struct Pki {
    folder: PathBuf,
}

impl Pki {
    /// Makes all of them under a folder of this test's own.
    pub fn new(test: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("throughline-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let authority = authority("The operator's own");
        let pki = Self { folder };
        pki.write("ca.pem", &authority.pem());
        pki.write("other-ca.pem", &self::authority("Somebody else's").pem());
        for (name, host, usage) in [
            ("server", "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth),
            ("client", "checkout", ExtendedKeyUsagePurpose::ClientAuth),
            (
                "elsewhere",
                "127.0.0.9",
                ExtendedKeyUsagePurpose::ServerAuth,
            ),
            ("expired", "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth),
        ] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new([host.to_owned()]).unwrap();
            params.extended_key_usages = vec![usage];
            if name == "expired" {
                params.not_before = date_time_ymd(2001, 1, 1);
                params.not_after = date_time_ymd(2002, 1, 1);
            }
            let certificate = params.signed_by(&key, &authority).unwrap();
            pki.write(&format!("{name}.pem"), &certificate.pem());
            pki.write(&format!("{name}.key"), &key.serialize_pem());
        }
        pki
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(Path::new(&self.path(name))).unwrap()
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

impl Drop for Pki {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
