//! Which keys name a secret.
//!
//! A key is split into parts by dots (and brackets, as in `user[password]`), a part into
//! words by `_`, `-`, spaces and changes of case. A part is secret where it *ends* with a
//! secret word: `access_token` is a token, `token_count` is a number.

/// Where in a dotted key a word counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Anywhere,
    /// Words that also begin names of harmless things: `session.id`, `gen_ai.token.type`.
    LastPart,
}

#[derive(Debug)]
pub(super) struct Word {
    /// Lower case; a space is where a separator may stand.
    letters: Box<[u8]>,
    place: Place,
    /// Whether the end of a longer word counts as well, as in `dbpassword`.
    glued: bool,
    /// A header whose unquoted value is the rest of the line.
    pub(super) line: bool,
}

#[derive(Debug)]
pub(super) struct Keys {
    /// By the last letter, which rules most keys out at once.
    words: Box<[Vec<Word>]>,
    /// Keys with dots, compared with a key's last parts.
    paths: Vec<Box<[u8]>>,
    /// What a matching path answers.
    path: Word,
    exempt: Vec<String>,
}

/// Secret in any part, and at the end of longer words.
const GLUED: [&str; 12] = [
    "pass word",
    "pass words",
    "passwd",
    "pass phrase",
    "secret",
    "secrets",
    "api key",
    "api keys",
    "authorization",
    "cookie",
    "cookies",
    "sentry auth",
];

/// Secret in any part.
const WHOLE: [&str; 31] = [
    "pwd",
    "pass code",
    "secret value",
    "pass word hash",
    "pass word confirmation",
    "csrf",
    "xsrf",
    "ssn",
    "social security",
    "social security number",
    "private key",
    "access key",
    "secret key",
    "signing key",
    "encryption key",
    "master key",
    "account key",
    "shared key",
    "auth key",
    "credit card",
    "debit card",
    "card number",
    "card num",
    "card no",
    "cc number",
    "cvv",
    "cvc",
    "security code",
    "amz signature",
    "amz credential",
    "client assertion",
];

/// Secret in the last part only, and at the end of longer words.
const LAST_GLUED: [&str; 3] = ["token", "sessionid", "sessid"];

/// Secret in the last part only.
const LAST: [&str; 11] = [
    "session",
    "session key",
    "jwt",
    "bearer",
    "credential",
    "credentials",
    "otp",
    "totp",
    "authorization code",
    "sig",
    "token value",
];

/// Express names its session cookie so.
const PATHS: [&str; 1] = ["connect.sid"];

/// What correlates telemetry is no secret, whatever words a service adds.
const EXEMPT: [&str; 19] = [
    "session.id",
    "session_id",
    "session.previous_id",
    "user.id",
    "user_id",
    "enduser.id",
    "enduser.pseudo.id",
    "request.id",
    "request_id",
    "http.request.id",
    "tenant.id",
    "tenant_id",
    "trace.id",
    "trace_id",
    "span.id",
    "span_id",
    "parent_span_id",
    "service.instance.id",
    "gen_ai.token.type",
];

impl Keys {
    pub(super) fn new(more: &[String], exempt: &[String]) -> Self {
        let mut keys = Self {
            words: (0..=u8::MAX).map(|_| Vec::new()).collect(),
            paths: PATHS.iter().map(|path| path.as_bytes().into()).collect(),
            path: Word {
                letters: Box::default(),
                place: Place::Anywhere,
                glued: false,
                line: false,
            },
            exempt: EXEMPT
                .iter()
                .copied()
                .chain(exempt.iter().map(String::as_str))
                .map(str::to_ascii_lowercase)
                .collect(),
        };
        for (words, place, glued) in [
            (&GLUED[..], Place::Anywhere, true),
            (&WHOLE[..], Place::Anywhere, false),
            (&LAST_GLUED[..], Place::LastPart, true),
            (&LAST[..], Place::LastPart, false),
        ] {
            for word in words {
                keys.add(word, place, glued);
            }
        }
        for key in more {
            let key = key.trim_matches(is_part_separator);
            if key.contains(is_part_separator) {
                keys.paths
                    .push(key.to_ascii_lowercase().into_bytes().into());
            } else {
                keys.add(&spaced(key), Place::Anywhere, false);
            }
        }
        keys
    }

    fn add(&mut self, word: &str, place: Place, glued: bool) {
        let word = word.trim();
        let Some(last) = word.bytes().last() else {
            return;
        };
        self.words[usize::from(last)].push(Word {
            letters: word.as_bytes().into(),
            place,
            glued,
            line: matches!(word, "authorization" | "cookie" | "cookies" | "sentry auth"),
        });
    }

    /// The word that makes this key secret.
    pub(super) fn matches(&self, key: &str) -> Option<&Word> {
        let found = self.word(key.as_bytes())?;
        let exempt = self
            .exempt
            .iter()
            .any(|exempt| exempt.eq_ignore_ascii_case(key));
        (!exempt).then_some(found)
    }

    /// Whether a key that ends with these bytes could be secret: one look, for texts.
    pub(super) fn could_end(&self, key: &[u8]) -> bool {
        let mut rest = key;
        while let [head @ .., last] = rest {
            if last.is_ascii_digit() || *last == b']' {
                rest = head;
                continue;
            }
            return !self.words[usize::from(last.to_ascii_lowercase())].is_empty();
        }
        false
    }

    fn word(&self, key: &[u8]) -> Option<&Word> {
        let mut end = key.len();
        let mut last = true;
        for start in (0..key.len()).rev() {
            let separator = is_part_separator(char::from(key[start]));
            if !separator && start > 0 {
                continue;
            }
            let part = &key[if separator { start + 1 } else { start }..end];
            if !part.is_empty() {
                if let Some(word) = self.part(part, last) {
                    return Some(word);
                }
                last = false;
            }
            end = start;
        }
        let path = self.paths.iter().any(|path| ends_with_path(key, path));
        path.then_some(&self.path)
    }

    fn part(&self, part: &[u8], last: bool) -> Option<&Word> {
        // `password1` and `password2` are the two fields of a form.
        let digits = part.iter().rev().take_while(|byte| byte.is_ascii_digit());
        let part = &part[..part.len() - digits.count()];
        let letter = part.last()?.to_ascii_lowercase();
        self.words[usize::from(letter)]
            .iter()
            .filter(|word| last || word.place == Place::Anywhere)
            .find(|word| word.ends(part))
    }
}

impl Word {
    /// Whether the part ends with this word, and the word begins where a word may.
    fn ends(&self, part: &[u8]) -> bool {
        let mut at = part.len();
        let mut inside = false;
        for letter in self.letters.iter().rev() {
            if *letter == b' ' {
                if at > 0 && is_word_separator(part[at - 1]) {
                    at -= 1;
                }
                inside = false;
                continue;
            }
            let Some(byte) = at.checked_sub(1).map(|before| part[before]) else {
                return false;
            };
            // A change of case divides words: `sessionId` is not `sessionid`.
            let divided = inside && byte.is_ascii_lowercase() && part[at].is_ascii_uppercase();
            if divided || byte.to_ascii_lowercase() != *letter {
                return false;
            }
            inside = true;
            at -= 1;
        }
        let Some(before) = at.checked_sub(1).map(|before| part[before]) else {
            return true;
        };
        let capital = part[at].is_ascii_uppercase() && !before.is_ascii_uppercase();
        self.glued || capital || !before.is_ascii_alphabetic()
    }
}

fn ends_with_path(key: &[u8], path: &[u8]) -> bool {
    let Some(start) = key.len().checked_sub(path.len()) else {
        return false;
    };
    key[start..].eq_ignore_ascii_case(path)
        && (start == 0 || is_part_separator(char::from(key[start - 1])))
}

/// A user's key in the form of the lists above.
fn spaced(key: &str) -> String {
    let mut words = String::with_capacity(key.len() + 4);
    let mut lower = false;
    for c in key.chars() {
        if c == '_' || c == '-' {
            words.push(' ');
        } else {
            if lower && c.is_ascii_uppercase() {
                words.push(' ');
            }
            words.push(c.to_ascii_lowercase());
        }
        lower = c.is_ascii_lowercase();
    }
    words
}

fn is_part_separator(c: char) -> bool {
    matches!(c, '.' | '[' | ']' | '/' | ':')
}

fn is_word_separator(byte: u8) -> bool {
    matches!(byte, b'_' | b'-' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        let more = ["iban", "taxNumber", "customer.phone"].map(str::to_owned);
        Keys::new(&more, &["legacy.token".to_owned()])
    }

    #[test]
    fn a_key_is_secret_where_a_part_of_it_ends_with_a_secret_word() {
        let secret = "password PASSWORD dbPassword DBPassword db.password.value password2 \
            user_password userpassword passWord new-password passwd secret client-secret \
            clientSecret access_token accessToken token Token2 csrfmiddlewaretoken \
            csrf_token X-CSRFToken authorization Proxy-Authorization \
            http.request.header.authorization cookie Set-Cookie \
            http.response.header.set-cookie api_key api-key apiKey apikey X-Api-Key \
            x-goog-api-key session user.session sessionid JSESSIONID PHPSESSID ssn \
            customer.ssn credit_card creditCard card_number cardNumber cvv cvc2 \
            user[password] user[token] private_key aws_secret_access_key \
            AWS_SECRET_ACCESS_KEY connect.sid iban customerIban customer.iban.value \
            tax_number customer.phone order.customer.phone $password jwt";
        let keys = keys();
        for key in secret.split_whitespace() {
            assert!(keys.matches(key).is_some(), "{key}");
            assert!(keys.could_end(key.as_bytes()) || key.contains('.'), "{key}");
        }
    }

    #[test]
    fn counts_ids_and_names_keep_their_values() {
        let harmless = ". _ 7 token_count tokens session_count sessions session.id session_id \
            sessionId Session-Id gen_ai.token.type gen_ai.usage.input_tokens user.id \
            request.id trace_id span_id password_length passwords_total secretary \
            cookie_count tokenizer obsession lesson monkey key keyboard author authority \
            order.id discard_number_ ibans iban_count phone customer.phones legacy.token \
            assn url.path card design";
        let keys = keys();
        for key in harmless.split_whitespace().chain([""]) {
            assert!(keys.matches(key).is_none(), "{key}");
        }
    }
}
