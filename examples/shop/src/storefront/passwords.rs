//! Passwords, hashed.

use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};

/// Far below what a service needs, where a guess is to cost much: here a load of many logins
/// a second shares two cores with everything else, and two hundred accounts are made at the
/// first start.
const MEMORY_KIB: u32 = 16;

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, 1, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

pub(super) fn hash(password: &str) -> Result<String, Error> {
    let hash = argon2().hash_password(password.as_bytes())?;
    Ok(hash.to_string())
}

/// Whether it is the password of that hash.
pub(super) fn verify(password: &str, hash: &str) -> bool {
    throughline::performance::timed_sync("password_verification", || {
        PasswordHash::new(hash)
            .is_ok_and(|hash| argon2().verify_password(password.as_bytes(), &hash).is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_alone() {
        let hash = hash("apples and pears").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=16,t=1,p=1$"), "{hash}");
        assert!(verify("apples and pears", &hash));
        assert!(!verify("apples and plums", &hash));
        assert!(!verify("apples and pears", "no hash"));
    }
}
